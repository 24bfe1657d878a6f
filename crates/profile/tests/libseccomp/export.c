/*
 * Builds a filter with libseccomp from the lines on standard input and writes its program to
 * standard output, or with the argument "rules" the library's own account of it. One line per call
 * of the library, so that the test says what is asked of it.
 *
 *   default ACTION
 *   arch TOKEN
 *   rule ACTION NAME [INDEX OPERATOR VALUE VALUE]...
 *
 * On standard error: "unknown NAME" for a name that this version does not have, "conflict NAME"
 * for a rule that it refuses beside an earlier one.
 */
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t number(void)
{
	char *word = strtok(NULL, " ");
	return word ? (uint32_t)strtoul(word, NULL, 0) : 0;
}

static int add(scmp_filter_ctx filter)
{
	struct scmp_arg_cmp args[6];
	unsigned int count = 0;
	uint32_t action = number();
	char *name = strtok(NULL, " ");
	int call = name ? seccomp_syscall_resolve_name(name) : __NR_SCMP_ERROR;
	char *word;
	int error;

	if (call == __NR_SCMP_ERROR) {
		fprintf(stderr, "unknown %s\n", name);
		return 0;
	}
	while (count < 6 && (word = strtok(NULL, " "))) {
		struct scmp_arg_cmp *arg = &args[count++];
		arg->arg = (unsigned int)strtoul(word, NULL, 0);
		arg->op = (enum scmp_compare)number();
		word = strtok(NULL, " ");
		arg->datum_a = word ? strtoull(word, NULL, 0) : 0;
		word = strtok(NULL, " ");
		arg->datum_b = word ? strtoull(word, NULL, 0) : 0;
	}
	error = seccomp_rule_add_array(filter, action, call, count, args);
	if (error == -EEXIST) {
		fprintf(stderr, "conflict %s\n", name);
		return 0;
	}
	return error;
}

int main(int argc, char **argv)
{
	char line[1024];
	scmp_filter_ctx filter = NULL;
	int error = 0;

	while (!error && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		char *verb = strtok(line, " ");
		if (!verb)
			continue;
		if (!strcmp(verb, "default")) {
			filter = seccomp_init(number());
			error = filter ? 0 : -ENOMEM;
		} else if (!strcmp(verb, "arch")) {
			error = seccomp_arch_add(filter, number());
			if (error == -EEXIST)
				error = 0;
		} else if (!strcmp(verb, "rule")) {
			error = add(filter);
		} else {
			error = -EINVAL;
		}
	}
	if (!error)
		error = argc > 1 && !strcmp(argv[1], "rules") ? seccomp_export_pfc(filter, 1)
							    : seccomp_export_bpf(filter, 1);
	if (error)
		fprintf(stderr, "error %d\n", error);
	return error ? 1 : 0;
}
