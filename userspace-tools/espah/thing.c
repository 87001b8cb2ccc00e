// SPDX-License-Identifier: GPL-2.0-only
/* SAs, policies and devices that are compared. */
#include <stdlib.h>

#include <linux/espah.h>

#include "spell.h"
#include "thing.h"

const char *const thing_kinds[THING_KINDS] = {
	[THING_SA] = "sa", [THING_POLICY] = "policy", [THING_LINK] = "link",
};

/* Writes words of a thing, with @first before them. Return: the text, or NULL. */
static char *spell(enum thing_kind kind, const struct nlmsghdr *nlh, const char *first,
		   unsigned int parts)
{
	const struct nlattr *tb[64];
	struct device device;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fputs(first, out);
	if (kind == THING_LINK) {
		device_read(nlh, &device);
		spell_link(out, &device, parts);
	} else {
		attr_table(nlh, tb, 63);
		(kind == THING_SA ? spell_sa : spell_policy)(out, tb, parts);
	}
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}

/**
 * thing_add() - add a thing to an array
 * @things: the array, whose things may move
 * @nlh: message that makes or describes it; copied
 *
 * Return: the thing, or NULL after printing an error.
 */
struct thing *thing_add(struct things *things, const struct nlmsghdr *nlh)
{
	size_t room = things->room ? 2 * things->room : 64;
	enum thing_kind kind = things->kind;
	struct thing *thing, *at;
	char first[16];

	if (things->count == things->room) {
		at = reallocarray(things->at, room, sizeof(*at));
		if (!at)
			goto no_memory;
		things->at = at;
		things->room = room;
	}
	thing = &things->at[things->count];
	memset(thing, 0, sizeof(*thing));
	snprintf(first, sizeof(first), "%s add", thing_kinds[kind]);
	thing->nlh = malloc(nlh->nlmsg_len);
	thing->name = spell(kind, nlh, thing_kinds[kind], SPELL_NAME);
	thing->fixed = spell(kind, nlh, "", SPELL_FIXED);
	thing->text = spell(kind, nlh, first, SPELL_ALL);
	things->count++;
	if (thing->nlh && thing->name && thing->fixed && thing->text) {
		memcpy(thing->nlh, nlh, nlh->nlmsg_len);
		return thing;
	}
no_memory:
	error("memory ran out");
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct thing *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/**
 * thing_sort() - sort things by name
 * @things: stays as it is
 * @sorted: result: pointers to the things; freed by the caller
 *
 * Return: whether there was memory for it; otherwise an error was printed.
 */
bool thing_sort(struct things *things, struct thing ***sorted)
{
	size_t i;

	*sorted = calloc(things->count + 1, sizeof(**sorted));
	if (!*sorted) {
		error("memory ran out");
		return false;
	}
	for (i = 0; i < things->count; i++)
		(*sorted)[i] = &things->at[i];
	qsort(*sorted, things->count, sizeof(**sorted), by_name);
	return true;
}

/** thing_find() - Return: the thing with a name among sorted ones, or NULL */
struct thing *thing_find(struct thing **sorted, size_t count, const char *name)
{
	struct thing wanted = { .name = (char *)name }, *key = &wanted, **found;

	found = bsearch(&key, sorted, count, sizeof(*sorted), by_name);
	return found ? *found : NULL;
}

const struct nlattr *thing_key(const struct thing *thing)
{
	const struct nlattr *tb[ESPAH_SA_MAX + 1];

	attr_table(thing->nlh, tb, ESPAH_SA_MAX);
	return tb[ESPAH_SA_KEY];
}

/** things_free() - free things, whose messages may hold keys */
void things_free(struct things *things)
{
	size_t i;

	for (i = 0; i < things->count; i++) {
		struct thing *thing = &things->at[i];

		if (thing->nlh)
			explicit_bzero(thing->nlh, thing->nlh->nlmsg_len);
		free(thing->nlh);
		free(thing->name);
		free(thing->fixed);
		free(thing->text);
	}
	free(things->at);
	things->at = NULL;
	things->count = things->room = 0;
}
