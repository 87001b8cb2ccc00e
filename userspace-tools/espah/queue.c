// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests that change something. Outside a batch, each request is sent at once. In a
 * batch they are collected: one system call passes several hundred requests to the kernel,
 * which has executed all of them when the call returns. Then the answers are read. Only
 * the last request asks for an answer; the kernel answers others only if it refuses them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue.h"

/* bytes: less than the default socket send buffer, which limits the size of a message */
#define BURST_BYTES (96 * 1024)
#define BURST_JOBS 512
/* bytes of the receive buffer, with kernel overhead, for the answers to one request */
#define ANSWER_BYTES 8192

struct queue {
	char *buf;
	struct mnl_nlmsg_batch *batch;
	struct job job[BURST_JOBS + 1];
	unsigned int count;
	unsigned int limit;
	uint32_t first_seq;
};

static struct queue *queue_get(struct cli *cli)
{
	struct queue *queue = cli->queue;
	struct nl *nl = nl_get(cli);

	if (!nl || queue)
		return nl ? queue : NULL;
	queue = calloc(1, sizeof(*queue));
	if (queue)
		queue->buf = malloc(BURST_BYTES + 2 * NL_REQUEST_MAX);
	if (queue && queue->buf)
		queue->batch = mnl_nlmsg_batch_start(queue->buf, BURST_BYTES + NLMSG_HDRLEN);
	if (!queue || !queue->batch) {
		error("memory ran out");
		if (queue)
			free(queue->buf);
		free(queue);
		return NULL;
	}
	/* limit the burst, because answers that exceed the receive buffer are lost */
	queue->limit = nl->rcvbuf / ANSWER_BYTES;
	if (queue->limit > BURST_JOBS)
		queue->limit = BURST_JOBS;
	if (queue->limit < 2)
		queue->limit = 2;
	cli->queue = queue;
	return queue;
}

static int flush(struct cli *cli, bool more);

/**
 * queue_add() - begin a request
 * @cli: state
 * @cmd: command of the family
 * @what: the command, for errors; must stay valid
 * @pair: 0: single request; 1, then 2: a pair, sent in the same burst
 *
 * The caller adds attributes to job->nlh, sets the callbacks, then calls
 * queue_commit(). If the burst is full, queue_add() sends it first.
 *
 * Return: the job; NULL after printing an error: the caller stops.
 */
struct job *queue_add(struct cli *cli, uint8_t cmd, const char *what, unsigned int pair)
{
	struct queue *queue = queue_get(cli);
	unsigned int need = pair == 1 ? 2 : 1;
	struct job *job;

	if (!queue)
		return NULL;
	if (queue->count + need > queue->limit ||
	    mnl_nlmsg_batch_size(queue->batch) + need * NL_REQUEST_MAX > BURST_BYTES) {
		if (flush(cli, true) && !cli->force)
			return NULL;
	}
	job = &queue->job[queue->count];
	memset(job, 0, sizeof(*job));
	job->what = what;
	job->pair = pair;
	job->line = error_line();
	job->nlh = nl_start(cli->nl, mnl_nlmsg_batch_current(queue->batch), cmd, 0);
	if (!queue->count)
		queue->first_seq = job->nlh->nlmsg_seq;
	return job;
}

/**
 * queue_commit() - complete the request begun by queue_add()
 * @cli: state
 *
 * The first request of a pair is not sent before the second.
 *
 * Return: a STATUS_*; in a batch STATUS_OK, because the answer comes later.
 */
int queue_commit(struct cli *cli)
{
	struct queue *queue = cli->queue;
	bool first = queue->job[queue->count].pair == 1;

	mnl_nlmsg_batch_next(queue->batch);
	queue->count++;
	if (cli->batch || first)
		return STATUS_OK;
	return queue_flush(cli);
}

static void take(struct cli *cli, const struct nlmsghdr *nlh)
{
	struct queue *queue = cli->queue;
	uint32_t index = nlh->nlmsg_seq - queue->first_seq;
	struct job *job;

	if (index >= queue->count)
		return;
	job = &queue->job[index];
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		job->answered = true;
		nl_result_read(nlh, job->nlh, &job->result);
	} else if (nlh->nlmsg_type >= NLMSG_MIN_TYPE && job->reply) {
		job->reply(job, nlh);
	}
}

/* Reads answers. Requests are executed in order, so the last request's answer ends the burst. */
static int collect(struct cli *cli)
{
	const struct job *last = &cli->queue->job[cli->queue->count - 1];
	const struct nlmsghdr *nlh;
	int left;

	while (!last->answered) {
		left = nl_receive(cli->nl);
		if (left < 0 && errno == EINTR)
			continue;
		if (left < 0) {
			error("the kernel's answer cannot be read: %s; the request may have been carried out",
			      strerror(errno));
			return -1;
		}
		for (nlh = (const void *)cli->nl->rx; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left))
			take(cli, nlh);
	}
	return 0;
}

/* Reports the result of each job in order; without --force only the first error. */
static int settle(struct cli *cli, const char *file)
{
	struct queue *queue = cli->queue;
	unsigned int i, done_later = 0, last_line = 0, line = 0;
	int status = STATUS_OK, one;

	for (i = 0; i < queue->count; i++) {
		struct job *job = &queue->job[i];

		if (job->pair == 1)
			continue;
		if (status && !cli->force) {
			if (!job->result.error) {
				done_later++;
				last_line = job->line;
			}
			continue;
		}
		if (file)
			error_place(file, job->line);
		one = job->done ? job->done(cli, job) : nl_result_tell(job->what, &job->result);
		if (one) {
			status = one;
			line = job->line;
		}
	}
	if (done_later && !cli->force) {
		error_place(file, line);
		error("the batch stops here, but %u later command%s up to line %u had already been sent and %s carried out",
		      done_later, done_later == 1 ? "" : "s", last_line,
		      done_later == 1 ? "was" : "were");
	}
	return status;
}

/*
 * Ends a burst that is followed by another one. The module walks the offloaded connections at the
 * last request of a message. This no-op avoids that walk, because netlink itself answers it.
 */
static void add_noop(struct cli *cli)
{
	struct queue *queue = cli->queue;
	struct job *job = &queue->job[queue->count++];

	memset(job, 0, sizeof(*job));
	job->nlh = mnl_nlmsg_put_header(mnl_nlmsg_batch_current(queue->batch));
	job->nlh->nlmsg_type = NLMSG_NOOP;
	job->nlh->nlmsg_seq = ++cli->nl->seq;
	mnl_nlmsg_batch_next(queue->batch);
}

/* @more: another burst follows. Return: a STATUS_*; errors were printed with line numbers. */
static int flush(struct cli *cli, bool more)
{
	struct queue *queue = cli->queue;
	const char *file = error_file();
	unsigned int line = error_line(), i;
	int status = STATUS_REFUSED;
	bool sent;

	if (!queue || !queue->count)
		return STATUS_OK;
	if (more)
		add_noop(cli);
	queue->job[queue->count - 1].nlh->nlmsg_flags |= NLM_F_ACK;
	sent = !nl_send(cli->nl, mnl_nlmsg_batch_head(queue->batch),
			mnl_nlmsg_batch_size(queue->batch)) && !collect(cli);
	queue->count -= more;
	if (sent)
		status = settle(cli, file);
	for (i = 0; i < queue->count; i++)
		json_decref(queue->job[i].json);
	/* the buffer may hold keys */
	explicit_bzero(queue->buf, mnl_nlmsg_batch_size(queue->batch));
	mnl_nlmsg_batch_reset(queue->batch);
	queue->count = 0;
	error_place(file, line);
	cli->failed |= status != STATUS_OK;
	return status;
}

/**
 * queue_flush() - send the collected requests, and wait until the kernel has answered
 * @cli: state
 *
 * Return: a STATUS_*; errors have been printed with their line numbers.
 */
int queue_flush(struct cli *cli)
{
	return flush(cli, false);
}

/**
 * queue_barrier() - complete earlier requests before a command that depends on them
 * @cli: state
 *
 * Return: STATUS_OK to continue; otherwise the batch stops.
 */
int queue_barrier(struct cli *cli)
{
	int status = queue_flush(cli);

	return cli->force ? STATUS_OK : status;
}

/**
 * queue_ready() - prepare a command that queries the module: a barrier, and a connection
 * @cli: state
 *
 * Return: STATUS_OK, or another STATUS_* after printing an error.
 */
int queue_ready(struct cli *cli)
{
	int status = queue_barrier(cli);

	if (status)
		return status;
	return nl_get(cli) ? STATUS_OK : STATUS_REFUSED;
}

/** queue_free() - free the queue and unsent requests; @queue may be NULL */
void queue_free(struct queue *queue)
{
	if (!queue)
		return;
	mnl_nlmsg_batch_stop(queue->batch);
	explicit_bzero(queue->buf, BURST_BYTES + 2 * NL_REQUEST_MAX);
	free(queue->buf);
	free(queue);
}
