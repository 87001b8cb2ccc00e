// SPDX-License-Identifier: GPL-2.0-only
/* The backend: the implementation of kernel_ipsec_t that charon calls. */
#include "backend.h"

/* KERNEL_SA_USE_TIME of strongSwan 6: query_sa() reports the time of last use; unused before 6 */
#define SA_USE_TIME (1 << 5)

struct backend {
	kernel_ipsec_t public;
	struct nl *nl;
	struct installed *installed;
	struct policies *policies;
	struct events *events;
	listener_t listener;
};

METHOD(kernel_ipsec_t, get_features, kernel_feature_t, struct backend *this)
{
	return KERNEL_ESP_V3_TFC | SA_USE_TIME;
}

METHOD(kernel_ipsec_t, get_spi, status_t, struct backend *this, host_t *src, host_t *dst,
       uint8_t proto, uint32_t *spi)
{
	return sa_get_spi(this->nl, src, dst, proto, spi);
}

METHOD(kernel_ipsec_t, get_cpi, status_t, struct backend *this, host_t *src, host_t *dst,
       uint16_t *cpi)
{
	DBG1(DBG_KNL, "kernel-espah: IP compression is not supported");
	return NOT_SUPPORTED;
}

METHOD(kernel_ipsec_t, add_sa, status_t, struct backend *this, kernel_ipsec_sa_id_t *id,
       kernel_ipsec_add_sa_t *data)
{
	return sa_add(this->nl, this->installed, id, data);
}

METHOD(kernel_ipsec_t, update_sa, status_t, struct backend *this, kernel_ipsec_sa_id_t *id,
       kernel_ipsec_update_sa_t *data)
{
	return sa_update(this->nl, this->installed, id, data);
}

METHOD(kernel_ipsec_t, query_sa, status_t, struct backend *this, kernel_ipsec_sa_id_t *id,
       kernel_ipsec_query_sa_t *data, uint64_t *bytes, uint64_t *packets, time_t *used)
{
	return sa_query(this->nl, id, bytes, packets, used);
}

METHOD(kernel_ipsec_t, del_sa, status_t, struct backend *this, kernel_ipsec_sa_id_t *id,
       kernel_ipsec_del_sa_t *data)
{
	return sa_del(this->nl, this->installed, id);
}

static status_t flush(struct backend *this, uint8_t cmd)
{
	char buf[NL_REQUEST_MAX];

	return nl_ask(this->nl, nl_start(this->nl, buf, cmd, 0), NULL, NULL, NULL) ? FAILED :
	       SUCCESS;
}

METHOD(kernel_ipsec_t, flush_sas, status_t, struct backend *this)
{
	return flush(this, ESPAH_CMD_SA_FLUSH);
}

METHOD(kernel_ipsec_t, add_policy, status_t, struct backend *this, kernel_ipsec_policy_id_t *id,
       kernel_ipsec_manage_policy_t *data)
{
	return policy_add(this->policies, id, data);
}

METHOD(kernel_ipsec_t, query_policy, status_t, struct backend *this,
       kernel_ipsec_policy_id_t *id, kernel_ipsec_query_policy_t *data, time_t *used)
{
	*used = 0; /* query_sa() reports it */
	return SUCCESS;
}

METHOD(kernel_ipsec_t, del_policy, status_t, struct backend *this, kernel_ipsec_policy_id_t *id,
       kernel_ipsec_manage_policy_t *data)
{
	return policy_del(this->policies, id, data);
}

METHOD(kernel_ipsec_t, flush_policies, status_t, struct backend *this)
{
	return flush(this, ESPAH_CMD_POLICY_FLUSH);
}

METHOD(kernel_ipsec_t, bypass_socket, bool, struct backend *this, int fd, int family)
{
	return TRUE; /* the module itself exempts IKE */
}

METHOD(kernel_ipsec_t, enable_udp_decap, bool, struct backend *this, int fd, int family,
       uint16_t port)
{
	return TRUE; /* the module takes ESP out of UDP before sockets see it */
}

static bool alert(listener_t *listener, ike_sa_t *ike_sa, alert_t alert, va_list args)
{
	struct backend *this = (void *)((char *)listener - offsetof(struct backend, listener));

	if (alert == ALERT_SHUTDOWN_SIGNAL)
		policies_leave(this->policies);
	return TRUE;
}

METHOD(kernel_ipsec_t, destroy, void, struct backend *this)
{
	charon->bus->remove_listener(charon->bus, &this->listener);
	if (this->events)
		events_destroy(this->events);
	policies_destroy(this->policies);
	installed_destroy(this->installed);
	nl_close(this->nl);
	free(this);
}

kernel_ipsec_t *espah_backend(void)
{
	struct backend *this;
	struct nl *nl;
	char why[128];

	nl = nl_open(why, sizeof(why));
	if (!nl)
		return refusing_backend(why);
	sa_check_settings();
	INIT(this,
		.public = {
			.get_features = _get_features,
			.get_spi = _get_spi,
			.get_cpi = _get_cpi,
			.add_sa = _add_sa,
			.update_sa = _update_sa,
			.query_sa = _query_sa,
			.del_sa = _del_sa,
			.flush_sas = _flush_sas,
			.add_policy = _add_policy,
			.query_policy = _query_policy,
			.del_policy = _del_policy,
			.flush_policies = _flush_policies,
			.bypass_socket = _bypass_socket,
			.enable_udp_decap = _enable_udp_decap,
			.destroy = _destroy,
		},
		.nl = nl,
		.policies = policies_create(nl),
		.installed = installed_create(),
		.listener.alert = alert,
	);
	this->events = events_create(nl, this->installed, why, sizeof(why));
	charon->bus->add_listener(charon->bus, &this->listener);
	if (!this->events) {
		_destroy(this);
		return refusing_backend(why);
	}
	return &this->public;
}
