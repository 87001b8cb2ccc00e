// SPDX-License-Identifier: GPL-2.0-only
/* Output: tables for users, JSON for programs. */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <linux/espah.h>

#include "attr.h"
#include "cli.h"
#include "print.h"
#include "term.h"

/* blanks before what stands under a row */
#define REST_INDENT 4
/* characters: less room is no column of text */
#define WRAP_MIN 24

static void add_cell(struct table *table, char *text)
{
	if (!text) {
		error("memory ran out");
		exit(STATUS_REFUSED);
	}
	table->cell[table->count++] = text;
}

static uint8_t read_marks(const char **heading)
{
	static const char marks[] = ">!+?~"; /* as in enum column_mark */
	const char *mark;
	uint8_t all = 0;

	for (; **heading && (mark = strchr(marks, **heading)); (*heading)++)
		all |= 1 << (mark - marks);
	return all;
}

/**
 * table_start() - begin a table
 * @table: result
 * @headings: headings of the columns, then NULL. Marks may stand before a heading:
 *      > right-aligned, ! what was dropped, in red, + what changes, in green, ? left out if there
 *      is no room for it, ~ the last column, broken into lines if there is no room for it
 */
void table_start(struct table *table, const char *const *headings)
{
	memset(table, 0, sizeof(*table));
	table->room = term_columns();
	for (; headings[table->columns]; table->columns++) {
		const char *heading = headings[table->columns];

		table->marks[table->columns] = read_marks(&heading);
		table->heading[table->columns] = heading;
		add_cell(table, strdup(table->heading[table->columns]));
	}
}

static void indent(int columns)
{
	while (columns-- > 0)
		putchar_unlocked(' ');
}

static bool empty(const char *text)
{
	return !*text || !strcmp(text, "-");
}

/* Whether all rows that are stored have nothing in a column. */
static bool empty_column(const struct table *table, unsigned int column)
{
	unsigned int i;

	for (i = table->columns + column; i < table->count; i += table->columns)
		if (!empty(table->cell[i]))
			return false;
	return true;
}

/* Chooses the columns that stand beside each other. */
static void fit(struct table *table)
{
	int used = 0, all = -2;
	bool full = false;
	unsigned int i;

	for (i = 0; i < table->columns; i++)
		all += table->width[i] + 2;
	for (i = 0; i < table->columns; i++) {
		bool fits = !table->room || all <= table->room;

		if (!fits && empty_column(table, i))
			continue;
		if (!fits && i && used + table->width[i] > table->room) {
			if (table->marks[i] & MARK_SPARE)
				continue;
			full |= !(table->marks[i] & MARK_BROKEN) ||
				table->room - used < WRAP_MIN;
		}
		table->aligned[i] = !full;
		used += table->width[i] + 2;
	}
}

/* The colour of a cell. */
static enum tint cell_tint(const struct table *table, unsigned int column, const char *text,
			   bool heading)
{
	if (heading)
		return TINT_HEAD;
	if (empty(text) || same(text, "0") || same(text, "0 B"))
		return TINT_NONE;
	return table->marks[column] & MARK_DROPPED ? TINT_BAD :
	       table->marks[column] & MARK_CHANGES ? TINT_NEW : TINT_NONE;
}

static void print_tinted(const char *text, size_t len, enum tint how)
{
	fputs(tint(how), stdout);
	fwrite(text, 1, len, stdout);
	fputs(untint(how), stdout);
}

/* Prints a cell of the last column, which begins at character @at, in lines that fit. */
static void print_broken(const struct table *table, const char *text, int at, enum tint how)
{
	size_t len = strlen(text), take;

	for (;;) {
		take = table->room ? text_fit(text, len, table->room - at) : len;
		print_tinted(text, take, how);
		while (take < len && text[take] == ' ')
			take++;
		text += take;
		len -= take;
		if (!len)
			break;
		putchar('\n');
		indent(at);
	}
}

/* Prints a cell that begins at character @at; @last: of its row. */
static void print_cell(const struct table *table, unsigned int column, const char *text, int at,
		       bool last, bool heading)
{
	enum tint how = cell_tint(table, column, text, heading);
	int room = table->width[column] - (int)strlen(text);

	if (table->marks[column] & MARK_RIGHT)
		indent(room);
	if (table->marks[column] & MARK_BROKEN)
		print_broken(table, text, at, how);
	else
		print_tinted(text, strlen(text), how);
	if (!(table->marks[column] & MARK_RIGHT) && !last)
		indent(room);
	if (!last)
		fputs("  ", stdout);
}

/* Prints what does not stand in the row, in lines under it. */
static void print_rest(const struct table *table, char *const *cell)
{
	int used = 0, len;
	const char *c;
	unsigned int i;

	for (i = 0; i < table->columns; i++) {
		if (table->aligned[i] || table->marks[i] & MARK_SPARE || empty(cell[i]))
			continue;
		len = strlen(table->heading[i]) + 1 + strlen(cell[i]);
		if (used && used + 2 + len > table->room) {
			putchar('\n');
			used = 0;
		}
		indent(used ? 2 : REST_INDENT);
		used += (used ? 2 : REST_INDENT) + len;
		for (c = table->heading[i]; *c; c++)
			putchar(tolower((unsigned char)*c));
		putchar(' ');
		print_tinted(cell[i], strlen(cell[i]), cell_tint(table, i, cell[i], false));
	}
	if (used)
		putchar('\n');
}

static void print_row(const struct table *table, char *const *cell, bool heading)
{
	unsigned int i, last = 0;
	int at = 0;

	for (i = 0; i < table->columns; i++)
		if (table->aligned[i] && (!last || *cell[i]))
			last = i;
	for (i = 0; i <= last; i++) {
		if (!table->aligned[i])
			continue;
		print_cell(table, i, cell[i], at, i == last, heading);
		at += table->width[i] + 2;
	}
	putchar('\n');
	if (!heading)
		print_rest(table, cell);
}

static void print_rows(struct table *table)
{
	unsigned int i, column;

	for (i = 0; i < table->count; i++) {
		int len = strlen(table->cell[i]);

		column = i % table->columns;
		if (len > table->width[column])
			table->width[column] = len;
	}
	if (!table->streaming)
		fit(table);
	for (i = 0; i < table->count; i += table->columns)
		print_row(table, &table->cell[i], !table->streaming && !i);
	for (i = 0; i < table->count; i++)
		free(table->cell[i]);
	table->count = 0;
}

static void next_cell(struct table *table, char *text)
{
	add_cell(table, text);
	if (table->count % table->columns)
		return;
	table->rows++;
	if (table->streaming || table->count == (TABLE_ROWS + 1) * table->columns) {
		print_rows(table);
		table->streaming = true;
	}
}

/** table_text() - add the next cell, row by row */
void table_text(struct table *table, const char *text)
{
	next_cell(table, strdup(text));
}

/** table_cell() - add the next cell from a printf() format */
void table_cell(struct table *table, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	next_cell(table, text);
}

/** table_end() - print the stored rows; a table without rows prints nothing */
void table_end(struct table *table)
{
	unsigned int i;

	if (table->rows) {
		print_rows(table);
		return;
	}
	for (i = 0; i < table->count; i++)
		free(table->cell[i]);
	table->count = 0;
}

/* Prefix of a string that represents a number too large for jansson's signed 64 bits. */
#define BIG_MARK "\x01"
#define BIG_ESCAPED "\"\\u0001"

/** json_u64() - Return: a number up to 2^64 - 1; print it with json_print() */
json_t *json_u64(uint64_t value)
{
	char text[24];

	if (value <= INT64_MAX)
		return json_integer(value);
	snprintf(text, sizeof(text), BIG_MARK "%" PRIu64, value);
	return json_string(text);
}

/** json_print_inline() - print and free a value, without a newline */
void json_print_inline(json_t *value)
{
	char *text = json_dumps(value, JSON_ENCODE_ANY), *at, *big, *end;

	for (at = text; at && (big = strstr(at, BIG_ESCAPED)); at = end + 1) {
		fwrite(at, 1, big - at, stdout);
		big += strlen(BIG_ESCAPED);
		end = strchr(big, '"');
		fwrite(big, 1, end - big, stdout);
	}
	if (at)
		fputs(at, stdout);
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	json_decref(value);
}

/** json_print() - print and free a value, on a line of its own */
void json_print(json_t *value)
{
	json_print_inline(value);
	putchar('\n');
}

/** json_list_start() - begin an array; its elements are printed immediately */
void json_list_start(struct json_list *list)
{
	list->any = false;
	putchar('[');
}

/** json_list_add() - print and free an element */
void json_list_add(struct json_list *list, json_t *object)
{
	fputs(list->any ? ",\n" : "\n", stdout);
	list->any = true;
	json_print_inline(object);
}

/** json_list_end() - close an array; @last: nothing follows it in the document */
void json_list_end(struct json_list *list, bool last)
{
	fputs(list->any ? "\n]" : "]", stdout);
	if (last)
		putchar('\n');
}

/** listing_start() - begin a JSON array, or a table for users */
void listing_start(struct listing *listing, const struct listing_kind *kind, bool json)
{
	listing->kind = kind;
	listing->json = json;
	if (json)
		json_list_start(&listing->list);
	else if (kind->headings)
		table_start(&listing->table, kind->headings);
}

/** listing_add() - add the object of a message to the list; a nl_cb */
int listing_add(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[LISTING_ATTRS + 1];
	struct listing *listing = data;

	_Static_assert(ESPAH_SA_MAX <= LISTING_ATTRS && ESPAH_POLICY_MAX <= LISTING_ATTRS, "too few");
	attr_table(nlh, tb, listing->kind->max);
	if (listing->json)
		json_list_add(&listing->list, listing->kind->json(tb));
	else
		listing->kind->row(&listing->table, tb);
	return ferror(stdout) ? STATUS_REFUSED : 0;
}

/** listing_end() - end the list; @last: nothing follows the array in the document */
void listing_end(struct listing *listing, bool last)
{
	if (listing->json)
		json_list_end(&listing->list, last);
	else if (listing->kind->headings)
		table_end(&listing->table);
}

/** json_set() - set a member; takes ownership of @value */
void json_set(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value)) {
		error("'%s' cannot be written as JSON", name);
		exit(STATUS_REFUSED);
	}
}

/** json_spi() - Return: an SPI as a string "0x%08x" */
json_t *json_spi(uint32_t spi)
{
	char text[16];

	snprintf(text, sizeof(text), "0x%08x", spi);
	return json_string(text);
}

/** json_addr() - Return: an address as a string, or null */
json_t *json_addr(const struct addr *addr)
{
	char buf[ADDR_TEXT_MAX];

	return addr_size(addr->family) ? json_string(addr_text(addr, buf)) : json_null();
}

/** json_prefix() - Return: a prefix as a string, "any" if it matches all addresses */
json_t *json_prefix(const struct prefix *prefix)
{
	char buf[ADDR_TEXT_MAX];

	return json_string(prefix_text(prefix, buf));
}

/** if_id_text() - Return: @buf with " if-id N"; empty if @attr is NULL */
const char *if_id_text(const struct nlattr *attr, char buf[IF_ID_TEXT_MAX])
{
	*buf = '\0';
	if (attr)
		snprintf(buf, IF_ID_TEXT_MAX, " if-id %u", attr_u32(attr, 0));
	return buf;
}

/** age_text() - Return: the time since @added, such as "3m12s" */
const char *age_text(uint64_t added, char buf[24])
{
	uint64_t now = time(NULL);

	return added ? seconds_text(now > added ? now - added : 0, buf) : "-";
}

/** seconds_text() - Return: a duration in readable form, such as "3m12s" */
const char *seconds_text(uint64_t s, char buf[24])
{
	if (s < 60)
		snprintf(buf, 24, "%" PRIu64 "s", s);
	else if (s < 3600)
		snprintf(buf, 24, "%" PRIu64 "m%02us", s / 60, (unsigned int)(s % 60));
	else if (s < 86400)
		snprintf(buf, 24, "%" PRIu64 "h%02um", s / 3600, (unsigned int)(s / 60 % 60));
	else
		snprintf(buf, 24, "%" PRIu64 "d%02uh", s / 86400, (unsigned int)(s / 3600 % 24));
	return buf;
}

/** time_text() - Return: local date and time */
const char *time_text(uint64_t when, char buf[32])
{
	time_t t = when;
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(buf, 32, "%Y-%m-%d %H:%M:%S", &tm))
		return "?";
	return buf;
}

/** bytes_text() - Return: a byte count in readable form, such as "1.4 MB" */
const char *bytes_text(uint64_t bytes, char buf[24])
{
	static const char *const unit[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
	double value = bytes;
	unsigned int i = 0;

	if (bytes < 10000) {
		snprintf(buf, 24, "%" PRIu64 " B", bytes);
		return buf;
	}
	for (value /= 1000; value >= 999.95 && i + 1 < ARRAY_SIZE(unit); i++)
		value /= 1000;
	snprintf(buf, 24, "%.1f %s", value, unit[i]);
	return buf;
}

/** drops_each() - call @cb for each entry of a DROPS nest, which may be NULL */
void drops_each(const struct nlattr *drops, drop_cb cb, void *data)
{
	const struct nlattr *tb[ESPAH_DROP_MAX + 1], *entry;

	if (!drops)
		return;
	mnl_attr_for_each_nested(entry, drops) {
		if (mnl_attr_get_type(entry) != ESPAH_DROP_ENTRY)
			continue;
		attr_nest(entry, tb, ESPAH_DROP_MAX);
		cb(attr_string(tb[ESPAH_DROP_NAME], "?"), attr_u64(tb[ESPAH_DROP_COUNT], 0),
		   attr_string(tb[ESPAH_DROP_TEXT], NULL), data);
	}
}

struct drops_list {
	json_t *list;
	bool zeros;
	char *buf;
	size_t size;
	size_t used;
};

static void list_drop(const char *name, uint64_t count, const char *text, void *data)
{
	struct drops_list *drops = data;
	json_t *entry;

	if (!count && !drops->zeros)
		return;
	entry = json_object();
	json_set(entry, "name", json_string(name));
	json_set(entry, "count", json_u64(count));
	if (text)
		json_set(entry, "text", json_string(text));
	json_array_append_new(drops->list, entry);
}

/** drops_json() - Return: an array of {name, count, text}; @zeros: include zero counts */
json_t *drops_json(const struct nlattr *drops, bool zeros)
{
	struct drops_list list = { .list = json_array(), .zeros = zeros };

	drops_each(drops, list_drop, &list);
	return list.list;
}

static void write_drop(const char *name, uint64_t count, const char *text, void *data)
{
	struct drops_list *drops = data;
	int len;

	(void)text;
	if (!count || drops->used >= drops->size)
		return;
	len = snprintf(drops->buf + drops->used, drops->size - drops->used, "%s%s %" PRIu64,
		       drops->used ? ", " : "", name, count);
	if (len > 0)
		drops->used += len;
}

/** drops_text() - Return: @buf with "name count, ..."; empty if nothing was dropped */
const char *drops_text(const struct nlattr *drops, char *buf, size_t size)
{
	struct drops_list list = { .buf = buf, .size = size };

	*buf = '\0';
	drops_each(drops, write_drop, &list);
	return buf;
}
