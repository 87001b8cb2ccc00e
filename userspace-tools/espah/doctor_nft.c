// SPDX-License-Identifier: GPL-2.0-only
/* espah doctor: reads the rules of nftables. */
#include <stdlib.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"
#include "ruleset.h"

/* Whether the kernel has nf_tables. To ask nft would load it. */
static bool has_nftables(void)
{
	struct utsname name;
	char path[256];

	if (!access("/sys/module/nf_tables", F_OK))
		return true;
	if (uname(&name))
		return true;
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.builtin", name.release);
	return file_has(path, "/nf_tables.ko");
}

static pid_t run_nft(int *from)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends))
		return -1;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execlp("nft", "nft", "-j", "list", "ruleset", (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	*from = ends[0];
	if (pid < 0)
		close(ends[0]);
	return pid;
}

static json_t *read_nft(const char **why)
{
	json_t *text = NULL, *index;
	int from, status;
	pid_t pid = run_nft(&from);

	*why = "the command nft cannot be started";
	if (pid < 0)
		return NULL;
	text = json_loadfd(from, JSON_DISABLE_EOF_CHECK, NULL);
	close(from);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status)) {
		*why = WIFEXITED(status) && WEXITSTATUS(status) == 127 ?
		       "the command nft is missing" : "the command nft failed";
		json_decref(text);
		return NULL;
	}
	index = ruleset_index(text);
	json_decref(text);
	*why = index ? NULL : "nobody understands the answer of the command nft";
	return index;
}

/**
 * doctor_ruleset() - get the rules of nftables; says once if they cannot be read
 * @doctor: the examination
 *
 * Return: from ruleset_index(), or NULL.
 */
const json_t *doctor_ruleset(struct doctor *doctor)
{
	if (doctor->ruleset || doctor->unread)
		return doctor->ruleset;
	if (!has_nftables()) {
		doctor->ruleset = json_object();
		return doctor->ruleset;
	}
	doctor->ruleset = read_nft(&doctor->unread);
	if (!doctor->ruleset)
		advise(find(doctor, SEVERITY_SKIPPED, "%s, so nobody looked at the rules of the firewall",
			    doctor->unread),
		       "install nftables, or look at the rules yourself");
	return doctor->ruleset;
}
