// SPDX-License-Identifier: GPL-2.0-only
/* The kernel modules: what is loaded, and what is installed for the running kernel. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "module.h"
#include "program.h"

/* the clock that ends SAs holds the module for a moment: tries, and nanoseconds between them */
#define TRIES 20
#define PAUSE 100000000

/* Reads a file of a loaded module. Return: whether it is there */
static bool read_about(const char *name, const char *what, char *buf, size_t size)
{
	char path[128];
	FILE *file;
	bool got;

	snprintf(path, sizeof(path), "/sys/module/%s/%s", name, what);
	file = fopen(path, "re");
	if (!file)
		return false;
	got = fgets(buf, size, file);
	fclose(file);
	if (got)
		buf[strcspn(buf, "\n")] = '\0';
	return got;
}

/** module_loaded() - Return: whether a module is loaded */
bool module_loaded(const char *name)
{
	char state[64];

	return read_about(name, "initstate", state, sizeof(state));
}

/** module_version() - get the version of a loaded module */
void module_version(const char *name, char version[64])
{
	if (!read_about(name, "version", version, 64))
		snprintf(version, 64, "?");
}

/** module_users() - Return: what holds a loaded module; -1: unknown, since it cannot be removed */
int module_users(const char *name)
{
	char users[64];

	return read_about(name, "refcnt", users, sizeof(users)) ? atoi(users) : -1;
}

/* Asks the file of a module, that of the running kernel. */
static int ask(const char *name, const char *field, char *buf, size_t size)
{
	const char *const argv[] = { "modinfo", "-F", field, name, NULL };
	int status = program_run(argv, NULL, buf, size);

	buf[strcspn(buf, "\n")] = '\0';
	return status;
}

/**
 * module_check() - look whether the file of a module can be loaded
 * @name: the module
 * @family: the version of the netlink family that it must have; 0: it has none
 *
 * Return: STATUS_OK; STATUS_REFUSED after printing an error.
 */
int module_check(const char *name, int family)
{
	char magic[256], version[64];
	struct utsname kernel;
	size_t len;

	uname(&kernel);
	len = strlen(kernel.release);
	if (ask(name, "vermagic", magic, sizeof(magic))) {
		error("there is no module %s for the running kernel %s ('dkms status' lists for which there are)",
		      name, kernel.release);
		return STATUS_REFUSED;
	}
	if (strncmp(magic, kernel.release, len) || (magic[len] && magic[len] != ' ')) {
		error("the module %s is for the kernel %.*s, but %s is running", name,
		      (int)strcspn(magic, " "), magic, kernel.release);
		return STATUS_REFUSED;
	}
	if (!family || ask(name, "family", version, sizeof(version)) || atoi(version) == family)
		return STATUS_OK;
	error("the installed module has version %s of the netlink family, but this command needs version %d: install both of one version",
	      *version ? version : "?", family);
	return STATUS_REFUSED;
}

/** module_load() - load a module, with those that it needs. Return: a STATUS_* */
int module_load(const char *name)
{
	const char *const argv[] = { "modprobe", name, NULL };
	int status = program_run(argv, NULL, NULL, 0);

	if (status)
		error("the module %s cannot be loaded (see above, and 'dmesg')", name);
	return status;
}

/** module_unload() - remove a module. Return: a STATUS_* */
int module_unload(const char *name)
{
	const struct timespec pause = { .tv_nsec = PAUSE };
	int i;

	for (i = 0; i < TRIES; i++) {
		if (!syscall(SYS_delete_module, name, O_NONBLOCK))
			return STATUS_OK;
		if (errno != EWOULDBLOCK && errno != EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	error("the module %s cannot be removed: %s", name,
	      errno == EWOULDBLOCK ? "something uses it" : strerror(errno));
	return STATUS_REFUSED;
}
