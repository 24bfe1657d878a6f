/*
 * Makes system calls under a filter and tells what came back.
 *
 *   probe                       the filter comes first on standard input: "filter COUNT", then COUNT
 *                               lines "CODE JT JF K"; or "inherited" for the one that is already there
 *   then, a line per call:      "native NUMBER A B C D E F" or "i386 NUMBER A B C D E F"
 *
 * With arguments, they are the program to execute under the filter instead of making calls.
 *
 * For each call one line on standard output: "returned VALUE", or "signal NUMBER" if the calling
 * process died. With an own filter a child makes the calls and leaves its results in shared memory, so
 * that nothing but exit_group needs to be allowed; a new child goes on after a dead one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct call {
	int i386;
	unsigned int number;
	unsigned long args[6];
	long result;
	int done;
};

static long native(const struct call *call)
{
	register long r10 __asm__("r10") = (long)call->args[3];
	register long r8 __asm__("r8") = (long)call->args[4];
	register long r9 __asm__("r9") = (long)call->args[5];
	long result = (long)call->number;

	__asm__ volatile("syscall"
			 : "+a"(result)
			 : "D"(call->args[0]), "S"(call->args[1]), "d"(call->args[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

/* ebp carries the sixth argument and is the frame's, so it is left as it is. */
static long i386(const struct call *call)
{
	int result = (int)call->number;

	__asm__ volatile("int $0x80"
			 : "+a"(result)
			 : "b"(call->args[0]), "c"(call->args[1]), "d"(call->args[2]), "S"(call->args[3]),
			   "D"(call->args[4])
			 : "r8", "r9", "r10", "r11", "memory");
	return result;
}

static void make(struct call *calls, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		calls[i].result = calls[i].i386 ? i386(&calls[i]) : native(&calls[i]);
		calls[i].done = 1;
	}
}

static void confine(struct sock_fprog *program)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program)) {
		fprintf(stderr, "filter refused: %s\n", strerror(errno));
		_exit(99);
	}
}

static int run(struct sock_fprog *program, struct call *calls, unsigned int count)
{
	unsigned int next = 0;

	while (next < count) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			confine(program);
			make(calls + next, count - next);
			syscall(SYS_exit_group, 0);
			__builtin_trap();
		}
		if (child < 0 || waitpid(child, &status, 0) != child)
			return 1;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
			return 1;
		while (next < count && calls[next].done)
			next++;
		if (next < count && WIFSIGNALED(status)) {
			calls[next].done = -1;
			calls[next++].result = WTERMSIG(status);
		} else if (next < count) {
			fprintf(stderr, "call %u ended the probe with status %#x\n", calls[next].number, status);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sock_fprog program = { 0, NULL };
	struct call *calls;
	unsigned int count = 0, room = 1 << 16;
	char line[256], kind[16];

	calls = mmap(NULL, room * sizeof(*calls), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (calls == MAP_FAILED || !fgets(line, sizeof(line), stdin))
		return 1;
	if (sscanf(line, "filter %hu", &program.len) == 1) {
		program.filter = calloc(program.len, sizeof(*program.filter));
		for (unsigned int i = 0; i < program.len; i++) {
			struct sock_filter *insn = &program.filter[i];

			if (!fgets(line, sizeof(line), stdin) ||
			    sscanf(line, "%hu %hhu %hhu %u", &insn->code, &insn->jt, &insn->jf, &insn->k) != 4)
				return 1;
		}
	}
	if (argc > 1) {
		confine(&program);
		execvp(argv[1], argv + 1);
		return 127;
	}
	while (count < room && fgets(line, sizeof(line), stdin)) {
		struct call *call = &calls[count];
		unsigned long *a = call->args;

		if (sscanf(line, "%15s %u %lu %lu %lu %lu %lu %lu", kind, &call->number, &a[0], &a[1], &a[2],
			   &a[3], &a[4], &a[5]) != 8)
			return 1;
		call->i386 = !strcmp(kind, "i386");
		count++;
	}
	if (!program.filter)
		make(calls, count);
	else if (run(&program, calls, count))
		return 1;
	for (unsigned int i = 0; i < count; i++)
		printf("%s %ld\n", calls[i].done < 0 ? "signal" : "returned", calls[i].result);
	return 0;
}
