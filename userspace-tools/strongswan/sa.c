// SPDX-License-Identifier: GPL-2.0-only
/*
 * SAs. charon identifies an SA by SPI, destination and protocol. The module also needs the
 * direction. The destination is either ours or the peer's, so we try one direction, then the
 * other. charon also names a mark and an if_id, which distinguish SAs in XFRM. In the module they do
 * not: an SPI that it has assigned is unique for the destination.
 */
#include "backend.h"

#include <errno.h>
#include <time.h>

/* defaults of charon.spi_min and charon.spi_max */
#define SPI_MIN 0xc0000000
#define SPI_MAX 0xcfffffff

static struct nlmsghdr *start(struct nl *nl, void *buf, uint8_t cmd, uint8_t dir,
			      kernel_ipsec_sa_id_t *id)
{
	struct nlmsghdr *nlh = nl_start(nl, buf, cmd, 0);

	mnl_attr_put_u8(nlh, ESPAH_SA_DIR, dir);
	mnl_attr_put_u8(nlh, ESPAH_SA_PROTO, id->proto);
	mnl_attr_put_u32(nlh, ESPAH_SA_SPI, id->spi);
	nl_put_host(nlh, ESPAH_SA_DST, id->dst);
	return nlh;
}

/* Logs the reason of a failure. Return: the status for charon */
static status_t failed(int error, const char *what, uint32_t spi, char *why)
{
	if (error)
		DBG1(DBG_KNL, "kernel-espah: unable to %s with SPI %.8x: %s", what, ntohl(spi),
		     why ?: strerror(error));
	free(why);
	return error == ENOENT ? NOT_FOUND : error ? FAILED : SUCCESS;
}

static void take_spi(const struct nlmsghdr *nlh, void *spi)
{
	const struct nlattr *sa[ESPAH_SA_MAX + 1];

	attr_table(nlh, sa, ESPAH_SA_MAX);
	*(uint32_t *)spi = attr_u32(sa[ESPAH_SA_SPI], 0);
}

static uint32_t setting(char *key, uint32_t otherwise)
{
	return lib->settings->get_int(lib->settings, key, otherwise, lib->ns);
}

/* The range of SPIs that charon.spi_min and charon.spi_max name, in either order. */
static void spi_range(uint32_t *from, uint32_t *to)
{
	uint32_t a = setting("%s.spi_min", SPI_MIN), b = setting("%s.spi_max", SPI_MAX);

	*from = max(min(a, b), (uint32_t)ESPAH_SPI_MIN);
	*to = max(max(a, b), (uint32_t)ESPAH_SPI_MIN);
}

void sa_check_settings(void)
{
	uint32_t a = setting("%s.spi_min", SPI_MIN), b = setting("%s.spi_max", SPI_MAX), from, to;

	spi_range(&from, &to);
	if (min(a, b) < ESPAH_SPI_MIN)
		DBG1(DBG_KNL, "kernel-espah: SPIs below %d are reserved (RFC 4303 2.1); spi_min and "
		     "spi_max count as 0x%08x and 0x%08x", ESPAH_SPI_MIN, from, to);
}

status_t sa_get_spi(struct nl *nl, host_t *src, host_t *dst, uint8_t proto, uint32_t *spi)
{
	char buf[NL_REQUEST_MAX], *why = NULL;
	struct nlmsghdr *nlh = nl_start(nl, buf, ESPAH_CMD_SA_ALLOC_SPI, 0);
	uint32_t from, to;
	int error;

	/* a placeholder: the real mode is set together with the keys */
	mnl_attr_put_u8(nlh, ESPAH_SA_MODE, ESPAH_MODE_TUNNEL);
	mnl_attr_put_u8(nlh, ESPAH_SA_PROTO, proto);
	nl_put_host(nlh, ESPAH_SA_SRC, src);
	nl_put_host(nlh, ESPAH_SA_DST, dst);
	spi_range(&from, &to);
	mnl_attr_put_u32(nlh, ESPAH_SA_SPI_MIN, htonl(from));
	mnl_attr_put_u32(nlh, ESPAH_SA_SPI_MAX, htonl(to));
	*spi = 0;
	error = nl_ask(nl, nlh, take_spi, spi, &why);
	return failed(error, "reserve an SA", 0, why);
}

static void put_limit(struct nlmsghdr *nlh, uint16_t type, uint64_t value)
{
	if (value)
		mnl_attr_put_u64(nlh, type, value);
}

static void put_limits(struct nlmsghdr *nlh, uint16_t type, uint64_t time, uint64_t bytes,
		       uint64_t packets)
{
	struct nlattr *nest;

	if (!time && !bytes && !packets)
		return;
	nest = mnl_attr_nest_start(nlh, type);
	put_limit(nlh, ESPAH_LIMIT_TIME, time);
	put_limit(nlh, ESPAH_LIMIT_BYTES, bytes);
	put_limit(nlh, ESPAH_LIMIT_PACKETS, packets);
	mnl_attr_nest_end(nlh, nest);
}

/*
 * The module refuses a soft limit above the hard one. charon sends such limits, for example if only
 * life_time is configured and is below the default of rekey_time. The SA then ends without rekeying.
 */
static uint64_t soft(uint64_t rekey, uint64_t life)
{
	return life && rekey > life ? 0 : rekey;
}

/* Adds the options of a tunnel for the fields of IP headers. */
static void put_tunnel(struct nlmsghdr *nlh, kernel_ipsec_add_sa_t *data, uint32_t *flags)
{
	bool dscp_in = data->copy_dscp == DSCP_COPY_IN_ONLY || data->copy_dscp == DSCP_COPY_YES;
	bool dscp_out = data->copy_dscp == DSCP_COPY_OUT_ONLY || data->copy_dscp == DSCP_COPY_YES;

	if (!data->copy_ecn)
		*flags |= ESPAH_SA_F_NOECN;
	if (data->inbound) {
		if (dscp_in)
			*flags |= ESPAH_SA_F_DSCP_IN;
		return;
	}
	if (!dscp_out)
		mnl_attr_put_u8(nlh, ESPAH_SA_DSCP, 0);
	mnl_attr_put_u8(nlh, ESPAH_SA_DF, data->copy_df ? ESPAH_DF_COPY : ESPAH_DF_CLEAR);
	if (data->tfc)
		mnl_attr_put_u16(nlh, ESPAH_SA_TFC, min(data->tfc, (uint32_t)ESPAH_TFC_MTU));
}

static void put_window(struct nlmsghdr *nlh, kernel_ipsec_add_sa_t *data)
{
	uint32_t window = data->replay_window;

	if (window || data->esn)
		window = max((uint32_t)ESPAH_WINDOW_MIN, min(window, (uint32_t)ESPAH_WINDOW_MAX));
	mnl_attr_put_u32(nlh, ESPAH_SA_WINDOW, window);
}

static void put_encap(struct nlmsghdr *nlh, host_t *src, host_t *dst)
{
	put_port(nlh, ESPAH_SA_ENCAP_SPORT, src->get_port(src));
	put_port(nlh, ESPAH_SA_ENCAP_DPORT, dst->get_port(dst));
}

/* Names a requested feature that XFRM has and the module lacks; NULL: all are supported. */
static const char *unsupported(kernel_ipsec_add_sa_t *data)
{
	if (data->mode != MODE_TUNNEL && data->mode != MODE_TRANSPORT)
		return "modes other than tunnel and transport";
	if (data->ipcomp != IPCOMP_NONE)
		return "IP compression";
	if (data->label)
		return "security labels";
	if (data->hw_offload != HW_OFFLOAD_NO && data->hw_offload != HW_OFFLOAD_AUTO)
		return "hardware offload";
	return NULL;
}

status_t sa_add(struct nl *nl, struct installed *installed, kernel_ipsec_sa_id_t *id,
		kernel_ipsec_add_sa_t *data)
{
	const char *algorithm, *lacks = unsupported(data);
	char buf[NL_REQUEST_MAX], name[64], *why = NULL;
	uint32_t flags = data->esn ? ESPAH_SA_F_ESN : 0;
	lifetime_cfg_t *life = data->lifetime;
	struct nlmsghdr *nlh;
	chunk_t key;
	int error;

	if (lacks) {
		DBG1(DBG_KNL, "kernel-espah: %s are not supported", lacks);
		return NOT_SUPPORTED;
	}
	algorithm = algorithm_name(id->proto, data->enc_alg, data->enc_key.len, data->int_alg,
				   name, sizeof(name));
	if (!algorithm) {
		DBG1(DBG_KNL, "kernel-espah: the module has no %N with %N",
		     encryption_algorithm_names, data->enc_alg, integrity_algorithm_names,
		     data->int_alg);
		return NOT_SUPPORTED;
	}
	DBG2(DBG_KNL, "adding %s SA with SPI %.8x, reqid {%u}, %s",
	     data->inbound ? "inbound" : "outbound", ntohl(id->spi), data->reqid, algorithm);

	nlh = start(nl, buf, ESPAH_CMD_SA_NEW, data->inbound ? ESPAH_DIR_IN : ESPAH_DIR_OUT, id);
	nl_put_host(nlh, ESPAH_SA_SRC, id->src);
	mnl_attr_put_u8(nlh, ESPAH_SA_MODE, data->mode == MODE_TUNNEL ? ESPAH_MODE_TUNNEL :
					    ESPAH_MODE_TRANSPORT);
	mnl_attr_put_u32(nlh, ESPAH_SA_REQID, data->reqid);
	mnl_attr_put_strz(nlh, ESPAH_SA_ALG, algorithm);
	key = chunk_cat("cc", data->enc_key, data->int_key);
	mnl_attr_put(nlh, ESPAH_SA_KEY, key.len, key.ptr);
	chunk_clear(&key);
	label_put(nlh, ESPAH_SA_LABEL);
	mnl_attr_put_u8(nlh, ESPAH_SA_OWNER, ESPAH_OWNER_DAEMON);
	if (data->mode == MODE_TUNNEL)
		put_tunnel(nlh, data, &flags);
	mnl_attr_put_u32(nlh, ESPAH_SA_FLAGS, flags);
	if (data->inbound)
		put_window(nlh, data);
	if (data->encap)
		put_encap(nlh, id->src, id->dst);
	if (id->if_id)
		mnl_attr_put_u32(nlh, ESPAH_SA_IF_ID, id->if_id);
	nl_put_mark(nlh, ESPAH_SA_MARK, ESPAH_SA_MARK_MASK, data->mark);
	put_limits(nlh, ESPAH_SA_SOFT, soft(life->time.rekey, life->time.life),
		   soft(life->bytes.rekey, life->bytes.life),
		   soft(life->packets.rekey, life->packets.life));
	put_limits(nlh, ESPAH_SA_HARD, life->time.life, life->bytes.life, life->packets.life);
	error = nl_ask(nl, nlh, NULL, NULL, &why);
	if (!error)
		installed_add(installed, data->inbound ? ESPAH_DIR_IN : ESPAH_DIR_OUT, id);
	return failed(error, "add an SA", id->spi, why);
}

status_t sa_update(struct nl *nl, struct installed *installed, kernel_ipsec_sa_id_t *id,
		   kernel_ipsec_update_sa_t *data)
{
	char buf[NL_REQUEST_MAX], *why = NULL;
	kernel_ipsec_sa_id_t moved = *id;
	int dir, error = ENOENT;

	if (data->new_reqid)
		return NOT_SUPPORTED; /* charon then creates a new SA */
	for (dir = ESPAH_DIR_IN; dir <= ESPAH_DIR_OUT && error == ENOENT; dir++) {
		struct nlmsghdr *nlh = start(nl, buf, ESPAH_CMD_SA_SET, dir, id);

		nl_put_host(nlh, ESPAH_SA_NEW_SRC, data->new_src);
		nl_put_host(nlh, ESPAH_SA_NEW_DST, data->new_dst);
		if (data->new_encap) {
			put_encap(nlh, data->new_src, data->new_dst);
		} else if (data->encap) {
			put_port(nlh, ESPAH_SA_ENCAP_SPORT, 0);
			put_port(nlh, ESPAH_SA_ENCAP_DPORT, 0);
		}
		free(why);
		why = NULL;
		error = nl_ask(nl, nlh, NULL, NULL, &why);
		if (!error) {
			moved.dst = data->new_dst;
			installed_del(installed, id);
			installed_add(installed, dir, &moved);
		}
	}
	return failed(error, "move the SA", id->spi, why);
}

struct usage {
	uint64_t bytes, packets, last;
};

static void take_usage(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *sa[ESPAH_SA_MAX + 1];
	struct usage *usage = data;

	attr_table(nlh, sa, ESPAH_SA_MAX);
	usage->bytes = attr_u64(sa[ESPAH_SA_BYTES], 0);
	usage->packets = attr_u64(sa[ESPAH_SA_PACKETS], 0);
	usage->last = attr_u64(sa[ESPAH_SA_LAST_USED], 0);
}

status_t sa_query(struct nl *nl, kernel_ipsec_sa_id_t *id, uint64_t *bytes, uint64_t *packets,
		  time_t *used)
{
	char buf[NL_REQUEST_MAX], *why = NULL;
	struct usage usage = {};
	int dir, error = ENOENT;

	for (dir = ESPAH_DIR_IN; dir <= ESPAH_DIR_OUT && error == ENOENT; dir++) {
		free(why);
		why = NULL;
		error = nl_ask(nl, start(nl, buf, ESPAH_CMD_SA_GET, dir, id), take_usage, &usage,
			       &why);
	}
	if (bytes)
		*bytes = usage.bytes;
	if (packets)
		*packets = usage.packets;
	/* charon uses monotonic time */
	if (used)
		*used = usage.last ? time_monotonic(NULL) - (time(NULL) - (time_t)usage.last) : 0;
	return failed(error, "ask for the SA", id->spi, why);
}

status_t sa_del(struct nl *nl, struct installed *installed, kernel_ipsec_sa_id_t *id)
{
	char buf[NL_REQUEST_MAX], *why = NULL;
	int dir, error = ENOENT;

	installed_del(installed, id);
	for (dir = ESPAH_DIR_IN; dir <= ESPAH_DIR_OUT && error == ENOENT; dir++) {
		free(why);
		why = NULL;
		error = nl_ask(nl, start(nl, buf, ESPAH_CMD_SA_DEL, dir, id), NULL, NULL, &why);
	}
	return failed(error, "delete the SA", id->spi, why);
}
