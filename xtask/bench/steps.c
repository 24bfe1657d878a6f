// steps PROGRAM [ARG...]: executes PROGRAM one instruction at a time, with the processes that it makes, up to their
// execve(2), and prints each address that was executed, in the order of the first time: "PROCESS OFFSET", the
// process counted from 0 and the offset from the program's first segment, in hexadecimal. Ends with PROGRAM, and as
// PROGRAM; processes that it leaves go on by themselves.
// PROGRAM's own output goes to standard error.
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 64
#define PROGRAM_SIZE (8UL << 20)

struct process {
	pid_t pid;
	unsigned long base;
	unsigned char *seen;
};

static struct process processes[PROCESSES];
static int count;

// Where the program's headers are, and so its first segment: AT_PHDR.
static unsigned long base_of(pid_t pid)
{
	char path[64];
	unsigned long entry[2], base = 0;
	snprintf(path, sizeof path, "/proc/%d/auxv", pid);
	FILE *auxiliary = fopen(path, "r");
	while (auxiliary && fread(entry, sizeof entry, 1, auxiliary) == 1)
		if (entry[0] == AT_PHDR)
			base = entry[1] & ~0xfffUL;
	if (auxiliary)
		fclose(auxiliary);
	return base;
}

static struct process *find(pid_t pid)
{
	for (int i = 0; i < count; i++)
		if (processes[i].pid == pid)
			return &processes[i];
	if (count == PROCESSES)
		exit(125);
	struct process *new = &processes[count++];
	*new = (struct process){ pid, base_of(pid), calloc(PROGRAM_SIZE, 1) };
	return new;
}

static void note(struct process *process)
{
	struct user_regs_struct registers;
	if (ptrace(PTRACE_GETREGS, process->pid, 0, &registers) < 0)
		return;
	unsigned long offset = registers.rip - process->base;
	if (offset < PROGRAM_SIZE && !process->seen[offset]) {
		process->seen[offset] = 1;
		printf("%d %lx\n", (int)(process - processes), offset);
	}
}

// Lets go of a process that may be between two steps: the trap that is under way would kill it.
static void leave(pid_t pid)
{
	int status;
	kill(pid, SIGSTOP);
	while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == SIGSTOP && !(status >> 16)) {
			ptrace(PTRACE_DETACH, pid, 0, 0);
			kill(pid, SIGCONT);
			return;
		}
		ptrace(PTRACE_CONT, pid, 0, 0);
	}
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 125;
	pid_t first = fork();
	if (first == 0) {
		dup2(2, 1);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execv(argv[1], argv + 1);
		_exit(127);
	}
	int status, started = 0;
	waitpid(first, &status, 0);
	ptrace(PTRACE_SETOPTIONS, first, 0,
	       PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE);
	ptrace(PTRACE_CONT, first, 0, 0);
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0)
			return 125;
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (pid != first)
				continue;
			for (int i = 1; i < count; i++)
				leave(processes[i].pid);
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
		struct process *process = find(pid);
		int signal = WSTOPSIG(status), event = status >> 16;
		if (event == PTRACE_EVENT_EXEC) {
			if (started) {
				// Another program.
				ptrace(PTRACE_DETACH, pid, 0, 0);
				continue;
			}
			started = 1;
			process->base = base_of(pid);
			note(process);
		} else if (!event && signal == SIGTRAP) {
			note(process);
		}
		int deliver = event || signal == SIGTRAP || signal == SIGSTOP ? 0 : signal;
		if (ptrace(PTRACE_SINGLESTEP, pid, 0, deliver) < 0 && errno != ESRCH)
			return 125;
	}
}
