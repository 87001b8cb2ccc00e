// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other network namespaces of this machine: those of processes, and those that are mounted, as by
 * "ip netns" and Docker. One that only an open file holds is not found.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netns.h"
#include "nl.h"
#include "queue.h"
#include "settings.h"
#include "state.h"

/* namespaces that are named in one error */
#define NAMED 4

/**
 * struct others - the namespaces that were seen
 * @inode: by this, a namespace is known again; the first is our own
 * @count: how many
 * @room: capacity
 * @home: our own
 * @text: those that have anything
 * @found: how many these are
 */
struct others {
	ino_t *inode;
	size_t count;
	size_t room;
	int home;
	char text[512];
	unsigned int found;
};

/* Return: whether the namespace was not seen before; -1: no memory. */
static int is_new(struct others *others, ino_t inode)
{
	size_t room = others->room ? 2 * others->room : 64, i;
	ino_t *at;

	for (i = 0; i < others->count; i++)
		if (others->inode[i] == inode)
			return 0;
	if (others->count == others->room) {
		at = reallocarray(others->inode, room, sizeof(*at));
		if (!at) {
			error("memory ran out");
			return -1;
		}
		others->inode = at;
		others->room = room;
	}
	others->inode[others->count++] = inode;
	return 1;
}

static bool has_settings(const struct state *state)
{
	const struct setting *setting;

	for (setting = settings; setting->command; setting++)
		if (state->value[setting->attr] != setting->initial)
			return true;
	return false;
}

static void note(struct others *others, const char *name, const struct state *state)
{
	size_t used = strlen(others->text);

	if (others->found++ >= NAMED)
		return;
	snprintf(others->text + used, sizeof(others->text) - used,
		 "%s%s (%zu SAs, %zu policies, %zu devices%s)", used ? ", " : "", name,
		 state->things[THING_SA].count, state->things[THING_POLICY].count,
		 state->things[THING_LINK].count + state->guests,
		 has_settings(state) ? ", settings" : "");
}

/* Looks at what the namespace has in which we are. */
static int look(struct others *others, const char *name)
{
	struct cli cli = { 0 };
	struct state state;
	int status = state_read(&cli, "reload", false, &state);

	if (!status && (state.things[THING_SA].count || state.things[THING_POLICY].count ||
			state.things[THING_LINK].count || state.guests || has_settings(&state)))
		note(others, name, &state);
	state_free(&state);
	queue_free(cli.queue);
	nl_close(cli.nl);
	nl_close(cli.route);
	return status;
}

/* Visits a namespace, unless it is gone or was seen. */
static int visit(struct others *others, const char *path, const char *name)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), status = STATUS_OK, fresh;
	struct stat st;

	if (fd < 0)
		return STATUS_OK;
	fresh = fstat(fd, &st) ? 0 : is_new(others, st.st_ino);
	if (fresh < 0) {
		status = STATUS_REFUSED;
	} else if (fresh && !setns(fd, CLONE_NEWNET)) {
		status = look(others, name);
		if (setns(others->home, CLONE_NEWNET)) {
			error("the own network namespace cannot be entered again: %s",
			      strerror(errno));
			status = STATUS_REFUSED;
		}
	}
	close(fd);
	return status;
}

static int visit_mounts(struct others *others)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, root[64], path[256];
	int status = STATUS_OK;
	size_t size = 0;

	if (!file) {
		error("/proc/self/mountinfo cannot be read: %s", strerror(errno));
		return STATUS_REFUSED;
	}
	while (!status && getline(&line, &size, file) >= 0)
		if (sscanf(line, "%*u %*u %*s %63s %255s", root, path) == 2 &&
		    !strncmp(root, "net:[", 5))
			status = visit(others, path, strncmp(path, "/run/netns/", 11) ? path :
				       path + 11);
	free(line);
	fclose(file);
	return status;
}

static int visit_processes(struct others *others)
{
	char path[64], name[64];
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	int status = STATUS_OK;

	if (!folder) {
		error("/proc cannot be read: %s", strerror(errno));
		return STATUS_REFUSED;
	}
	while (!status && (entry = readdir(folder))) {
		if (entry->d_name[strspn(entry->d_name, "0123456789")])
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/ns/net", entry->d_name);
		snprintf(name, sizeof(name), "that of process %.20s", entry->d_name);
		status = visit(others, path, name);
	}
	closedir(folder);
	return status;
}

/**
 * netns_others_empty() - look whether others have SAs, policies, devices or settings
 *
 * Return: STATUS_OK: none has any; STATUS_REFUSED after printing an error.
 */
int netns_others_empty(void)
{
	struct others others = { .home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) };
	int status = STATUS_REFUSED;
	struct stat st;

	if (others.home < 0 || fstat(others.home, &st))
		error("the own network namespace cannot be opened: %s", strerror(errno));
	else if (is_new(&others, st.st_ino) > 0)
		status = visit_mounts(&others);
	if (!status)
		status = visit_processes(&others);
	if (!status && others.found) {
		error("a reload would lose what other network namespaces have: %s%s", others.text,
		      others.found > NAMED ? ", and more" : "");
		status = STATUS_REFUSED;
	}
	free(others.inode);
	if (others.home >= 0)
		close(others.home);
	return status;
}
