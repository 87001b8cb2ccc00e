// SPDX-License-Identifier: GPL-2.0-only
/* espah doctor: looks at what breaks tunnels. The checks, and how their findings are printed. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "doctor.h"
#include "network.h"
#include "print.h"
#include "queue.h"
#include "term.h"

const char doctor_help[] =
	"espah doctor [CHECK]...\n"
	"\n"
	"Looks at what breaks tunnels, on this host and in this network namespace. Prints\n"
	"a line for each finding: how bad it is, the check, what it is, and what to do. A\n"
	"'fault' breaks tunnels, a 'warning' can break them, a 'note' breaks nothing, and\n"
	"'skipped' says why a check could not be made. Changes nothing. Without CHECK,\n"
	"makes all checks:\n"
	"  module      espah is loaded, in the version of this command\n"
	"  kernels     each installed kernel has the module\n"
	"  policies    they all apply, and each way has a way back\n"
	"  sas         policies have SAs, SAs have policies\n"
	"  addresses   outer addresses are addresses of this host\n"
	"  routes      there is a route to each peer\n"
	"  devices     those of kind espah, and those that policies name\n"
	"  mtu         MTU of devices, path MTU of SAs\n"
	"  forwarding  this host forwards packets of protected networks\n"
	"  rp_filter   reverse path filtering does not drop ESP\n"
	"  firewall    rules of nftables do not drop ESP, AH and IKE\n"
	"  nat         source NAT does not take packets from the policies\n"
	"  flowtables  which flows stay out of flowtables\n"
	"  charon      strongSwan's charon keys espah, not XFRM\n"
	"  xfrm        no policies of XFRM are in the way\n"
	"  crypto      the fast drivers are in use\n"
	"  cpus        CPUs that may share the packets of an SA\n"
	"  drops       reasons for which packets were dropped\n"
	"\n"
	"Exit status: 0 nothing wrong (notes do not count), 3 a fault or warning, 1 none,\n"
	"but a check could not be made.\n"
	"\n"
	"Examples:\n"
	"  espah doctor\n"
	"  espah -n gw-a -j doctor firewall nat\n";

/** STATUS_FOUND - exit status: something is wrong */
#define STATUS_FOUND 3

/** struct check - a row in the table of checks; @needs_state: looks at SAs, policies or devices */
struct check {
	const char *name;
	void (*run)(struct doctor *doctor);
	bool needs_state;
};

static const struct check checks[] = {
	{ "module", check_module, false },
	{ "kernels", check_kernels, false },
	{ "policies", check_policies, true },
	{ "sas", check_sas, true },
	{ "addresses", check_addresses, true },
	{ "routes", check_routes, true },
	{ "devices", check_devices, true },
	{ "mtu", check_mtu, true },
	{ "forwarding", check_forwarding, true },
	{ "rp_filter", check_rp_filter, true },
	{ "firewall", check_firewall, true },
	{ "nat", check_nat, true },
	{ "flowtables", check_flowtables, true },
	{ "charon", check_charon, false },
	{ "xfrm", check_xfrm, true },
	{ "crypto", check_crypto, true },
	{ "cpus", check_cpus, true },
	{ "drops", check_drops, true },
};

static const char *const severities[SEVERITIES] = {
	[SEVERITY_FAULT] = "fault", [SEVERITY_WARNING] = "warning", [SEVERITY_NOTE] = "note",
	[SEVERITY_SKIPPED] = "skipped",
};

/* --- findings --- */

/* Text for a terminal and for JSON: names of devices may hold any byte. */
static json_t *text_of(const char *fmt, va_list ap)
{
	char *text, *at;
	json_t *value;

	if (vasprintf(&text, fmt, ap) < 0)
		return json_string("?");
	for (at = text; *at; at++)
		if (*at < ' ' || *at == 0x7f)
			*at = '?';
	value = json_string(text);
	free(text);
	return value;
}

/**
 * find() - add a finding
 * @doctor: the examination
 * @severity: how bad it is
 * @fmt: what it is, without a full stop
 *
 * Return: the finding, for advise(), cure() and detail(); owned by @doctor.
 */
json_t *find(struct doctor *doctor, enum severity severity, const char *fmt, ...)
{
	json_t *finding = json_object();
	va_list ap;

	json_set(finding, "severity", json_string(severities[severity]));
	json_set(finding, "check", json_string(doctor->check));
	va_start(ap, fmt);
	json_set(finding, "text", text_of(fmt, ap));
	va_end(ap);
	json_array_append_new(doctor->findings, finding);
	return finding;
}

/** advise() - say what to do about a finding: words, without a full stop */
void advise(json_t *finding, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	json_set(finding, "advice", text_of(fmt, ap));
	va_end(ap);
}

/** cure() - the same, as a command of the shell */
void cure(json_t *finding, const char *fmt, ...)
{
	json_t *command;
	va_list ap;

	va_start(ap, fmt);
	command = text_of(fmt, ap);
	va_end(ap);
	/* a name of a device may hold anything */
	if (strpbrk(json_string_value(command), "`$\"'\\;&|<>()*?!~#")) {
		advise(finding, "run, with quotes for the shell: %s", json_string_value(command));
		json_decref(command);
		return;
	}
	advise(finding, "run: %s", json_string_value(command));
	json_set(finding, "command", command);
}

/** detail() - add a member to the JSON of a finding; takes ownership of @value */
void detail(json_t *finding, const char *name, json_t *value)
{
	json_set(finding, name, value);
}

/* --- printing --- */

static enum severity severity_of(const json_t *finding)
{
	const char *word = json_string_value(json_object_get(finding, "severity"));
	unsigned int i;

	for (i = 0; i < SEVERITIES && !same(severities[i], word); i++)
		;
	return i;
}

static void print_one(const json_t *finding)
{
	static const enum tint tints[SEVERITIES] = {
		[SEVERITY_FAULT] = TINT_BAD, [SEVERITY_WARNING] = TINT_WARN,
		[SEVERITY_SKIPPED] = TINT_WARN,
	};
	const char *advice = json_string_value(json_object_get(finding, "advice"));
	enum severity severity = severity_of(finding);

	printf("%s%s%s %s: %s%s%s\n", tint(tints[severity]), severities[severity],
	       untint(tints[severity]), json_string_value(json_object_get(finding, "check")),
	       json_string_value(json_object_get(finding, "text")), advice ? "; " : "",
	       advice ? advice : "");
}

/* Prints all findings, the worst first. Return: a STATUS_* */
static int print(const struct doctor *doctor, const char *made)
{
	size_t count[SEVERITIES] = { 0 }, i;
	struct json_list list;
	unsigned int severity;
	json_t *finding;

	if (doctor->cli->json)
		json_list_start(&list);
	for (severity = 0; severity < SEVERITIES; severity++) {
		json_array_foreach(doctor->findings, i, finding) {
			if (severity_of(finding) != severity)
				continue;
			count[severity]++;
			if (doctor->cli->json)
				json_list_add(&list, json_incref(finding));
			else
				print_one(finding);
		}
	}
	if (doctor->cli->json)
		json_list_end(&list, true);
	else if (!count[SEVERITY_FAULT] && !count[SEVERITY_WARNING] && !count[SEVERITY_SKIPPED])
		printf("nothing wrong was found (%s)\n", made);
	return count[SEVERITY_FAULT] || count[SEVERITY_WARNING] ? STATUS_FOUND :
	       count[SEVERITY_SKIPPED] ? STATUS_REFUSED : STATUS_OK;
}

/* --- the examination --- */

/* Reads what the kernel has; says why if it cannot. */
static void read_state(struct doctor *doctor)
{
	char buf[NL_REQUEST_MAX];
	struct nl_result result;
	struct nlmsghdr *nlh;

	doctor->check = "module";
	if (access("/sys/module/espah", F_OK)) {
		advise(find(doctor, SEVERITY_SKIPPED, "the module espah is not loaded, so nobody looked at policies, SAs and what depends on them"),
		       "load the module, and ask again");
		return;
	}
	if (!nl_get(doctor->cli)) {
		find(doctor, SEVERITY_SKIPPED, "the module cannot be asked, so nobody looked at policies, SAs and what depends on them");
		return;
	}
	nlh = nl_start(doctor->cli->nl, buf, ESPAH_CMD_CONFIG_GET, NLM_F_ACK);
	if (nl_ask(doctor->cli->nl, nlh, NULL, NULL, &result))
		return;
	if (result.error == EPERM) {
		advise(find(doctor, SEVERITY_SKIPPED, "policies and SAs can be read with CAP_NET_ADMIN only, so nobody looked at them and at what depends on them"),
		       "run it as root");
		return;
	}
	doctor->known = !state_read(doctor->cli, "doctor", false, &doctor->state) &&
			!network_read(doctor->cli, &doctor->network);
	if (!doctor->known)
		find(doctor, SEVERITY_SKIPPED, "policies, SAs or the devices of this host cannot be read");
}

static int examine(struct cli *cli, const bool *wanted)
{
	struct doctor doctor = { .cli = cli, .findings = json_array() };
	bool needs_state = false;
	unsigned int i, n = 0;
	char made[64];
	int status;

	for (i = 0; i < ARRAY_SIZE(checks); i++)
		needs_state |= wanted[i] && checks[i].needs_state;
	if (needs_state || !access("/sys/module/espah", F_OK))
		read_state(&doctor);
	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		if (!wanted[i] || (checks[i].needs_state && !doctor.known))
			continue;
		doctor.check = checks[i].name;
		checks[i].run(&doctor);
		n++;
	}
	snprintf(made, sizeof(made), "%u check%s", n, n == 1 ? "" : "s");
	status = print(&doctor, made);
	network_free(doctor.network);
	state_free(&doctor.state);
	json_decref(doctor.ruleset);
	json_decref(doctor.findings);
	return status;
}

static const char *check_name(unsigned int i)
{
	return i < ARRAY_SIZE(checks) ? checks[i].name : NULL;
}

/** cmd_doctor() - espah doctor */
int cmd_doctor(struct cli *cli, struct args *args)
{
	bool wanted[ARRAY_SIZE(checks)] = { false }, all = !args_peek(args);
	const char *word;
	unsigned int i;
	int status;

	while ((word = args_peek(args)) && *word != '-') {
		for (i = 0; i < ARRAY_SIZE(checks) && !same(checks[i].name, word); i++)
			;
		args_next(args);
		if (i == ARRAY_SIZE(checks)) {
			unknown_word(word, "doctor", check_name);
			return STATUS_USAGE;
		}
		wanted[i] = true;
	}
	status = args_end(args, "doctor");
	if (!status)
		status = queue_barrier(cli);
	if (status)
		return status;
	for (i = 0; i < ARRAY_SIZE(checks) && all; i++)
		wanted[i] = true;
	return examine(cli, wanted);
}
