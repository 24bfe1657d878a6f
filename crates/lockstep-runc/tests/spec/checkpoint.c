/*
 * A program with something to lose: a counter in memory, a file read half way, a pipe and a socket pair with bytes in
 * them. At SIGUSR1 it says what it still has, at SIGUSR2 it ends. An argument is a socket of somebody else that it is
 * connected to.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t asked, ended;

static void on_signal(int number)
{
	if (number == SIGUSR1)
		asked = 1;
	else
		ended = 1;
}

/* Not on standard output, which is a file of the caller: criu(8) wants one of the same size in its place. */
static FILE *said;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* What is read there next, at most four bytes. */
static const char *next(int fd, char *buffer)
{
	ssize_t size = read(fd, buffer, 4);

	buffer[size > 0 ? size : 0] = 0;
	return buffer;
}

static void connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(address.sun_path, path, sizeof address.sun_path - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
		fail(path);
}

int main(int argc, char **argv)
{
	struct timespec pause = { 0, 10 * 1000 * 1000 };
	struct sigaction action = { .sa_handler = on_signal };
	char input[8], piped[8], sent[8];
	int file, written, pipes[2], pair[2];
	long counter = 0;

	said = fopen("/said", "a");
	if (!said)
		fail("/said");
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	file = open("/input", O_RDONLY);
	if (file < 0 || read(file, input, 4) != 4)
		fail("/input");
	written = open("/written", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (written < 0 || write(written, "one ", 4) != 4)
		fail("/written");
	if (pipe2(pipes, O_NONBLOCK) || write(pipes[1], "in pipe ", 8) != 8)
		fail("pipe");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) || write(pair[0], "in pair ", 8) != 8)
		fail("socketpair");
	if (argc > 1)
		connect_to(argv[1]);
	fprintf(said, "ready\n");
	fflush(said);
	while (!ended) {
		counter++;
		if (asked) {
			asked = 0;
			if (write(written, "two ", 4) != 4)
				fail("write");
			next(file, input);
			next(pipes[0], piped);
			next(pair[1], sent);
			fprintf(said, "counter=%ld input=%s pipe=%s pair=%s pid=%d\n", counter, input, piped, sent, getpid());
			fflush(said);
		}
		nanosleep(&pause, NULL);
	}
	fprintf(said, "end\n");
	return 7;
}
