// SPDX-License-Identifier: GPL-2.0-only
/*
 * Labels: "charon" and, once it is known, the peer's identity. They show the administrator who
 * created an SA or policy, and show us which ones a killed charon left behind.
 */
#include "backend.h"

#include <sa/ike_sa.h>

#define OURS "charon"
#define LABEL_MAX 63

void label_put(struct nlmsghdr *nlh, uint16_t type)
{
	ike_sa_t *ike_sa = charon->bus->get_sa(charon->bus);
	char label[LABEL_MAX + 1] = OURS, *c;

	if (ike_sa)
		snprintf(label, sizeof(label), OURS " %Y", ike_sa->get_other_id(ike_sa));
	for (c = label; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	mnl_attr_put_strz(nlh, type, label);
}

bool label_is_ours(const struct nlattr *label)
{
	const char *text = label ? mnl_attr_get_str(label) : "";

	return strpfx(text, OURS) && (!text[strlen(OURS)] || text[strlen(OURS)] == ' ');
}
