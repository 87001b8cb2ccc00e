// SPDX-License-Identifier: GPL-2.0-only
/*
 * espah reload: the installed module takes the place of the loaded one. Between the two, a guard
 * drops what the policies protect or discard.
 *
 * The module is asked for all that it has, and its answers are sent to the next module as requests.
 * Keys are in the memory of this process alone. Everything is checked before anything changes.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "compare.h"
#include "file.h"
#include "guard.h"
#include "module.h"
#include "netns.h"
#include "program.h"
#include "queue.h"
#include "routes.h"
#include "settings.h"

const char reload_help[] =
	"espah reload [--force] [FILE]\n"
	"\n"
	"Replaces the loaded module by the one that is installed for the running kernel,\n"
	"as after an upgrade of espah-dkms. Meanwhile, which is for seconds, a guard of\n"
	"nftables drops what the policies protect or discard, so nothing leaves in clear.\n"
	"Policies, settings, devices with addresses and routes, and SAs with their keys,\n"
	"sequence numbers and the used part of limits are there again afterwards;\n"
	"counters begin anew. Nothing changes if the module is missing, if FILE (default\n"
	CONF_DEFAULT ") has errors or differs from what is in force, or if\n"
	"something would be lost: what other network namespaces have, or what came by\n"
	"NETLINK_XFRM. If the new module cannot be loaded, the guard stays.\n"
	"  --force   although an IKE daemon has SAs or policies, and must be restarted\n"
	"            afterwards; and although a kernel that is locked down shows no keys,\n"
	"            so that SAs are lost\n"
	"\n"
	"Example:\n"
	"  espah reload --force && systemctl restart strongswan\n";

/* where policies by hand are kept if they cannot be put back */
#define KEPT "/run/espah-reload.batch"
/* sequence numbers that are left out: dummy packets may have used some after we asked */
#define SEQ_SKIPPED 1024

/**
 * struct swap - a reload
 * @cli: state of the command
 * @file: the configuration file; NULL: there is none
 * @force: go on although a daemon must be restarted, or keys are lost
 * @face: MODULE_FACE is loaded, too
 * @before: what there was when everything was checked
 * @routes: what goes with devices
 * @sas: SAs, asked for when no packet used them any more
 * @lost: number of SAs that could not be put back
 */
struct swap {
	struct cli *cli;
	const char *file;
	bool force;
	bool face;
	struct state before;
	struct routes routes;
	struct state sas;
	unsigned int lost;
};

/* --- checks, which change nothing --- */

static size_t owned(const struct state *state, enum thing_kind kind, uint8_t owner)
{
	const struct things *things = &state->things[kind];
	size_t n = 0, i;

	for (i = 0; i < things->count; i++)
		n += things->at[i].owner == owner;
	return n;
}

static int check_modules(struct swap *swap)
{
	int status;

	if (!module_loaded("espah")) {
		error("the kernel module is not loaded, so there is nothing to reload (modprobe espah)");
		return STATUS_REFUSED;
	}
	swap->face = module_loaded(MODULE_FACE);
	status = module_check("espah", ESPAH_GENL_VERSION);
	return status || !swap->face ? status : module_check(MODULE_FACE, 0);
}

static bool differs(const struct conf *conf, const struct state *state)
{
	uint8_t value[ESPAH_CONFIG_MAX + 1];
	unsigned int kind;
	size_t i;

	if (compare_settings(conf, state, value, false))
		return true;
	for (kind = 0; kind < THING_KINDS; kind++) {
		for (i = 0; i < conf->things[kind].count; i++)
			if (compare_changes(&conf->things[kind].at[i]))
				return true;
		for (i = 0; i < state->things[kind].count; i++)
			if (compare_changes(&state->things[kind].at[i]))
				return true;
	}
	return false;
}

/* What the kernel has accepted once, the next module accepts, too. */
static int check_file(struct swap *swap)
{
	struct conf conf;
	int status;

	if (!swap->file)
		return STATUS_OK;
	status = conf_read(swap->cli, swap->file, true, &conf);
	if (!status)
		status = compare(&conf, &swap->before);
	if (!status && differs(&conf, &swap->before)) {
		error("%s differs from what is in force: run 'espah apply %s' first, or look with --dry-run",
		      swap->file, swap->file);
		status = STATUS_REFUSED;
	}
	conf_free(&conf);
	return status;
}

static int check_losses(const struct swap *swap)
{
	const struct state *state = &swap->before;
	size_t sas = state->things[THING_SA].count;
	size_t daemon_sas = owned(state, THING_SA, ESPAH_OWNER_DAEMON);
	size_t daemon_policies = owned(state, THING_POLICY, ESPAH_OWNER_DAEMON);

	if (state->guests) {
		error("a reload would lose %u devices that were made in another network namespace: reboot instead",
		      state->guests);
	} else if (owned(state, THING_SA, ESPAH_OWNER_XFRM) ||
		   owned(state, THING_POLICY, ESPAH_OWNER_XFRM)) {
		error("a reload would lose SAs or policies that came by NETLINK_XFRM (ip xfrm, an IKE daemon): end what made them first, or reboot instead");
	} else if (sas && state->no_keys && !swap->force) {
		error("the kernel is locked down and shows no keys, so a reload would lose %zu SAs (--force: lose them)",
		      sas);
	} else if ((daemon_sas || daemon_policies) && !swap->force) {
		error("an IKE daemon has %zu SAs and %zu policies, and would have to be restarted after a reload (--force: reload, then restart it)",
		      daemon_sas, daemon_policies);
	} else {
		return STATUS_OK;
	}
	return STATUS_REFUSED;
}

/* Policies and default actions hold the module, once for each namespace that has any. */
static bool holds(const struct state *state)
{
	return state->things[THING_POLICY].count ||
	       state->value[ESPAH_CONFIG_DEFAULT_IN] != ESPAH_ACTION_BYPASS ||
	       state->value[ESPAH_CONFIG_DEFAULT_OUT] != ESPAH_ACTION_BYPASS;
}

static int check_users(const struct swap *swap)
{
	int users = module_users("espah") - holds(&swap->before) - swap->face;

	if (swap->face && module_users(MODULE_FACE)) {
		error("the module " MODULE_FACE " is in use: a program has a socket of NETLINK_XFRM open, or made something by it");
		return STATUS_REFUSED;
	}
	if (users <= 0)
		return STATUS_OK;
	error("the module espah is in use, %d times: policies in a network namespace that has no name and no process, for example",
	      users);
	return STATUS_REFUSED;
}

/* A guard that is there says that not all policies are in force. */
static int check_guard(void)
{
	const char *const argv[] = { "nft", "list", "tables", NULL };
	char tables[65536];
	int status = program_run(argv, NULL, tables, sizeof(tables));

	if (status) {
		error("nft cannot list the tables, so there would be no guard ('nft list tables')");
	} else if (strstr(tables, "inet espah_guard\n")) {
		error("there is a guard (table inet espah_guard): apply the policies, and remove it first");
		status = STATUS_REFUSED;
	}
	return status;
}

static int check(struct swap *swap)
{
	int status = check_modules(swap);

	if (!status)
		status = state_read(swap->cli, "reload", true, &swap->before);
	if (!status)
		status = check_file(swap);
	if (!status)
		status = check_losses(swap);
	if (!status)
		status = netns_others_empty();
	if (!status)
		status = check_users(swap);
	if (!status)
		status = routes_read(swap->cli, &swap->before.things[THING_LINK], &swap->routes);
	return status ? status : check_guard();
}

/* --- the guard --- */

static int nft(const char *script)
{
	const char *const argv[] = { "nft", "-f", "-", NULL };

	return program_run(argv, script, NULL, 0);
}

static int close_gap(const struct swap *swap)
{
	struct conf conf = {
		.given = 1U << ESPAH_CONFIG_DEFAULT_IN | 1U << ESPAH_CONFIG_DEFAULT_OUT,
	};
	int status = STATUS_REFUSED;
	char *script = NULL;
	size_t size;
	FILE *out = open_memstream(&script, &size);

	memcpy(conf.value, swap->before.value, sizeof(conf.value));
	conf.things[THING_POLICY] = swap->before.things[THING_POLICY];
	if (out)
		status = guard_write(out, &conf);
	if (!out || fclose(out)) {
		error("memory ran out");
		status = STATUS_REFUSED;
	}
	if (!status && nft(script)) {
		error("nft refuses the guard, so nothing was changed");
		status = STATUS_REFUSED;
	}
	if (!status && routes_close(swap->cli, &swap->routes)) {
		nft(guard_removal);
		status = STATUS_REFUSED;
	}
	free(script);
	return status;
}

/* --- taking down, and putting back --- */

static int set_config(struct cli *cli, const uint8_t *value, uint32_t which, uint8_t owner)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh = nl_start(cli->nl, buf, ESPAH_CMD_CONFIG_SET, NLM_F_ACK);
	unsigned int i;

	for (i = 0; i <= ESPAH_CONFIG_MAX; i++)
		if (which & 1U << i)
			mnl_attr_put_u8(nlh, i, value[i]);
	mnl_attr_put_u8(nlh, ESPAH_CONFIG_OWNER, owner);
	return nl_do(cli->nl, nlh, "the settings", NULL, NULL);
}

static int flush(struct cli *cli, uint8_t cmd)
{
	char buf[NL_REQUEST_MAX];

	return nl_do(cli->nl, nl_start(cli->nl, buf, cmd, NLM_F_ACK), "flush", NULL, NULL);
}

/* Without policies, no SA sends any more: only then are their sequence numbers the last ones. */
static int take_down(struct swap *swap)
{
	static const uint8_t bypass[ESPAH_CONFIG_MAX + 1] = {
		[ESPAH_CONFIG_DEFAULT_IN] = ESPAH_ACTION_BYPASS,
		[ESPAH_CONFIG_DEFAULT_OUT] = ESPAH_ACTION_BYPASS,
	};
	int status = flush(swap->cli, ESPAH_CMD_POLICY_FLUSH);

	if (!status)
		status = set_config(swap->cli, bypass, 1U << ESPAH_CONFIG_DEFAULT_IN |
				    1U << ESPAH_CONFIG_DEFAULT_OUT, ESPAH_OWNER_HAND);
	if (status)
		return status;
	status = state_read(swap->cli, "reload", true, &swap->sas);
	if (status)
		state_free(&swap->sas); /* the SAs stay, so none is put back */
	return status ? status : flush(swap->cli, ESPAH_CMD_SA_FLUSH);
}

/* Takes an attribute out of a request. */
static void drop_attr(struct nlmsghdr *nlh, const struct nlattr *attr)
{
	uint32_t size = MNL_ALIGN(attr->nla_len);
	char *at = (char *)attr, *end = (char *)nlh + nlh->nlmsg_len;

	memmove(at, at + size, end - at - size);
	nlh->nlmsg_len -= size;
}

static void skip_numbers(struct nlmsghdr *nlh)
{
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	uint64_t seq, most;

	attr_table(nlh, tb, ESPAH_SA_MAX);
	if (!tb[ESPAH_SA_SEQ] || attr_u8(tb[ESPAH_SA_DIR], ESPAH_DIR_IN) != ESPAH_DIR_OUT)
		return;
	seq = attr_u64(tb[ESPAH_SA_SEQ], 0);
	most = attr_u32(tb[ESPAH_SA_FLAGS], 0) & ESPAH_SA_F_ESN ? UINT64_MAX : UINT32_MAX;
	seq += most - seq < SEQ_SKIPPED ? most - seq : SEQ_SKIPPED;
	memcpy(mnl_attr_get_payload(tb[ESPAH_SA_SEQ]), &seq, sizeof(seq));
	/* with another one, no IV comes again even if more numbers were used than we know of */
	if (tb[ESPAH_SA_IV_MASK])
		drop_attr(nlh, tb[ESPAH_SA_IV_MASK]);
}

/* Sends the answer that describes a thing as the request that makes it. */
static int put_back_thing(struct cli *cli, uint8_t cmd, const struct thing *thing)
{
	struct nlmsghdr *nlh = malloc(thing->nlh->nlmsg_len);
	int status;

	if (!nlh) {
		error("memory ran out");
		return STATUS_REFUSED;
	}
	memcpy(nlh, thing->nlh, thing->nlh->nlmsg_len);
	nlh->nlmsg_type = cli->nl->family.id;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = ++cli->nl->seq;
	((struct genlmsghdr *)mnl_nlmsg_get_payload(nlh))->cmd = cmd;
	if (cmd == ESPAH_CMD_SA_NEW)
		skip_numbers(nlh);
	status = nl_do(cli->nl, nlh, thing->text, NULL, NULL); /* it wipes the request */
	free(nlh);
	return status;
}

static int put_back_settings(const struct swap *swap)
{
	uint32_t mine = swap->before.by_file, all = 0;
	const struct setting *setting;
	int status;

	for (setting = settings; setting->command; setting++)
		all |= 1U << setting->attr;
	status = set_config(swap->cli, swap->before.value, all & ~mine, ESPAH_OWNER_HAND);
	if (!status && mine)
		status = set_config(swap->cli, swap->before.value, mine, ESPAH_OWNER_FILE);
	return status;
}

/*
 * After an error, the rest follows nevertheless. An SA that is missing lets nothing pass.
 * @done: the module is another one, so devices have gone, too
 * Return: STATUS_OK: all policies, settings and routes are in force.
 */
static int put_back(struct swap *swap, bool done)
{
	const struct things *sas = &swap->sas.things[THING_SA];
	const struct things *policies = &swap->before.things[THING_POLICY];
	int status = STATUS_OK;
	size_t i;

	if (!nl_get(swap->cli))
		return STATUS_REFUSED;
	for (i = 0; i < sas->count; i++)
		if (!thing_key(&sas->at[i]) ||
		    put_back_thing(swap->cli, ESPAH_CMD_SA_NEW, &sas->at[i]))
			swap->lost++;
	for (i = 0; i < policies->count; i++)
		status |= put_back_thing(swap->cli, ESPAH_CMD_POLICY_NEW, &policies->at[i]);
	status |= put_back_settings(swap);
	return done ? status | routes_put_back(swap->cli, &swap->routes) : status;
}

/* --- the swap --- */

static int unload(const struct swap *swap)
{
	int status = swap->face ? module_unload(MODULE_FACE) : STATUS_OK;

	return status ? status : module_unload("espah");
}

/* A request needs the new family's number. */
static void disconnect(struct cli *cli)
{
	queue_free(cli->queue);
	nl_close(cli->nl);
	cli->queue = NULL;
	cli->nl = NULL;
}

static int write_hand(FILE *stream, void *data)
{
	state_save(stream, data, true);
	return STATUS_OK;
}

/* The guard stays. Return: STATUS_REFUSED */
static int stay(struct swap *swap)
{
	bool kept = !file_write(KEPT, 0600, write_hand, &swap->before);

	if (swap->routes.closed.count)
		error("routes into devices of kind espah are blackhole routes now, with the next metric");
	error("the guard stays, so what policies protect or discard is dropped. When the cause is mended: modprobe espah%s%s%s && espah guard --remove | nft -f -",
	      swap->file ? " && espah apply " : "", swap->file ? swap->file : "",
	      kept ? " && espah -f -b " KEPT : "");
	return STATUS_REFUSED;
}

static int open_again(struct swap *swap, bool done)
{
	char version[64];
	int status = routes_open(swap->cli, &swap->routes);

	if (nft(guard_removal)) {
		error("the policies are in force, but nft cannot remove the guard: espah guard --remove | nft -f -");
		return STATUS_REFUSED;
	}
	if (!done) {
		error("the module was not reloaded; what was there is in force again");
		return STATUS_REFUSED;
	}
	module_version("espah", version);
	printf("module %s is loaded: %zu policies, %zu SAs\n", version,
	       swap->before.things[THING_POLICY].count,
	       swap->sas.things[THING_SA].count - swap->lost);
	if (owned(&swap->before, THING_SA, ESPAH_OWNER_DAEMON) ||
	    owned(&swap->before, THING_POLICY, ESPAH_OWNER_DAEMON))
		printf("restart the IKE daemon: it does not know the new module\n");
	if (!swap->lost)
		return status;
	error("%u SAs are lost", swap->lost);
	return STATUS_REFUSED;
}

static int exchange(struct swap *swap)
{
	bool done = false;

	if (close_gap(swap))
		return STATUS_REFUSED;
	if (!take_down(swap) && !unload(swap))
		done = true;
	disconnect(swap->cli);
	if (done && module_load("espah"))
		return stay(swap);
	if (swap->face && !module_loaded(MODULE_FACE) && module_load(MODULE_FACE))
		return stay(swap);
	return put_back(swap, done) ? stay(swap) : open_again(swap, done);
}

/* A terminal that is lost meanwhile, as that of a session through the tunnel, must not end us. */
static void block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
}

static int reload(struct cli *cli, const char *file, bool force)
{
	struct swap swap = { .cli = cli, .force = force };
	int status;

	if (file || !access(CONF_DEFAULT, F_OK))
		swap.file = file ? file : CONF_DEFAULT;
	status = check(&swap);
	if (!status) {
		block_signals();
		status = exchange(&swap);
	}
	routes_free(&swap.routes);
	state_free(&swap.before);
	state_free(&swap.sas);
	return status;
}

/** cmd_reload() - espah reload */
int cmd_reload(struct cli *cli, struct args *args)
{
	const char *word, *file = NULL;
	bool force = false;

	while ((word = args_peek(args))) {
		if (!strcmp(word, "--force")) {
			force = true;
		} else if (*word == '-') {
			error("'%s' is not a word of reload (see 'espah reload --help')", word);
			return STATUS_USAGE;
		} else if (file) {
			return args_end(args, "reload");
		} else {
			file = word;
		}
		args_next(args);
	}
	if (cli->json || cli->batch) {
		error(cli->json ? "reload prints no JSON" : "reload is not for batches");
		return STATUS_USAGE;
	}
	return reload(cli, file, force);
}
