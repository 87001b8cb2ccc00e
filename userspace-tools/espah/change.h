/* SPDX-License-Identifier: GPL-2.0-only */
/* The changes that make the kernel as a configuration file says. */
#ifndef ESPAH_CHANGE_H
#define ESPAH_CHANGE_H

#include "compare.h"

/**
 * struct undo - requests that take back what was done, the last first
 * @count: their number
 * @room: capacity
 * @at: the requests, with the socket that each is for
 */
struct undo {
	size_t count;
	size_t room;
	struct step {
		struct nl *nl;
		struct nlmsghdr *nlh;
	} *at;
};

int change_before(struct cli *cli, const struct conf *conf, const struct state *state,
		  struct undo *undo);
int change_policies(struct cli *cli, const struct conf *conf, const struct state *state);
int change_after(struct cli *cli, const struct conf *conf, const struct state *state);
void change_put_link(struct nlmsghdr *nlh, const struct device *device, uint8_t owner);
void change_put_sa(struct nlmsghdr *nlh, const struct nlattr **from, const struct nlattr **to);
void undo_all(struct undo *undo);
void undo_free(struct undo *undo);

#endif /* ESPAH_CHANGE_H */
