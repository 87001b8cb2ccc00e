/* SPDX-License-Identifier: GPL-2.0-only */
/* Devices of kind "espah": words to a request, answer to text. */
#ifndef ESPAH_LINK_H
#define ESPAH_LINK_H

#include <jansson.h>

#include "device.h"
#include "print.h"

/** enum link_word - bits for the parts of a device that a command can specify */
enum link_word {
	LINK_IF_ID = 1 << 0,
	LINK_DEV = 1 << 1,
	LINK_MTU = 1 << 2,
	LINK_CARRIER = 1 << 3,
	LINK_UP = 1 << 4,
};

/**
 * struct link - a device of kind "espah" as described by a command
 * @given: enum link_word bits
 * @name: name of the device
 * @if_id: its number, which its SAs and policies have, too
 * @dev: index of the device by which outer packets leave; 0: by the route to the peer
 * @mtu: bytes
 * @carrier: the device has a carrier only while it has an outbound SA
 * @up: the device is up
 */
struct link {
	uint32_t given;
	const char *name;
	uint32_t if_id;
	uint32_t dev;
	uint32_t mtu;
	bool carrier;
	bool up;
};

/** LINK_KIND_XFRM - kind of the devices that are espah's while espah_xfrm is loaded */
#define LINK_KIND_XFRM "xfrm"

/* link_words.c */
int link_name(struct args *args, const char *command, const char **name);
int link_read(struct args *args, const char *command, bool new, struct link *link);
void link_info(const struct link *link, struct ifinfomsg *info);
void link_put(struct nlmsghdr *nlh, const struct link *link, bool file);

/* link_print.c */
void link_print(const struct device *device);
json_t *link_json(const struct device *device);
void link_row(struct table *table, const struct device *device);
/** link_headings - headings of the table whose rows link_row() adds */
extern const char *const link_headings[];

#endif /* ESPAH_LINK_H */
