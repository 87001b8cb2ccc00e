// SPDX-License-Identifier: GPL-2.0-only
/* espah doctor: addresses, routes, devices, forwarding and reverse path filtering of this host. */
#include <errno.h>
#include <stdlib.h>

#include <linux/espah.h>

#include "doctor.h"
#include "network.h"

static const char *dev_name(const struct doctor *doctor, uint32_t index)
{
	const struct net_device *device = network_device(doctor->network, index);

	return device ? device->name : "?";
}

/* --- addresses --- */

static void look_address(struct doctor *doctor, const struct assoc *assoc)
{
	const struct addr *local = assoc->dir == ESPAH_DIR_OUT ? &assoc->src : &assoc->dst;
	bool transport = assoc->mode == ESPAH_MODE_TRANSPORT;
	char text[ADDR_TEXT_MAX];
	json_t *finding;

	/* in transport mode, the SA may be for packets that this host only forwards */
	if (!addr_plain(local) || (transport && assoc->dir == ESPAH_DIR_OUT) ||
	    network_address(doctor->network, local))
		return;
	finding = find(doctor, SEVERITY_FAULT, "%s, the local address of %sbound SAs, is no address of this host, so %s",
		       addr_text(local, text), assoc->dir == ESPAH_DIR_OUT ? "out" : "in",
		       assoc->dir == ESPAH_DIR_OUT ? "their packets have a source that the peer cannot answer" :
		       "their packets are not for this host");
	advise(finding, "give the address to a device (ip addr add %s dev NAME), or make the SAs with another one",
	       text);
	detail(finding, "address", json_string(text));
}

/** check_addresses() - outer addresses are addresses of this host */
void check_addresses(struct doctor *doctor)
{
	each_ends(doctor, look_address);
}

/* --- routes --- */

/* What the route of an outbound SA is looked up for, as the module does. */
static struct net_query outer_query(const struct doctor *doctor, const struct assoc *assoc)
{
	const struct thing *link = link_find(doctor, assoc->if_id);
	const struct net_address *local = network_address(doctor->network, &assoc->src);
	struct net_query query = {
		.dst = assoc->dst, .mark = attr_u32(assoc->tb[ESPAH_SA_MARK], 0)
	};
	bool link_local = assoc->dst.family == AF_INET6 && assoc->dst.byte[0] == 0xfe &&
			  (assoc->dst.byte[1] & 0xc0) == 0x80;

	if (link)
		link_of(link, &query.oif);
	if (!query.oif)
		query.oif = attr_u32(assoc->tb[ESPAH_SA_VRF], 0);
	if (!query.oif)
		query.oif = network_vrf(doctor->network, &assoc->src);
	if (!query.oif && link_local && local)
		query.oif = local->index;
	if (local)
		query.src = assoc->src;
	return query;
}

static void look_route(struct doctor *doctor, const struct assoc *assoc)
{
	struct net_query query = outer_query(doctor, assoc);
	const struct thing *link = link_find(doctor, assoc->if_id);
	const struct net_device *device;
	char peer[ADDR_TEXT_MAX];
	struct net_route route;
	json_t *finding;
	uint32_t lower;

	if (assoc->dir != ESPAH_DIR_OUT || !addr_plain(&assoc->dst) ||
	    network_route(doctor->cli, &query, &route))
		return;
	addr_text(&assoc->dst, peer);
	device = network_device(doctor->network, route.index);
	if (route.error) {
		finding = find(doctor, SEVERITY_FAULT, "there is no route to the peer %s%s%s: %s", peer,
			       query.oif ? " by " : "", query.oif ? dev_name(doctor, query.oif) : "",
			       strerror(route.error));
		advise(finding, "add one (ip route add %s via GATEWAY); 'espah explain reason no_route' says more",
		       peer);
	} else if (link && !query.oif && device && same(device->name, link_of(link, &lower))) {
		finding = find(doctor, SEVERITY_FAULT, "the route to the peer %s leads into %s, whose own packets go there",
			       peer, device->name);
		advise(finding, "run 'espah link set %s dev LINK' with the device of the uplink",
		       device->name);
	} else if (device && !route.local && (!device->carrier || route.linkdown)) {
		finding = find(doctor, SEVERITY_FAULT, "%s, by which packets go to the peer %s, has no carrier",
			       device->name, peer);
		advise(finding, "check the cable, or the device below");
	} else {
		return;
	}
	detail(finding, "peer", json_string(peer));
}

/** check_routes() - there is a route to each peer */
void check_routes(struct doctor *doctor)
{
	each_ends(doctor, look_route);
}

/* --- devices --- */

/* Policies with the number of a device, and a policy that protects what goes out. */
static size_t policies_of(const struct doctor *doctor, uint32_t if_id, uint8_t dir)
{
	const struct things *policies = &doctor->state.things[THING_POLICY];
	const struct nlattr *tb[ESPAH_POLICY_MAX + 1];
	size_t i, n = 0;

	for (i = 0; i < policies->count; i++) {
		attr_table(policies->at[i].nlh, tb, ESPAH_POLICY_MAX);
		n += attr_u32(tb[ESPAH_POLICY_IF_ID], 0) == if_id &&
		     attr_u8(tb[ESPAH_POLICY_DIR], 0xff) == dir;
	}
	return n;
}

static void look_link(struct doctor *doctor, const struct thing *link)
{
	const struct nlattr *tb[ESPAH_LINK_MAX + 1];
	const struct net_device *is, *below;
	struct device device;
	json_t *finding;
	uint32_t lower, if_id;
	const char *name = link_of(link, &lower);

	device_read(link->nlh, &device);
	attr_nest(device.linkinfo[IFLA_INFO_DATA], tb, ESPAH_LINK_MAX);
	if_id = attr_u32(tb[ESPAH_LINK_IF_ID], 0);
	is = network_device(doctor->network, link->id);
	below = network_device(doctor->network, lower);
	if (is && !is->up) {
		finding = find(doctor, SEVERITY_FAULT, "the device %s is down: what came by SAs with if-id %u is dropped",
			       name, if_id);
		cure(finding, "ip link set %s up", name);
		detail(finding, "device", json_string(name));
	}
	if (lower && (!below || !below->up)) {
		finding = find(doctor, SEVERITY_FAULT, "%s, by which the packets of %s leave, is %s",
			       below ? below->name : "the device", name, below ? "down" : "gone");
		if (below)
			cure(finding, "ip link set %s up", below->name);
		else
			advise(finding, "run 'espah link set %s dev LINK' with another one", name);
		detail(finding, "device", json_string(name));
	}
	if (!policies_of(doctor, if_id, ESPAH_DIR_OUT)) {
		finding = find(doctor, SEVERITY_FAULT, "no out policy has if-id %u, so all that is routed into %s is dropped (device_no_policy)",
			       if_id, name);
		advise(finding, "add policies (espah policy add both any4 any if-id %u protect ...), or start the IKE daemon that makes them",
		       if_id);
		detail(finding, "device", json_string(name));
	}
}

/* Numbers for which there is no device here; it may be in another network namespace. */
static void look_numbers(struct doctor *doctor)
{
	const struct things *sas = &doctor->state.things[THING_SA];
	uint32_t told = 0;
	struct assoc sa;
	json_t *finding;
	size_t i;

	for (i = 0; i < sas->count; i++) {
		assoc_get(&sas->at[i], &sa);
		/* what came by NETLINK_XFRM has devices of kind xfrm */
		if (sa.dir != ESPAH_DIR_IN || !sa.if_id || sa.if_id == told ||
		    sas->at[i].owner == ESPAH_OWNER_XFRM || link_find(doctor, sa.if_id))
			continue;
		told = sa.if_id;
		finding = find(doctor, SEVERITY_NOTE, "no device in this network namespace has the if-id %u of inbound SAs",
			       sa.if_id);
		advise(finding, "if it is not in another network namespace, run 'espah link add NAME if-id %u up'",
		       sa.if_id);
	}
}

static void look_named(struct doctor *doctor)
{
	const struct things *policies = &doctor->state.things[THING_POLICY];
	char text[SELECTOR_TEXT_MAX];
	static struct rule rule;
	json_t *finding;
	size_t i;

	for (i = 0; i < policies->count; i++) {
		rule_get(&policies->at[i], &rule);
		if (!*rule.sel.dev || network_named(doctor->network, rule.sel.dev))
			continue;
		finding = find(doctor, SEVERITY_WARNING, "%s names the device %s, which is not there, so it matches nothing",
			       rule_text(&rule, text), rule.sel.dev);
		advise(finding, "make the device, or correct its name in the policy");
		detail(finding, "policy", json_integer(rule.thing->id));
		detail(finding, "device", json_string(rule.sel.dev));
	}
}

/** check_devices() - devices of kind espah, and those that policies name */
void check_devices(struct doctor *doctor)
{
	const struct things *links = &doctor->state.things[THING_LINK];
	size_t i;

	for (i = 0; i < links->count; i++)
		look_link(doctor, &links->at[i]);
	look_numbers(doctor);
	look_named(doctor);
}

/* --- sizes --- */

/* bytes: what each IPv6 link carries (RFC 8200 5), and what an IPv4 path usually carries */
#define SMALL_PATH 1280

/* Bytes of the largest packet that fits the SA of a device; 0: unknown */
static uint32_t fits(struct doctor *doctor, uint32_t if_id, uint32_t index)
{
	const struct things *policies = &doctor->state.things[THING_POLICY];
	const struct nlattr *tb[ESPAH_EXPLAIN_MAX + 1];
	struct nlmsghdr *answer = NULL;
	static struct rule rule;
	struct flow flow;
	uint32_t mtu = 0;
	size_t i;

	for (i = 0; i < policies->count && !mtu; i++) {
		rule_get(&policies->at[i], &rule);
		if (!rule_protects(&rule, ESPAH_DIR_OUT) ||
		    attr_u32(rule.tb[ESPAH_POLICY_IF_ID], 0) != if_id)
			continue;
		flow_get(&rule, &flow);
		flow.field[FLOW_DEV] = (struct flow_value){ true, index };
		if (!explain_ask(doctor->cli, &flow, &answer) && answer) {
			attr_table(answer, tb, ESPAH_EXPLAIN_MAX);
			mtu = attr_u32(tb[ESPAH_EXPLAIN_MTU], 0);
		}
	}
	free(answer);
	return mtu;
}

static void look_mtu(struct doctor *doctor, const struct thing *link)
{
	const struct net_device *is = network_device(doctor->network, link->id);
	const struct nlattr *tb[ESPAH_LINK_MAX + 1];
	struct device device;
	json_t *finding;
	uint32_t most;

	device_read(link->nlh, &device);
	attr_nest(device.linkinfo[IFLA_INFO_DATA], tb, ESPAH_LINK_MAX);
	if (!is || !attr_u8(tb[ESPAH_LINK_MTU_SET], 0))
		return;
	most = fits(doctor, attr_u32(tb[ESPAH_LINK_IF_ID], 0), link->id);
	if (!most || is->mtu <= most)
		return;
	finding = find(doctor, SEVERITY_WARNING, "the MTU of %s was set to %u, but only packets of %u bytes fit into its SA: longer ones are fragmented or refused",
		       is->name, is->mtu, most);
	cure(finding, "espah link set %s mtu %u", is->name, most);
	detail(finding, "device", json_string(is->name));
	detail(finding, "mtu", json_integer(is->mtu));
	detail(finding, "fits", json_integer(most));
}

static void look_path(struct doctor *doctor, const struct assoc *assoc)
{
	uint32_t pmtu = attr_u32(assoc->tb[ESPAH_SA_PMTU], 0);
	char peer[ADDR_TEXT_MAX];
	json_t *finding;

	if (assoc->dir != ESPAH_DIR_OUT || !pmtu || pmtu >= SMALL_PATH)
		return;
	finding = find(doctor, SEVERITY_WARNING, "the path to the peer %s carries packets of %u bytes only",
		       addr_text(&assoc->dst, peer), pmtu);
	advise(finding, "look for the link with this MTU (tracepath %s)", peer);
	detail(finding, "peer", json_string(peer));
	detail(finding, "pmtu", json_integer(pmtu));
}

/** check_mtu() - MTU of devices, path MTU of SAs */
void check_mtu(struct doctor *doctor)
{
	const struct things *links = &doctor->state.things[THING_LINK];
	size_t i;

	for (i = 0; i < links->count; i++)
		look_mtu(doctor, &links->at[i]);
	each_ends(doctor, look_path);
}

/* --- forwarding --- */

/**
 * struct gate - a device that has to forward, but does not
 * @index: the device
 * @family: AF_INET or AF_INET6
 */
struct gate {
	uint32_t index;
	uint8_t family;
};

/* Whether all addresses are of this host, or some of them. */
static void own(const struct doctor *doctor, const struct selector *sel, const struct list *list,
		bool *all, bool *some)
{
	struct list one;
	size_t i;

	*all = *some = false;
	for (i = 0; i < doctor->network->addresses; i++) {
		const struct addr *addr = &doctor->network->address[i].addr;

		if (addr->family != sel->family)
			continue;
		list_set_addr(&one, addr, 8 * addr_size(addr->family));
		*some |= list_meets(list, &one);
		*all |= list_covers(&one, list);
	}
}

static bool forwards(uint8_t family, const char *dev)
{
	long value;

	/* Linux asks the device for IPv4, and for IPv6 only newer versions do */
	if (family == AF_INET)
		return !network_setting(family, dev, "forwarding", &value) || value;
	return !network_setting(family, "all", "forwarding", &value) || value ||
	       (network_setting(family, dev, "force_forwarding", &value) && value);
}

static void look_gate(struct doctor *doctor, const struct rule *rule, uint32_t index, bool some,
		      const char *what, struct gate told[64], unsigned int *n)
{
	const struct net_device *device = network_device(doctor->network, index);
	uint8_t family = rule->sel.family;
	bool six = family == AF_INET6;
	char text[SELECTOR_TEXT_MAX];
	json_t *finding;
	unsigned int i;
	long all;

	if (!device || same(device->name, "lo") || forwards(family, device->name) || *n == 64)
		return;
	for (i = 0; i < *n; i++)
		if (told[i].family == family && (six || told[i].index == index))
			return;
	told[(*n)++] = (struct gate){ index, family };
	finding = find(doctor, some ? SEVERITY_WARNING : SEVERITY_FAULT,
		       "this host does not forward %s packets that come by %s, so %s of %s are dropped%s",
		       family_text(family), device->name, what, rule_text(rule, text),
		       some ? ", except those of its own addresses" : "");
	if (six)
		cure(finding, "sysctl -w net.ipv6.conf.all.forwarding=1");
	else if (network_setting(family, "all", "forwarding", &all) && !all)
		cure(finding, "sysctl -w net.ipv4.ip_forward=1");
	else
		cure(finding, "sysctl -w net/ipv4/conf/%s/forwarding=1", device->name);
	detail(finding, "device", json_string(device->name));
	detail(finding, "policy", json_integer(rule->thing->id));
}

/* The route to hosts of a network, not to this host itself. Return: whether there is one */
static bool way_in(struct doctor *doctor, const struct addr *first, struct net_route *route)
{
	struct net_query query = { .dst = *first };
	unsigned int tries;

	for (tries = 0; tries < 4; tries++) {
		if (network_route(doctor->cli, &query, route) || route->error)
			return false;
		if (!route->local)
			return true;
		query.dst.byte[addr_size(first->family) - 1]++;
	}
	return false;
}

/** inner_device() - Return: the device by which sources of a policy come; NULL: this host, unknown */
const struct net_device *inner_device(struct doctor *doctor, const struct rule *rule)
{
	struct net_route route;
	struct flow flow;
	bool all, some;

	own(doctor, &rule->sel, &rule->sel.src, &all, &some);
	flow_get(rule, &flow);
	/* "any" may mean this host alone */
	if (!rule->sel.src.size || all || !way_in(doctor, &flow.src, &route))
		return NULL;
	return network_device(doctor->network, route.index);
}

/**
 * outer_device() - the device by which packets of a policy leave in clear
 * @doctor: the examination
 * @rule: an outbound policy
 * @back: the device by which answers come, as ESP; that of kind espah, if they come by one
 *
 * Return: the device; NULL: unknown.
 */
const struct net_device *outer_device(struct doctor *doctor, const struct rule *rule, bool back)
{
	const struct thing *link = link_find(doctor, attr_u32(rule->tb[ESPAH_POLICY_IF_ID], 0));
	const struct template *last = rule->tmpl + template_count(rule->tmpl) - 1;
	struct net_query query = { 0 };
	struct net_route route;
	struct flow flow;

	flow_get(rule, &flow);
	query.dst = back && addr_plain(&last->dst) ? last->dst : flow.dst;
	/* a device that is not here is in another network namespace */
	if (!link && (rule->tb[ESPAH_POLICY_IF_ID] ||
		      network_route(doctor->cli, &query, &route) || route.error))
		return NULL;
	return network_device(doctor->network, link ? link->id : route.index);
}

/** check_forwarding() - this host forwards packets of protected networks */
void check_forwarding(struct doctor *doctor)
{
	const struct things *policies = &doctor->state.things[THING_POLICY];
	struct gate told[64];
	unsigned int n = 0;
	const struct net_device *inner;
	static struct rule rule;
	struct net_route route;
	struct net_query query;
	bool all, some;
	size_t i;

	for (i = 0; i < policies->count; i++) {
		const struct thing *link;

		rule_get(&policies->at[i], &rule);
		if (!rule_protects(&rule, ESPAH_DIR_OUT) || rule.tmpl->mode != ESPAH_MODE_TUNNEL)
			continue;
		inner = inner_device(doctor, &rule);
		link = link_find(doctor, attr_u32(rule.tb[ESPAH_POLICY_IF_ID], 0));
		if (!inner || (rule.tb[ESPAH_POLICY_IF_ID] && !link))
			continue;
		own(doctor, &rule.sel, &rule.sel.src, &all, &some);
		look_gate(doctor, &rule, inner->index, some, "outbound packets", told, &n);
		if (link) {
			look_gate(doctor, &rule, link->id, some, "inbound packets", told, &n);
			continue;
		}
		query = (struct net_query){
			.dst = rule.tmpl[template_count(rule.tmpl) - 1].dst,
			.oif = network_vrf(doctor->network,
					   &rule.tmpl[template_count(rule.tmpl) - 1].src)
		};
		if (addr_plain(&query.dst) && !network_route(doctor->cli, &query, &route) &&
		    !route.error && !route.local)
			look_gate(doctor, &rule, route.index, some, "inbound packets", told, &n);
	}
}

/* --- reverse path filtering --- */

/*
 * The kernel compares the device by which an IPv4 packet came with its route back. Packets that
 * came by an SA are spared, ESP and AH themselves are not: they come by the device below a link, and
 * the route to the peer may lead into the link, where only the SA's own packets do not follow it.
 */
static void look_filter(struct doctor *doctor, const struct assoc *assoc)
{
	const struct thing *link = link_find(doctor, assoc->if_id);
	const struct net_device *below, *back;
	long all = 0, own_value = 0;
	struct net_query query = { .dst = assoc->src };
	char peer[ADDR_TEXT_MAX];
	struct net_route route;
	json_t *finding;
	uint32_t lower = 0;

	if (link)
		link_of(link, &lower);
	below = network_device(doctor->network, lower);
	if (assoc->dir != ESPAH_DIR_IN || assoc->src.family != AF_INET || !below ||
	    !network_setting(AF_INET, "all", "rp_filter", &all) ||
	    !network_setting(AF_INET, below->name, "rp_filter", &own_value))
		return;
	query.oif = below->vrf;
	if ((all > own_value ? all : own_value) != 1 || !addr_plain(&assoc->src) ||
	    network_route(doctor->cli, &query, &route) || route.index == below->index)
		return;
	back = network_device(doctor->network, route.index);
	addr_text(&assoc->src, peer);
	if (route.error)
		finding = find(doctor, SEVERITY_FAULT, "rp_filter is strict on %s, and there is no route to the peer %s, so its ESP and AH packets are dropped",
			       below->name, peer);
	else
		finding = find(doctor, SEVERITY_FAULT, "rp_filter is strict on %s, but the route to the peer %s leads to %s, so its ESP and AH packets are dropped",
			       below->name, peer, back ? back->name : "another device");
	if (route.error)
		advise(finding, "add a route to the peer by %s", below->name);
	else
		cure(finding, "sysctl -w net/ipv4/conf/%s/rp_filter=2", below->name);
	detail(finding, "device", json_string(below->name));
	detail(finding, "peer", json_string(peer));
}

/** check_rp_filter() - reverse path filtering does not drop ESP */
void check_rp_filter(struct doctor *doctor)
{
	each_ends(doctor, look_filter);
}
