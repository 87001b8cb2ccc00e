/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ESPAH_EXPIRE_H
#define _ESPAH_EXPIRE_H

#include <linux/workqueue.h>

/* looks at the SAs of a network namespace that are due; for espah_sad_setup() */
void espah_expire(struct work_struct *work);

#endif /* _ESPAH_EXPIRE_H */
