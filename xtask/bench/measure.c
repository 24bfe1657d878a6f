/* Runs commands and measures each: wall time, CPU time, peak memory, page faults.
 *
 * A parent of a few pages, because ru_maxrss of a child begins at what its parent had when it
 * was forked, and because a large parent makes fork itself slow. It is a subreaper, so that
 * the CPU time of processes that a runtime leaves behind is counted as well.
 *
 * stdin: a line per run, fields separated by tabs: NAME TIMEOUT_MS COMMAND..., where `;` parts
 *        commands and the command `@reap` waits until no child is left.
 * stdout: a line per run: NAME WALL_US CPU_US MAXRSS_KB FAULTS STATUS, where status is the first exit
 *         status that is not 0, 128+n for a signal, or `hang`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS 256

struct run {
	long cpu_us, rss_kb, faults;
	int status, hang;
	long deadline_ms;
};

static long now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static void account(struct run *run, int status, const struct rusage *usage)
{
	run->cpu_us += usage->ru_utime.tv_sec * 1000000L + usage->ru_utime.tv_usec;
	run->cpu_us += usage->ru_stime.tv_sec * 1000000L + usage->ru_stime.tv_usec;
	run->faults += usage->ru_minflt + usage->ru_majflt;
	if (usage->ru_maxrss > run->rss_kb)
		run->rss_kb = usage->ru_maxrss;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (code && !run->status)
		run->status = code;
}

/* Waits for one child until the deadline; kills it and marks the run when it is over. */
static void await(struct run *run, pid_t pid)
{
	struct rusage usage;
	int status, fd = syscall(SYS_pidfd_open, pid, 0);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	long left = run->deadline_ms - now_us() / 1000;
	int ready = poll(&poll_fd, 1, left > 0 ? left : 0);
	if (ready == 0) {
		run->hang = 1;
		kill(pid, SIGKILL);
	}
	close(fd);
	if (wait4(pid, &status, 0, &usage) == pid)
		account(run, status, &usage);
}

static void reap_all(struct run *run)
{
	struct rusage usage;
	int status;
	pid_t pid;
	while ((pid = wait4(-1, &status, WNOHANG, &usage)) >= 0) {
		if (pid > 0) {
			account(run, status, &usage);
		} else if (now_us() / 1000 > run->deadline_ms) {
			run->hang = 1;
			return;
		} else {
			struct timespec short_time = { 0, 100000 };
			sigset_t child;
			sigemptyset(&child);
			sigaddset(&child, SIGCHLD);
			sigtimedwait(&child, 0, &short_time);
		}
	}
}

static void command(struct run *run, char **words)
{
	if (strcmp(words[0], "@reap") == 0) {
		reap_all(run);
		return;
	}
	pid_t pid = vfork();
	if (pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, 0);
		execv(words[0], words);
		_exit(127);
	}
	if (pid > 0)
		await(run, pid);
}

int main(void)
{
	static char line[16384];
	char *words[WORDS];
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* The runs must not read the schedule or write between the results. */
	FILE *in = fdopen(fcntl(0, F_DUPFD_CLOEXEC, 10), "r");
	FILE *out = fdopen(fcntl(1, F_DUPFD_CLOEXEC, 10), "w");
	int null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	close(null);
	while (fgets(line, sizeof line, in)) {
		line[strcspn(line, "\n")] = 0;
		char *at = line, *name = strsep(&at, "\t"), *timeout = strsep(&at, "\t"), *word;
		struct run run = { 0 };
		int count = 0;
		long start = now_us();
		run.deadline_ms = start / 1000 + atol(timeout);
		while (!run.hang && (word = strsep(&at, "\t"))) {
			if (strcmp(word, ";") != 0 && count < WORDS - 1) {
				words[count++] = word;
				continue;
			}
			words[count] = 0;
			command(&run, words);
			count = 0;
		}
		words[count] = 0;
		if (!run.hang && count)
			command(&run, words);
		long wall = now_us() - start;
		fprintf(out, "%s\t%ld\t%ld\t%ld\t%ld\t", name, wall, run.cpu_us, run.rss_kb, run.faults);
		fprintf(out, run.hang ? "hang\n" : "%d\n", run.status);
		fflush(out);
	}
	return 0;
}
