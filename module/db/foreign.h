/* SPDX-License-Identifier: GPL-2.0-only */
/* SAs and policies that came by another interface than generic netlink. */
#ifndef _ESPAH_FOREIGN_H
#define _ESPAH_FOREIGN_H

#include <linux/module.h>

/**
 * struct espah_foreign - what such an interface keeps with an SA or a policy
 * @owner: the module of the interface, which cannot be removed while the SA or policy is in force
 *
 * Members of the interface follow. The memory is freed with the SA or policy, by kfree().
 */
struct espah_foreign {
	struct module *owner;
};

/* an SA or policy comes into force; Context: code of @foreign->owner, or @foreign is NULL */
static inline void espah_foreign_hold(const struct espah_foreign *foreign)
{
	if (foreign)
		__module_get(foreign->owner);
}

/* it is in force no more */
static inline void espah_foreign_release(const struct espah_foreign *foreign)
{
	if (foreign)
		module_put(foreign->owner);
}

#endif /* _ESPAH_FOREIGN_H */
