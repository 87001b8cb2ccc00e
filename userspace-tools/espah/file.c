// SPDX-License-Identifier: GPL-2.0-only
/* Files that are written as a whole: readers see the old or the new content, never a part. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "file.h"

static int cannot_write(const char *name)
{
	error("%s cannot be written: %s", name, strerror(errno));
	return STATUS_REFUSED;
}

/* Writes the content and closes @stream. Return: a STATUS_*. */
static int fill(FILE *stream, const char *name, int (*write)(FILE *stream, void *data), void *data)
{
	int status = write(stream, data);

	if (!status && (fflush(stream) || ferror(stream)))
		status = cannot_write(name);
	if (fclose(stream) && !status)
		status = cannot_write(name);
	return status;
}

/* Writes a new file in the same folder and renames it over the old one. */
static int write_anew(const char *name, mode_t mode, const struct stat *old,
		      int (*write)(FILE *stream, void *data), void *data)
{
	FILE *stream = NULL;
	char *fresh;
	int fd, status;

	if (asprintf(&fresh, "%s.XXXXXX", name) < 0) {
		error("memory ran out");
		return STATUS_REFUSED;
	}
	fd = mkstemp(fresh);
	if (fd >= 0)
		stream = fdopen(fd, "w");
	if (!stream || fchmod(fd, mode) ||
	    (old && old->st_uid != geteuid() && fchown(fd, old->st_uid, old->st_gid))) {
		cannot_write(name);
		if (fd >= 0)
			unlink(fresh);
		if (stream)
			fclose(stream);
		free(fresh);
		return STATUS_REFUSED;
	}
	status = fill(stream, name, write, data);
	if (!status && rename(fresh, name))
		status = cannot_write(name);
	if (status)
		unlink(fresh);
	free(fresh);
	return status;
}

/**
 * file_write() - write a file by a temporary file in the same folder and rename
 * @name: the file; if it is a device or pipe, it is written into and not replaced
 * @mode: permissions of the new file; the owner of an old file stays
 * @write: writes the content, returns a STATUS_*; on an error the old file stays
 * @data: for @write
 *
 * Return: a STATUS_*.
 */
int file_write(const char *name, mode_t mode, int (*write)(FILE *stream, void *data), void *data)
{
	struct stat old;
	bool there = !stat(name, &old);
	FILE *stream;

	if (!there || S_ISREG(old.st_mode))
		return write_anew(name, mode, there ? &old : NULL, write, data);
	stream = fopen(name, "we");
	return stream ? fill(stream, name, write, data) : cannot_write(name);
}

/**
 * struct secret - content with keys
 * @name: the file, for messages
 * @write: as for file_write()
 * @data: for @write
 */
struct secret {
	const char *name;
	int (*write)(FILE *stream, void *data);
	void *data;
};

/* stdio buffers keys: use our own buffer, so that we can wipe it */
static int write_secret(FILE *stream, void *data)
{
	const struct secret *secret = data;
	static char buffer[BUFSIZ];
	int status;

	fflush(stream);
	setvbuf(stream, buffer, _IOFBF, sizeof(buffer));
	status = secret->write(stream, secret->data);
	if (fflush(stream) && !status)
		status = cannot_write(secret->name);
	explicit_bzero(buffer, sizeof(buffer));
	setvbuf(stream, NULL, _IONBF, 0);
	return status;
}

/**
 * file_write_secret() - write a file with keys, which then are no longer in this program's memory
 * @name: the file, as for file_write(); only its owner may read it; "-" is standard output
 * @write: writes the content, returns a STATUS_*; on an error the old file stays
 * @data: for @write
 *
 * Return: a STATUS_*.
 */
int file_write_secret(const char *name, int (*write)(FILE *stream, void *data), void *data)
{
	struct secret secret = { .name = name, .write = write, .data = data };

	if (strcmp(name, "-"))
		return file_write(name, 0600, write_secret, &secret);
	secret.name = "standard output";
	return write_secret(stdout, &secret);
}
