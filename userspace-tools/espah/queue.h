/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests that change something: sent in bursts, with the answers read afterwards. */
#ifndef ESPAH_QUEUE_H
#define ESPAH_QUEUE_H

#include <jansson.h>

#include "nl.h"

/**
 * struct job - a request in progress
 * @nlh: message of the request, to which the caller adds attributes
 * @what: the command, for errors
 * @line: line number in the batch
 * @pair: 0: single request; 1 or 2: first or second request of a pair
 * @undo: undo this request if the other one of the pair fails
 * @answered: the acknowledgement was received
 * @result: result of the request
 * @reply: handles a message of the answer; may be NULL
 * @done: reports the result after the whole burst; NULL: only an error is printed.
 *        Of a pair, only @done of the second job is called.
 * @json: JSON that @reply made from the answer; freed after @done
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
