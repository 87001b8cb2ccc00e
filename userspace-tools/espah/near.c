// SPDX-License-Identifier: GPL-2.0-only
/* espah explain: the SA that a policy could use if it differed less. */
#include <stdio.h>

#include <linux/espah.h>

#include "attr.h"
#include "explain.h"
#include "sa.h"
#include "selector.h"
#include "words.h"

struct near {
	const struct nlattr *sa[ESPAH_SA_MAX + 1];
	struct template wants[ESPAH_BUNDLE_MAX];
	uint32_t differs;
};

/* What may differ. Those without @name_in_sentence have a sentence of their own. */
static const struct {
	uint32_t bit;
	const char *name;
	const char *name_in_sentence;
} differences[] = {
	{ ESPAH_DIFFERS_SRC, "src", "source" },
	{ ESPAH_DIFFERS_DST, "dst", "destination" },
	{ ESPAH_DIFFERS_SWAPPED, "swapped", NULL },
	{ ESPAH_DIFFERS_REQID, "reqid", "reqid" },
	{ ESPAH_DIFFERS_MODE, "mode", "mode" },
	{ ESPAH_DIFFERS_PROTO, "proto", "protocol" },
	{ ESPAH_DIFFERS_IF_ID, "if_id", "if-id" },
	{ ESPAH_DIFFERS_VRF, "vrf", "vrf" },
	{ ESPAH_DIFFERS_SPI, "spi", NULL },
	{ ESPAH_DIFFERS_DSCP, "dscp", NULL },
	{ ESPAH_DIFFERS_LARVAL, "larval", NULL },
};

/* The sentence about a difference without @name_in_sentence. */
static const char *sentence(uint32_t bit)
{
	return bit == ESPAH_DIFFERS_SWAPPED ? "its source and destination are swapped" :
	       bit == ESPAH_DIFFERS_SPI ? "its SPI is not the one that the policy names" :
	       bit == ESPAH_DIFFERS_DSCP ? "it is for packets with other DSCPs" :
					   "it has no keys yet";
}

static void get(const struct nlattr *nest, struct near *near)
{
	const struct nlattr *tb[ESPAH_NEAR_MAX + 1];

	attr_nest(nest, tb, ESPAH_NEAR_MAX);
	attr_nest(tb[ESPAH_NEAR_SA], near->sa, ESPAH_SA_MAX);
	template_get(tb[ESPAH_NEAR_TEMPLATE], near->wants);
	near->differs = attr_u32(tb[ESPAH_NEAR_DIFFERS], 0);
}

/* A number as text; 0: none. */
static const char *number(uint32_t value, char buf[ADDR_TEXT_MAX])
{
	if (!value)
		return "none";
	snprintf(buf, ADDR_TEXT_MAX, "%u", value);
	return buf;
}

static const char *vrf(uint32_t index, char buf[ADDR_TEXT_MAX])
{
	return index ? dev_text(index, buf) : "none";
}

static const char *address(const struct addr *addr, char buf[ADDR_TEXT_MAX])
{
	return addr->family ? addr_text(addr, buf) : "none";
}

/* Return: a field of the SA in text, or if @wanted of what the policy wants */
static const char *value(const struct near *near, uint32_t bit, const struct nlattr *if_id,
			 bool wanted, char buf[ADDR_TEXT_MAX])
{
	const struct template *wants = near->wants;
	struct addr addr = { 0 };

	switch (bit) {
	case ESPAH_DIFFERS_SRC:
		attr_addr(near->sa[ESPAH_SA_SRC], &addr);
		return address(wanted ? &wants->src : &addr, buf);
	case ESPAH_DIFFERS_DST:
		attr_addr(near->sa[ESPAH_SA_DST], &addr);
		return address(wanted ? &wants->dst : &addr, buf);
	case ESPAH_DIFFERS_REQID:
		snprintf(buf, ADDR_TEXT_MAX, "%u", wanted ? wants->reqid :
			 attr_u32(near->sa[ESPAH_SA_REQID], 0));
		return buf;
	case ESPAH_DIFFERS_MODE:
		return word_of(WORD_MODE, wanted ? wants->mode :
			       attr_u8(near->sa[ESPAH_SA_MODE], 0xff));
	case ESPAH_DIFFERS_PROTO:
		return word_of(WORD_PROTO, wanted ? wants->proto :
			       attr_u8(near->sa[ESPAH_SA_PROTO], 0xff));
	case ESPAH_DIFFERS_IF_ID:
		return number(attr_u32(wanted ? if_id : near->sa[ESPAH_SA_IF_ID], 0), buf);
	case ESPAH_DIFFERS_VRF:
		return vrf(wanted ? wants->vrf : attr_u32(near->sa[ESPAH_SA_VRF], 0), buf);
	default:
		return "?";
	}
}

void near_print(const struct nlattr *nest, const struct nlattr *if_id)
{
	char line[SA_LINE_MAX], has[ADDR_TEXT_MAX], wants[ADDR_TEXT_MAX];
	const char *before = ", but";
	struct near near;
	unsigned int i;

	if (!nest)
		return;
	get(nest, &near);
	sa_line(near.sa, line, sizeof(line));
	squeeze(line);
	printf("An SA nearly fits: %s", line);
	for (i = 0; i < ARRAY_SIZE(differences); i++) {
		uint32_t bit = near.differs & differences[i].bit;

		if (!bit)
			continue;
		if (differences[i].name_in_sentence)
			printf("%s its %s is %s, not %s", before, differences[i].name_in_sentence,
			       value(&near, bit, if_id, false, has),
			       value(&near, bit, if_id, true, wants));
		else
			printf("%s %s", before, sentence(bit));
		before = ", and";
	}
	puts(".");
}

json_t *near_json(const struct nlattr *nest)
{
	json_t *object = json_object(), *differs = json_array();
	struct near near;
	unsigned int i;

	get(nest, &near);
	json_set(object, "sa", sa_json(near.sa));
	for (i = 0; i < ARRAY_SIZE(differences); i++)
		if (near.differs & differences[i].bit)
			json_array_append_new(differs, json_string(differences[i].name));
	json_set(object, "differs", differs);
	json_set(object, "wanted", template_json(near.wants));
	return object;
}
