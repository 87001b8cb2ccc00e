/* SPDX-License-Identifier: GPL-2.0-only */
/* skb_gso_segment() moved to a header of its own in Linux 6.5. */
#ifndef _ESPAH_COMPAT_GSO_H
#define _ESPAH_COMPAT_GSO_H

#include <linux/netdevice.h>
#ifdef ESPAH_HAS_NET_GSO
#include <net/gso.h>
#endif

#endif /* _ESPAH_COMPAT_GSO_H */
