// SPDX-License-Identifier: GPL-2.0-only
/* Traffic flow confidentiality: TFC padding (RFC 4303 2.7) and dummy packets (RFC 4303 2.6). */
#include <stdlib.h>
#include <string.h>

#include <linux/espah.h>

#include "tfc.h"

/** tfc_read() - read "mtu", "off" or a length. Return: 0, or -1 after printing an error */
int tfc_read(const char *word, uint16_t *tfc)
{
	uint64_t n = 0;

	if (!strcmp(word, "mtu")) {
		n = ESPAH_TFC_MTU;
	} else if (strcmp(word, "off") && (!number_read(word, &n) || !n || n >= ESPAH_TFC_MTU)) {
		error("'tfc' cannot be '%s'; it is a length from 1 to %u bytes, mtu or off", word,
		      ESPAH_TFC_MTU - 1);
		return -1;
	}
	*tfc = n;
	return 0;
}

/** tfc_text() - Return: the setting as a user types it */
const char *tfc_text(uint16_t tfc, char buf[TFC_TEXT_MAX])
{
	if (tfc == ESPAH_TFC_MTU)
		return "mtu";
	snprintf(buf, TFC_TEXT_MAX, "%u", tfc);
	return buf;
}

/* microseconds of the unit of a rate, by its letter */
static const struct {
	char letter;
	double us;
} units[] = { { 's', 1e6 }, { 'm', 60e6 }, { 'h', 3600e6 } };

static int read_rate(const char *word, uint32_t *interval)
{
	unsigned int i;
	char *end;
	double n = strtod(word, &end), us = 0;

	for (i = 0; i < ARRAY_SIZE(units); i++)
		if (end != word && end[0] == '/' && end[1] == units[i].letter && !end[2] && n > 0)
			us = units[i].us / n;
	/* the bounds include values that round to a whole microsecond in range */
	if (us > 999.5 && us < 3600000000.5) {
		*interval = us + 0.5;
		return 0;
	}
	error("the rate of dummy packets cannot be '%s'; it is a rate from 1/h to 1000/s, such as 10/s, 6/m or 1/h",
	      word);
	return -1;
}

/**
 * dummies_read() - read steady RATE, random RATE or off
 * @args: the words after "dummy"
 * @dummies: result
 *
 * Return: 0, or -1 after printing an error.
 */
int dummies_read(struct args *args, struct dummies *dummies)
{
	const char *how = args_value(args, "dummy"), *rate;

	memset(dummies, 0, sizeof(*dummies));
	if (!how)
		return -1;
	if (!strcmp(how, "off"))
		return 0;
	dummies->random = !strcmp(how, "random");
	if (!dummies->random && strcmp(how, "steady")) {
		error("'dummy' cannot be '%s'; it is one of: steady RATE, random RATE, off", how);
		return -1;
	}
	rate = args_value(args, how);
	return rate ? read_rate(rate, &dummies->interval) : -1;
}

static unsigned int unit_of(uint32_t interval)
{
	return interval > units[1].us ? 2 : interval > units[0].us ? 1 : 0;
}

/** dummies_write() - write the setting so that it is read as the same interval; or nothing */
void dummies_write(FILE *out, const struct nlattr *steady, const struct nlattr *random)
{
	uint32_t interval = attr_u32(random ? random : steady, 0);
	unsigned int i = unit_of(interval);

	if (interval)
		fprintf(out, " dummy %s %.12g/%c", random ? "random" : "steady",
			units[i].us / interval, units[i].letter);
}

/** dummies_text() - Return: the setting as a user types it; empty without dummies */
const char *dummies_text(const struct nlattr *steady, const struct nlattr *random,
			 char buf[TFC_TEXT_MAX])
{
	uint32_t interval = attr_u32(random ? random : steady, 0);
	unsigned int i = unit_of(interval);

	*buf = '\0';
	if (interval)
		snprintf(buf, TFC_TEXT_MAX, "%s %.4g/%c", random ? "random" : "steady",
			 units[i].us / interval, units[i].letter);
	return buf;
}
