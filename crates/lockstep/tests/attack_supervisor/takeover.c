/* Takes a live process over by ptrace(2) and makes it call what it is told, as code of an attacker in its place would.
 *
 *   takeover PID
 *
 * Standard input has a call a line: NAME NUMBER ARGUMENT... An argument is a number, or @TEXT for the address of a
 * string in the process's memory. Each line is answered by NAME and what the kernel returned. The process goes on
 * behind where it was interrupted.
 *
 * C, because the tests may hold no unsafe code. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>

enum { NO_TRACE = 96, LOST = 95, BELOW = 16384 };

static pid_t pid;

static void need(long result, int status)
{
	if (result < 0) {
		perror("takeover");
		exit(status);
	}
}

/* Strings lie below the stack's red zone, where nothing is. */
static unsigned long place(unsigned long at, const char *text)
{
	size_t size = strlen(text) + 1;
	for (size_t done = 0; done < size; done += sizeof(long)) {
		long word = 0;
		size_t rest = size - done;
		memcpy(&word, text + done, rest < sizeof word ? rest : sizeof word);
		need(ptrace(PTRACE_POKEDATA, pid, at + done, word), LOST);
	}
	return at;
}

static long call(const struct user_regs_struct *before, char *words)
{
	struct user_regs_struct regs = *before;
	unsigned long long *arguments[6] = { &regs.rdi, &regs.rsi, &regs.rdx, &regs.r10, &regs.r8, &regs.r9 };
	unsigned long free = (before->rsp - BELOW) & ~15ul;
	int status, n = 0;

	regs.rax = strtoll(strtok(words, " "), NULL, 0);
	regs.orig_rax = -1;
	/* It is stopped in a call, so the instruction is just behind it. */
	regs.rip -= 2;
	for (char *word; n < 6 && (word = strtok(NULL, " ")); n++) {
		*arguments[n] = *word == '@' ? place(free, word + 1) : strtoull(word, NULL, 0);
		if (*word == '@')
			free += 1024;
	}
	while (n < 6)
		*arguments[n++] = 0;
	need(ptrace(PTRACE_SETREGS, pid, 0, &regs), LOST);
	need(ptrace(PTRACE_SINGLESTEP, pid, 0, 0), LOST);
	need(waitpid(pid, &status, __WALL), LOST);
	if (!WIFSTOPPED(status)) {
		/* The filter killed it. */
		printf("killed\n");
		exit(0);
	}
	need(ptrace(PTRACE_GETREGS, pid, 0, &regs), LOST);
	return regs.rax;
}

int main(int argc, char **argv)
{
	struct user_regs_struct before, after;
	char line[4096];
	int status;

	if (argc != 2)
		return 98;
	pid = atoi(argv[1]);
	need(ptrace(PTRACE_SEIZE, pid, 0, 0), NO_TRACE);
	need(ptrace(PTRACE_INTERRUPT, pid, 0, 0), NO_TRACE);
	need(waitpid(pid, &status, __WALL), LOST);
	need(ptrace(PTRACE_GETREGS, pid, 0, &before), LOST);
	need((ptrace(PTRACE_PEEKTEXT, pid, before.rip - 2, 0) & 0xffff) == 0x050f ? 0 : -1, LOST);
	while (fgets(line, sizeof line, stdin)) {
		char *name = line, *rest = strchr(line, ' ');
		if (!rest)
			continue;
		*rest++ = 0;
		rest[strcspn(rest, "\n")] = 0;
		long result = call(&before, rest);
		printf("%s %ld\n", name, result);
		fflush(stdout);
	}
	after = before;
	after.orig_rax = -1;
	after.rax = -EINTR;
	need(ptrace(PTRACE_SETREGS, pid, 0, &after), LOST);
	need(ptrace(PTRACE_DETACH, pid, 0, 0), LOST);
	return 0;
}
