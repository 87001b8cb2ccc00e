// SPDX-License-Identifier: GPL-2.0-only
/* Other programs, run to their end. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

/* exit statuses, as a shell has them */
#define NOT_STARTED 126
#define NOT_THERE 127

static int cannot_start(const char *name, int status)
{
	error("%s cannot be started%s", name, status == NOT_THERE ? ": it is not installed" : "");
	return STATUS_REFUSED;
}

/* Standard input and output are files in memory, so that nobody waits for a reader. */
static int start(const char *const *argv, int in, int out, bool quiet)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child < 0)
		return cannot_start(argv[0], NOT_STARTED);
	if (!child) {
		if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
		    (!quiet || dup2(open("/dev/null", O_WRONLY), STDERR_FILENO) >= 0))
			execvp(argv[0], (char *const *)argv);
		_exit(errno == ENOENT ? NOT_THERE : NOT_STARTED);
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return STATUS_REFUSED;
	if (WIFEXITED(status) &&
	    (WEXITSTATUS(status) == NOT_THERE || WEXITSTATUS(status) == NOT_STARTED))
		return cannot_start(argv[0], WEXITSTATUS(status));
	return WIFEXITED(status) && !WEXITSTATUS(status) ? STATUS_OK : STATUS_REFUSED;
}

static bool put_all(int fd, const char *text)
{
	size_t left = strlen(text);
	ssize_t put;

	for (; left; text += put, left -= put) {
		put = write(fd, text, left);
		if (put < 0)
			return false;
	}
	return lseek(fd, 0, SEEK_SET) == 0;
}

/**
 * program_run() - run a program to its end
 * @argv: its words; the last is NULL
 * @input: its standard input; NULL: empty
 * @output: result: what it prints, as far as it fits; NULL: thrown away
 * @size: of @output
 *
 * Its errors go to our standard error; if @output is given, they are thrown away.
 *
 * Return: STATUS_OK if it ended with status 0; else STATUS_REFUSED.
 */
int program_run(const char *const *argv, const char *input, char *output, size_t size)
{
	int in = memfd_create("input", MFD_CLOEXEC), out = memfd_create("output", MFD_CLOEXEC);
	int status = STATUS_REFUSED;
	ssize_t got = 0;

	if (in < 0 || out < 0 || !put_all(in, input ? input : ""))
		error("memory ran out");
	else
		status = start(argv, in, out, output);
	if (output) {
		if (!status)
			got = pread(out, output, size - 1, 0);
		output[got > 0 ? got : 0] = '\0';
	}
	close(in);
	close(out);
	return status;
}
