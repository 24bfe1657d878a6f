/* What a program finds in a container, one fact a line, "kind value". Nothing is changed: calls are made with
 * arguments that no call accepts, files are opened and closed.
 *
 * inside NAME=NUMBER...: the system calls to try.
 * inside who: for the setuid copy, the effective user. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile long *answer; /* of a child: minus the errno, or the result; UNKNOWN if it never came back */
#define UNKNOWN (-100000L)

static int refused(int status)
{
	if (*answer == UNKNOWN) /* it ended or slept in the call, which therefore exists; SIGSYS is the filter */
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	return *answer == -EPERM || *answer == -ENOSYS;
}

static int child(long number, const long a[6])
{
	int status = 0;
	*answer = UNKNOWN;
	pid_t pid = fork();
	if (pid == 0) {
		/* What only they may ask for who cannot gain privileges is asked for as one of them. */
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		alarm(1);
		long result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
		*answer = result < 0 ? -errno : result;
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void call(char *pair)
{
	static const long nothing[6] = {-1, -1, -1, -1, -1, -1};
	char *number = strchr(pair, '=');
	*number++ = 0;
	if (!refused(child(atol(number), nothing)))
		printf("call %s\n", pair);
}

/* What filters decide by arguments, or the kernel by capabilities. */
static void special(const char *name, long number, long a, long b, long c)
{
	long all[6] = {a, b, c, 0, 0, 0};
	if (!refused(child(number, all)) && (*answer >= 0 || *answer == UNKNOWN))
		printf("special %s\n", name);
}

static void specials(void)
{
	static const struct { const char *name; int family, type, protocol; } sockets[] = {
		{"packet", AF_PACKET, SOCK_RAW, 0}, {"raw", AF_INET, SOCK_RAW, 1}, {"alg", AF_ALG, SOCK_SEQPACKET, 0},
		{"vsock", AF_VSOCK, SOCK_STREAM, 0}, {"key", AF_KEY, SOCK_RAW, 2}, {"netlink-route", AF_NETLINK, SOCK_RAW, 0},
		{"netlink-audit", AF_NETLINK, SOCK_RAW, 9}, {"netlink-netfilter", AF_NETLINK, SOCK_RAW, 12},
		{"netlink-xfrm", AF_NETLINK, SOCK_RAW, 6}, {"netlink-generic", AF_NETLINK, SOCK_RAW, 16},
		{"bluetooth", AF_BLUETOOTH, SOCK_RAW, 1}, {"unix", AF_UNIX, SOCK_STREAM, 0}, {"inet", AF_INET, SOCK_STREAM, 0},
		{"ping", AF_INET, SOCK_DGRAM, 1},
	};
	for (size_t n = 0; n < sizeof sockets / sizeof *sockets; n++) {
		char name[64];
		snprintf(name, sizeof name, "socket-%s", sockets[n].name);
		special(name, SYS_socket, sockets[n].family, sockets[n].type, sockets[n].protocol);
	}
	static const struct { const char *name; long flag; } spaces[] = {
		{"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID}, {"net", CLONE_NEWNET},
		{"uts", CLONE_NEWUTS}, {"ipc", CLONE_NEWIPC}, {"cgroup", CLONE_NEWCGROUP},
	};
	for (size_t n = 0; n < sizeof spaces / sizeof *spaces; n++) {
		char name[64];
		snprintf(name, sizeof name, "unshare-%s", spaces[n].name);
		special(name, SYS_unshare, spaces[n].flag, 0, 0);
	}
	special("chroot", SYS_chroot, (long)"/", 0, 0);
	special("personality-addr-no-randomize", SYS_personality, 0x40000, 0, 0);
	special("io_uring", SYS_io_uring_setup, 1, (long)(char[256]){0}, 0);
	special("userfaultfd", SYS_userfaultfd, 0, 0, 0);
	special("userfaultfd-user-mode", SYS_userfaultfd, 1, 0, 0);
	special("keyring", SYS_keyctl, 0, -3, 1);
	special("add-key", SYS_add_key, (long)"user", (long)"x", (long)"y");
	special("kernel-log", SYS_syslog, 10, 0, 0);
	special("nice-below-zero", SYS_setpriority, 0, 0, -1);
	special("personality-query", SYS_personality, 0xffffffff, 0, 0);
	special("node", SYS_mknod, (long)"/tmp/.node", S_IFCHR | 0600, makedev(1, 3));
	unlink("/tmp/.node");
}

static void capabilities(void)
{
	char line[256];
	FILE *status = fopen("/proc/self/status", "r");
	while (status && fgets(line, sizeof line, status)) {
		char set[8];
		unsigned long long bits;
		if (sscanf(line, "Cap%7[A-Za-z]: %llx", set, &bits) == 2)
			for (int n = 0; n < 64; n++)
				if (bits >> n & 1)
					printf("capability %s %d\n", set, n);
		if (!strncmp(line, "NoNewPrivs:\t0", 13))
			puts("gain new privileges");
	}
	fclose(status);
}

static int opens(const char *path, int mode)
{
	int fd = open(path, mode | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return 0;
	char byte;
	/* An empty file in the place of another is a mask; but whether there are locks is a matter of the moment. Of
	 * sysfs no attribute is read: some act on it. */
	int tells = strncmp(path, "/sys", 4) && strcmp(path, "/proc/locks");
	int seen = mode != O_RDONLY || !tells || read(fd, &byte, 1) > 0;
	close(fd);
	return seen;
}

static void walk(const char *path, const char *kind, int depth)
{
	DIR *dir = depth ? opendir(path) : NULL;
	struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		char below[4096];
		struct stat stat;
		const char *name = entry->d_name;
		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		/* Processes and terminals have numbers that tell nothing. */
		if (!strcmp(path, "/proc") && (strspn(name, "0123456789") == strlen(name) || strstr(name, "self")))
			continue;
		if (!strcmp(path, "/dev/pts") && strcmp(name, "ptmx"))
			continue;
		snprintf(below, sizeof below, "%s/%s", path, name);
		if (lstat(below, &stat))
			continue;
		if (S_ISDIR(stat.st_mode))
			walk(below, kind, depth - 1);
		int device = S_ISCHR(stat.st_mode) || S_ISBLK(stat.st_mode);
		if (device ? strcmp(kind, "device") : !S_ISREG(stat.st_mode))
			continue;
		if (opens(below, O_WRONLY))
			printf("%s write %s\n", kind, below);
		if (device || opens(below, O_RDONLY))
			printf("%s read %s\n", kind, below);
	}
	if (dir)
		closedir(dir);
}

static void mounts(void)
{
	char line[8192], target[4096], options[1024];
	FILE *info = fopen("/proc/self/mountinfo", "r");
	static const char *without[] = {"ro", "nosuid", "nodev", "noexec"};
	while (info && fgets(line, sizeof line, info)) {
		struct stat stat;
		if (sscanf(line, "%*d %*d %*s %*s %4095s %1023s", target, options) != 2)
			continue;
		/* A device in the place of a file of /proc is a mask; one of /dev is listed as a device. */
		if (!lstat(target, &stat) && S_ISCHR(stat.st_mode))
			continue;
		for (size_t n = 0; n < 4; n++) {
			char padded[1026], wanted[16];
			snprintf(padded, sizeof padded, ",%s,", options);
			snprintf(wanted, sizeof wanted, ",%s,", without[n]);
			if (!strstr(padded, wanted))
				printf("mount not-%s %s\n", without[n], target);
		}
	}
	fclose(info);
}

static void user_listens_below_1024(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct sockaddr_in port = {.sin_family = AF_INET, .sin_port = htons(80)};
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (!setgid(1000) && !setuid(1000) && !bind(fd, (struct sockaddr *)&port, sizeof port))
			puts("special user-listens-on-port-80");
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void setuid_effect(void)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		if (setgid(1000) || setuid(1000))
			_exit(1);
		execl("/inside-setuid", "inside-setuid", "who", NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

int main(int count, char **args)
{
	if (count > 1 && !strcmp(args[1], "who")) {
		if (geteuid() == 0)
			puts("gain root by a setuid program");
		return 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	answer = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int n = 1; n < count; n++)
		call(args[n]);
	specials();
	capabilities();
	walk("/proc", "procfs", 8);
	walk("/proc/self", "procfs", 1);
	walk("/sys", "sysfs", 12);
	walk("/dev", "device", 3);
	mounts();
	user_listens_below_1024();
	setuid_effect();
	puts("end");
	return 0;
}
