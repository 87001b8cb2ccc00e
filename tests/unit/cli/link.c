// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <string.h>

#include <linux/espah.h>

#include "harness.h"
#include "link.h"

static struct link it;
static struct nl nl;
static char buf[NL_REQUEST_MAX] __attribute__((aligned(8)));

static int add(const char *line)
{
	return link_read(words(line), "link add", true, &it);
}

static int set(const char *line)
{
	return link_read(words(line), "link set", false, &it);
}

/* Encodes the request of the device in @link, and reads it as the kernel would. */
static struct nlmsghdr *encode(struct device *device, const struct nlattr **data)
{
	struct ifinfomsg info = { .ifi_index = 5 };
	struct nlmsghdr *nlh;

	link_info(&it, &info);
	nlh = device_start(&nl, buf, RTM_NEWLINK, NLM_F_ACK, &info);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, it.name);
	link_put(nlh, &it, false);
	CHECK(device_read(nlh, device) && device->info->ifi_index == 5);
	CHECK(!strcmp(device_kind(device), "espah"));
	attr_nest(device->linkinfo[IFLA_INFO_DATA], data, ESPAH_LINK_MAX);
	return nlh;
}

static void encoding(void)
{
	const struct nlattr *data[ESPAH_LINK_MAX + 1];
	struct device device;
	struct nlmsghdr *nlh;

	test_begin("link add: each word's attribute");
	CHECK(!add("ipsec0 carrier dev lo up if-id 0x2a mtu 1400"));
	nlh = encode(&device, data);
	CHECK(nlh->nlmsg_type == RTM_NEWLINK && nlh->nlmsg_flags == (NLM_F_REQUEST | NLM_F_ACK));
	CHECK(nlh->nlmsg_seq == nl.seq && nl.seq);
	CHECK(device.info->ifi_flags == IFF_UP && device.info->ifi_change == IFF_UP);
	CHECK(!strcmp(attr_string(device.attr[IFLA_IFNAME], "?"), "ipsec0"));
	CHECK(attr_u32(device.attr[IFLA_MTU], 0) == 1400);
	CHECK(attr_u32(data[ESPAH_LINK_IF_ID], 0) == 42);
	CHECK(attr_u32(data[ESPAH_LINK_DEV], 0) == if_nametoindex("lo"));
	CHECK(attr_u8(data[ESPAH_LINK_CARRIER], 0) == 1);
	test_end();

	test_begin("link add: what is not typed is not sent, and the device stays down");
	CHECK(!add("abcdefghijklmno if-id 4294967295"));
	encode(&device, data);
	CHECK(!device.info->ifi_flags && !device.info->ifi_change && !device.attr[IFLA_MTU]);
	CHECK(attr_u32(data[ESPAH_LINK_IF_ID], 0) == UINT32_MAX);
	CHECK(!data[ESPAH_LINK_DEV] && !data[ESPAH_LINK_CARRIER]);
	test_end();

	test_begin("link set: what is taken away is sent as zero, what is not named not at all");
	CHECK(!set("ipsec0 nodev nocarrier down"));
	encode(&device, data);
	CHECK(!device.info->ifi_flags && device.info->ifi_change == IFF_UP);
	CHECK(!data[ESPAH_LINK_IF_ID]);
	CHECK(attr_u32(data[ESPAH_LINK_DEV], 7) == 0 && attr_u8(data[ESPAH_LINK_CARRIER], 7) == 0);
	CHECK(!set("ipsec0 mtu 9000"));
	encode(&device, data);
	CHECK(!device.linkinfo[IFLA_INFO_DATA] && attr_u32(device.attr[IFLA_MTU], 0) == 9000);
	test_end();
}

static bool refuses(int status, const char *why)
{
	return status == STATUS_USAGE && told_of(why);
}

static void refusals(void)
{
	test_begin("link: a sentence for each mistake");
	CHECK(refuses(add(""), "link add also needs the name of a device"));
	CHECK(refuses(add("ipsec0"), "link add also needs if-id"));
	CHECK(refuses(add("ipsec0 up mtu 1400"), "link add also needs if-id"));
	CHECK(refuses(add("abcdefghijklmnop if-id 1"), "1 to 15 characters"));
	CHECK(refuses(add("a/b if-id 1"), "'a/b' cannot be the name of a device"));
	CHECK(refuses(add("a:b if-id 1"), "cannot be the name of a device"));
	CHECK(refuses(add(".. if-id 1"), "cannot be the name of a device"));
	CHECK(refuses(add("'a b' if-id 1"), "cannot be the name of a device"));
	CHECK(refuses(add("'' if-id 1"), "cannot be the name of a device"));
	CHECK(refuses(add("ipsec%d if-id 1"), "cannot be the name of a device"));
	CHECK(refuses(add("ipsec0 if-id 0"), "'if-id' cannot be '0'"));
	CHECK(refuses(add("ipsec0 if-id"), "'if-id' is the last word"));
	CHECK(refuses(add("ipsec0 if-id 1 if-id 1"), "'if-id' is given twice"));
	CHECK(refuses(add("ipsec0 if-id 1 dev nonsuch"), "no network device 'nonsuch'"));
	CHECK(refuses(add("ipsec0 if-id 1 mtu 67"), "'mtu' cannot be '67'; it is a number"));
	CHECK(refuses(add("ipsec0 if-id 1 mtu 65536"), "'mtu' cannot be"));
	CHECK(refuses(add("ipsec0 if_id 1"), "did you mean 'if-id'?"));
	CHECK(refuses(add("ipsec0 if-id 1 nodev"), "'nodev' is not a word of link add"));
	CHECK(refuses(set("ipsec0"), "needs an option to change"));
	CHECK(refuses(set("ipsec0 if-id 1"), "'if-id' is not a word of link set"));
	CHECK(refuses(set("ipsec0 dev lo nodev"), "'nodev' is given twice (or contradicts"));
	CHECK(refuses(set("ipsec0 carrier nocarrier"), "is given twice (or contradicts"));
	CHECK(refuses(set("ipsec0 carier"), "did you mean 'carrier'?"));
	test_end();

	test_begin("link: a kind that nothing knows is no module, another refusal is not");
	CHECK(device_no_module(&(struct nl_result){ EOPNOTSUPP, "", 0 }));
	CHECK(device_no_module(&(struct nl_result){ EOPNOTSUPP, "Unknown device type", 0 }));
	CHECK(!device_no_module(&(struct nl_result){ EOPNOTSUPP, "ipsec0 cannot do this", 0 }));
	CHECK(!device_no_module(&(struct nl_result){ EINVAL, "", 0 }));
	test_end();
}

static void printing(void)
{
	static struct rtnl_link_stats64 stats = {
		.rx_packets = 1, .tx_packets = 2, .rx_bytes = 20000, .tx_bytes = UINT64_MAX,
		.rx_dropped = 5, .tx_dropped = 6,
	};
	const struct nlattr *data[ESPAH_LINK_MAX + 1];
	struct device device;
	static struct table table;
	struct nlmsghdr *nlh;
	const char *text;

	test_begin("a device as text and JSON");
	CHECK(!add("ipsec0 carrier dev lo up if-id 42 mtu 1400"));
	nlh = encode(&device, data);
	mnl_attr_put(nlh, IFLA_STATS64, sizeof(stats), &stats);
	CHECK(device_read(nlh, &device));
	capture_start();
	link_print(&device);
	json_print(link_json(&device));
	text = capture_end();
	CHECK(strstr(text, "ipsec0  if-id 42  dev lo  mtu 1400  carrier  state no carrier\n"));
	CHECK(strstr(text, "    received: packets 1  bytes 20000  dropped 5\n"
		     "    sent: packets 2  bytes 18446744073709551615  dropped 6\n"));
	CHECK(strstr(text, "{\"name\": \"ipsec0\", \"if_id\": 42, \"dev\": \"lo\", \"mtu\": 1400, "
		     "\"carrier_by_sa\": true, \"up\": true, \"carrier\": false, "
		     "\"rx\": {\"packets\": 1, \"bytes\": 20000, \"dropped\": 5}, "
		     "\"tx\": {\"packets\": 2, \"bytes\": 18446744073709551615, \"dropped\": 6}}"));
	mnl_attr_put_u8(nlh, IFLA_CARRIER, 1);
	CHECK(device_read(nlh, &device));
	capture_start();
	table_start(&table, link_headings);
	link_row(&table, &device);
	table_end(&table);
	CHECK(strstr(capture_end(), "\nipsec0     42  lo   1400  up (carrier) "));
	mnl_attr_put_u32(nlh, IFLA_LINK_NETNSID, 3);
	CHECK(device_read(nlh, &device));
	capture_start();
	link_print(&device);
	json_print(link_json(&device));
	text = capture_end();
	CHECK(strstr(text, "  dev 1 netnsid 3  "));
	CHECK(strstr(text, "\"dev\": \"1\", \"netnsid\": 3"));
	test_end();

	test_begin("a device from a broken message: no crash");
	nlh = device_start(&nl, buf, RTM_NEWLINK, 0, &(struct ifinfomsg){ 0 });
	mnl_attr_put(nlh, IFLA_IFNAME, 3, "abc");
	mnl_attr_put(nlh, IFLA_MTU, 2, "ab");
	mnl_attr_put(nlh, IFLA_STATS64, 12, "abcdefghijkl");
	mnl_attr_put(nlh, IFLA_LINKINFO, 4, "\xff\xff\xff\xff");
	mnl_attr_put(nlh, IFLA_MAX + 1, 4, "abcd");
	CHECK(device_read(nlh, &device) && !*device_kind(&device));
	capture_start();
	link_print(&device);
	json_print(link_json(&device));
	CHECK(strstr(capture_end(), "?  if-id 0  mtu 0  state down\n"));
	nlh->nlmsg_len = NLMSG_HDRLEN + 8;
	CHECK(!device_read(nlh, &device));
	test_end();
}

void test_link(void)
{
	encoding();
	refusals();
	printing();
}
