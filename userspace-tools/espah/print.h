/* SPDX-License-Identifier: GPL-2.0-only */
/* Output: tables for users, JSON for programs. */
#ifndef ESPAH_PRINT_H
#define ESPAH_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <libmnl/libmnl.h>

#include "parse.h"

/** TABLE_COLUMNS - maximum number of columns of a table */
#define TABLE_COLUMNS 16
/** TABLE_ROWS - number of rows that determine the column widths */
#define TABLE_ROWS 256

/** enum column_mark - how a column is printed, see table_start() */
enum column_mark {
	MARK_RIGHT = 1,
	MARK_DROPPED = 2,
	MARK_CHANGES = 4,
	MARK_SPARE = 8,
	MARK_BROKEN = 16,
};

/**
 * struct table - a table with aligned columns that stores at most TABLE_ROWS rows
 *
 * In a terminal that is too narrow for it, columns in which all rows have "-" are left out, and
 * those that do not fit follow under their row, as words: the heading, then the text. Marks before
 * a heading change that, see table_start().
 *
 * @columns: number of columns
 * @room: characters of a line; 0: any number
 * @heading: headings of the columns
 * @aligned: which columns stand beside each other
 * @marks: how a column is printed, bits of enum column_mark
 * @width: characters: width of each column
 * @cell: texts not printed yet, the headings first
 * @count: number of texts in @cell
 * @streaming: the widths are fixed, rows are printed immediately
 * @rows: number of complete rows so far, without the headings
 */
struct table {
	unsigned int columns;
	int room;
	const char *heading[TABLE_COLUMNS];
	bool aligned[TABLE_COLUMNS];
	uint8_t marks[TABLE_COLUMNS];
	int width[TABLE_COLUMNS];
	char *cell[(TABLE_ROWS + 1) * TABLE_COLUMNS];
	unsigned int count;
	bool streaming;
	unsigned long rows;
};

void table_start(struct table *table, const char *const *headings);
void table_text(struct table *table, const char *text);
void table_cell(struct table *table, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void table_end(struct table *table);

/** struct json_list - an array that is printed element by element */
struct json_list {
	bool any;
};

void json_list_start(struct json_list *list);
void json_list_add(struct json_list *list, json_t *object);
void json_list_end(struct json_list *list, bool last);

/** LISTING_ATTRS - highest attribute type of a listed object */
#define LISTING_ATTRS 63

/**
 * struct listing_kind - a kind of object, and how to list it
 * @max: highest attribute type of the object
 * @json: returns the object as an element of the array
 * @row: prints the object for users, as a row of the table if @headings is set
 * @headings: headings of the table; may be NULL
 */
struct listing_kind {
	uint16_t max;
	json_t *(*json)(const struct nlattr **tb);
	void (*row)(struct table *table, const struct nlattr **tb);
	const char *const *headings;
};

/** struct listing - state of a list that is printed object by object */
struct listing {
	const struct listing_kind *kind;
	bool json;
	struct json_list list;
	struct table table;
};

void listing_start(struct listing *listing, const struct listing_kind *kind, bool json);
int listing_add(const struct nlmsghdr *nlh, void *listing);
void listing_end(struct listing *listing, bool last);

void json_print(json_t *value);
void json_print_inline(json_t *value);
json_t *json_u64(uint64_t value);
json_t *json_spi(uint32_t spi);
json_t *json_addr(const struct addr *addr);
json_t *json_prefix(const struct prefix *prefix);
void json_set(json_t *object, const char *name, json_t *value);

/** IF_ID_TEXT_MAX - bytes: buffer size for an if-id in text */
#define IF_ID_TEXT_MAX 20

const char *if_id_text(const struct nlattr *attr, char buf[IF_ID_TEXT_MAX]);
const char *age_text(uint64_t added, char buf[24]);
const char *seconds_text(uint64_t s, char buf[24]);
const char *time_text(uint64_t when, char buf[32]);
const char *bytes_text(uint64_t bytes, char buf[24]);

typedef void (*drop_cb)(const char *name, uint64_t count, const char *text, void *data);
void drops_each(const struct nlattr *drops, drop_cb cb, void *data);
json_t *drops_json(const struct nlattr *drops, bool zeros);
const char *drops_text(const struct nlattr *drops, char *buf, size_t size);

#endif /* ESPAH_PRINT_H */
