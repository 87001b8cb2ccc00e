// SPDX-License-Identifier: GPL-2.0-only
/*
 * espah doctor: which stack the IKE daemons key. charon takes the first plugin that offers to, and
 * says nothing if that is not the wanted one. What it took shows in its files: plugins are mapped,
 * and only the part of kernel-netlink that keys XFRM has a socket of NETLINK_XFRM.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"

#define PLUGIN "libstrongswan-kernel-espah.so"
#define PLUGIN_FOLDER "/usr/lib/ipsec/plugins"
#define PLUGIN_CONF "/etc/strongswan.d/charon/kernel-espah.conf"

/**
 * struct daemon - an IKE daemon of this network namespace
 * @pid: its process
 * @name: of the program
 * @unreadable: it cannot be looked at
 * @plugin: the plugin kernel-espah is loaded
 * @installed: it is installed where the daemon looks for plugins
 * @unwanted: its settings say that it is not to be loaded, or it has none
 * @xfrm: it has a socket of NETLINK_XFRM
 * @generic: it has a socket of generic netlink
 */
struct daemon {
	int pid;
	char name[32];
	bool unreadable;
	bool plugin;
	bool installed;
	bool unwanted;
	bool xfrm;
	bool generic;
};

/* --- sockets of netlink --- */

/** struct net_socket - a line of /proc/net/netlink */
struct net_socket {
	unsigned int protocol;
	unsigned int port;
	unsigned int groups;
	unsigned long inode;
};

/* Calls @see for each socket of netlink in this network namespace until it returns true. */
static bool each_socket(bool (*see)(const struct net_socket *socket, const void *data),
			const void *data)
{
	FILE *file = fopen("/proc/self/net/netlink", "re");
	struct net_socket socket;
	char line[256];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %u %u %x %*s %*s %*s %*s %*s %lu", &socket.protocol,
			   &socket.port, &socket.groups, &socket.inode) == 4)
			found = see(&socket, data);
	if (file)
		fclose(file);
	return found;
}

struct wanted_socket {
	unsigned int protocol;
	unsigned long inode;
};

static bool is_socket(const struct net_socket *socket, const void *data)
{
	const struct wanted_socket *wanted = data;

	return socket->protocol == wanted->protocol && socket->inode == wanted->inode;
}

static bool is_xfrm_kernel(const struct net_socket *socket, const void *data)
{
	(void)data;
	return socket->protocol == NETLINK_XFRM && !socket->port;
}

/** xfrm_answers() - Return: whether NETLINK_XFRM is there; does not have a module loaded */
bool xfrm_answers(void)
{
	return each_socket(is_xfrm_kernel, NULL);
}

static bool has_face(void)
{
	return !access("/sys/module/espah_xfrm", F_OK);
}

/* --- processes --- */

static bool same_netns(int pid)
{
	struct stat own, its;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	return !stat("/proc/self/ns/net", &own) && !stat(path, &its) && own.st_ino == its.st_ino &&
	       own.st_dev == its.st_dev;
}

/* Whether the settings of the plugin keep charon from loading it: "load = no", or no settings. */
static bool is_unwanted(int pid)
{
	char path[64 + sizeof(PLUGIN_CONF)], line[256], value[16];
	bool unwanted;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/root" PLUGIN_CONF, pid);
	file = fopen(path, "re");
	unwanted = !file;
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " load = %15s", value) == 1)
			unwanted = same(value, "no");
	if (file)
		fclose(file);
	return unwanted;
}

static void read_maps(struct daemon *daemon)
{
	char path[64], folder[256] = PLUGIN_FOLDER, file[512], line[512], *at, *end;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", daemon->pid);
	maps = fopen(path, "re");
	daemon->unreadable = !maps && errno != ENOENT; /* it may have ended meanwhile */
	while (maps && fgets(line, sizeof(line), maps)) {
		at = strchr(line, '/');
		end = at ? strstr(at, "/libstrongswan-") : NULL;
		if (end && end - at < (long)sizeof(folder))
			snprintf(folder, sizeof(folder), "%.*s", (int)(end - at), at);
		daemon->plugin |= strstr(line, PLUGIN) != NULL;
	}
	if (maps)
		fclose(maps);
	snprintf(file, sizeof(file), "/proc/%d/root%s/" PLUGIN, daemon->pid, folder);
	daemon->installed = !access(file, F_OK);
	daemon->unwanted = is_unwanted(daemon->pid);
}

static void read_sockets(struct daemon *daemon)
{
	char path[64], text[64];
	struct dirent *entry;
	ssize_t len;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%d/fd", daemon->pid);
	fds = opendir(path);
	daemon->unreadable |= !fds && errno != ENOENT;
	while (fds && (entry = readdir(fds))) {
		struct wanted_socket wanted = { NETLINK_XFRM, 0 };

		len = readlinkat(dirfd(fds), entry->d_name, text, sizeof(text) - 1);
		text[len < 0 ? 0 : len] = '\0';
		if (sscanf(text, "socket:[%lu]", &wanted.inode) != 1)
			continue;
		daemon->xfrm |= each_socket(is_socket, &wanted);
		wanted.protocol = NETLINK_GENERIC;
		daemon->generic |= each_socket(is_socket, &wanted);
	}
	if (fds)
		closedir(fds);
}

/* Calls @see for each IKE daemon of this network namespace. Return: their number */
static unsigned int each_daemon(struct doctor *doctor,
				void (*see)(struct doctor *doctor, const struct daemon *daemon))
{
	struct dirent *entry;
	DIR *all = opendir("/proc");
	unsigned int n = 0;
	char path[64];

	while (all && (entry = readdir(all))) {
		struct daemon daemon = { .pid = atoi(entry->d_name) };

		if (!isdigit((unsigned char)*entry->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/comm", daemon.pid);
		file_line(path, daemon.name, sizeof(daemon.name));
		if ((strncmp(daemon.name, "charon", 6) && !same(daemon.name, "pluto")) ||
		    !same_netns(daemon.pid))
			continue;
		n++;
		if (!see)
			continue;
		read_maps(&daemon);
		read_sockets(&daemon);
		see(doctor, &daemon);
	}
	if (all)
		closedir(all);
	return n;
}

/** ike_runs() - Return: whether an IKE daemon runs in this network namespace */
bool ike_runs(void)
{
	return each_daemon(NULL, NULL);
}

/* --- who makes SAs when they are asked for --- */

struct listener {
	unsigned int protocol;
	unsigned int group;
};

static bool listens(const struct net_socket *socket, const void *data)
{
	const struct listener *listener = data;

	return socket->protocol == listener->protocol && socket->port &&
	       socket->groups & 1U << (listener->group - 1);
}

/* the kernel's file shows the first groups only */
#define GROUPS_SHOWN 32

/* XFRMNLGRP_ACQUIRE of linux/xfrm.h */
#define XFRM_GROUP_ACQUIRE 1

static bool plugin_works;

static void see_plugin(struct doctor *doctor, const struct daemon *daemon)
{
	(void)doctor;
	plugin_works |= daemon->plugin && daemon->generic && !daemon->xfrm;
}

/**
 * daemon_listens() - whether something waits for requests to make SAs
 * @doctor: the examination
 * @sure: result: whether there is no doubt
 *
 * Return: whether it does.
 */
bool daemon_listens(struct doctor *doctor, bool *sure)
{
	struct listener espah = { NETLINK_GENERIC, family_group(&doctor->cli->nl->family,
							       ESPAH_MCGRP_ACQUIRE) };
	const struct listener face = { NETLINK_XFRM, XFRM_GROUP_ACQUIRE };

	*sure = espah.group && espah.group <= GROUPS_SHOWN;
	if (*sure && each_socket(listens, &espah))
		return true;
	if (has_face() && each_socket(listens, &face))
		return true;
	plugin_works = false;
	each_daemon(doctor, see_plugin);
	return plugin_works;
}

/* --- the check --- */

/* SAs and policies that a daemon made by espah's own family. */
static bool has_daemons_things(const struct doctor *doctor)
{
	unsigned int kind;
	size_t i;

	for (kind = THING_SA; kind <= THING_POLICY; kind++)
		for (i = 0; i < doctor->state.things[kind].count; i++)
			if (doctor->state.things[kind].at[i].owner == ESPAH_OWNER_DAEMON)
				return true;
	return false;
}

static void look_pluto(struct doctor *doctor, const struct daemon *daemon)
{
	bool unkeyed = doctor->known && policies_unkeyed(doctor);
	json_t *finding;

	if (has_face() || !doctor->known || !doctor->state.things[THING_POLICY].count)
		return;
	finding = find(doctor, unkeyed ? SEVERITY_WARNING : SEVERITY_NOTE,
		       "%s (process %d) keys XFRM, not espah", daemon->name, daemon->pid);
	advise(finding, "if it is to key espah, load espah_xfrm in the place of xfrm_user, and restart it");
	detail(finding, "process", json_integer(daemon->pid));
}

static void look_charon(struct doctor *doctor, const struct daemon *daemon)
{
	const char *name = daemon->name;
	enum severity severity = SEVERITY_FAULT;
	json_t *finding;
	bool meant;

	if (daemon->unreadable) {
		finding = find(doctor, SEVERITY_SKIPPED, "the files of %s (process %d) cannot be read, so nobody knows what it keys",
			       name, daemon->pid);
		advise(finding, "run it as root");
	} else if (daemon->plugin && daemon->xfrm) {
		finding = find(doctor, SEVERITY_FAULT, "%s (process %d) keys XFRM, not espah: its plugin kernel-netlink was loaded before kernel-espah",
			       name, daemon->pid);
		advise(finding, "set 'load = 100' in /etc/strongswan.d/charon/kernel-espah.conf, or more than kernel-netlink has, and restart it");
	} else if (daemon->plugin && !daemon->generic) {
		finding = find(doctor, SEVERITY_FAULT, "the plugin kernel-espah of %s (process %d) does not work, so no SA can be made",
			       name, daemon->pid);
		advise(finding, "look for 'kernel-espah:' in its log, which says why (no module, another version), and restart it");
	} else if (!daemon->plugin && !has_face()) {
		meant = (daemon->installed && !daemon->unwanted) ||
			(doctor->known && (has_daemons_things(doctor) || policies_unkeyed(doctor)));
		if (!meant)
			severity = SEVERITY_NOTE;
		finding = find(doctor, severity, "%s (process %d) keys %s, not espah: the plugin kernel-espah is %s",
			       name, daemon->pid, daemon->xfrm ? "XFRM" : "something else",
			       !daemon->installed ? "not installed" : daemon->unwanted ?
		       "switched off in " PLUGIN_CONF : "installed, but not loaded");
		advise(finding, "%s%s, and restart it", meant ? "" : "if it is to key espah, ",
		       !daemon->installed ? "install strongswan-espah" : daemon->unwanted ?
		       "write 'kernel-espah { load = 100 }' there" :
		       "look for 'kernel-espah' in its log");
	} else {
		return;
	}
	detail(finding, "process", json_integer(daemon->pid));
}

static void see_daemon(struct doctor *doctor, const struct daemon *daemon)
{
	if (same(daemon->name, "pluto"))
		look_pluto(doctor, daemon);
	else
		look_charon(doctor, daemon);
}

/** check_charon() - strongSwan's charon keys espah, not XFRM */
void check_charon(struct doctor *doctor)
{
	bool left = doctor->known && has_daemons_things(doctor);
	json_t *finding;

	if (each_daemon(doctor, see_daemon) || (!left && access(PLUGIN_FOLDER "/" PLUGIN, F_OK)))
		return;
	if (left)
		finding = find(doctor, SEVERITY_WARNING, "SAs or policies of an IKE daemon are here, but none runs, so nobody renews them");
	else
		finding = find(doctor, SEVERITY_NOTE, "the plugin kernel-espah is installed, but charon does not run in this network namespace");
	advise(finding, "start it, such as by 'systemctl start strongswan'");
}
