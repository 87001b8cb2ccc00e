/* SPDX-License-Identifier: GPL-2.0-only */
/* Devices, addresses and routes of this host. */
#ifndef ESPAH_NETWORK_H
#define ESPAH_NETWORK_H

#include "cli.h"
#include "parse.h"

/**
 * struct net_device - a network device
 * @index: its index
 * @name: its name
 * @kind: such as "veth"; empty: hardware
 * @up: it is up
 * @carrier: it has a carrier
 * @mtu: bytes
 * @lower: index of the device below it, in this network namespace; 0: none
 * @vrf: index of its VRF; 0: none
 */
struct net_device {
	uint32_t index;
	char name[DEV_TEXT_MAX];
	char kind[16];
	bool up;
	bool carrier;
	uint32_t mtu;
	uint32_t lower;
	uint32_t vrf;
};

/** struct net_address - an address of a device */
struct net_address {
	struct addr addr;
	uint32_t index;
};

/** struct network - all devices and addresses of the network namespace */
struct network {
	struct net_device *device;
	size_t devices;
	struct net_address *address;
	size_t addresses;
};

/**
 * struct net_route - the answer to a route lookup
 * @error: errno if there is no route; 0: there is one
 * @local: it leads to this host
 * @index: index of the device by which packets leave
 * @linkdown: that device has no carrier
 */
struct net_route {
	int error;
	bool local;
	uint32_t index;
	bool linkdown;
};

/**
 * struct net_query - what a route is looked up for
 * @dst: destination
 * @src: source, or none
 * @oif: index of the device or VRF by which it must leave; 0: any
 * @mark: the packet's mark
 */
struct net_query {
	struct addr dst;
	struct addr src;
	uint32_t oif;
	uint32_t mark;
};

int network_read(struct cli *cli, struct network **network);
void network_free(struct network *network);
const struct net_device *network_device(const struct network *network, uint32_t index);
const struct net_device *network_named(const struct network *network, const char *name);
const struct net_address *network_address(const struct network *network, const struct addr *addr);
uint32_t network_vrf(const struct network *network, const struct addr *addr);
int network_route(struct cli *cli, const struct net_query *query, struct net_route *route);
bool network_setting(uint8_t family, const char *dev, const char *name, long *value);

#endif /* ESPAH_NETWORK_H */
