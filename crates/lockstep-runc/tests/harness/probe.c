/* Shows from inside a container what no program of busybox can: one subcommand per question,
 * one "name=value" line per answer. Several questions may be asked in one call, separated by ",". */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long number(const char *text)
{
	return text ? (long)strtoull(text, NULL, 0) : 0;
}

static void report(const char *name, long result)
{
	if (result < 0)
		printf("%s=-%d\n", name, errno);
	else
		printf("%s=%ld\n", name, result);
	fflush(stdout);
}

/* syscall NR [ARG...]: the result, or minus the errno */
static void raw(char **argv)
{
	long a[7] = {0};
	for (int i = 0; i < 7 && argv[i]; i++)
		a[i] = number(argv[i]);
	report("syscall", syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]));
}

static void caught(int signal_number)
{
	(void)signal_number;
}

/* interruptible NR [ARG...]: the same, which a SIGUSR1 interrupts */
static void interruptible(char **argv)
{
	struct sigaction action = {.sa_handler = caught};
	sigaction(SIGUSR1, &action, NULL);
	raw(argv);
}

/* int80 NR [ARG...]: the same through the 32-bit entry */
static void int80(char **argv)
{
	long a[4] = {0};
	for (int i = 0; i < 4 && argv[i]; i++)
		a[i] = number(argv[i]);
	long result;
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(a[0]), "b"(a[1]), "c"(a[2]), "d"(a[3])
			 : "memory", "r8", "r9", "r10", "r11");
	printf("int80=%d\n", (int)result);
	fflush(stdout);
}

static void scheduling(void)
{
	struct sched_attr_v1 {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
		uint32_t util_min, util_max;
	} attr = {0};
	if (syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0) < 0) {
		report("sched", -1);
		return;
	}
	printf("policy=%u\nflags=%llu\nnice=%d\npriority=%u\nruntime=%llu\ndeadline=%llu\nperiod=%llu\n",
	       attr.policy, (unsigned long long)attr.flags, attr.nice, attr.priority,
	       (unsigned long long)attr.runtime, (unsigned long long)attr.deadline,
	       (unsigned long long)attr.period);
}

static void policy(void)
{
	int mode = 0;
	unsigned long nodes[16] = {0};
	long result = syscall(SYS_get_mempolicy, &mode, nodes, sizeof nodes * 8, NULL, 0);
	if (result < 0)
		report("mempolicy", -1);
	else
		printf("mempolicy=%d\nnodes=%lu\n", mode, nodes[0]);
}

/* fork COUNT: how many children live at once */
static void children(long count)
{
	long made = 0;
	int error = 0;
	pid_t pids[1024];
	while (made < count && made < 1024) {
		pid_t pid = fork();
		if (pid < 0) {
			error = errno;
			break;
		}
		if (pid == 0) {
			pause();
			_exit(0);
		}
		pids[made++] = pid;
	}
	for (long i = 0; i < made; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	printf("forked=%ld\nforkerrno=%d\n", made, error);
}

/* successors COUNT: so many processes, each followed by another one all the time, for a minute and a half at most.
 * Nobody is left for the machine's first process to wait for, which is slower than they are. */
static void successors(long count)
{
	struct timespec end, now;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGCHLD, SIG_IGN);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += 90;
	for (long i = 0; i < count; i++)
		if (fork() == 0)
			for (;;) {
				clock_gettime(CLOCK_MONOTONIC, &now);
				if (now.tv_sec > end.tv_sec || fork() != 0)
					_exit(0);
			}
	printf("successors=%ld\n", count);
	fflush(stdout);
	pause();
}

/* touch MEGABYTES of anonymous memory */
static void memory(long megabytes)
{
	size_t size = (size_t)megabytes << 20;
	char *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED) {
		report("memory", -1);
		return;
	}
	memset(area, 1, size);
	printf("memory=%ld\n", megabytes);
}

/* touch MEGABYTES of huge pages, reserved before or not */
static void huge(long megabytes, int reserved)
{
	size_t size = (size_t)megabytes << 20;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (reserved ? 0 : MAP_NORESERVE);
	char *area = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (area == MAP_FAILED) {
		report("huge", -1);
		return;
	}
	memset(area, 1, size);
	printf("huge=%ld\n", megabytes);
}

/* open PATH FLAGS: opened, or minus the errno */
static void open_path(const char *path, long flags)
{
	int fd = open(path, (int)flags, 0600);
	report("open", fd < 0 ? -1 : 0);
	if (fd >= 0)
		close(fd);
}

/* read PATH: its first megabyte for ever, past the page cache */
static void read_for_ever(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECT);
	size_t size = 65536;
	char *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (off_t at = 0; pread(fd, area, size, at) == (ssize_t)size; at = (at + size) % (1 << 20))
		;
	report("read", -1);
}

static void clocks(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("monotonic=%lld\n", (long long)now.tv_sec);
	clock_gettime(CLOCK_BOOTTIME, &now);
	printf("boottime=%lld\n", (long long)now.tv_sec);
}

static void keyring(void)
{
	/* KEYCTL_GET_KEYRING_ID of the session keyring, without making one */
	long id = syscall(SYS_keyctl, 0, -3, 0, 0, 0);
	report("session", id);
	char text[256] = "";
	long size = syscall(SYS_keyctl, 6, -3, text, sizeof text - 1, 0);
	if (size >= 0)
		printf("keyring=%s\n", text);
	else
		report("keyring", -1);
}

static void process(void)
{
	int signal_number = 0;
	prctl(PR_GET_PDEATHSIG, &signal_number);
	printf("dumpable=%d\nnnp=%d\nkeepcaps=%d\nsecurebits=%d\npdeathsig=%d\nsubreaper=",
	       prctl(PR_GET_DUMPABLE), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
	       prctl(PR_GET_KEEPCAPS), prctl(PR_GET_SECUREBITS), signal_number);
	int subreaper = 0;
	prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
	printf("%d\nsid=%d\npgrp=%d\n", subreaper, getsid(0), getpgrp());
	sigset_t mask;
	sigprocmask(SIG_BLOCK, NULL, &mask);
	int blocked = 0, ignored = 0;
	for (int i = 1; i < 65; i++) {
		struct sigaction action;
		blocked += sigismember(&mask, i) == 1;
		if (sigaction(i, NULL, &action) == 0)
			ignored += action.sa_handler == SIG_IGN;
	}
	printf("blocked=%d\nignored=%d\n", blocked, ignored);
}

static void descriptors(void)
{
	printf("fds=");
	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("%d,", fd);
	printf("\n");
}

/* connect PATH: to a unix socket ("@" begins an abstract name) */
static void connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strncpy(address.sun_path, path, sizeof address.sun_path - 1);
	if (path[0] == '@')
		address.sun_path[0] = 0;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	report("connect", connect(fd, (struct sockaddr *)&address,
				  offsetof(struct sockaddr_un, sun_path) + strlen(path)));
	close(fd);
}

static void answer(int fd, const char *how)
{
	struct seccomp_notif request;
	struct seccomp_notif_resp response;
	for (;;) {
		memset(&request, 0, sizeof request);
		if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0) {
			if (errno == EINTR)
				continue;
			_exit(0);
		}
		memset(&response, 0, sizeof response);
		response.id = request.id;
		if (!strncmp(how, "signal:", 7)) {
			/* To whoever waits for the answer, which comes later. */
			kill((pid_t)request.pid, SIGUSR1);
			usleep(300000);
			response.error = -(int)number(how + 7);
		}
		if (!strncmp(how, "errno:", 6))
			response.error = -(int)number(how + 6);
		else if (!strncmp(how, "value:", 6))
			response.val = number(how + 6);
		else if (strncmp(how, "signal:", 7))
			response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
}

/* agent SOCKET FILE ANSWER: a seccomp agent; each message goes to FILE, a line each, with the
 * number of descriptors that came with it, and every notification gets ANSWER. */
static void agent(const char *path, const char *file, const char *how)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strncpy(address.sun_path, path, sizeof address.sun_path - 1);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 8) < 0)
		exit(98);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int connection = accept(listener, NULL, NULL);
		if (connection < 0)
			continue;
		static char text[65536];
		char control[CMSG_SPACE(8 * sizeof(int))];
		struct iovec vector = {text, sizeof text - 64};
		struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1,
					 .msg_control = control, .msg_controllen = sizeof control};
		ssize_t size = recvmsg(connection, &message, 0);
		struct cmsghdr *header = size > 0 ? CMSG_FIRSTHDR(&message) : NULL;
		int fds[8] = {-1}, count = 0;
		if (header && header->cmsg_type == SCM_RIGHTS) {
			count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(fds, CMSG_DATA(header), count * sizeof(int));
		}
		/* The message may come in pieces, and runtimes need not close after it. */
		struct pollfd ready = {.fd = connection, .events = POLLIN};
		while (poll(&ready, 1, 50) > 0) {
			ssize_t more = read(connection, text + size, sizeof text - 64 - size);
			if (more <= 0)
				break;
			size += more;
		}
		size += sprintf(text + size, "\t%d\n", count);
		int out = open(file, O_WRONLY | O_CREAT | O_APPEND, 0644);
		if (write(out, text, size) != size)
			exit(97);
		close(out);
		close(connection);
		if (count > 0 && fork() == 0)
			answer(fds[0], how);
		for (int i = 0; i < count; i++)
			close(fds[i]);
	}
}

/* tell SOCKET TEXT: a datagram to a unix socket; "\\n" in the text is a line break */
static void tell(const char *path, const char *text)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strncpy(address.sun_path, path, sizeof address.sun_path - 1);
	char line[4096];
	size_t size = 0;
	for (; *text && size < sizeof line; text++) {
		if (text[0] == '\\' && text[1] == 'n')
			text++, line[size++] = '\n';
		else
			line[size++] = *text;
	}
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	report("tell", sendto(fd, line, size, 0, (struct sockaddr *)&address, sizeof address));
	close(fd);
}

static void argument_zero(char **argv)
{
	extern char *program_invocation_name;
	printf("argv0=%s\n", program_invocation_name);
	(void)argv;
}

static void one(char **argv)
{
	const char *what = argv[0];
	if (!strcmp(what, "syscall"))
		raw(argv + 1);
	else if (!strcmp(what, "interruptible"))
		interruptible(argv + 1);
	else if (!strcmp(what, "int80"))
		int80(argv + 1);
	else if (!strcmp(what, "ioprio"))
		report("ioprio", syscall(SYS_ioprio_get, 1, 0));
	else if (!strcmp(what, "sched"))
		scheduling();
	else if (!strcmp(what, "mempolicy"))
		policy();
	else if (!strcmp(what, "fork"))
		children(number(argv[1]));
	else if (!strcmp(what, "successors"))
		successors(number(argv[1]));
	else if (!strcmp(what, "memory"))
		memory(number(argv[1]));
	else if (!strcmp(what, "huge"))
		huge(number(argv[1]), !strcmp(argv[2], "reserved"));
	else if (!strcmp(what, "open"))
		open_path(argv[1], number(argv[2]));
	else if (!strcmp(what, "read"))
		read_for_ever(argv[1]);
	else if (!strcmp(what, "mkdir"))
		report("mkdir", mkdir(argv[1], 0755));
	else if (!strcmp(what, "mknod"))
		report("mknod", mknod(argv[1], (mode_t)number(argv[2]), (dev_t)number(argv[3])));
	else if (!strcmp(what, "chmod"))
		report("chmod", chmod(argv[1], 0644));
	else if (!strcmp(what, "clocks"))
		clocks();
	else if (!strcmp(what, "keyring"))
		keyring();
	else if (!strcmp(what, "process"))
		process();
	else if (!strcmp(what, "fds"))
		descriptors();
	else if (!strcmp(what, "connect"))
		connect_to(argv[1]);
	else if (!strcmp(what, "agent"))
		agent(argv[1], argv[2], argv[3]);
	else if (!strcmp(what, "tell"))
		tell(argv[1], argv[2]);
	else if (!strcmp(what, "argv0"))
		argument_zero(argv);
	else if (!strcmp(what, "sleep"))
		sleep((unsigned)number(argv[1]));
	else if (!strcmp(what, "exit"))
		exit((int)number(argv[1]));
	else {
		printf("unknown question %s\n", what);
		exit(99);
	}
}

/* withhold NR ERRNO PROGRAM [ARG...]: the program on a kernel that answers a call with this errno */
static void withhold(char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number(argv[0]), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)number(argv[1])),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof *code, code};
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
		perror("withhold");
		exit(98);
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	exit(97);
}

int main(int argc, char **argv)
{
	char **start = argv + 1;
	if (argc > 4 && !strcmp(start[0], "withhold"))
		withhold(start + 1);
	for (char **at = start; *start; at++) {
		int last = !*at;
		if (!last && strcmp(*at, ","))
			continue;
		*at = NULL;
		one(start);
		fflush(stdout);
		if (last)
			break;
		start = at + 1;
	}
	(void)argc;
	return 0;
}
