// SPDX-License-Identifier: GPL-2.0-only
/* espah flush: delete all SAs and policies, or those of a label or an owner. */
#include <errno.h>
#include <fnmatch.h>
#include <linux/espah.h>

#include "queue.h"
#include "state.h"
#include "words.h"

const char flush_help[] =
	"espah flush [label PATTERN] [owner hand|file|daemon|xfrm]\n"
	"\n"
	"Deletes all SAs, then all policies of this network namespace. In between, what\n"
	"policies protect is dropped. AFTERWARDS IT GOES IN THE CLEAR, unless the default\n"
	"action is discard ('espah default'). 'espah sa flush' keeps the policies, and so\n"
	"keeps traffic from leaking.\n"
	"\n"
	"  label PATTERN  only SAs and policies whose label matches, such as 'charon*'\n"
	"  owner WHO      only those made by a command (hand), by 'espah apply' (file),\n"
	"                 by an IKE daemon with a plugin (daemon), or by NETLINK_XFRM\n"
	"                 (xfrm)\n"
	"\n"
	"Examples:\n"
	"  espah flush\n"
	"  espah flush label 'charon*'\n";

/* @label: pattern, or NULL; @owner: enum espah_owner, or -1: any */
struct wanted {
	char *label;
	int owner;
};

static bool matches(const struct wanted *wanted, enum thing_kind kind, const struct thing *thing)
{
	const struct nlattr *tb[64], *label;

	attr_table(thing->nlh, tb, 63);
	label = tb[kind == THING_SA ? ESPAH_SA_LABEL : ESPAH_POLICY_LABEL];
	return (wanted->owner < 0 || wanted->owner == thing->owner) &&
	       (!wanted->label || (label && !fnmatch(wanted->label, mnl_attr_get_str(label), 0)));
}

/* What has ended meanwhile need not be deleted. */
static int deleted(struct cli *cli, struct job *job)
{
	(void)cli;
	return job->result.error == ENOENT ? STATUS_OK : nl_result_tell(job->what, &job->result);
}

static int delete(struct cli *cli, enum thing_kind kind, const struct thing *thing)
{
	static const uint16_t identity[] = {
		ESPAH_SA_DIR, ESPAH_SA_PROTO, ESPAH_SA_SPI, ESPAH_SA_DST, ESPAH_SA_VRF
	};
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	struct job *job;
	unsigned int i;

	job = queue_add(cli, kind == THING_SA ? ESPAH_CMD_SA_DEL : ESPAH_CMD_POLICY_DEL, "flush", 0);
	if (!job)
		return STATUS_REFUSED;
	job->done = deleted;
	if (kind == THING_POLICY) {
		mnl_attr_put_u32(job->nlh, ESPAH_POLICY_ID, thing->id);
		return queue_commit(cli);
	}
	attr_table(thing->nlh, tb, ESPAH_SA_MAX);
	for (i = 0; i < ARRAY_SIZE(identity); i++)
		if (tb[identity[i]])
			mnl_attr_put(job->nlh, identity[i],
				     mnl_attr_get_payload_len(tb[identity[i]]),
				     mnl_attr_get_payload(tb[identity[i]]));
	return queue_commit(cli);
}

/* Deletes those SAs, then those policies, that are wanted. */
static int flush_some(struct cli *cli, const struct wanted *wanted)
{
	static const enum thing_kind kinds[] = { THING_SA, THING_POLICY };
	struct state state;
	int status = state_read(cli, "flush", false, &state);
	unsigned int i;
	size_t k;

	for (i = 0; i < ARRAY_SIZE(kinds) && !status; i++) {
		struct things *things = &state.things[kinds[i]];

		for (k = 0; k < things->count && !status; k++)
			if (matches(wanted, kinds[i], &things->at[k]))
				status = delete(cli, kinds[i], &things->at[k]);
		if (!status)
			status = queue_flush(cli);
	}
	state_free(&state);
	return status;
}

static int flush_all(struct cli *cli, uint8_t cmd, const char *what)
{
	int status = STATUS_REFUSED;

	if (queue_add(cli, cmd, what, 0))
		status = queue_commit(cli);
	/* in a batch too, delete the policies only after the SAs were deleted */
	return status ? status : queue_flush(cli);
}

static const char *word_name(unsigned int i)
{
	static const char *const words[] = { "label", "owner" };

	return i < ARRAY_SIZE(words) ? words[i] : NULL;
}

static int read_words(struct args *args, struct wanted *wanted)
{
	uint8_t owner;
	char *word;

	while ((word = args_peek(args))) {
		if (same(word, "label")) {
			args_next(args);
			wanted->label = args_value(args, "label");
			if (!wanted->label)
				return STATUS_USAGE;
		} else if (same(word, "owner")) {
			args_next(args);
			word = args_value(args, "owner");
			if (!word || word_parse(WORD_OWNER, "owner", word, &owner))
				return STATUS_USAGE;
			wanted->owner = owner;
		} else {
			unknown_word(word, "flush", word_name);
			return STATUS_USAGE;
		}
	}
	return STATUS_OK;
}

/** cmd_flush() - espah flush */
int cmd_flush(struct cli *cli, struct args *args)
{
	struct wanted wanted = { .owner = -1 };
	int status = read_words(args, &wanted);

	if (!status)
		status = queue_barrier(cli);
	if (status || wanted.label || wanted.owner >= 0)
		return status ? status : flush_some(cli, &wanted);
	status = flush_all(cli, ESPAH_CMD_SA_FLUSH, "flush (SAs)");
	if (!status)
		status = flush_all(cli, ESPAH_CMD_POLICY_FLUSH, "flush (policies)");
	return status;
}
