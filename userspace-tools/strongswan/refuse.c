// SPDX-License-Identifier: GPL-2.0-only
/*
 * A backend that fails loudly. Without it, charon would silently use the XFRM backend instead.
 * It may run in a charon of another version, whose kernel_ipsec_t has other methods. So every
 * possible method slot holds the same function, which ignores its arguments.
 */
#include "backend.h"

#define SLOTS 64

static char reason[256];

static int refuse(void)
{
	DBG1(DBG_KNL, "kernel-espah: %s: no SA or policy can be installed", reason);
	return FAILED;
}

kernel_ipsec_t *refusing_backend(const char *why)
{
	static int (*slots[SLOTS])(void);
	unsigned int i;

	snprintf(reason, sizeof(reason), "%s", why);
	for (i = 0; i < SLOTS; i++)
		slots[i] = refuse;
	refuse();
	return (kernel_ipsec_t *)slots;
}
