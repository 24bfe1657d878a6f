/*
 * Writes the filter of a running process to standard output, as the kernel has it (ptrace(2),
 * PTRACE_SECCOMP_GET_FILTER). The process is stopped for that moment only.
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
	struct sock_filter program[4096];
	pid_t pid = argc > 1 ? atoi(argv[1]) : 0;
	long count;
	int status;

	if (ptrace(PTRACE_SEIZE, pid, 0, 0) || ptrace(PTRACE_INTERRUPT, pid, 0, 0) ||
	    waitpid(pid, &status, __WALL) != pid) {
		perror("ptrace");
		return 1;
	}
	/* 0 is the filter that was loaded last. */
	count = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, program);
	if (count < 0)
		perror("PTRACE_SECCOMP_GET_FILTER");
	ptrace(PTRACE_DETACH, pid, 0, 0);
	if (count < 0)
		return 1;
	return fwrite(program, sizeof(*program), (size_t)count, stdout) == (size_t)count ? 0 : 1;
}
