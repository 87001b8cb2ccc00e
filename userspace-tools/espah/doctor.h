/* SPDX-License-Identifier: GPL-2.0-only */
/* espah doctor: its findings, and what its checks share. */
#ifndef ESPAH_DOCTOR_H
#define ESPAH_DOCTOR_H

#include <jansson.h>

#include "explain.h"
#include "selector.h"
#include "state.h"

/** enum severity - how bad a finding is */
enum severity {
	/** @SEVERITY_FAULT: it breaks tunnels */
	SEVERITY_FAULT,
	/** @SEVERITY_WARNING: it can break tunnels */
	SEVERITY_WARNING,
	/** @SEVERITY_NOTE: it breaks nothing, but is worth knowing; does not count */
	SEVERITY_NOTE,
	/** @SEVERITY_SKIPPED: nobody could look */
	SEVERITY_SKIPPED,

	SEVERITIES
};

/**
 * struct doctor - an examination
 * @cli: state of the command
 * @check: name of the check that runs
 * @findings: array of objects
 * @state: SAs, policies, devices and settings, if @known
 * @known: @state could be read
 * @network: addresses and devices of this host
 * @ruleset: from ruleset_index(); NULL: nft was not asked yet, or could not be
 * @unread: why it could not be
 */
struct doctor {
	struct cli *cli;
	const char *check;
	json_t *findings;
	struct state state;
	bool known;
	struct network *network;
	json_t *ruleset;
	const char *unread;
};

/* doctor.c */
json_t *find(struct doctor *doctor, enum severity severity, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void advise(json_t *finding, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cure(json_t *finding, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void detail(json_t *finding, const char *name, json_t *value);

/**
 * struct rule - a policy that is examined
 * @thing: the policy
 * @tb: its attributes
 * @sel: its selector
 * @tmpl: its templates
 */
struct rule {
	const struct thing *thing;
	const struct nlattr *tb[ESPAH_POLICY_MAX + 1];
	struct selector sel;
	struct template tmpl[ESPAH_BUNDLE_MAX];
};

/**
 * struct assoc - an SA that is examined
 * @tb: its attributes
 * @dir: enum espah_dir
 * @proto: IPPROTO_ESP or IPPROTO_AH
 * @mode: enum espah_mode
 * @src: outer source
 * @dst: outer destination
 * @reqid: reqid
 * @if_id: number of its device; 0: none
 */
struct assoc {
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	uint8_t dir;
	uint8_t proto;
	uint8_t mode;
	struct addr src;
	struct addr dst;
	uint32_t reqid;
	uint32_t if_id;
};

/* doctor_read.c */
void rule_get(const struct thing *policy, struct rule *rule);
bool rule_protects(const struct rule *rule, uint8_t dir);
const char *rule_text(const struct rule *rule, char buf[SELECTOR_TEXT_MAX]);
void assoc_get(const struct thing *sa, struct assoc *assoc);
void each_ends(struct doctor *doctor,
	       void (*look)(struct doctor *doctor, const struct assoc *assoc));
const struct thing *link_find(const struct doctor *doctor, uint32_t if_id);
const char *link_of(const struct thing *thing, uint32_t *lower);
void flow_get(const struct rule *rule, struct flow *flow);
bool addr_same(const struct addr *a, const struct addr *b);
bool addr_plain(const struct addr *addr);
int file_line(const char *path, char *buf, size_t size);
bool file_has(const char *path, const char *word);

/* the checks; doctor_net.c */
void check_forwarding(struct doctor *doctor);
void check_rp_filter(struct doctor *doctor);
void check_addresses(struct doctor *doctor);
void check_routes(struct doctor *doctor);
void check_devices(struct doctor *doctor);
void check_mtu(struct doctor *doctor);
const struct net_device *inner_device(struct doctor *doctor, const struct rule *rule);
const struct net_device *outer_device(struct doctor *doctor, const struct rule *rule, bool back);
/* doctor_nft.c */
const json_t *doctor_ruleset(struct doctor *doctor);
/* doctor_firewall.c */
void check_firewall(struct doctor *doctor);
void check_nat(struct doctor *doctor);
void check_flowtables(struct doctor *doctor);
/* doctor_policy.c */
void check_policies(struct doctor *doctor);
void check_sas(struct doctor *doctor);
void check_drops(struct doctor *doctor);
size_t policies_unkeyed(struct doctor *doctor);
/* doctor_daemon.c */
void check_charon(struct doctor *doctor);
bool daemon_listens(struct doctor *doctor, bool *sure);
bool ike_runs(void);
bool xfrm_answers(void);
/* doctor_xfrm.c */
void check_xfrm(struct doctor *doctor);
/* doctor_kernel.c */
void check_module(struct doctor *doctor);
void check_kernels(struct doctor *doctor);
void check_crypto(struct doctor *doctor);
void check_cpus(struct doctor *doctor);

#endif /* ESPAH_DOCTOR_H */
