/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events about addresses and devices of this host. After them, what was looked up about domains
 * (domain.h) and about the VRF of a flow is looked up again.
 */
#ifndef _ESPAH_ADDRESSES_H
#define _ESPAH_ADDRESSES_H

int espah_addresses_setup(void);
void espah_addresses_teardown(void);

#endif /* _ESPAH_ADDRESSES_H */
