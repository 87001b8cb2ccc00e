/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by all parts of the command: state, argument words, error output. */
#ifndef ESPAH_CLI_H
#define ESPAH_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/** STATUS_OK - exit status: success */
#define STATUS_OK 0
/** STATUS_REFUSED - exit status: the kernel refused the request, or a file failed */
#define STATUS_REFUSED 1
/** STATUS_USAGE - exit status: usage error */
#define STATUS_USAGE 2
/** STATUS_DROPPED - exit status of explain --check: the packet would be dropped */
#define STATUS_DROPPED 3
/** STATUS_CLEAR - exit status of explain --check: the packet would pass in the clear */
#define STATUS_CLEAR 4

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct conf;
struct nl;
struct queue;

/**
 * struct cli - global options and the connection to the kernel
 * @nl: the connection to the module, NULL until first use
 * @route: the connection to rtnetlink, NULL until first use
 * @queue: requests in progress, NULL until first use
 * @json: print JSON
 * @batch: commands come from a file; requests are collected and sent together
 * @force: continue a batch after an error
 * @batch_stdin: the batch is read from standard input
 * @batch_readers: users other than the owner that may read the batch file, as text; NULL if
 *      there are none or after the warning was printed
 * @conf: what a configuration file says, while it is read: commands add to it, and send nothing
 * @import: the words are of a file of 'sa export'
 * @failed: at least one request of a burst failed
 */
struct cli {
	struct nl *nl;
	struct nl *route;
	struct queue *queue;
	bool json;
	bool batch;
	bool force;
	bool batch_stdin;
	const char *batch_readers;
	struct conf *conf;
	bool import;
	bool failed;
};

/**
 * struct args - the words of a command, with a read position
 * @word: all words
 * @count: number of words
 * @at: index of the next word to read
 */
struct args {
	char **word;
	int count;
	int at;
};

/**
 * struct command - a row in a table of commands; the last row has a NULL name
 * @name: name of the command
 * @run: executes the command, returns a STATUS_*
 * @summary: one-line description
 * @help: syntax and example; NULL: @run prints its own help
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
void refusal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void error_place(const char *file, unsigned int line);
void error_words(const struct args *args, const char *line);
unsigned int error_line(void);
const char *error_file(void);
const char *suggest(const char *word, const char *(*name)(unsigned int i));
void unknown_word(const char *word, const char *command, const char *(*name)(unsigned int i));

/* String equality for table lookups: most words already differ in the first letter. */
static inline bool same(const char *a, const char *b)
{
	return *a == *b && !strcmp(a, b);
}

/* one file per command */
int cmd_sa(struct cli *cli, struct args *args);
int cmd_policy(struct cli *cli, struct args *args);
int cmd_link(struct cli *cli, struct args *args);
int cmd_default(struct cli *cli, struct args *args);
int cmd_config(struct cli *cli, struct args *args);
int cmd_show(struct cli *cli, struct args *args);
int cmd_stats(struct cli *cli, struct args *args);
int cmd_metrics(struct cli *cli, struct args *args);
int cmd_monitor(struct cli *cli, struct args *args);
int cmd_capture(struct cli *cli, struct args *args);
int cmd_export(struct cli *cli, struct args *args);
int cmd_algo(struct cli *cli, struct args *args);
int cmd_explain(struct cli *cli, struct args *args);
int cmd_flush(struct cli *cli, struct args *args);
int cmd_check(struct cli *cli, struct args *args);
int cmd_apply(struct cli *cli, struct args *args);
int cmd_save(struct cli *cli, struct args *args);
int cmd_guard(struct cli *cli, struct args *args);
int cmd_reload(struct cli *cli, struct args *args);
int cmd_doctor(struct cli *cli, struct args *args);
int cmd_version(struct cli *cli, struct args *args);

extern const char sa_help[], policy_help[], link_help[], default_help[], config_help[];
extern const char show_help[], stats_help[], metrics_help[];
extern const char monitor_help[], capture_help[], algo_help[], explain_help[], flush_help[];
extern const char check_help[], apply_help[], save_help[], guard_help[], reload_help[];
extern const char export_help[], doctor_help[], version_help[];

int batch_run(struct cli *cli, const char *file, int (*run)(struct cli *cli, struct args *args));
int batch_split(char *line, size_t len, char ***words, int *count, size_t *size);

#endif /* ESPAH_CLI_H */
