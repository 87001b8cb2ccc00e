/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests that change something: sent in bursts, their answers read afterwards. */
#ifndef ESPAH_QUEUE_H
#define ESPAH_QUEUE_H

#include <jansson.h>

#include "nl.h"

/**
 * struct job - a request on its way
 * @nlh: its message, to put attributes to
 * @what: the command, for errors
 * @line: of the batch
 * @pair: of two that belong together, this is the first (1) or second (2)
 * @undo: if the other one of a pair fails, this one is removed again
 * @answered: its acknowledgement came
 * @result: how it ended
 * @reply: takes a message of its answer; may be NULL
 * @done: tells how it ended, after all of the burst; NULL: only an error is told.
 *        With @pair the first one's @done is not called, and the second one's is
 *        called with the second.
 * @json: what @reply made of the answer, freed afterwards
 */
struct job {
	struct nlmsghdr *nlh;
	const char *what;
	unsigned int line;
	unsigned int pair;
	bool undo;
	bool answered;
	struct nl_result result;
	void (*reply)(struct job *job, const struct nlmsghdr *nlh);
	int (*done)(struct cli *cli, struct job *job);
	json_t *json;
};

struct job *queue_add(struct cli *cli, uint8_t cmd, const char *what, unsigned int pair);
int queue_commit(struct cli *cli);
int queue_flush(struct cli *cli);
int queue_barrier(struct cli *cli);
int queue_ready(struct cli *cli);
void queue_free(struct queue *queue);

#endif /* ESPAH_QUEUE_H */
