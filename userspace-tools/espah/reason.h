/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ESPAH_REASON_H
#define ESPAH_REASON_H

#include "cli.h"

const char *reason_text(const char *name);
int cmd_explain_reason(struct cli *cli, struct args *args);

#endif /* ESPAH_REASON_H */
