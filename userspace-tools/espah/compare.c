// SPDX-License-Identifier: GPL-2.0-only
/* A configuration file and the kernel, compared: what has to be done so that both are the same. */
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "reach.h"
#include "settings.h"

static const char *owner_text(const struct thing *thing)
{
	return thing->owner == ESPAH_OWNER_HAND ? "by hand" :
	       thing->owner == ESPAH_OWNER_XFRM ? "by NETLINK_XFRM" : "by an IKE daemon";
}

/* Whether the key of an SA is the wanted one, as far as file and kernel tell. */
static bool same_key(const struct thing *want, const struct thing *is)
{
	const struct nlattr *a = thing_key(want), *b = thing_key(is);

	return !a || !b || (mnl_attr_get_payload_len(a) == mnl_attr_get_payload_len(b) &&
			    !memcmp(mnl_attr_get_payload(a), mnl_attr_get_payload(b),
				    mnl_attr_get_payload_len(a)));
}

static int conflict(const struct thing *want, const struct thing *is, const char *why)
{
	error_place(want->file, want->line);
	error("%s: %s", why, is->text);
	error_place(NULL, 0);
	return STATUS_REFUSED;
}

/* Judges a thing of the file that is there, in this or another form. Return: a STATUS_* */
static int judge(enum thing_kind kind, struct thing *want, const struct thing *is)
{
	bool key = kind != THING_SA || same_key(want, is), same = key && !strcmp(want->text, is->text);
	char why[64];

	if (is->owner != ESPAH_OWNER_FILE && !(same && is->owner == ESPAH_OWNER_HAND)) {
		snprintf(why, sizeof(why), "another was made %s", owner_text(is));
		return conflict(want, is, why);
	}
	/* a new SA with the old key would use sequence numbers, and perhaps IVs, again */
	if (kind == THING_SA && key && strcmp(want->fixed, is->fixed))
		return conflict(want, is, thing_key(want) ?
				"a new SA in the place of this one needs another key" :
				"the file has no key for a new SA in the place of this one");
	if (same)
		want->verdict = is->owner == ESPAH_OWNER_FILE ? VERDICT_KEEP : VERDICT_ADOPT;
	else if (kind != THING_POLICY && key && !strcmp(want->fixed, is->fixed))
		want->verdict = VERDICT_SET;
	else if (kind == THING_LINK)
		return conflict(want, is, "the if-id of a device cannot change, so delete the device first");
	else
		want->verdict = VERDICT_REPLACE;
	return STATUS_OK;
}

/* An SA without a key in the file, and which is not there. */
static void cannot_make(struct thing *want)
{
	error_place(want->file, want->line);
	warning("the SA is not there, and the file has no key for it");
	error_place(NULL, 0);
	want->verdict = VERDICT_LEAVE;
}

static int compare_kind(enum thing_kind kind, struct things *wanted, struct things *there)
{
	struct thing **sorted;
	int status = STATUS_OK;
	size_t i;

	if (!thing_sort(there, &sorted))
		return STATUS_REFUSED;
	for (i = 0; i < wanted->count; i++) {
		struct thing *want = &wanted->at[i];
		struct thing *is = thing_find(sorted, there->count, want->name);

		want->twin = is;
		want->verdict = VERDICT_ADD;
		if (is) {
			is->twin = want;
			status |= judge(kind, want, is);
		} else if (kind == THING_SA && !thing_key(want)) {
			cannot_make(want);
		}
	}
	for (i = 0; i < there->count; i++)
		if (!there->at[i].twin)
			there->at[i].verdict = there->at[i].owner == ESPAH_OWNER_FILE ?
					       VERDICT_REMOVE : VERDICT_LEAVE;
	free(sorted);
	return status;
}

/* --- the order of policies --- */

/* Whether the age of two policies decides about a packet. */
static bool meet(const struct reach *a, const struct reach *b)
{
	return a->priority == b->priority && reach_meets(a, b);
}

/* Whether a policy stays where it is in the order of the kernel. */
static bool stays(const struct thing *policy)
{
	return policy->verdict == VERDICT_KEEP || policy->verdict == VERDICT_ADOPT;
}

/*
 * Of policies with one priority that match the same packets, the older one decides: the one that the
 * file has first. One that is older than such a predecessor in the file has to be made anew.
 */
static int keep_order(struct things *policies)
{
	struct reach *reach = calloc(policies->count + 1, sizeof(*reach));
	size_t *anew = calloc(policies->count + 1, sizeof(*anew)), count = 0, i, j;
	uint32_t newest = 0;

	if (!reach || !anew) {
		error("memory ran out");
		free(reach);
		free(anew);
		return STATUS_REFUSED;
	}
	for (i = 0; i < policies->count; i++) {
		struct thing *policy = &policies->at[i];
		bool older;

		reach_of(policy->nlh, &reach[i]);
		older = stays(policy) && policy->twin->id < newest;
		for (j = 0; j < count && stays(policy); j++)
			if (meet(&reach[i], &reach[anew[j]]))
				policy->verdict = VERDICT_REPLACE;
		for (j = 0; older && j < i && stays(policy); j++)
			if (stays(&policies->at[j]) &&
			    policies->at[j].twin->id > policy->twin->id &&
			    meet(&reach[i], &reach[j]))
				policy->verdict = VERDICT_REPLACE;
		if (!stays(policy))
			anew[count++] = i;
		else if (!older)
			newest = policy->twin->id;
	}
	free(reach);
	free(anew);
	return STATUS_OK;
}

/* --- all --- */

/**
 * compare() - give each thing its verdict
 * @conf: the file
 * @state: the kernel
 *
 * Return: STATUS_OK; STATUS_REFUSED: things of others are in the way, all of which were printed.
 */
int compare(struct conf *conf, struct state *state)
{
	int status = STATUS_OK;
	unsigned int i;

	for (i = 0; i < THING_KINDS; i++)
		status |= compare_kind(i, &conf->things[i], &state->things[i]);
	return status ? status : keep_order(&conf->things[THING_POLICY]);
}

/**
 * compare_settings() - which settings have to change
 * @conf: the file
 * @state: the kernel
 * @value: result: their new values, by attribute
 * @adopt: also those that are as the file says, but not the file's
 *
 * A setting that the file has had, and has no more, is as in a new namespace again.
 *
 * Return: bit mask, 1 << attribute.
 */
uint32_t compare_settings(const struct conf *conf, const struct state *state,
			  uint8_t value[ESPAH_CONFIG_MAX + 1], bool adopt)
{
	const struct setting *setting;
	uint32_t changes = 0;

	for (setting = settings; setting->command; setting++) {
		uint32_t bit = 1U << setting->attr;

		value[setting->attr] = conf->given & bit ? conf->value[setting->attr] :
				       state->by_file & bit ? setting->initial :
				       state->value[setting->attr];
		if (value[setting->attr] != state->value[setting->attr] ||
		    (adopt && conf->given & ~state->by_file & bit &&
		     value[setting->attr] != setting->initial))
			changes |= bit;
	}
	return changes;
}

/** compare_changes() - Return: whether a thing's verdict means a difference */
bool compare_changes(const struct thing *thing)
{
	switch (thing->verdict) {
	case VERDICT_ADD:
	case VERDICT_SET:
	case VERDICT_REPLACE:
	case VERDICT_REMOVE:
		return true;
	default:
		return false;
	}
}
