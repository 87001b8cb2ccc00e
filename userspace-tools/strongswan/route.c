// SPDX-License-Identifier: GPL-2.0-only
/*
 * Routes. A gateway's own packets to a protected network need a source address that the policy
 * covers, and a network behind a tunnel needs a route. So each outbound policy adds a route to
 * charon's own table (charon.install_routes, charon.routing_table).
 */
#include "backend.h"

#include <collections/linked_list.h>

struct routes {
	bool enabled;
	linked_list_t *list;
};

/* @ours: we added the route, so we delete it */
struct route {
	int refs;
	bool ours, pass;
	chunk_t net;
	uint8_t prefix;
	host_t *gateway, *src;
	char *device;
};

static void destroy(struct route *route)
{
	DESTROY_IF(route->gateway);
	DESTROY_IF(route->src);
	chunk_free(&route->net);
	free(route->device);
	free(route);
}

static bool wanted(struct routes *this, kernel_ipsec_policy_id_t *id,
		   kernel_ipsec_manage_policy_t *data)
{
	traffic_selector_t *sides[] = { id->src_ts, id->dst_ts };
	unsigned int i;

	/* the administrator chooses what is routed into the device of an if_id */
	if (!this->enabled || id->dir != POLICY_OUT || id->if_id)
		return FALSE;
	for (i = 0; i < countof(sides); i++)
		if (sides[i]->get_protocol(sides[i]) || sides[i]->get_from_port(sides[i]) ||
		    sides[i]->get_to_port(sides[i]) != 0xffff)
			return FALSE; /* routing ignores ports */
	return data->type == POLICY_PASS ||
	       (data->type == POLICY_IPSEC && data->sa->mode != MODE_TRANSPORT);
}

/* Computes the current route of a policy; NULL: no route. */
static struct route *plan(kernel_ipsec_policy_id_t *id, kernel_ipsec_manage_policy_t *data)
{
	kernel_interface_t *kernel = charon->kernel;
	host_t *net = NULL, *via;
	struct route *route;

	INIT(route,
		.refs = 1,
		.pass = data->type == POLICY_PASS,
	);
	id->dst_ts->to_subnet(id->dst_ts, &net, &route->prefix);
	route->net = chunk_clone(net->get_address(net));
	if (kernel->get_address_by_ts(kernel, id->src_ts, &route->src, NULL) != SUCCESS) {
		/* no local address in the network; a pass route needs no source address */
		if (!route->pass)
			goto none;
		route->src = host_create_any(net->get_family(net));
	}
	if (data->dst->is_anyaddr(data->dst))
		route->gateway = kernel->get_nexthop(kernel, net, route->prefix, route->src,
						     &route->device);
	else
		route->gateway = kernel->get_nexthop(kernel, data->dst, -1, data->src,
						     &route->device);
	via = data->src->is_anyaddr(data->src) ? route->src : data->src;
	if (!route->device && !kernel->get_interface(kernel, via, &route->device) && !route->pass)
		goto none;
	net->destroy(net);
	return route;
none:
	net->destroy(net);
	destroy(route);
	return NULL;
}

static bool add(struct route *route)
{
	status_t status = charon->kernel->add_route(charon->kernel, route->net, route->prefix,
						    route->gateway, route->src, route->device,
						    route->pass);

	if (status != SUCCESS && status != ALREADY_DONE)
		DBG1(DBG_KNL, "kernel-espah: unable to install a route with source %H", route->src);
	route->ours = status == SUCCESS;
	return route->ours;
}

static void del(struct route *route)
{
	if (route->ours &&
	    charon->kernel->del_route(charon->kernel, route->net, route->prefix, route->gateway,
				      route->src, route->device, route->pass) != SUCCESS)
		DBG1(DBG_KNL, "kernel-espah: unable to remove the route with source %H",
		     route->src);
	route->ours = FALSE;
}

static bool same_host(host_t *a, host_t *b)
{
	return a && b ? a->ip_equals(a, b) : a == b;
}

/* Gives @old the gateway and device of @new if the path to the peer has changed. */
static void renew(struct route *old, struct route *new)
{
	host_t *gateway = old->gateway;
	char *device = old->device;

	if (same_host(gateway, new->gateway) && streq(device, new->device))
		return;
	del(old);
	old->gateway = new->gateway;
	old->device = new->device;
	new->gateway = gateway;
	new->device = device;
	add(old);
}

struct route *route_get(struct routes *this, kernel_ipsec_policy_id_t *id,
			kernel_ipsec_manage_policy_t *data)
{
	struct route *route, *new = wanted(this, id, data) ? plan(id, data) : NULL;
	enumerator_t *routes;

	if (!new)
		return NULL;
	routes = this->list->create_enumerator(this->list);
	while (routes->enumerate(routes, &route)) {
		if (route->prefix != new->prefix || !chunk_equals(route->net, new->net) ||
		    route->pass != new->pass || !same_host(route->src, new->src))
			continue;
		renew(route, new);
		route->refs++;
		destroy(new);
		new = route;
		break;
	}
	routes->destroy(routes);
	if (new != route) {
		add(new);
		this->list->insert_last(this->list, new);
	}
	return new;
}

void route_put(struct routes *this, struct route *route)
{
	if (!route || --route->refs)
		return;
	del(route);
	this->list->remove(this->list, route, NULL);
	destroy(route);
}

struct routes *routes_create(void)
{
	struct routes *this;

	INIT(this,
		.enabled = lib->settings->get_bool(lib->settings, "%s.install_routes", TRUE,
						   lib->ns),
		.list = linked_list_create(),
	);
	return this;
}

void routes_destroy(struct routes *this)
{
	this->list->destroy(this->list);
	free(this);
}
