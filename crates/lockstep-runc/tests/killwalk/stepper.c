/* Runs a command under ptrace(2) and disturbs one system call of it, or of a process that it makes.
 *
 *   stepper [-a] REPORT count|kill|ERRNO PROCESS NR OCCURRENCE PROGRAM COMMAND...
 *
 * PROCESS is the ordinal of the process in the order of birth (0 is the command), NR the call's number, OCCURRENCE how
 * often this process has made this call before. A point is named so, and not by its ordinal among all calls, because
 * the number of waits and retries before it differs from run to run.
 *
 * Counting starts when COMMAND executes PROGRAM: what stands before that (env, setpriv, a shell) is a wrapper, and so
 * are its children. A further process is left alone as soon as it executes a program: that is the container's, or a
 * hook; unless it executes PROGRAM too, or a copy of it. REPORT gets a line "call PROCESS NR OCCURRENCE" for each call
 * when counting, "hit OBJECT" when the disturbance happened, "left PID" for each process that outlives the command. The
 * exit status is the command's. With -a all processes are followed to their ends, not only to that of the command.
 *
 * C, because the tests may hold no unsafe code, and strace counts calls for each process but disturbs all. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <linux/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 64, CALLS = 512, SECONDS = 40, TIMEOUT = 99, USAGE = 98, NO_EXEC = 97, NO_TRACE = 96, LOST = 95 };

/* The kernel's own, between itself and a tracer: the call is made again (include/linux/errno.h). */
enum { ERESTARTSYS = 512, ERESTARTNOINTR = 513, ERESTARTNOHAND = 514, ERESTART_RESTARTBLOCK = 516 };

/* `current` is the call that it is in, `again` one that the kernel makes once more. */
struct traced { pid_t pid; int counting, failing; long long current, again; unsigned seen[CALLS]; };
static struct traced all[PROCESSES];
static int known;
static FILE *report;

/* What is to be done, and where. */
static int count, slay, error, process, done, whole;
static long long number;
static unsigned occurrence;

static struct traced *find(pid_t pid)
{
	for (int i = 0; i < known; i++)
		if (all[i].pid == pid)
			return &all[i];
	return NULL;
}

static struct traced *admit(pid_t pid)
{
	struct traced *one = find(pid);
	if (one || known == PROCESSES)
		return one;
	one = &all[known++];
	one->pid = pid;
	one->counting = known > 1;
	one->current = one->again = -1;
	return one;
}

/* Seconds are counted one by one, so that a time in which all was stopped counts as one. */
static void on_alarm(int signal)
{
	static int seconds;
	(void)signal;
	if (++seconds < SECONDS) {
		alarm(1);
		return;
	}
	for (int i = 0; i < known; i++)
		if (all[i].pid)
			kill(all[i].pid, SIGKILL);
	_exit(TIMEOUT);
}

/* What the call is about: its path, the path of its first descriptor, or the option of prctl(2). */
static void object(pid_t pid, const struct ptrace_syscall_info *info, char *text, size_t size)
{
	long long nr = info->entry.nr;
	int at = nr == SYS_openat || nr == SYS_newfstatat || nr == SYS_readlinkat || nr == SYS_openat2 ||
		 nr == SYS_mkdirat || nr == SYS_unlinkat || nr == SYS_statx || nr == SYS_open_tree;
	unsigned long long path = info->entry.args[at ? 1 : 0];
	text[0] = 0;
	if (at || nr == SYS_readlink || nr == SYS_stat || nr == SYS_open) {
		for (size_t n = 0; n + sizeof(long) < size; n += sizeof(long)) {
			errno = 0;
			long word = ptrace(PTRACE_PEEKDATA, pid, path + n, 0);
			if (errno)
				break;
			memcpy(text + n, &word, sizeof word);
			text[n + sizeof word] = 0;
			if (memchr(&word, 0, sizeof word))
				break;
		}
	}
	if (nr == SYS_prctl)
		snprintf(text, size, "option %lld", (long long)info->entry.args[0]);
	if (!text[0]) {
		char link[64];
		snprintf(link, sizeof link, "/proc/%d/fd/%lld", pid, (long long)info->entry.args[0]);
		ssize_t n = readlink(link, text, size - 1);
		text[n < 0 ? 0 : n] = 0;
	}
}

static void forget(struct traced *one) { one->pid = 0; }

/* The program, or a sealed copy of it in memory, which has its size. */
static int executes(pid_t pid, const struct stat *program)
{
	char link[64];
	struct stat now;
	snprintf(link, sizeof link, "/proc/%d/exe", pid);
	return stat(link, &now) == 0 && now.st_size == program->st_size;
}

static void disturb(struct traced *one, const struct ptrace_syscall_info *info)
{
	char text[256];
	object(one->pid, info, text, sizeof text);
	fprintf(report, "hit %s\n", text);
	done = 1;
	if (slay) {
		kill(one->pid, SIGKILL);
		return;
	}
	one->failing = 1;
	/* close(2) closes also when it fails. */
	if (info->entry.nr == SYS_close)
		return;
	struct user_regs_struct regs;
	ptrace(PTRACE_GETREGS, one->pid, 0, &regs);
	regs.orig_rax = -1;
	ptrace(PTRACE_SETREGS, one->pid, 0, &regs);
}

/* A call begins. One that the kernel makes again was counted when it was made first. */
static void on_entry(struct traced *one, const struct ptrace_syscall_info *info)
{
	int ordinal = (int)(one - all);
	long long nr = (long long)info->entry.nr;
	int repeated = one->again >= 0 && (nr == one->again || nr == SYS_restart_syscall);
	one->current = repeated ? one->again : nr;
	one->again = -1;
	if (repeated || nr >= CALLS)
		return;
	unsigned at = one->seen[nr]++;
	if (count)
		fprintf(report, "call %d %lld %u\n", ordinal, nr, at);
	else if (ordinal == process && nr == number && at == occurrence)
		disturb(one, info);
}

static void on_exit_of_call(struct traced *one, const struct ptrace_syscall_info *info)
{
	long long value = info->exit.rval;
	if (one->failing) {
		struct user_regs_struct regs;
		ptrace(PTRACE_GETREGS, one->pid, 0, &regs);
		regs.rax = -error;
		ptrace(PTRACE_SETREGS, one->pid, 0, &regs);
		one->failing = 0;
	} else if (value == -ERESTARTSYS || value == -ERESTARTNOINTR || value == -ERESTARTNOHAND ||
		   value == -ERESTART_RESTARTBLOCK) {
		one->again = one->current;
	}
}

static void on_call(struct traced *one)
{
	struct ptrace_syscall_info info;
	ptrace(PTRACE_GET_SYSCALL_INFO, one->pid, sizeof info, &info);
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY && one->counting)
		on_entry(one, &info);
	else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
		on_exit_of_call(one, &info);
}

static const long BEFORE = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC;
static const long AFTER = BEFORE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;

/* Whether its calls are stopped at: only where something is to be seen, since the stops are what takes the time. */
static int stops(const struct traced *one)
{
	int searched = one - all == process && !done;
	return one->counting && (count || searched || one->failing);
}

/* Follows all processes until the first has ended, or all; the first's exit status. */
static int follow(pid_t first, const struct stat *program)
{
	int status, result = LOST;
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0)
			return result;
		struct traced *one = admit(pid);
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (one)
				forget(one);
			if (pid == first) {
				result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
				if (!whole)
					return result;
			}
			continue;
		}
		int event = status >> 16, sig = WSTOPSIG(status), pass = 0;
		if (!one) {
			/* More processes than there is room for. */
			return LOST;
		} else if (sig == (SIGTRAP | 0x80)) {
			on_call(one);
		} else if (event == PTRACE_EVENT_EXEC && pid != first && !executes(pid, program)) {
			ptrace(PTRACE_DETACH, pid, 0, 0);
			forget(one);
			/* Still reported as left, if it outlives the command. */
			fprintf(report, "left %d\n", pid);
			continue;
		} else if (event == PTRACE_EVENT_EXEC) {
			if (!one->counting && executes(pid, program)) {
				ptrace(PTRACE_SETOPTIONS, pid, 0, AFTER);
				one->counting = 1;
			}
		} else if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK) {
			unsigned long born;
			ptrace(PTRACE_GETEVENTMSG, pid, 0, &born);
			admit((pid_t)born);
		} else if (event == 0 && sig != SIGTRAP) {
			pass = sig;
		}
		ptrace(stops(one) ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, pass);
	}
}

int main(int argc, char **argv)
{
	struct stat program;
	whole = argc > 1 && !strcmp(argv[1], "-a");
	argc -= whole;
	argv += whole;
	if (argc < 8 || stat(argv[6], &program) < 0)
		return USAGE;
	report = fopen(argv[1], "w");
	count = !strcmp(argv[2], "count");
	slay = !strcmp(argv[2], "kill");
	error = count || slay ? 0 : atoi(argv[2]);
	process = atoi(argv[3]);
	number = atoll(argv[4]);
	occurrence = (unsigned)atol(argv[5]);
	pid_t first = fork();
	if (first == 0) {
		raise(SIGSTOP);
		execvp(argv[7], argv + 7);
		_exit(NO_EXEC);
	}
	int status;
	waitpid(first, &status, WUNTRACED);
	if (!report || ptrace(PTRACE_SEIZE, first, 0, BEFORE) < 0)
		return NO_TRACE;
	/* A line is there even if the alarm ends all. */
	setvbuf(report, NULL, _IOLBF, 0);
	admit(first);
	signal(SIGALRM, on_alarm);
	alarm(1);
	kill(first, SIGCONT);
	int result = follow(first, &program);
	for (int i = 0; i < known; i++)
		if (all[i].pid)
			fprintf(report, "left %d\n", all[i].pid);
	fclose(report);
	/* Ends the tracing of what is left, which goes on by itself. */
	return result;
}
