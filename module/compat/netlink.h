/* SPDX-License-Identifier: GPL-2.0-only */
/* Generic netlink features of recent kernels, for kernels from 6.1 on. */
#ifndef _ESPAH_COMPAT_NETLINK_H
#define _ESPAH_COMPAT_NETLINK_H

#include <net/genetlink.h>

/*
 * Formatted extack texts came with 6.3; on older kernels the user gets the plain text. They must
 * stay below 80 characters, or the core complains in the kernel log.
 */
#ifdef NL_SET_ERR_MSG_ATTR_FMT
#define espah_err_fmt(extack, attr, plain, fmt, args...) do {	\
	(void)(plain);						\
	NL_SET_ERR_MSG_ATTR_FMT(extack, attr, fmt, ##args);	\
} while (0)
#else
#define espah_err_fmt(extack, attr, plain, fmt, args...) do {	\
	no_printk(fmt, ##args);					\
	NL_SET_ERR_MSG_ATTR(extack, attr, plain);		\
} while (0)
#endif

/* An extack text that is not a literal but lives as long as the module. */
#define espah_err_text(extack, attr, text) do {			\
	struct netlink_ext_ack *__extack = (extack);		\
								\
	if (__extack) {						\
		__extack->_msg = (text);			\
		NL_SET_BAD_ATTR(__extack, attr);		\
	}							\
} while (0)

/* The type of the first argument of genl_family.pre_doit changed with 6.2. */
#ifdef ESPAH_HAS_GENL_SPLIT_PRE_DOIT
#define espah_genl_ops genl_split_ops
#else
#define espah_genl_ops genl_ops
#endif

/* The attributes of a dump request moved into a struct genl_info with 6.6. */
static inline struct nlattr **espah_dump_attrs(struct netlink_callback *cb)
{
#ifdef ESPAH_HAS_GENL_DUMP_INFO
	return genl_dumpit_info(cb)->info.attrs;
#else
	return genl_dumpit_info(cb)->attrs;
#endif
}

#endif /* _ESPAH_COMPAT_NETLINK_H */
