// SPDX-License-Identifier: GPL-2.0-only
/* espah policy: which packets are protected, passed or discarded. */
#include <linux/espah.h>

#include "conf.h"
#include "policy.h"
#include "queue.h"
#include "words.h"

#define SELECTOR_HELP \
	"SRC and DST are ADDR, ADDR/LEN, ADDR-ADDR, several of these with commas between\n" \
	"them, or any ('any any' needs inet or inet6, or any4, any6). SELECT is any of\n" \
	"  [proto] P         tcp, udp, icmp, icmpv6, mh, sctp, ... or, after proto, a\n" \
	"                    number\n" \
	"  sport, dport A-B  ports: one, a range, or several such as 80,443,1024-2047\n" \
	"  type, code A-B    of ICMP messages; the type of mobility headers\n" \
	"  opaque            only fragments, other than the first, whose ports cannot be\n" \
	"                    known\n" \
	"  mark M[/MASK]     of the packet, as SO_MARK or nft set it; such as 7 or\n" \
	"                    0x20/0xf0\n" \
	"  dev NAME          it leaves by the network device that has this name, or came\n" \
	"                    by it; a VRF is all its devices\n" \
	"  priority N        lower is looked at first (default 1000)\n" \
	"  if-id N           only packets that are routed into the device of kind espah\n" \
	"                    with this number, or came by its SAs; other policies do not\n" \
	"                    match them\n"

const char policy_help[] =
	"espah policy COMMAND: which packets are protected, passed or discarded\n"
	"\n"
	"  add|replace in|out|both SRC DST [SELECT...] ACTION\n"
	"  del|get id N\n"
	"  del|get in|out|both SRC DST [SELECT...]\n"
	"  list [in|out] [if-id N]\n"
	"  flush [in|out] [if-id N]\n"
	"SELECT is [proto] P, sport A[-B], dport A[-B], type A[-B], code A[-B], opaque,\n"
	"mark M[/MASK], dev NAME, priority N or if-id N; ACTION is one of\n"
	"  bypass\n"
	"  discard [unreach]\n"
	"  protect [esp|ah] tunnel ADDR ADDR [reqid N] [vrf NAME] [mss auto|off|N]\n"
	"  protect [esp|ah] transport [ADDR ADDR] [reqid N] [vrf NAME] [mss auto|off|N]\n"
	"  protect ... [pfp FIELDS] [queue N] [unreach]: what is done without an SA\n"
	"  protect with several SAs, the innermost first, such as\n"
	"      esp transport ah transport\n"
	"\n"
	"'espah policy COMMAND --help' says more. Example:\n"
	"  espah policy add both 10.1.0.0/16 10.2.0.0/16 \\\n"
	"      protect esp tunnel 192.0.2.1 198.51.100.7 reqid 7\n";

static const char add_help[] =
	"espah policy add|replace in|out|both SRC DST [SELECT...] ACTION\n"
	"\n"
	"Adds a policy. 'replace' puts it in the place of one with the same direction,\n"
	"selector, priority and if-id, which keeps its id, without a moment in between.\n"
	"'in' covers forwarded packets too. 'both' adds the outbound policy as written\n"
	"and the inbound one with all sides swapped (but the same ICMP types).\n"
	SELECTOR_HELP
	"ACTION is one of\n"
	"  bypass            let it pass in the clear; not with if-id\n"
	"  discard [unreach] drop it; with unreach, and out, tell the sender by ICMP\n"
	"  protect [esp|ah] tunnel ADDR ADDR [reqid N] [vrf NAME] [mss auto|off|N]\n"
	"  protect [esp|ah] transport [ADDR ADDR] [reqid N] [vrf NAME] [mss auto|off|N]\n"
	"                    only through an SA with these outer addresses and this\n"
	"                    reqid; vrf: of this VRF (default: where the local address\n"
	"                    is); mss bounds the MSS that TCP agrees on (default auto:\n"
	"                    what fits)\n"
	"  protect [esp|ah] MODE... [esp|ah] MODE...\n"
	"                    with up to 4 SAs, each with its reqid: the packet goes\n"
	"                    through the first, what comes of it through the next; a\n"
	"                    packet that did not come by all of them, in order, is\n"
	"                    dropped\n"
	"  protect ... pfp FIELDS\n"
	"                    takes no SA itself, but asks for one, and a narrower policy\n"
	"                    before this one, with what the packet has in these of\n"
	"                    src,dst,proto,sport,dport,type,code\n"
	"  protect ... [queue N] [unreach]\n"
	"                    out: up to N packets (at most 64) wait up to 5 s for an SA;\n"
	"                    tell the senders of what is dropped for want of one\n"
	"and 'label TEXT' may stand anywhere: whose it is, to be shown.\n"
	"\n"
	"Examples:\n"
	"  espah policy add both 10.1.0.0/16 10.2.0.0/16 \\\n"
	"      protect esp tunnel 192.0.2.1 198.51.100.7 reqid 7\n"
	"  espah policy add both 192.0.2.1 198.51.100.7 \\\n"
	"      protect esp transport reqid 1 ah transport reqid 2\n"
	"  espah policy add out any 10.2.0.0/16 tcp dport 22,80 priority 10 bypass\n"
	"  espah policy add in 10.2.0.5-10.2.0.9,10.3.0.0/16 any icmp type 0,8 bypass\n";

static const char del_help[] =
	"espah policy del id N\n"
	"espah policy del in|out|both SRC DST [SELECT...]\n"
	"\n"
	"Deletes a policy; what it matched meets the next one, or the default action.\n"
	SELECTOR_HELP
	"\n"
	"Example:\n"
	"  espah policy del both 10.1.0.0/16 10.2.0.0/16\n";

static const char get_help[] =
	"espah policy get id N\n"
	"espah policy get in|out|both SRC DST [SELECT...]\n"
	"\n"
	"Prints a policy with its counters. To see which one a packet meets: espah\n"
	"explain.\n"
	SELECTOR_HELP
	"\n"
	"Example:\n"
	"  espah policy get id 3\n";

static const char list_help[] =
	"espah policy list [in|out] [if-id N]\n"
	"\n"
	"Prints the policies, or those of a direction or of a device of kind espah.\n"
	"\n"
	"Example:\n"
	"  espah -j policy list out\n";

static const char flush_policy_help[] =
	"espah policy flush [in|out] [if-id N]\n"
	"\n"
	"Deletes all policies, or those of a direction or of a device of kind espah. What\n"
	"they protected goes in the clear afterwards, unless the default action is\n"
	"discard.\n"
	"\n"
	"Example:\n"
	"  espah policy flush in\n";

static void keep(struct job *job, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[ESPAH_POLICY_MAX + 1];

	attr_table(nlh, tb, ESPAH_POLICY_MAX);
	if (!job->json)
		job->json = policy_json(tb);
}

static int done_one(struct cli *cli, struct job *job)
{
	if (cli->json && !job->result.error && job->json) {
		json_print(job->json);
		job->json = NULL;
	}
	return nl_result_tell(job->what, &job->result);
}

/* Deletes the policy that a request has added. */
static void take_back(struct cli *cli, const struct nlmsghdr *added)
{
	const struct nlattr *attr;
	struct nl_result result;
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;

	nlh = nl_start(cli->nl, buf, ESPAH_CMD_POLICY_DEL, NLM_F_ACK);
	mnl_attr_for_each(attr, added, GENL_HDRLEN) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type == ESPAH_POLICY_DIR || type == ESPAH_POLICY_SELECTOR ||
		    type == ESPAH_POLICY_PRIORITY || type == ESPAH_POLICY_IF_ID)
			mnl_attr_put(nlh, attr->nla_type, mnl_attr_get_payload_len(attr),
				     mnl_attr_get_payload(attr));
	}
	if (!nl_ask(cli->nl, nlh, NULL, NULL, &result) && result.error)
		nl_result_tell("the removal of the other policy of the pair", &result);
}

/* @job is the second of a pair. If only one of the two succeeded, deletes the added policy. */
static int done_both(struct cli *cli, struct job *job)
{
	struct job *first = job - 1, *good;
	json_t *list;
	int status;

	if (!first->result.error && !job->result.error) {
		if (!cli->json || !job->json || !first->json)
			return STATUS_OK;
		list = json_pack("[o,o]", first->json, job->json);
		first->json = NULL;
		job->json = NULL;
		json_print(list);
		return STATUS_OK;
	}
	status = nl_result_tell(first->what, &first->result);
	if (!status || first->result.error != job->result.error)
		status |= nl_result_tell(job->what, &job->result);
	if (first->result.error && job->result.error)
		return status;
	good = first->result.error ? job : first;
	if (good->undo)
		take_back(cli, good->nlh);
	else
		warning("the other command was carried out: %s", good->what);
	return status;
}

static int note(struct conf *conf, const struct policy *policy)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh = msg_start(buf, 0, 0, 0, ESPAH_CMD_POLICY_NEW);

	policy_put(nlh, policy);
	mnl_attr_put_u8(nlh, ESPAH_POLICY_OWNER, ESPAH_OWNER_FILE);
	return conf_add(conf, THING_POLICY, nlh);
}

static int queue_one(struct cli *cli, uint8_t cmd, const char *what,
		     const struct policy *policy, unsigned int pair)
{
	struct job *job;

	if (cli->conf)
		return note(cli->conf, policy);
	job = queue_add(cli, cmd, what, pair);
	if (!job)
		return STATUS_REFUSED;
	policy_put(job->nlh, policy);
	if (cli->json && cmd == ESPAH_CMD_POLICY_NEW) {
		job->nlh->nlmsg_flags |= NLM_F_ECHO;
		job->reply = keep;
	}
	job->done = pair ? done_both : done_one;
	/* after a replacement the old policy is lost: keeping the new one beats having none */
	job->undo = cmd == ESPAH_CMD_POLICY_NEW && !policy->replace;
	return queue_commit(cli);
}

struct verb {
	const char *what;
	const char *out;
	const char *in;
	uint8_t cmd;
	bool replace;
};

static int change(struct cli *cli, struct args *args, const struct verb *verb)
{
	struct policy policy;
	int status;

	status = policy_read(args, verb->what, verb->cmd == ESPAH_CMD_POLICY_NEW, &policy);
	if (status)
		return status;
	policy.replace = verb->replace;
	if (!policy.both)
		return queue_one(cli, verb->cmd, verb->what, &policy, 0);
	status = queue_one(cli, verb->cmd, verb->out, &policy, 1);
	if (status)
		return status;
	policy_mirror(&policy);
	return queue_one(cli, verb->cmd, verb->in, &policy, 2);
}

static int add(struct cli *cli, struct args *args)
{
	static const struct verb verb = {
		"policy add", "policy add (the out policy of both)",
		"policy add (the in policy of both)", ESPAH_CMD_POLICY_NEW, false
	};

	return change(cli, args, &verb);
}

static int replace(struct cli *cli, struct args *args)
{
	static const struct verb verb = {
		"policy replace", "policy replace (the out policy of both)",
		"policy replace (the in policy of both)", ESPAH_CMD_POLICY_NEW, true
	};

	return change(cli, args, &verb);
}

static int del(struct cli *cli, struct args *args)
{
	static const struct verb verb = {
		"policy del", "policy del (the out policy of both)",
		"policy del (the in policy of both)", ESPAH_CMD_POLICY_DEL, false
	};

	return change(cli, args, &verb);
}

static int print_object(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_POLICY_MAX + 1];

	(void)data;
	attr_table(nlh, tb, ESPAH_POLICY_MAX);
	json_print(policy_json(tb));
	return 0;
}

static int ask(struct cli *cli, const struct policy *policy, nl_cb cb, struct listing *listing)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh = nl_start(cli->nl, buf, ESPAH_CMD_POLICY_GET, NLM_F_ACK);

	policy_put(nlh, policy);
	return nl_do(cli->nl, nlh, "policy get", cb, listing);
}

static int get(struct cli *cli, struct args *args)
{
	static struct listing listing;
	struct policy policy;
	int status;

	status = policy_read(args, "policy get", false, &policy);
	if (!status)
		status = queue_ready(cli);
	if (status)
		return status;
	if (cli->json && !policy.both)
		return ask(cli, &policy, print_object, NULL);
	listing_start(&listing, &policy_listing, cli->json);
	status = ask(cli, &policy, listing_add, &listing);
	if (policy.both) {
		policy_mirror(&policy);
		status |= ask(cli, &policy, listing_add, &listing);
	}
	listing_end(&listing, true);
	return status;
}

/* Reads the words of list and flush. Return: a STATUS_* */
static int read_filter(struct args *args, const char *command, struct policy *policy)
{
	const char *word;
	uint32_t bit;

	policy->given = 0;
	while ((word = args_next(args))) {
		bit = same(word, "if-id") ? POLICY_IF_ID : POLICY_DIR;
		if (bit & policy->given) {
			error("'%s' is one word too many for %s (see 'espah %s --help')", word,
			      command, command);
			return STATUS_USAGE;
		}
		policy->given |= bit;
		if (bit == POLICY_DIR) {
			if (word_parse(WORD_DIR, "direction", word, &policy->dir))
				return STATUS_USAGE;
			continue;
		}
		word = args_value(args, word);
		if (!word || parse_if_id(word, &policy->if_id))
			return STATUS_USAGE;
	}
	return STATUS_OK;
}

static void put_filter(struct nlmsghdr *nlh, const struct policy *policy)
{
	if (policy->given & POLICY_DIR)
		mnl_attr_put_u8(nlh, ESPAH_POLICY_DIR, policy->dir);
	if (policy->given & POLICY_IF_ID)
		mnl_attr_put_u32(nlh, ESPAH_POLICY_IF_ID, policy->if_id);
}

static int list(struct cli *cli, struct args *args)
{
	static struct listing listing;
	char buf[NL_REQUEST_MAX];
	struct policy policy;
	struct nlmsghdr *nlh;
	int status;

	status = read_filter(args, "policy list", &policy);
	if (!status)
		status = queue_ready(cli);
	if (status)
		return status;
	nlh = nl_start(cli->nl, buf, ESPAH_CMD_POLICY_GET, NLM_F_DUMP);
	put_filter(nlh, &policy);
	listing_start(&listing, &policy_listing, cli->json);
	status = nl_dump(cli->nl, nlh, "policy list", ESPAH_POLICY_ID, listing_add, &listing);
	listing_end(&listing, true);
	return status;
}

static int flush(struct cli *cli, struct args *args)
{
	struct policy policy;
	struct job *job;
	int status;

	status = read_filter(args, "policy flush", &policy);
	if (!status)
		status = queue_barrier(cli);
	if (status)
		return status;
	job = queue_add(cli, ESPAH_CMD_POLICY_FLUSH, "policy flush", 0);
	if (!job)
		return STATUS_REFUSED;
	put_filter(job->nlh, &policy);
	return queue_commit(cli);
}

static const struct command commands[] = {
	{ "add", add, "add a policy", add_help },
	{ "replace", replace, "add a policy or take the place of one", add_help },
	{ "del", del, "delete a policy", del_help },
	{ "get", get, "print a policy", get_help },
	{ "list", list, "print policies", list_help },
	{ "flush", flush, "delete policies", flush_policy_help },
	{ 0 }
};

/** cmd_policy() - espah policy */
int cmd_policy(struct cli *cli, struct args *args)
{
	return command_run(commands, "espah policy", policy_help, cli, args);
}
