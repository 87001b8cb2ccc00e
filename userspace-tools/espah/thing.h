/* SPDX-License-Identifier: GPL-2.0-only */
/* SAs, policies and devices that are compared: those of a file with those of the kernel. */
#ifndef ESPAH_THING_H
#define ESPAH_THING_H

#include "attr.h"
#include "cli.h"
#include "device.h"

/** enum thing_kind - what a thing is */
enum thing_kind { THING_SA, THING_POLICY, THING_LINK, THING_KINDS };

/** enum verdict - what has to be done with a thing */
enum verdict {
	/** @VERDICT_KEEP: nothing, it is there */
	VERDICT_KEEP,
	/** @VERDICT_ADOPT: it was made by hand, and is the file's from now on */
	VERDICT_ADOPT,
	/** @VERDICT_ADD: of a file: make it */
	VERDICT_ADD,
	/** @VERDICT_SET: of a file: change the twin in place */
	VERDICT_SET,
	/** @VERDICT_REPLACE: of a file: make it and delete the twin */
	VERDICT_REPLACE,
	/** @VERDICT_REMOVE: of the kernel: delete it */
	VERDICT_REMOVE,
	/** @VERDICT_LEAVE: of the kernel: it is not the file's */
	VERDICT_LEAVE,
};

/**
 * struct thing - an SA, a policy or a device
 * @name: words that tell it from others of its kind
 * @fixed: words that cannot change in place
 * @text: the whole command that makes it
 * @nlh: of a file: the request that makes it; of the kernel: the answer that describes it
 * @id: number that the kernel gave; interface index of a device
 * @owner: enum espah_owner
 * @line: line in @file
 * @file: name of the file
 * @twin: the thing with the same name on the other side
 * @verdict: see there
 */
struct thing {
	char *name;
	char *fixed;
	char *text;
	struct nlmsghdr *nlh;
	uint32_t id;
	uint8_t owner;
	unsigned int line;
	const char *file;
	struct thing *twin;
	enum verdict verdict;
};

/** struct things - an array of things of one kind */
struct things {
	enum thing_kind kind;
	struct thing *at;
	size_t count;
	size_t room;
};

/** thing_kinds - names, such as "sa", by enum thing_kind */
extern const char *const thing_kinds[THING_KINDS];

struct thing *thing_add(struct things *things, const struct nlmsghdr *nlh);
bool thing_sort(struct things *things, struct thing ***sorted);
struct thing *thing_find(struct thing **sorted, size_t count, const char *name);
void things_free(struct things *things);

/** thing_key() - Return: the key of an SA; NULL: it has none */
const struct nlattr *thing_key(const struct thing *thing);

#endif /* ESPAH_THING_H */
