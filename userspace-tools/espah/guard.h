/* SPDX-License-Identifier: GPL-2.0-only */
/* Rules of nftables that stand for policies while the module does not have them. */
#ifndef ESPAH_GUARD_H
#define ESPAH_GUARD_H

#include "conf.h"

/** guard_removal - the script for nft that removes a guard, which need not be there */
extern const char guard_removal[];

int guard_write(FILE *out, const struct conf *conf);

#endif /* ESPAH_GUARD_H */
