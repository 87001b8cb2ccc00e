/* SPDX-License-Identifier: GPL-2.0-only */
/* What every part of the command shares: its state, its words, its errors. */
#ifndef ESPAH_CLI_H
#define ESPAH_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/** STATUS_OK - exit status: done */
#define STATUS_OK 0
/** STATUS_REFUSED - exit status: the kernel or a file refused */
#define STATUS_REFUSED 1
/** STATUS_USAGE - exit status: usage error */
#define STATUS_USAGE 2

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct nl;
struct queue;

/**
 * struct cli - what the options said, and the connection to the kernel
 * @nl: the netlink socket, NULL until something needs it
 * @queue: requests on their way, NULL until something needs it
 * @json: print JSON
 * @batch: commands come from a file: requests are collected, not sent singly
 * @force: a batch goes on after an error
 * @batch_stdin: the batch is read from standard input
 * @batch_readers: who may read the batch beside its owner, until that is told; or NULL
 * @failed: a burst of requests was not carried out in full
 */
struct cli {
	struct nl *nl;
	struct queue *queue;
	bool json;
	bool batch;
	bool force;
	bool batch_stdin;
	const char *batch_readers;
	bool failed;
};

/**
 * struct args - the words of a command that are still to be read
 * @word: all words
 * @count: how many
 * @at: the next one
 */
struct args {
	char **word;
	int count;
	int at;
};

/**
 * struct command - a row in a table of commands, which ends with a NULL name
 * @name: the word
 * @run: carries it out, returns a STATUS_*
 * @summary: one line
 * @help: syntax and example; NULL: @run prints its own
 */
struct command {
	const char *name;
	int (*run)(struct cli *cli, struct args *args);
	const char *summary;
	const char *help;
};

char *args_peek(const struct args *args);
char *args_next(struct args *args);
bool args_take(struct args *args, const char *word);
char *args_value(struct args *args, const char *keyword);
int args_end(const struct args *args, const char *command);

int command_run(const struct command *table, const char *parent, const char *intro,
		struct cli *cli, struct args *args);

void error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void error_place(const char *file, unsigned int line);
unsigned int error_line(void);
const char *error_file(void);
const char *suggest(const char *word, const char *(*name)(unsigned int i));

/* strcmp() for tables of words, most of which begin with another letter */
static inline bool same(const char *a, const char *b)
{
	return *a == *b && !strcmp(a, b);
}

/* one file per command */
int cmd_sa(struct cli *cli, struct args *args);
int cmd_policy(struct cli *cli, struct args *args);
int cmd_default(struct cli *cli, struct args *args);
int cmd_config(struct cli *cli, struct args *args);
int cmd_show(struct cli *cli, struct args *args);
int cmd_stats(struct cli *cli, struct args *args);
int cmd_monitor(struct cli *cli, struct args *args);
int cmd_capture(struct cli *cli, struct args *args);
int cmd_export(struct cli *cli, struct args *args);
int cmd_algo(struct cli *cli, struct args *args);
int cmd_explain(struct cli *cli, struct args *args);
int cmd_flush(struct cli *cli, struct args *args);
int cmd_version(struct cli *cli, struct args *args);

extern const char sa_help[], policy_help[], default_help[], config_help[], show_help[];
extern const char stats_help[];
extern const char monitor_help[], capture_help[], algo_help[], explain_help[], flush_help[];
extern const char export_help[], version_help[];

int batch_run(struct cli *cli, const char *file, int (*run)(struct cli *cli, struct args *args));
int batch_split(char *line, char ***words, int *count, size_t *size);

#endif /* ESPAH_CLI_H */
