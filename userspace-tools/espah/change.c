// SPDX-License-Identifier: GPL-2.0-only
/*
 * The changes that make the kernel as a configuration file says, in three steps: what can be done
 * and undone before the policies change; the policies and default actions, in one request; and what
 * may go only afterwards.
 */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "change.h"
#include "link.h"

/* --- undoing --- */

static int remember(struct undo *undo, struct nl *nl, const struct nlmsghdr *nlh)
{
	size_t room = undo->room ? 2 * undo->room : 64;
	struct nlmsghdr *copy;
	struct step *at;

	if (undo->count == undo->room) {
		at = reallocarray(undo->at, room, sizeof(*at));
		if (!at)
			goto no_memory;
		undo->at = at;
		undo->room = room;
	}
	copy = malloc(nlh->nlmsg_len);
	if (!copy)
		goto no_memory;
	memcpy(copy, nlh, nlh->nlmsg_len);
	undo->at[undo->count++] = (struct step){ nl, copy };
	return STATUS_OK;
no_memory:
	error("memory ran out");
	return STATUS_REFUSED;
}

/** undo_all() - take back what was done; errors are printed */
void undo_all(struct undo *undo)
{
	while (undo->count) {
		struct step *step = &undo->at[--undo->count];

		step->nlh->nlmsg_seq = ++step->nl->seq;
		nl_do(step->nl, step->nlh, "what takes back the changes", NULL, NULL);
		free(step->nlh);
	}
}

/** undo_free() - free the requests */
void undo_free(struct undo *undo)
{
	while (undo->count)
		free(undo->at[--undo->count].nlh);
	free(undo->at);
	memset(undo, 0, sizeof(*undo));
}

/* Sends a request about a thing of a file. Return: a STATUS_* */
static int ask_for(struct nl *nl, struct nlmsghdr *nlh, const struct thing *thing, const char *what)
{
	struct nl_result result;
	int status;

	error_place(thing->file, thing->line);
	status = nl_ask(nl, nlh, NULL, NULL, &result) ? STATUS_REFUSED :
		 nl_result_tell(what, &result);
	error_place(NULL, 0);
	return status;
}

/* --- devices --- */

/* Begins a request about a device: by name, or by the index of its twin. */
static struct nlmsghdr *start_link(struct nl *nl, void *buf, uint16_t flags,
				   const struct ifinfomsg *of, const struct thing *twin)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };

	info.ifi_index = twin ? twin->id : 0;
	info.ifi_change = IFF_UP;
	info.ifi_flags = of->ifi_flags & IFF_UP;
	return device_start(nl, buf, RTM_NEWLINK, NLM_F_ACK | flags, &info);
}

/** change_put_link() - put what makes a device as @device is into a request */
void change_put_link(struct nlmsghdr *nlh, const struct device *device, uint8_t owner)
{
	const struct nlattr *tb[ESPAH_LINK_MAX + 1];
	struct nlattr *linkinfo, *data;

	attr_nest(device->linkinfo[IFLA_INFO_DATA], tb, ESPAH_LINK_MAX);
	if (attr_u8(tb[ESPAH_LINK_MTU_SET], 0))
		mnl_attr_put_u32(nlh, IFLA_MTU, attr_u32(device->attr[IFLA_MTU], 0));
	linkinfo = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, ESPAH_LINK_KIND);
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u32(nlh, ESPAH_LINK_IF_ID, attr_u32(tb[ESPAH_LINK_IF_ID], 0));
	mnl_attr_put_u32(nlh, ESPAH_LINK_DEV, attr_u32(tb[ESPAH_LINK_DEV], 0));
	mnl_attr_put_u8(nlh, ESPAH_LINK_CARRIER, attr_u8(tb[ESPAH_LINK_CARRIER], 0));
	mnl_attr_put_u8(nlh, ESPAH_LINK_OWNER, owner);
	if (!attr_u8(tb[ESPAH_LINK_MTU_SET], 0))
		mnl_attr_put_u8(nlh, ESPAH_LINK_MTU_SET, 0);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, linkinfo);
}

/* Makes a device as another message about it says. */
static struct nlmsghdr *set_link(struct nl *nl, void *buf, const struct thing *as,
				 const struct thing *twin, uint8_t owner)
{
	struct nlmsghdr *nlh;
	struct device device;

	device_read(as->nlh, &device);
	nlh = start_link(nl, buf, 0, device.info, twin);
	change_put_link(nlh, &device, owner);
	return nlh;
}

static struct nlmsghdr *delete_link(struct nl *nl, void *buf, const char *name, uint32_t index)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC, .ifi_index = index };
	struct nlmsghdr *nlh = device_start(nl, buf, RTM_DELLINK, NLM_F_ACK, &info);

	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return nlh;
}

static int add_link(struct nl *nl, const struct thing *want, struct undo *undo)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	struct device device;
	const char *name;
	int status;

	device_read(want->nlh, &device);
	name = attr_string(device.attr[IFLA_IFNAME], "");
	nlh = start_link(nl, buf, NLM_F_CREATE | NLM_F_EXCL, device.info, NULL);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	change_put_link(nlh, &device, ESPAH_OWNER_FILE);
	status = ask_for(nl, nlh, want, "the device");
	return status ? status : remember(undo, nl, delete_link(nl, buf, name, 0));
}

static bool is_up(const struct thing *link)
{
	struct device device;

	device_read(link->nlh, &device);
	return device.info->ifi_flags & IFF_UP;
}

static int change_link(struct nl *nl, const struct thing *want, struct undo *undo)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	int status = remember(undo, nl, set_link(nl, buf, want->twin, want->twin,
						 ESPAH_OWNER_FILE));

	if (status)
		return status;
	nlh = set_link(nl, buf, want, want->twin, ESPAH_OWNER_FILE);
	/* routes go with a device that goes down: what was routed into it would take another way */
	if (is_up(want->twin))
		((struct ifinfomsg *)mnl_nlmsg_get_payload(nlh))->ifi_flags |= IFF_UP;
	return ask_for(nl, nlh, want, "the change of the device");
}

/* Adds and changes devices; none goes down before the policies have changed. */
static int change_links(struct cli *cli, const struct conf *conf, struct undo *undo)
{
	const struct things *links = &conf->things[THING_LINK];
	struct nl *nl = nl_route(cli);
	int status = nl ? STATUS_OK : STATUS_REFUSED;
	size_t i;

	for (i = 0; i < links->count && !status; i++) {
		if (links->at[i].verdict == VERDICT_ADD)
			status = add_link(nl, &links->at[i], undo);
		else if (links->at[i].verdict == VERDICT_SET)
			status = change_link(nl, &links->at[i], undo);
	}
	return status;
}

/* --- SAs --- */

static void put_identity(struct nlmsghdr *nlh, const struct nlattr **tb)
{
	put_attr(nlh, tb[ESPAH_SA_DIR]);
	put_attr(nlh, tb[ESPAH_SA_PROTO]);
	put_attr(nlh, tb[ESPAH_SA_SPI]);
	put_attr(nlh, tb[ESPAH_SA_DST]);
	put_attr(nlh, tb[ESPAH_SA_VRF]);
}

static struct nlmsghdr *delete_sa(struct nl *nl, void *buf, const struct thing *sa)
{
	struct nlmsghdr *nlh = nl_start(nl, buf, ESPAH_CMD_SA_DEL, NLM_F_ACK);
	const struct nlattr *tb[ESPAH_SA_MAX + 1];

	attr_table(sa->nlh, tb, ESPAH_SA_MAX);
	put_identity(nlh, tb);
	return nlh;
}

static void put_limits(struct nlmsghdr *nlh, uint16_t type, const struct nlattr *from,
		       const struct nlattr *to)
{
	const struct nlattr *old[ESPAH_LIMIT_MAX + 1], *new[ESPAH_LIMIT_MAX + 1];
	struct nlattr *nest = NULL;
	unsigned int i;

	attr_nest(from, old, ESPAH_LIMIT_MAX);
	attr_nest(to, new, ESPAH_LIMIT_MAX);
	for (i = 1; i <= ESPAH_LIMIT_IDLE; i++) {
		if (attr_u64(old[i], 0) == attr_u64(new[i], 0))
			continue;
		if (!nest)
			nest = mnl_attr_nest_start(nlh, type);
		mnl_attr_put_u64(nlh, i, attr_u64(new[i], 0));
	}
	if (nest)
		mnl_attr_nest_end(nlh, nest);
}

static uint32_t interval(const struct nlattr **tb)
{
	return attr_u32(tb[tb[ESPAH_SA_DUMMY_RANDOM] ? ESPAH_SA_DUMMY_RANDOM : ESPAH_SA_DUMMY], 0);
}

static bool same_addr(const struct nlattr *a, const struct nlattr *b)
{
	struct addr x, y;

	attr_addr(a, &x);
	attr_addr(b, &y);
	return !memcmp(&x, &y, sizeof(x));
}

/**
 * change_put_sa() - name an SA in a request, with the settings that are to change
 * @nlh: SA_SET
 * @from: attributes of the SA as it is
 * @to: as it is to be
 */
void change_put_sa(struct nlmsghdr *nlh, const struct nlattr **from, const struct nlattr **to)
{
	bool random = to[ESPAH_SA_DUMMY_RANDOM];

	put_identity(nlh, from);
	if (!same_addr(from[ESPAH_SA_SRC], to[ESPAH_SA_SRC]))
		mnl_attr_put(nlh, ESPAH_SA_NEW_SRC, mnl_attr_get_payload_len(to[ESPAH_SA_SRC]),
			     mnl_attr_get_payload(to[ESPAH_SA_SRC]));
	if (attr_port(from[ESPAH_SA_ENCAP_SPORT], 0) != attr_port(to[ESPAH_SA_ENCAP_SPORT], 0) ||
	    attr_port(from[ESPAH_SA_ENCAP_DPORT], 0) != attr_port(to[ESPAH_SA_ENCAP_DPORT], 0)) {
		put_port(nlh, ESPAH_SA_ENCAP_SPORT, attr_port(to[ESPAH_SA_ENCAP_SPORT], 0));
		put_port(nlh, ESPAH_SA_ENCAP_DPORT, attr_port(to[ESPAH_SA_ENCAP_DPORT], 0));
	}
	if (attr_u8(from[ESPAH_SA_DF], ESPAH_DF_COPY) != attr_u8(to[ESPAH_SA_DF], ESPAH_DF_COPY))
		mnl_attr_put_u8(nlh, ESPAH_SA_DF, attr_u8(to[ESPAH_SA_DF], ESPAH_DF_COPY));
	if (attr_u16(from[ESPAH_SA_TFC], 0) != attr_u16(to[ESPAH_SA_TFC], 0))
		mnl_attr_put_u16(nlh, ESPAH_SA_TFC, attr_u16(to[ESPAH_SA_TFC], 0));
	if (attr_u16(from[ESPAH_SA_CPUS], 0) != attr_u16(to[ESPAH_SA_CPUS], 0))
		mnl_attr_put_u16(nlh, ESPAH_SA_CPUS, attr_u16(to[ESPAH_SA_CPUS], 0));
	if (attr_u64(from[ESPAH_SA_FOR_DSCP], 0) != attr_u64(to[ESPAH_SA_FOR_DSCP], 0))
		mnl_attr_put_u64(nlh, ESPAH_SA_FOR_DSCP, attr_u64(to[ESPAH_SA_FOR_DSCP], 0));
	if (interval(from) != interval(to) ||
	    (interval(to) && random != !!from[ESPAH_SA_DUMMY_RANDOM]))
		mnl_attr_put_u32(nlh, random ? ESPAH_SA_DUMMY_RANDOM : ESPAH_SA_DUMMY,
				 interval(to));
	put_limits(nlh, ESPAH_SA_SOFT, from[ESPAH_SA_SOFT], to[ESPAH_SA_SOFT]);
	put_limits(nlh, ESPAH_SA_HARD, from[ESPAH_SA_HARD], to[ESPAH_SA_HARD]);
}

/* Makes the SA @is as @as says, where they differ. */
static struct nlmsghdr *set_sa(struct nl *nl, void *buf, const struct thing *is,
			       const struct thing *as, uint8_t owner)
{
	struct nlmsghdr *nlh = nl_start(nl, buf, ESPAH_CMD_SA_SET, NLM_F_ACK);
	const struct nlattr *from[ESPAH_SA_MAX + 1], *to[ESPAH_SA_MAX + 1];

	attr_table(is->nlh, from, ESPAH_SA_MAX);
	attr_table(as->nlh, to, ESPAH_SA_MAX);
	change_put_sa(nlh, from, to);
	mnl_attr_put_u8(nlh, ESPAH_SA_OWNER, owner);
	return nlh;
}

static int add_sa(struct nl *nl, const struct thing *want)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh = nl_start(nl, buf, ESPAH_CMD_SA_NEW, NLM_F_ACK);
	const struct nlattr *attr;

	mnl_attr_for_each(attr, want->nlh, sizeof(struct genlmsghdr))
		put_attr(nlh, attr);
	return ask_for(nl, nlh, want, "the SA");
}

static int change_sas(struct nl *nl, const struct conf *conf, struct undo *undo)
{
	const struct things *sas = &conf->things[THING_SA];
	char buf[NL_REQUEST_MAX];
	int status = STATUS_OK;
	size_t i;

	for (i = 0; i < sas->count && !status; i++) {
		const struct thing *want = &sas->at[i];

		if (want->verdict == VERDICT_ADD) {
			status = add_sa(nl, want);
			if (!status)
				status = remember(undo, nl, delete_sa(nl, buf, want));
		} else if (want->verdict == VERDICT_SET) {
			status = remember(undo, nl, set_sa(nl, buf, want, want->twin,
							   ESPAH_OWNER_FILE));
			if (!status)
				status = ask_for(nl, set_sa(nl, buf, want->twin, want,
							    ESPAH_OWNER_FILE), want,
						 "the change of the SA");
		}
	}
	return status;
}

/* --- settings --- */

static bool by_policies(uint16_t attr)
{
	return attr == ESPAH_CONFIG_DEFAULT_IN || attr == ESPAH_CONFIG_DEFAULT_OUT;
}

/* Builds a request that gives the settings in @which the values @value. */
static struct nlmsghdr *set_config(struct nl *nl, void *buf, const uint8_t *value, uint32_t which,
				   uint8_t owner)
{
	struct nlmsghdr *nlh = nl_start(nl, buf, ESPAH_CMD_CONFIG_SET, NLM_F_ACK);
	unsigned int i;

	for (i = 0; i <= ESPAH_CONFIG_MAX; i++)
		if (which & 1U << i)
			mnl_attr_put_u8(nlh, i, value[i]);
	mnl_attr_put_u8(nlh, ESPAH_CONFIG_OWNER, owner);
	return nlh;
}

static int change_settings(struct nl *nl, const struct conf *conf, const struct state *state,
			   struct undo *undo)
{
	uint8_t value[ESPAH_CONFIG_MAX + 1];
	uint32_t changes = compare_settings(conf, state, value, true), mine = state->by_file;
	char buf[NL_REQUEST_MAX];
	int status = STATUS_OK;
	unsigned int i;

	for (i = 0; i <= ESPAH_CONFIG_MAX && !status; i++) {
		uint32_t bit = 1U << i;

		if (!(changes & bit) || by_policies(i))
			continue;
		status = remember(undo, nl, set_config(nl, buf, state->value, bit, mine & bit ?
						       ESPAH_OWNER_FILE : ESPAH_OWNER_HAND));
		if (!status)
			status = nl_do(nl, set_config(nl, buf, value, bit, ESPAH_OWNER_FILE),
				       "the settings", NULL, NULL);
	}
	return status;
}

/** change_before() - what comes before the policies. Return: a STATUS_*; @undo takes it back */
int change_before(struct cli *cli, const struct conf *conf, const struct state *state,
		  struct undo *undo)
{
	int status = change_links(cli, conf, undo);

	if (!status)
		status = change_sas(cli->nl, conf, undo);
	return status ? status : change_settings(cli->nl, conf, state, undo);
}

/* --- policies --- */

/**
 * struct request - the request that changes the policies
 * @nlh: the request; longer than NL_REQUEST_MAX
 * @size: of its buffer
 * @of: policies of the file that it has
 * @at: where each of them is in the request
 * @count: their number
 * @changes: it changes anything
 */
struct request {
	struct nlmsghdr *nlh;
	size_t size;
	const struct thing **of;
	uint32_t *at;
	size_t count;
	bool changes;
};

static size_t largest(const struct conf *conf, const struct state *state)
{
	const struct things *wanted = &conf->things[THING_POLICY];
	size_t size = 256, i;

	for (i = 0; i < wanted->count; i++)
		size += wanted->at[i].nlh->nlmsg_len + 2 * MNL_ATTR_HDRLEN + 8;
	return size + 8 * state->things[THING_POLICY].count;
}

static void put_policy(struct request *request, const struct thing *want)
{
	if (want->verdict != VERDICT_ADD && want->verdict != VERDICT_REPLACE)
		return;
	request->of[request->count] = want;
	request->at[request->count++] = request->nlh->nlmsg_len;
	mnl_attr_put(request->nlh, ESPAH_APPLY_POLICY | NLA_F_NESTED,
		     want->nlh->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN,
		     (const char *)mnl_nlmsg_get_payload(want->nlh) + GENL_HDRLEN);
	request->changes = true;
}

static void put_ids(struct request *request, const struct state *state)
{
	const struct things *there = &state->things[THING_POLICY];
	size_t i;

	for (i = 0; i < there->count; i++) {
		const struct thing *is = &there->at[i];
		bool adopt = is->twin && is->twin->verdict == VERDICT_ADOPT;

		if (is->verdict == VERDICT_REMOVE ||
		    (is->twin && is->twin->verdict == VERDICT_REPLACE))
			mnl_attr_put_u32(request->nlh, ESPAH_APPLY_DEL, is->id);
		else if (adopt)
			mnl_attr_put_u32(request->nlh, ESPAH_APPLY_ADOPT, is->id);
		else
			continue;
		request->changes = true;
	}
}

static void put_defaults(struct request *request, const struct conf *conf,
			 const struct state *state)
{
	static const uint16_t attrs[][2] = {
		{ ESPAH_CONFIG_DEFAULT_IN, ESPAH_APPLY_DEFAULT_IN },
		{ ESPAH_CONFIG_DEFAULT_OUT, ESPAH_APPLY_DEFAULT_OUT },
	};
	uint8_t value[ESPAH_CONFIG_MAX + 1];
	uint32_t changes = compare_settings(conf, state, value, true);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(attrs); i++) {
		if (!(changes & 1U << attrs[i][0]))
			continue;
		mnl_attr_put_u8(request->nlh, attrs[i][1], value[attrs[i][0]]);
		request->changes = true;
	}
}

static int build(struct nl *nl, const struct conf *conf, const struct state *state,
		 struct request *request)
{
	const struct things *wanted = &conf->things[THING_POLICY];
	size_t i;

	memset(request, 0, sizeof(*request));
	request->size = largest(conf, state);
	request->nlh = malloc(request->size);
	request->of = calloc(wanted->count + 1, sizeof(*request->of));
	request->at = calloc(wanted->count + 1, sizeof(*request->at));
	if (!request->nlh || !request->of || !request->at) {
		error("memory ran out");
		return STATUS_REFUSED;
	}
	nl_start(nl, request->nlh, ESPAH_CMD_POLICY_APPLY, NLM_F_ACK);
	put_ids(request, state);
	for (i = 0; i < wanted->count; i++)
		put_policy(request, &wanted->at[i]);
	put_defaults(request, conf, state);
	return STATUS_OK;
}

static void request_free(struct request *request)
{
	free(request->nlh);
	free(request->of);
	free(request->at);
}

/* The kernel takes a request only if the send buffer could hold it. */
static void widen(struct nl *nl, size_t size)
{
	int fd = mnl_socket_get_fd(nl->sock), want = size < INT32_MAX / 2 ? size + 4096 : INT32_MAX / 2;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &want, sizeof(want)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &want, sizeof(want));
}

/* The policy at fault, or NULL. */
static const struct thing *culprit(const struct request *request, uint32_t offset)
{
	size_t i = request->count;

	while (i && request->at[i - 1] > offset)
		i--;
	return offset && i ? request->of[i - 1] : NULL;
}

/** change_policies() - change policies and default actions in one step. Return: a STATUS_* */
int change_policies(struct cli *cli, const struct conf *conf, const struct state *state)
{
	const struct thing *policy;
	struct nl_result result;
	struct request request;
	int status = build(cli->nl, conf, state, &request);

	if (!status && request.changes) {
		widen(cli->nl, request.nlh->nlmsg_len);
		status = nl_ask(cli->nl, request.nlh, NULL, NULL, &result) ? STATUS_REFUSED :
								    STATUS_OK;
		policy = status ? NULL : culprit(&request, result.offset);
		if (policy)
			error_place(policy->file, policy->line);
		if (!status)
			status = nl_result_tell(policy ? "the policy" : "the policies", &result);
		error_place(NULL, 0);
	}
	request_free(&request);
	return status;
}

/* --- what may go afterwards --- */

/* outbound: numbers that the old SA may use between the request for it and its removal */
#define SEQ_MARGIN (1 << 20)

/* Notes the old SA as it is now. */
static int note_sa(const struct nlmsghdr *nlh, void *data)
{
	memcpy(data, nlh, nlh->nlmsg_len < NL_REQUEST_MAX ? nlh->nlmsg_len : NL_REQUEST_MAX);
	return 0;
}

/*
 * Makes an SA again that was removed: with higher sequence numbers than it can have used, and with
 * another IV mask, so that no IV comes again even if it used more.
 */
static void restore_sa(struct nl *nl, const struct nlmsghdr *old, const struct thing *want)
{
	struct nlmsghdr *nlh;
	const struct nlattr *attr, *tb[ESPAH_SA_MAX + 1];
	char buf[NL_REQUEST_MAX];
	uint64_t seq;

	attr_table(old, tb, ESPAH_SA_MAX);
	/* implicit IVs are the sequence numbers alone */
	if (!tb[ESPAH_SA_KEY] || strstr(attr_string(tb[ESPAH_SA_ALG], "iiv"), "iiv"))
		return;
	nlh = nl_start(nl, buf, ESPAH_CMD_SA_NEW, NLM_F_ACK);
	mnl_attr_for_each(attr, old, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) != ESPAH_SA_SEQ &&
		    mnl_attr_get_type(attr) != ESPAH_SA_IV_MASK)
			put_attr(nlh, attr);
	seq = attr_u64(tb[ESPAH_SA_SEQ], 0);
	if (attr_u8(tb[ESPAH_SA_DIR], 0) == ESPAH_DIR_OUT)
		seq += SEQ_MARGIN;
	mnl_attr_put_u64(nlh, ESPAH_SA_SEQ, seq);
	ask_for(nl, nlh, want, "the old SA");
}

/* If the kernel refuses the new SA, the old one comes back. */
static int replace_sa(struct nl *nl, const struct thing *want)
{
	char buf[NL_REQUEST_MAX], old[NL_REQUEST_MAX] = "";
	struct nlmsghdr *nlh = nl_start(nl, buf, ESPAH_CMD_SA_GET, NLM_F_ACK);
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	int status;

	attr_table(want->twin->nlh, tb, ESPAH_SA_MAX);
	put_identity(nlh, tb);
	if (thing_key(want->twin))
		mnl_attr_put(nlh, ESPAH_SA_SHOW_KEYS, 0, NULL);
	status = nl_do(nl, nlh, "the question for the old SA", note_sa, old);
	if (!status)
		status = ask_for(nl, delete_sa(nl, buf, want->twin), want,
				 "the removal of the old SA");
	if (status)
		goto out;
	status = add_sa(nl, want);
	if (status)
		restore_sa(nl, (const struct nlmsghdr *)old, want);
out:
	explicit_bzero(old, sizeof(old));
	return status;
}

/* Takes down a device that is up, and is not to be. */
static int settle_link(struct cli *cli, const struct thing *want)
{
	char buf[NL_REQUEST_MAX];

	if (is_up(want) || !is_up(want->twin))
		return STATUS_OK;
	return ask_for(cli->route, set_link(cli->route, buf, want, want->twin, ESPAH_OWNER_FILE),
		       want, "the device");
}

static int adopt(struct cli *cli, enum thing_kind kind, const struct thing *want)
{
	char buf[NL_REQUEST_MAX];

	if (kind == THING_SA)
		return ask_for(cli->nl, set_sa(cli->nl, buf, want->twin, want->twin,
					       ESPAH_OWNER_FILE), want, "the SA");
	return ask_for(cli->route, set_link(cli->route, buf, want->twin, want->twin,
					    ESPAH_OWNER_FILE), want, "the device");
}

static int remove_thing(struct cli *cli, enum thing_kind kind, const struct thing *is)
{
	char buf[NL_REQUEST_MAX];

	if (kind == THING_SA)
		return nl_do(cli->nl, delete_sa(cli->nl, buf, is), "the removal of an SA", NULL,
			     NULL);
	return nl_do(cli->route, delete_link(cli->route, buf, NULL, is->id),
		     "the removal of a device", NULL, NULL);
}

/** change_after() - what comes after the policies; goes on after errors. Return: a STATUS_* */
int change_after(struct cli *cli, const struct conf *conf, const struct state *state)
{
	static const enum thing_kind kinds[] = { THING_SA, THING_LINK };
	int status = STATUS_OK;
	unsigned int k;
	size_t i;

	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		const struct things *wanted = &conf->things[kinds[k]];
		const struct things *there = &state->things[kinds[k]];

		for (i = 0; i < wanted->count; i++) {
			if (wanted->at[i].verdict == VERDICT_REPLACE)
				status |= replace_sa(cli->nl, &wanted->at[i]);
			else if (wanted->at[i].verdict == VERDICT_ADOPT)
				status |= adopt(cli, kinds[k], &wanted->at[i]);
			else if (wanted->at[i].verdict == VERDICT_SET && kinds[k] == THING_LINK)
				status |= settle_link(cli, &wanted->at[i]);
		}
		for (i = 0; i < there->count; i++)
			if (there->at[i].verdict == VERDICT_REMOVE)
				status |= remove_thing(cli, kinds[k], &there->at[i]);
	}
	return status;
}
