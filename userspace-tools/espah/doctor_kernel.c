// SPDX-License-Identifier: GPL-2.0-only
/* espah doctor: the module, the kernels that are installed, crypto drivers, CPUs. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor.h"

#define MODULES "/lib/modules"

static const char *running(void)
{
	static struct utsname name;

	return uname(&name) ? "?" : name.release;
}

/* Whether depmod knows a module for a kernel, such as "/espah.ko", compressed or not. */
static bool has_module(const char *release, const char *file)
{
	char path[384];

	snprintf(path, sizeof(path), MODULES "/%s/modules.dep", release);
	return file_has(path, file);
}

/* --- the module --- */

static void tell_absent(struct doctor *doctor)
{
	json_t *finding = find(doctor, SEVERITY_FAULT, "the module espah is not loaded, so no packet is protected");
	char lockdown[128];

	if (!has_module(running(), "/espah.ko"))
		advise(finding, "install it for Linux %s (espah-dkms and the headers of this kernel, or 'make install')",
		       running());
	else if (!file_line("/sys/kernel/security/lockdown", lockdown, sizeof(lockdown)) &&
		 !strstr(lockdown, "[none]"))
		advise(finding, "run 'modprobe espah'; this kernel is locked down, so the key that signed the module must be enrolled (mokutil --import)");
	else
		cure(finding, "modprobe espah");
}

/* What modinfo says of the module on the disk; empty: nothing */
static void ask_modinfo(const char *field, char *buf, size_t size)
{
	char command[64];
	FILE *pipe;

	snprintf(command, sizeof(command), "modinfo -F %s espah 2>/dev/null", field);
	pipe = popen(command, "re");
	if (!pipe || !fgets(buf, size, pipe))
		*buf = '\0';
	if (pipe)
		pclose(pipe);
	buf[strcspn(buf, "\n")] = '\0';
}

static void look_version(struct doctor *doctor)
{
	char loaded[64], disk[64];
	json_t *finding;

	if (!file_line("/sys/module/espah/version", loaded, sizeof(loaded)) &&
	    strcmp(loaded, ESPAH_VERSION)) {
		finding = find(doctor, SEVERITY_WARNING, "the loaded module has version %s, and this command version %s",
			       loaded, ESPAH_VERSION);
		advise(finding, "install both in one version, then run 'espah reload', or reboot");
		return;
	}
	ask_modinfo("srcversion", disk, sizeof(disk));
	if (!*disk || file_line("/sys/module/espah/srcversion", loaded, sizeof(loaded)) ||
	    same(disk, loaded))
		return;
	advise(find(doctor, SEVERITY_NOTE, "the loaded module is not the installed one"),
	       "run 'espah reload', or reboot");
}

/* What the module leaves out if the kernel lacks it. */
static void look_options(struct doctor *doctor)
{
	char path[384];
	json_t *finding;

	snprintf(path, sizeof(path), "/boot/config-%s", running());
	if (access(path, R_OK) || file_has(path, "CONFIG_XFRM=y"))
		return;
	finding = find(doctor, SEVERITY_WARNING, "this kernel was built without CONFIG_XFRM, so rp_filter drops decrypted packets whose way back is another, and no firewall rule recognises them (meta ipsec)");
	advise(finding, "turn rp_filter off, or use a kernel with CONFIG_XFRM");
}

/** check_module() - espah is loaded, in the version of this command */
void check_module(struct doctor *doctor)
{
	if (access("/sys/module/espah", F_OK)) {
		tell_absent(doctor);
		return;
	}
	look_version(doctor);
	look_options(doctor);
}

/* --- other kernels --- */

static bool is_bootable(const char *release)
{
	char path[384];

	snprintf(path, sizeof(path), "/boot/vmlinuz-%s", release);
	if (!access(path, F_OK))
		return true;
	snprintf(path, sizeof(path), MODULES "/%s/vmlinuz", release);
	return !access(path, F_OK);
}

static bool has_dkms(void)
{
	struct dirent *entry;
	DIR *sources = opendir("/usr/src");
	bool found = false;

	while (sources && !found && (entry = readdir(sources)))
		found = !strncmp(entry->d_name, "espah-", 6);
	if (sources)
		closedir(sources);
	return found && (!access("/usr/sbin/dkms", X_OK) || !access("/usr/bin/dkms", X_OK));
}

static void look_kernel(struct doctor *doctor, const char *release)
{
	bool current = same(release, running());
	json_t *finding;

	if (has_module(release, "/espah.ko") ||
	    (!current && (strverscmp(release, running()) < 0 || !is_bootable(release))))
		return;
	finding = find(doctor, SEVERITY_WARNING, current ?
		       "the module espah was loaded by hand, and is not installed for the running Linux %s, so it is gone after a reboot" :
		       "Linux %s is installed, but has no module espah, so no packet is protected after a reboot",
		       release);
	if (has_dkms())
		cure(finding, "dkms autoinstall -k %s", release);
	else
		advise(finding, "install the headers of this kernel, then build and install the module for it (espah-dkms does so)");
	detail(finding, "kernel", json_string(release));
}

/** check_kernels() - each installed kernel has the module */
void check_kernels(struct doctor *doctor)
{
	DIR *all = opendir(MODULES);
	struct dirent *entry;
	char path[384];
	bool seen = false;

	while (all && (entry = readdir(all))) {
		snprintf(path, sizeof(path), MODULES "/%s/modules.dep", entry->d_name);
		if (*entry->d_name == '.' || access(path, R_OK))
			continue;
		seen |= same(entry->d_name, running());
		if (!same(entry->d_name, running()) || !access("/sys/module/espah", F_OK))
			look_kernel(doctor, entry->d_name);
	}
	if (all)
		closedir(all);
	if (!seen)
		advise(find(doctor, SEVERITY_SKIPPED, "the modules of the running Linux %s are not in " MODULES ", so nobody knows whether espah is there after a reboot",
			    running()),
		       "ask outside of the container");
}

/* --- crypto drivers --- */

/* Portable drivers, the CPU's flag for a faster one, and its module and file. */
static const struct {
	const char *slow;
	const char *flag;
	const char *module;
	const char *file;
} drivers[] = {
	{ "aes-generic", " aes ", "aesni_intel", "/aesni-intel.ko" },
	{ "ghash-generic", " pclmulqdq ", "ghash_clmulni_intel", "/ghash-clmulni-intel.ko" },
	{ "sha1-generic", " ssse3 ", "sha1_ssse3", "/sha1-ssse3.ko" },
	{ "sha256-generic", " ssse3 ", "sha256_ssse3", "/sha256-ssse3.ko" },
	{ "sha384-generic", " ssse3 ", "sha512_ssse3", "/sha512-ssse3.ko" },
	{ "sha512-generic", " ssse3 ", "sha512_ssse3", "/sha512-ssse3.ko" },
	{ "chacha20-generic", " ssse3 ", "chacha_x86_64", "/chacha-x86_64.ko" },
	{ "poly1305-generic", " sse2 ", "poly1305_x86_64", "/poly1305-x86_64.ko" },
};

/** check_crypto() - the fast drivers are in use */
void check_crypto(struct doctor *doctor)
{
	const struct things *sas = &doctor->state.things[THING_SA];
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	json_t *finding;
	unsigned int d;
	size_t i, n;

	for (d = 0; d < ARRAY_SIZE(drivers); d++) {
		const char *alg = "?", *driver = "?";

		for (i = n = 0; i < sas->count; i++) {
			attr_table(sas->at[i].nlh, tb, ESPAH_SA_MAX);
			if (!strstr(attr_string(tb[ESPAH_SA_DRIVER], ""), drivers[d].slow) || n++)
				continue;
			alg = attr_string(tb[ESPAH_SA_ALG], "?");
			driver = attr_string(tb[ESPAH_SA_DRIVER], "?");
		}
		if (!n || !file_has("/proc/cpuinfo", drivers[d].flag) ||
		    !has_module(running(), drivers[d].file))
			continue;
		finding = find(doctor, SEVERITY_WARNING, "%zu SA%s (%s) the slow driver %s, although this CPU has instructions for a fast one",
			       n, n == 1 ? " uses" : "s use", alg, driver);
		advise(finding, "run 'modprobe %s', then make new SAs (rekey): an SA keeps its driver",
		       drivers[d].module);
		detail(finding, "driver", json_string(driver));
		detail(finding, "module", json_string(drivers[d].module));
	}
}

/* --- CPUs --- */

#define CPUS_MAX 8192

/* Adds the CPUs of a list such as "0-3,5" to @set; CPUs that are not in @within do not count. */
static unsigned int read_cpus(const char *path, bool *set)
{
	char line[4096], *at = line;
	unsigned long low, high;
	unsigned int n = 0;

	file_line(path, line, sizeof(line));
	while (*at >= '0' && *at <= '9') {
		low = high = strtoul(at, &at, 10);
		if (*at == '-')
			high = strtoul(at + 1, &at, 10);
		for (; low <= high && low < CPUS_MAX; low++, n++)
			set[low] = true;
		at += *at == ',';
	}
	return n;
}

/** check_cpus() - CPUs that may share the packets of an SA */
void check_cpus(struct doctor *doctor)
{
	static bool online[CPUS_MAX], isolated[CPUS_MAX];
	const struct things *sas = &doctor->state.things[THING_SA];
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	unsigned int n, left = 0, i, most = 0;
	json_t *finding;
	size_t j;

	n = read_cpus("/sys/devices/system/cpu/online", online);
	read_cpus("/sys/devices/system/cpu/isolated", isolated);
	read_cpus("/sys/devices/system/cpu/nohz_full", isolated);
	for (i = 0; i < CPUS_MAX; i++)
		left += online[i] && !isolated[i];
	if (left == n || !sas->count)
		return;
	for (j = 0; j < sas->count; j++) {
		uint16_t cpus;

		attr_table(sas->at[j].nlh, tb, ESPAH_SA_MAX);
		cpus = attr_u16(tb[ESPAH_SA_CPUS], 0);
		if (cpus > most)
			most = cpus;
	}
	if (most <= left && left > 1)
		return;
	finding = find(doctor, SEVERITY_NOTE, "of %u CPUs all but %u are isolated (isolcpus, nohz_full), and isolated CPUs do not share the packets of an SA%s",
		       n, left, most > left ? ", although 'cpus' of an SA asks for more" : "");
	advise(finding, "isolate fewer CPUs, if one CPU cannot carry the traffic");
	detail(finding, "cpus", json_integer(n));
	detail(finding, "left", json_integer(left));
}
