/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Routing domains. The outer packets of an SA travel in the VRF that the SA names, or else in the
 * domain of the device that has the SA's local address: a VRF or the main domain. Addresses may
 * change after the SA was added, so the domain is looked up when a packet needs a route, and again
 * after any address has changed. VRFs are stored by index; no reference to a device is held.
 */
#ifndef _ESPAH_DOMAIN_H
#define _ESPAH_DOMAIN_H

#include <linux/netdevice.h>
#include <net/l3mdev.h>
#include "sad.h"

/* index of the VRF of a device, or of a VRF itself; 0: main domain; Context: RCU reader */
static inline u32 espah_domain(const struct net_device *dev)
{
	if (likely(!netif_is_l3_slave(dev) && !netif_is_l3_master(dev)))
		return 0;
	return l3mdev_master_ifindex_rcu(dev);
}

/**
 * espah_domain_of - the domain that an address of this host is in
 * @net: network namespace
 * @addr: the address
 * @family: its family
 *
 * If several domains have the address, the main domain is preferred.
 *
 * Context: RCU reader.
 * Return: index of the VRF; 0: the main domain, or no device has the address.
 */
u32 espah_domain_of(struct net *net, const union espah_addr *addr, u8 family);

/* whether an address is local in the domain of @dev; NULL: in the main domain */
bool espah_domain_has(struct net *net, const union espah_addr *addr, u8 family,
		      const struct net_device *dev);

/* index of the device that has a link-local address, or 0; Context: RCU reader */
u32 espah_domain_link(struct net *net, const struct in6_addr *addr);

/**
 * espah_path_domain - the domain of an SA's outer packets
 * @sa: the SA
 * @path: its path
 *
 * Context: RCU reader. Return: index of the VRF, or 0. A VRF that the SA names may be gone.
 */
u32 espah_path_domain(const struct espah_sa *sa, struct espah_path *path);

/* whether a VRF has this index */
bool espah_domain_exists(struct net *net, u32 vrf);

#endif /* _ESPAH_DOMAIN_H */
