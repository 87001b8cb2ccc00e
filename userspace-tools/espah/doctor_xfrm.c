// SPDX-License-Identifier: GPL-2.0-only
/*
 * espah doctor: policies of XFRM. They also apply to what espah protects: outbound before espah
 * sees a packet, inbound after it was decrypted.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/xfrm.h>
#include <unistd.h>

#include "doctor.h"

/**
 * struct look - a dump of XFRM's policies
 * @doctor: the examination
 * @told: number of findings
 */
struct look {
	struct doctor *doctor;
	unsigned int told;
};

/* findings; a gateway may have thousands */
#define TOLD_MAX 32

static void get_prefix(const xfrm_address_t *from, uint8_t len, uint8_t family, struct list *list)
{
	struct addr addr = { .family = family };

	memcpy(addr.byte, from, addr_size(family));
	list_set_addr(list, &addr, len);
}

/* Ports are left out: policies that might meet are told, too. */
static void get_selector(const struct xfrm_selector *from, struct selector *sel)
{
	selector_clear(sel);
	sel->family = from->family;
	sel->proto = from->proto;
	get_prefix(&from->saddr, from->prefixlen_s, from->family, &sel->src);
	get_prefix(&from->daddr, from->prefixlen_d, from->family, &sel->dst);
}

static int take_attr(const struct nlattr *attr, void *data)
{
	const struct nlattr **tb = data;

	if (mnl_attr_get_type(attr) <= XFRMA_MAX)
		tb[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

/* Whether a policy lets packets pass that came by no SA of XFRM. */
static bool is_harmless(const struct xfrm_userpolicy_info *info, const struct nlattr *templates)
{
	const struct xfrm_user_tmpl *tmpl = templates ? mnl_attr_get_payload(templates) : NULL;
	size_t n = templates ? mnl_attr_get_payload_len(templates) / sizeof(*tmpl) : 0;

	if (info->action != XFRM_POLICY_ALLOW)
		return false;
	while (n--)
		if (!tmpl[n].optional)
			return false;
	return true;
}

/* The first policy of espah that protects packets which a policy of XFRM matches, or NULL. */
static const struct rule *met(const struct doctor *doctor, const struct xfrm_userpolicy_info *info)
{
	const struct things *policies = &doctor->state.things[THING_POLICY];
	uint8_t dir = info->dir == XFRM_POLICY_OUT ? ESPAH_DIR_OUT : ESPAH_DIR_IN;
	static struct selector sel;
	static struct rule rule;
	size_t i;

	get_selector(&info->sel, &sel);
	if (!addr_size(sel.family))
		return NULL;
	for (i = 0; i < policies->count; i++) {
		rule_get(&policies->at[i], &rule);
		if (rule_protects(&rule, dir) && selector_meets(&rule.sel, &sel))
			return &rule;
	}
	return NULL;
}

static void tell(struct look *look, const struct xfrm_userpolicy_info *info, bool marked,
		 const struct rule *rule)
{
	static const char *const dirs[] = { "in", "out", "fwd" };
	bool out = info->dir == XFRM_POLICY_OUT;
	char text[SELECTOR_TEXT_MAX], sides[SELECTOR_TEXT_MAX];
	static struct selector sel;
	json_t *finding;

	get_selector(&info->sel, &sel);
	finding = find(look->doctor, marked || sel.proto ? SEVERITY_WARNING : SEVERITY_FAULT,
		       "XFRM has a policy of its own (dir %s, %s) for packets of %s, %s",
		       dirs[info->dir], selector_sides(&sel, sides), rule_text(rule, text),
		       out ? "and drops them before espah sees them if it has no SA" :
		       "and drops them after espah has decrypted them");
	cure(finding, "ip xfrm policy delete dir %s index %u", dirs[info->dir], info->index);
	detail(finding, "policy", json_integer(rule->thing->id));
	look->told++;
}

static int see_policy(const struct nlmsghdr *nlh, void *data)
{
	const struct xfrm_userpolicy_info *info = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[XFRMA_MAX + 1] = { NULL };
	struct look *look = data;
	const struct rule *rule;

	if (nlh->nlmsg_type != XFRM_MSG_NEWPOLICY || mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return MNL_CB_OK;
	mnl_attr_parse(nlh, sizeof(*info), take_attr, tb);
	/* others are those of sockets, such as of IKE daemons, and of XFRM's devices */
	if (info->dir > XFRM_POLICY_FWD || (tb[XFRMA_IF_ID] && mnl_attr_get_u32(tb[XFRMA_IF_ID])) ||
	    is_harmless(info, tb[XFRMA_TMPL]) || look->told == TOLD_MAX)
		return MNL_CB_OK;
	rule = met(look->doctor, info);
	if (rule)
		tell(look, info, tb[XFRMA_MARK], rule);
	return MNL_CB_OK;
}

static bool read_policies(struct look *look)
{
	struct mnl_socket *sock = mnl_socket_open2(NETLINK_XFRM, SOCK_CLOEXEC);
	static char buf[64 * 1024];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int got = -1;

	nlh->nlmsg_type = XFRM_MSG_GETPOLICY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = 1;
	if (sock && mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) >= 0 &&
	    mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) >= 0) {
		do {
			got = mnl_socket_recvfrom(sock, buf, sizeof(buf));
			if (got > 0)
				got = mnl_cb_run(buf, got, 1, mnl_socket_get_portid(sock),
						 see_policy, look);
		} while (got > 0);
	}
	if (sock)
		mnl_socket_close(sock);
	return !got;
}

/** check_xfrm() - policies of XFRM that are in the way */
void check_xfrm(struct doctor *doctor)
{
	struct look look = { .doctor = doctor };

	/* espah_xfrm answers in the place of XFRM, which has no policies then */
	if (!xfrm_answers() || !access("/sys/module/espah_xfrm", F_OK))
		return;
	if (!read_policies(&look))
		advise(find(doctor, SEVERITY_SKIPPED, "the policies of XFRM cannot be read: %s", strerror(errno)),
		       "look at 'ip xfrm policy'");
}
