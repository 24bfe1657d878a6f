/* Runs a command under ptrace(2) and disturbs one system call of it, or of a process that it makes.
 *
 *   stepper REPORT count|kill|ERRNO PROCESS NUMBER COMMAND...
 *
 * PROCESS is the ordinal of the process in the order of birth (0 is the command), NUMBER that of the call in
 * this process. Counting starts after the command is executed. A further process is left alone as soon as it
 * executes a program: that is the container's, or a hook. REPORT gets a line "call PROCESS NUMBER NR" for each
 * call when counting, "hit NR OBJECT" when the disturbance happened, "left PID" for each process that outlives the
 * command. The exit status is the command's.
 *
 * C, because the tests may hold no unsafe code, and strace counts calls for each process but disturbs all. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <linux/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

struct traced { pid_t pid; long calls; int counting; int failing; };
static struct traced all[64];
static int known;
static FILE *report;

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
	if (one || known == 64)
		return one;
	one = &all[known++];
	one->pid = pid;
	one->counting = known > 1;
	return one;
}

static void on_alarm(int signal)
{
	(void)signal;
	for (int i = 0; i < known; i++)
		if (all[i].pid)
			kill(all[i].pid, SIGKILL);
	_exit(99);
}

/* What the call is about: its path, the path of its first descriptor, or the option of prctl(2). */
static void object(pid_t pid, const struct ptrace_syscall_info *info, char *text, size_t size)
{
	long long nr = info->entry.nr;
	int at = nr == 257 || nr == 262 || nr == 267 || nr == 437 || nr == 258 || nr == 263 || nr == 332 || nr == 428;
	unsigned long long path = info->entry.args[at ? 1 : 0];
	text[0] = 0;
	if (at || nr == 89 || nr == 4 || nr == 2) {
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
	if (nr == 157)
		snprintf(text, size, "option %lld", (long long)info->entry.args[0]);
	if (!text[0]) {
		char link[64];
		snprintf(link, sizeof link, "/proc/%d/fd/%lld", pid, (long long)info->entry.args[0]);
		ssize_t n = readlink(link, text, size - 1);
		text[n < 0 ? 0 : n] = 0;
	}
}

static void forget(struct traced *one) { one->pid = 0; }

int main(int argc, char **argv)
{
	if (argc < 6)
		return 98;
	report = fopen(argv[1], "w");
	int count = !strcmp(argv[2], "count"), slay = !strcmp(argv[2], "kill");
	int error = count || slay ? 0 : atoi(argv[2]);
	int process = atoi(argv[3]);
	long number = atol(argv[4]);
	pid_t first = fork();
	if (first == 0) {
		raise(SIGSTOP);
		execv(argv[5], argv + 5);
		_exit(97);
	}
	int status;
	waitpid(first, &status, WUNTRACED);
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
		       PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
	if (!report || ptrace(PTRACE_SEIZE, first, 0, options) < 0)
		return 96;
	admit(first);
	signal(SIGALRM, on_alarm);
	alarm(40);
	kill(first, SIGCONT);
	int result = 95;
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0)
			break;
		struct traced *one = admit(pid);
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (one)
				forget(one);
			if (pid == first) {
				result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
				break;
			}
			continue;
		}
		int event = status >> 16, sig = WSTOPSIG(status), pass = 0;
		if (sig == (SIGTRAP | 0x80)) {
			struct ptrace_syscall_info info;
			ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info);
			struct user_regs_struct regs;
			if (info.op == PTRACE_SYSCALL_INFO_ENTRY && one->counting) {
				long at = one->calls++;
				if (count)
					fprintf(report, "call %d %ld %lld\n", (int)(one - all), at,
						(long long)info.entry.nr);
				else if (one - all == process && at == number) {
					char text[256];
					object(pid, &info, text, sizeof text);
					fprintf(report, "hit %lld %s\n", (long long)info.entry.nr, text);
					if (slay) {
						kill(pid, SIGKILL);
					} else if (info.entry.nr == 3) {
						/* close(2) closes also when it fails. */
						one->failing = 1;
					} else {
						ptrace(PTRACE_GETREGS, pid, 0, &regs);
						regs.orig_rax = -1;
						ptrace(PTRACE_SETREGS, pid, 0, &regs);
						one->failing = 1;
					}
				}
			} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && one->failing) {
				ptrace(PTRACE_GETREGS, pid, 0, &regs);
				regs.rax = -error;
				ptrace(PTRACE_SETREGS, pid, 0, &regs);
				one->failing = 0;
			}
		} else if (event == PTRACE_EVENT_EXEC) {
			if (pid == first) {
				one->counting = 1;
			} else {
				ptrace(PTRACE_DETACH, pid, 0, 0);
				forget(one);
				/* Still reported as left, if it outlives the command. */
				fprintf(report, "left %d\n", pid);
				continue;
			}
		} else if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK) {
			unsigned long born;
			ptrace(PTRACE_GETEVENTMSG, pid, 0, &born);
			admit((pid_t)born);
		} else if (event == 0 && sig != SIGTRAP) {
			pass = sig;
		}
		ptrace(PTRACE_SYSCALL, pid, 0, pass);
	}
	for (int i = 0; i < known; i++)
		if (all[i].pid)
			fprintf(report, "left %d\n", all[i].pid);
	fclose(report);
	/* Ends the tracing of what is left, which goes on by itself. */
	return result;
}
