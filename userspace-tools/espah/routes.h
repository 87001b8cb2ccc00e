/* SPDX-License-Identifier: GPL-2.0-only */
/* Devices of kind espah that go and come again, with their addresses and routes. */
#ifndef ESPAH_ROUTES_H
#define ESPAH_ROUTES_H

#include "thing.h"

/** struct messages - requests to rtnetlink, each of which stands alone */
struct messages {
	struct nlmsghdr **at;
	size_t count;
	size_t room;
};

/**
 * struct routes - what goes with devices
 * @devices: requests that make the devices again, with the same indices
 * @addresses: their addresses
 * @routes: the routes that lead into them
 * @closed: a blackhole route for each of these, which comes next if it goes
 */
struct routes {
	struct messages devices;
	struct messages addresses;
	struct messages routes;
	struct messages closed;
};

int routes_read(struct cli *cli, const struct things *links, struct routes *routes);
int routes_close(struct cli *cli, const struct routes *routes);
int routes_open(struct cli *cli, const struct routes *routes);
int routes_put_back(struct cli *cli, const struct routes *routes);
void routes_free(struct routes *routes);

#endif /* ESPAH_ROUTES_H */
