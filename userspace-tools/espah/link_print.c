// SPDX-License-Identifier: GPL-2.0-only
/* Devices that one can route into: answer of rtnetlink to text and JSON. */
#include <inttypes.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <string.h>

#include <linux/espah.h>

#include "link.h"

/** DEV_WHERE_MAX - bytes: buffer size for a device that may be in another network namespace */
#define DEV_WHERE_MAX 48

/**
 * struct view - what is printed of a device
 * @name: its name
 * @if_id: its number
 * @dev: the device by which outer packets leave, or empty
 * @elsewhere: attribute with the ID of the network namespace of @dev and the SAs; NULL: this one
 * @mtu: bytes
 * @by_sa: it has a carrier only while it has an outbound SA
 * @up: it is up
 * @carrier: it has a carrier
 * @stats: counters
 */
struct view {
	const char *name;
	uint32_t if_id;
	char dev[DEV_TEXT_MAX];
	const struct nlattr *elsewhere;
	uint32_t mtu;
	bool by_sa;
	bool up;
	bool carrier;
	struct rtnl_link_stats64 stats;
};

static void view(const struct device *device, struct view *view)
{
	const struct nlattr *data[ESPAH_LINK_MAX + 1], *stats = device->attr[IFLA_STATS64];
	bool xfrm = !strcmp(device_kind(device), LINK_KIND_XFRM);
	uint32_t dev;

	memset(view, 0, sizeof(*view));
	attr_nest(device->linkinfo[IFLA_INFO_DATA], data, ESPAH_LINK_MAX);
	view->name = attr_string(device->attr[IFLA_IFNAME], "?");
	view->if_id = attr_u32(data[xfrm ? IFLA_XFRM_IF_ID : ESPAH_LINK_IF_ID], 0);
	view->elsewhere = device->attr[IFLA_LINK_NETNSID];
	dev = attr_u32(data[xfrm ? IFLA_XFRM_LINK : ESPAH_LINK_DEV], 0);
	/* an index means nothing in another network namespace */
	if (dev && view->elsewhere)
		snprintf(view->dev, sizeof(view->dev), "%u", dev);
	else if (dev)
		dev_text(dev, view->dev);
	view->mtu = attr_u32(device->attr[IFLA_MTU], 0);
	view->by_sa = !xfrm && attr_u8(data[ESPAH_LINK_CARRIER], 0);
	view->up = device->info->ifi_flags & IFF_UP;
	view->carrier = attr_u8(device->attr[IFLA_CARRIER], 0);
	/* newer kernels send more counters than we know, older ones fewer */
	if (stats)
		memcpy(&view->stats, mnl_attr_get_payload(stats),
		       mnl_attr_get_payload_len(stats) < sizeof(view->stats) ?
		       mnl_attr_get_payload_len(stats) : sizeof(view->stats));
}

/* The device by which outer packets leave, and where it is; "-" if none is set. */
static const char *dev_where(const struct view *view, char buf[DEV_WHERE_MAX])
{
	const char *dev = *view->dev ? view->dev : "-";

	if (view->elsewhere)
		snprintf(buf, DEV_WHERE_MAX, "%s netnsid %d", dev,
			 (int)attr_u32(view->elsewhere, UINT32_MAX));
	else
		snprintf(buf, DEV_WHERE_MAX, "%s", dev);
	return buf;
}

static const char *state(const struct view *view)
{
	return !view->up ? "down" : view->carrier ? "up" : "no carrier";
}

/** link_print() - print a device with its counters, as a block of lines */
void link_print(const struct device *device)
{
	char dev[DEV_WHERE_MAX];
	struct view it;

	view(device, &it);
	printf("%s  if-id %u", it.name, it.if_id);
	if (*it.dev || it.elsewhere)
		printf("  dev %s", dev_where(&it, dev));
	printf("  mtu %u%s  state %s\n", it.mtu, it.by_sa ? "  carrier" : "", state(&it));
	printf("    received: packets %" PRIu64 "  bytes %" PRIu64 "  dropped %" PRIu64 "\n",
	       (uint64_t)it.stats.rx_packets, (uint64_t)it.stats.rx_bytes,
	       (uint64_t)it.stats.rx_dropped);
	printf("    sent: packets %" PRIu64 "  bytes %" PRIu64 "  dropped %" PRIu64 "\n",
	       (uint64_t)it.stats.tx_packets, (uint64_t)it.stats.tx_bytes,
	       (uint64_t)it.stats.tx_dropped);
}

static json_t *counters(uint64_t packets, uint64_t bytes, uint64_t dropped)
{
	json_t *object = json_object();

	json_set(object, "packets", json_u64(packets));
	json_set(object, "bytes", json_u64(bytes));
	json_set(object, "dropped", json_u64(dropped));
	return object;
}

/** link_json() - Return: a device as an object */
json_t *link_json(const struct device *device)
{
	json_t *link = json_object();
	struct view it;

	view(device, &it);
	json_set(link, "name", json_string(it.name));
	json_set(link, "if_id", json_integer(it.if_id));
	if (*it.dev)
		json_set(link, "dev", json_string(it.dev));
	if (it.elsewhere)
		json_set(link, "netnsid", json_integer((int)attr_u32(it.elsewhere, UINT32_MAX)));
	json_set(link, "mtu", json_integer(it.mtu));
	json_set(link, "carrier_by_sa", json_boolean(it.by_sa));
	json_set(link, "up", json_boolean(it.up));
	json_set(link, "carrier", json_boolean(it.carrier));
	json_set(link, "rx", counters(it.stats.rx_packets, it.stats.rx_bytes,
				      it.stats.rx_dropped));
	json_set(link, "tx", counters(it.stats.tx_packets, it.stats.tx_bytes,
				      it.stats.tx_dropped));
	return link;
}

/** link_row() - add a device to a table */
void link_row(struct table *table, const struct device *device)
{
	char text[DEV_WHERE_MAX];
	struct view it;

	view(device, &it);
	table_text(table, it.name);
	table_cell(table, "%u", it.if_id);
	table_text(table, dev_where(&it, text));
	table_cell(table, "%u", it.mtu);
	table_cell(table, "%s%s", state(&it), it.by_sa ? " (carrier)" : "");
	table_cell(table, "%" PRIu64, (uint64_t)it.stats.rx_packets);
	table_text(table, bytes_text(it.stats.rx_bytes, text));
	table_cell(table, "%" PRIu64, (uint64_t)it.stats.rx_dropped);
	table_cell(table, "%" PRIu64, (uint64_t)it.stats.tx_packets);
	table_text(table, bytes_text(it.stats.tx_bytes, text));
	table_cell(table, "%" PRIu64, (uint64_t)it.stats.tx_dropped);
}

const char *const link_headings[] = {
	"NAME", ">IF-ID", "DEV", ">MTU", "STATE", ">RX-PACKETS", ">RX-BYTES", ">!RX-DROPPED",
	">TX-PACKETS", ">TX-BYTES", ">!TX-DROPPED", NULL
};
