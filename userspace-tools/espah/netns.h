/* SPDX-License-Identifier: GPL-2.0-only */
/* Other network namespaces of this machine. */
#ifndef ESPAH_NETNS_H
#define ESPAH_NETNS_H

#include "cli.h"

int netns_others_empty(void);

#endif /* ESPAH_NETNS_H */
