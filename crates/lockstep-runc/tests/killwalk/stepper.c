/* Runs a command under ptrace(2) and disturbs one system call of it, or of a process that it makes.
 *
 *   stepper REPORT count|kill|ERRNO PROCESS NR OCCURRENCE PROGRAM COMMAND...
 *
 * PROCESS is the ordinal of the process in the order of birth (0 is the command), NR the call's number, OCCURRENCE how
 * often this process has made this call before. A point is named so, and not by its ordinal among all calls, because
 * the number of waits and retries before it differs from run to run.
 *
 * Counting starts when COMMAND executes PROGRAM: what stands before that (env, setpriv, a shell) is a wrapper, and so
 * are its children. A further process is left alone as soon as it executes a program: that is the container's, or a
 * hook. REPORT gets a line "call PROCESS NR OCCURRENCE" for each call when counting, "hit OBJECT" when the
 * disturbance happened, "left PID" for each process that outlives the command. The exit status is the command's.
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

struct traced { pid_t pid; int counting, failing; unsigned seen[CALLS]; };
static struct traced all[PROCESSES];
static int known;
static FILE *report;

/* What is to be done, and where. */
static int count, slay, error, process, done;
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

static int executes(pid_t pid, const struct stat *program)
{
	char link[64];
	struct stat now;
	snprintf(link, sizeof link, "/proc/%d/exe", pid);
	return stat(link, &now) == 0 && now.st_ino == program->st_ino && now.st_dev == program->st_dev;
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

static void on_call(struct traced *one)
{
	struct ptrace_syscall_info info;
	ptrace(PTRACE_GET_SYSCALL_INFO, one->pid, sizeof info, &info);
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY && one->counting && info.entry.nr < CALLS) {
		int ordinal = (int)(one - all);
		long long nr = (long long)info.entry.nr;
		unsigned at = one->seen[nr]++;
		if (count)
			fprintf(report, "call %d %lld %u\n", ordinal, nr, at);
		else if (ordinal == process && nr == number && at == occurrence)
			disturb(one, &info);
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && one->failing) {
		struct user_regs_struct regs;
		ptrace(PTRACE_GETREGS, one->pid, 0, &regs);
		regs.rax = -error;
		ptrace(PTRACE_SETREGS, one->pid, 0, &regs);
		one->failing = 0;
	}
}

static const long BEFORE = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC;
static const long AFTER = BEFORE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;

/* Whether its calls are stopped at: only where something is to be seen, since the stops are what takes the time. */
static int stops(const struct traced *one)
{
	int searched = one - all == process && !done;
	return one->counting && (count || searched || one->failing);
}

/* Follows all processes until the first has ended; its exit status. */
static int follow(pid_t first, const struct stat *program)
{
	int status;
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0)
			return LOST;
		struct traced *one = admit(pid);
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (one)
				forget(one);
			if (pid == first)
				return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			continue;
		}
		int event = status >> 16, sig = WSTOPSIG(status), pass = 0;
		if (!one) {
			/* More processes than there is room for. */
			return LOST;
		} else if (sig == (SIGTRAP | 0x80)) {
			on_call(one);
		} else if (event == PTRACE_EVENT_EXEC && pid != first) {
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
