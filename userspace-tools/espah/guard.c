// SPDX-License-Identifier: GPL-2.0-only
/*
 * espah guard: a configuration file as a table of nftables, for the time without the module. It drops
 * what the policies protect or discard.
 *
 * Policies see a packet in one of two ways, and for each way there is a chain: whole, or opaque, which
 * means that its ports cannot be known, as of a fragment (RFC 4301 7).
 */
#include <netinet/in.h>
#include <stdlib.h>

#include <linux/espah.h>

#include "conf.h"
#include "guard.h"
#include "policy.h"
#include "print.h"

const char guard_help[] =
	"espah guard [FILE]\n"
	"espah guard --remove\n"
	"\n"
	"Prints a script for nft, with a table that drops what the policies of a\n"
	"configuration file protect or discard (default " CONF_DEFAULT ", '-' is\n"
	"standard input). It keeps traffic from leaving in clear until the module has the\n"
	"policies. Needs neither root nor the module. A guard that is there is replaced\n"
	"in one step; --remove prints the script that removes it.\n"
	"\n"
	"Examples:\n"
	"  espah guard | nft -f -\n"
	"  espah apply && espah guard --remove | nft -f -\n";

/* deleting needs a table that is there */
const char guard_removal[] = "add table inet espah_guard\ndelete table inet espah_guard\n";

/**
 * struct rule - a policy in the order in which policies are asked
 * @priority: a lower number comes first
 * @at: place in the file
 */
struct rule {
	uint32_t priority;
	size_t at;
};

static int by_rank(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static bool has_fields(const struct selector *sel)
{
	return sel->sport.size || sel->dport.size || sel->type.size || sel->code.size;
}

/* Whether a policy may match whole packets. Of mobility headers only IPv6 shows the type. */
static bool concerns_whole(const struct selector *sel)
{
	return !sel->opaque && !(sel->family == AF_INET && sel->proto == IPPROTO_MH && has_fields(sel));
}

static void put_list(FILE *out, const char *words, const struct list *list)
{
	if (!list->size)
		return;
	fprintf(out, list->count > 1 ? "%s { " : "%s ", words);
	list_write(out, list, "");
	fputs(list->count > 1 ? " } " : " ", out);
}

static void put_addrs(FILE *out, const struct selector *sel)
{
	bool six = sel->family == AF_INET6;

	if (!sel->src.size && !sel->dst.size)
		fprintf(out, "meta nfproto %s ", six ? "ipv6" : "ipv4");
	put_list(out, six ? "ip6 saddr" : "ip saddr", &sel->src);
	put_list(out, six ? "ip6 daddr" : "ip daddr", &sel->dst);
}

static void put_fields(FILE *out, const struct selector *sel)
{
	put_list(out, "th sport", &sel->sport);
	put_list(out, "th dport", &sel->dport);
	put_list(out, sel->proto == IPPROTO_ICMP ? "icmp type" :
		      sel->proto == IPPROTO_ICMPV6 ? "icmpv6 type" : "mh type", &sel->type);
	put_list(out, sel->proto == IPPROTO_ICMP ? "icmp code" : "icmpv6 code", &sel->code);
}

static void put_device(FILE *out, bool outward, const struct selector *sel)
{
	if (*sel->dev)
		fprintf(out, "%cifname \"%s\" ", outward ? 'o' : 'i', sel->dev);
	else if (sel->ifindex)
		fprintf(out, "%cif %u ", outward ? 'o' : 'i', sel->ifindex);
}

static void put_rule(FILE *out, bool outward, const struct selector *sel, bool bypass, bool opaque)
{
	bool hidden = opaque && has_fields(sel);

	fputs("\t\t", out);
	put_addrs(out, sel);
	if (sel->proto)
		fprintf(out, "meta l4proto %u ", sel->proto);
	if (!hidden)
		put_fields(out, sel);
	if (sel->mark.mask == UINT32_MAX)
		fprintf(out, "meta mark 0x%x ", sel->mark.value);
	else if (sel->mark.mask)
		fprintf(out, "meta mark & 0x%x == 0x%x ", sel->mark.mask, sel->mark.value);
	put_device(out, outward, sel);
	/* nobody knows whether a policy with ports is for this packet: it may be the first that is */
	fputs(bypass && !hidden ? "accept\n" : "counter drop\n", out);
}

/* Names stand within quotes, where nftables has no way to write these characters. */
static int check_device(const struct selector *sel)
{
	if (!strpbrk(sel->dev, "\"\\*"))
		return STATUS_OK;
	error("nftables cannot name the device '%s'", sel->dev);
	return STATUS_REFUSED;
}

/*
 * What policies do not concern passes: what stays on this host, neighbour discovery, ESP and AH of
 * this host, and IKE. A port of this host is no proof for what leaves, because source NAT may have
 * given it to a forwarded packet, which has no socket.
 */
static void put_exempt(FILE *out, bool outward)
{
	fprintf(out, "\t\t%cifname \"lo\" accept\n", outward ? 'o' : 'i');
	fputs("\t\ticmpv6 type 133-137 ip6 hoplimit 255 accept\n", out);
	fprintf(out, "\t\tmeta l4proto { 50, 51 } fib %s type local accept\n",
		outward ? "saddr" : "daddr");
	fprintf(out, "\t\tudp %s type local accept\n",
		outward ? "sport { 500, 4500 } meta skuid >= 0 fib saddr" :
			  "dport { 500, 4500 } fib daddr");
}

/* Comparisons with ">= 0" fail only if a packet is too short. What is too short for all is dropped. */
static void put_entry(FILE *out, bool outward, const char *name)
{
	fprintf(out, "\tchain %s {\n", name);
	fprintf(out, "\t\ttype filter hook %s; policy accept;\n",
		outward ? "postrouting priority 310" : "prerouting priority -310");
	put_exempt(out, outward);
	fprintf(out, "\t\tip frag-off & 0x1fff != 0 goto %s_opaque\n", name);
	fprintf(out, "\t\tfrag frag-off != 0 meta l4proto >= 0 goto %s_opaque\n", name);
	fprintf(out, "\t\tmeta l4proto { 6, 17, 33, 132, 136 } @th,0,32 >= 0 goto %s_whole\n", name);
	fprintf(out, "\t\tmeta l4proto { 1, 58 } @th,0,16 >= 0 goto %s_whole\n", name);
	fprintf(out, "\t\tmh type >= 0 goto %s_whole\n", name);
	fprintf(out, "\t\tmeta l4proto != { 1, 6, 17, 33, 58, 132, 135, 136 } goto %s_whole\n", name);
	fprintf(out, "\t\tmeta l4proto >= 0 goto %s_opaque\n", name);
	fputs("\t\tcounter drop\n\t}\n", out);
}

/**
 * struct direction - one direction of a guard
 * @out: where the script is written
 * @policies: of the file, of both directions
 * @rule: those of this direction, in order; without those of devices of kind espah
 * @count: how many these are
 * @dir: enum espah_dir
 * @discard: the default action is to discard
 */
struct direction {
	FILE *out;
	const struct things *policies;
	struct rule *rule;
	size_t count;
	uint8_t dir;
	bool discard;
};

static int put_chain(const struct direction *direction, const char *name, bool opaque)
{
	bool outward = direction->dir == ESPAH_DIR_OUT;
	const struct nlattr *tb[ESPAH_POLICY_MAX + 1];
	static struct selector sel;
	size_t i;

	fprintf(direction->out, "\tchain %s_%s {\n", name, opaque ? "opaque" : "whole");
	for (i = 0; i < direction->count; i++) {
		attr_table(direction->policies->at[direction->rule[i].at].nlh, tb, ESPAH_POLICY_MAX);
		selector_get(tb[ESPAH_POLICY_SELECTOR], &sel);
		if (check_device(&sel))
			return STATUS_REFUSED;
		if (opaque || concerns_whole(&sel))
			put_rule(direction->out, outward, &sel,
				 attr_u8(tb[ESPAH_POLICY_ACTION], 0xff) == ESPAH_ACTION_BYPASS, opaque);
	}
	if (direction->discard)
		fputs("\t\tcounter drop\n", direction->out);
	fputs("\t}\n", direction->out);
	return STATUS_OK;
}

static int put_direction(const struct direction *direction)
{
	const char *name = direction->dir == ESPAH_DIR_OUT ? "out" : "in";
	int status;

	if (!direction->count && !direction->discard)
		return STATUS_OK;
	status = put_chain(direction, name, false);
	if (!status)
		status = put_chain(direction, name, true);
	put_entry(direction->out, direction->dir == ESPAH_DIR_OUT, name);
	return status;
}

static void sort(struct direction *direction)
{
	const struct nlattr *tb[ESPAH_POLICY_MAX + 1];
	size_t i;

	direction->count = 0;
	for (i = 0; i < direction->policies->count; i++) {
		attr_table(direction->policies->at[i].nlh, tb, ESPAH_POLICY_MAX);
		if (attr_u8(tb[ESPAH_POLICY_DIR], 0xff) != direction->dir || tb[ESPAH_POLICY_IF_ID])
			continue;
		direction->rule[direction->count++] = (struct rule){
			attr_u32(tb[ESPAH_POLICY_PRIORITY], ESPAH_PRIORITY_DEFAULT), i
		};
	}
	qsort(direction->rule, direction->count, sizeof(*direction->rule), by_rank);
}

static bool discards(const struct conf *conf, uint16_t attr)
{
	return conf->given & 1U << attr && conf->value[attr] == ESPAH_ACTION_DISCARD;
}

/**
 * guard_write() - write the script for nft that loads a guard
 * @out: where it is written; after an error a part of it is there
 * @conf: its policies and default actions
 *
 * Return: a STATUS_*.
 */
int guard_write(FILE *out, const struct conf *conf)
{
	struct direction direction = { .out = out, .policies = &conf->things[THING_POLICY] };
	int status;

	direction.rule = calloc(direction.policies->count + 1, sizeof(*direction.rule));
	if (!direction.rule) {
		error("memory ran out");
		return STATUS_REFUSED;
	}
	fprintf(out, "%stable inet espah_guard {\n", guard_removal);
	direction.dir = ESPAH_DIR_IN;
	direction.discard = discards(conf, ESPAH_CONFIG_DEFAULT_IN);
	sort(&direction);
	status = put_direction(&direction);
	if (!status) {
		direction.dir = ESPAH_DIR_OUT;
		direction.discard = discards(conf, ESPAH_CONFIG_DEFAULT_OUT);
		sort(&direction);
		status = put_direction(&direction);
	}
	fputs("}\n", out);
	free(direction.rule);
	return status;
}

/* Prints the whole script, or nothing. */
static int print_guard(const struct conf *conf)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int status = out ? guard_write(out, conf) : STATUS_REFUSED;

	if (!out || fclose(out)) {
		error("memory ran out");
		status = STATUS_REFUSED;
	}
	if (!status)
		fputs(text, stdout);
	free(text);
	return status;
}

/** cmd_guard() - espah guard */
int cmd_guard(struct cli *cli, struct args *args)
{
	bool remove = args_take(args, "--remove");
	const char *file = remove || !args_peek(args) ? CONF_DEFAULT : args_next(args);
	struct conf conf;
	int status;

	if (*file == '-' && file[1]) {
		error("'%s' is not a word of guard (see 'espah guard --help')", file);
		return STATUS_USAGE;
	}
	status = args_end(args, "guard");
	if (status)
		return status;
	if (cli->json || cli->batch) {
		error(cli->json ? "guard prints no JSON, but a script for nft" :
				  "guard is not for batches");
		return STATUS_USAGE;
	}
	if (remove) {
		fputs(guard_removal, stdout);
		return STATUS_OK;
	}
	status = conf_read(cli, file, true, &conf);
	if (!status)
		status = print_guard(&conf);
	conf_free(&conf);
	return status;
}
