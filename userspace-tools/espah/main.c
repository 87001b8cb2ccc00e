// SPDX-License-Identifier: GPL-2.0-only
/* espah: configures and shows the IPsec module of the same name. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "nl.h"
#include "queue.h"
#include "term.h"

static const struct command commands[] = {
	{ "sa", cmd_sa, "security associations: keys and counters of one direction", NULL },
	{ "policy", cmd_policy, "which packets are protected, passed or discarded", NULL },
	{ "link", cmd_link, "network devices that packets are routed into, to be protected", NULL },
	{ "default", cmd_default, "what happens to packets that no policy matches", default_help },
	{ "config", cmd_config, "settings of the network namespace", config_help },
	{ "show", cmd_show, "policies, SAs and counters on one screen", show_help },
	{ "stats", cmd_stats, "traffic, and why packets were dropped", stats_help },
	{ "metrics", cmd_metrics, "counters for Prometheus", metrics_help },
	{ "explain", cmd_explain, "what would happen to a packet, and why", explain_help },
	{ "doctor", cmd_doctor, "what breaks tunnels on this host, and what to do", doctor_help },
	{ "monitor", cmd_monitor, "events as they happen", monitor_help },
	{ "capture", cmd_capture, "packets in clear, with tcpdump", capture_help },
	{ "export", cmd_export, "the keys, for Wireshark to decrypt a capture", export_help },
	{ "algo", cmd_algo, "algorithms, and what this kernel has for them", algo_help },
	{ "check", cmd_check, "the errors of a configuration file", check_help },
	{ "apply", cmd_apply, "make things as a configuration file says", apply_help },
	{ "save", cmd_save, "print what there is as a configuration file", save_help },
	{ "guard", cmd_guard, "rules for nft, against traffic in clear before apply", guard_help },
	{ "reload", cmd_reload, "replace the loaded module by the installed one, behind a guard", reload_help },
	{ "flush", cmd_flush, "delete all SAs and policies; traffic goes in the clear then",
	  flush_help },
	{ "version", cmd_version, "of this command and of the module", version_help },
	{ 0 }
};

static const char usage_head[] =
	"espah [-n NETNS] [-j] COMMAND ...\n"
	"espah [-n NETNS] [-j] [-f] -b FILE\n"
	"\n"
	"Configures and shows the IPsec module espah.\n"
	"\n";

static const char usage_tail[] =
	"\n"
	"  -n, --netns NETNS  in a network namespace: a name, a path or a process id\n"
	"  -j, --json         print JSON\n"
	"  -b, --batch FILE   a command a line, without the word espah; \"-\" is standard\n"
	"                     input\n"
	"  -f, --force        with -b: go on after an error\n"
	"  -w, --wide         do not fit output to the terminal\n"
	"  -V, --version      of this command\n"
	"  -h, --help         this; after a command: more about it, with an example\n"
	"\n"
	"Exit status: 0 done, 1 the kernel or a file refused, 2 usage error; 'explain\n"
	"--check', 'apply --dry-run' and 'doctor' have others.\n"
	"\n"
	"Example: a tunnel between two sites, at one end\n"
	"  espah sa add in spi 0x1001 src 198.51.100.7 dst 192.0.2.1 \\\n"
	"      tunnel aes256gcm16 key-file in.key reqid 7\n"
	"  espah sa add out spi 0x2001 src 192.0.2.1 dst 198.51.100.7 \\\n"
	"      tunnel aes256gcm16 key-file out.key reqid 7\n"
	"  espah policy add both 10.1.0.0/16 10.2.0.0/16 \\\n"
	"      protect esp tunnel 192.0.2.1 198.51.100.7 reqid 7\n"
	"  espah explain 10.1.0.5 10.2.0.9 tcp 443\n";

static char usage[4096];

static void write_usage(void)
{
	const struct command *row;
	size_t used;

	used = snprintf(usage, sizeof(usage), "%s", usage_head);
	for (row = commands; row->name; row++)
		used += snprintf(usage + used, sizeof(usage) - used, "  %-9s%s\n", row->name,
				 row->summary);
	snprintf(usage + used, sizeof(usage) - used, "%s", usage_tail);
}

static int run_command(struct cli *cli, struct args *args)
{
	return command_run(commands, "espah", usage, cli, args);
}

/* Enters a namespace by path, name, or process id. Return: 0, or -1 after printing an error. */
static int enter_netns(const char *netns)
{
	char name[256];
	const char *path = strchr(netns, '/') ? netns : name;
	int fd;

	if (path == name)
		snprintf(name, sizeof(name), "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && path == name && *netns &&
	    strspn(netns, "0123456789") == strlen(netns)) {
		snprintf(name, sizeof(name), "/proc/%s/ns/net", netns);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0) {
		error("the network namespace '%s' cannot be opened: %s: %s", netns, path,
		      strerror(errno));
		return -1;
	}
	if (setns(fd, CLONE_NEWNET)) {
		error("the network namespace '%s' cannot be entered: %s", netns,
		      errno == EPERM ? "it needs CAP_SYS_ADMIN; run it as root" :
		      errno == EINVAL ? "this is not a network namespace" : strerror(errno));
		close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

static const char *option_name(unsigned int i)
{
	static const char *const names[] = {
		"--netns", "--json", "--batch", "--force", "--wide", "--version", "--help", NULL
	};

	return names[i];
}

/*
 * Splits options that are typed together: -jn ga, -nga, --netns=ga. Return: the rest of the word,
 * which args_next() gives, or NULL.
 */
static char *split(char *word, char brief[3])
{
	char *value;

	if (word[1] == '-') {
		value = strchr(word, '=');
		if (value)
			*value++ = '\0';
		return value;
	}
	if (!word[1] || !word[2])
		return NULL;
	snprintf(brief, 3, "%.2s", word);
	if (word[1] == 'n' || word[1] == 'b')
		return word + 2;
	word[1] = '-';
	return word + 1;
}

static bool is_option(const char *word, const char *brief, const char *full)
{
	return !strcmp(word, brief) || !strcmp(word, full);
}

static int unknown_option(const char *word)
{
	const char *near = suggest(word, option_name);

	if (near)
		error("'%s' is not an option; did you mean '%s'?", word, near);
	else
		error("'%s' is not an option (see 'espah --help')", word);
	return STATUS_USAGE;
}

/**
 * struct options - the words before the command
 * @netns: network namespace to enter, or NULL
 * @batch: file of commands, or NULL
 */
struct options {
	const char *netns;
	const char *batch;
};

/* Return: a STATUS_*; -1: nothing more to do, exit with success. */
static int read_options(struct cli *cli, struct args *args, struct options *options)
{
	char *word, *rest, brief[3];

	while ((word = args_peek(args)) && *word == '-') {
		*brief = '\0';
		rest = split(word, brief);
		if (rest)
			args->word[args->at] = rest;
		else
			args_next(args);
		if (*brief)
			word = brief;
		if (is_option(word, "-n", "--netns")) {
			options->netns = args_value(args, word);
			if (!options->netns)
				return STATUS_USAGE;
			if (*options->netns == '-') {
				error("'%s' needs a network namespace, not the option '%s'", word,
				      options->netns);
				return STATUS_USAGE;
			}
		} else if (is_option(word, "-b", "--batch")) {
			options->batch = args_value(args, word);
			if (!options->batch)
				return STATUS_USAGE;
		} else if (is_option(word, "-j", "--json")) {
			cli->json = true;
		} else if (is_option(word, "-f", "--force")) {
			cli->force = true;
		} else if (is_option(word, "-w", "--wide")) {
			term_wide();
		} else if (is_option(word, "-h", "--help")) {
			fputs(usage, stdout);
			return -1;
		} else if (is_option(word, "-V", "--version")) {
			printf("espah %s\n", ESPAH_VERSION);
			return -1;
		} else {
			return unknown_option(word);
		}
	}
	return STATUS_OK;
}

static int run(struct cli *cli, struct args *args)
{
	struct options options = { 0 };
	int status = read_options(cli, args, &options);

	if (status)
		return status < 0 ? STATUS_OK : status;
	if (options.batch && args_peek(args)) {
		error("'%s' cannot follow -b %s: the commands are in the file", args_peek(args),
		      options.batch);
		return STATUS_USAGE;
	}
	if (cli->force && !options.batch) {
		error("-f needs -b FILE");
		return STATUS_USAGE;
	}
	if (!options.batch && !args_peek(args)) {
		fputs(usage, stderr);
		return STATUS_USAGE;
	}
	if (options.netns && enter_netns(options.netns))
		return STATUS_REFUSED;
	return options.batch ? batch_run(cli, options.batch, run_command) : run_command(cli, args);
}

int main(int argc, char **argv)
{
	struct args args = { .word = argv, .count = argc, .at = argc ? 1 : 0 };
	struct cli cli = { 0 };
	int status;

	write_usage();
	status = run(&cli, &args);
	queue_free(cli.queue);
	nl_close(cli.nl);
	nl_close(cli.route);
	if ((fflush(stdout) || ferror(stdout)) && !status) {
		error("the output cannot be written: %s", strerror(errno));
		status = STATUS_REFUSED;
	}
	return status;
}
