/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by all parts of the backend. */
#ifndef KERNEL_ESPAH_BACKEND_H
#define KERNEL_ESPAH_BACKEND_H

#include <daemon.h>
#include <kernel/kernel_ipsec.h>
#include <threading/mutex.h>
#include "nl.h"

struct policies;
struct events;

/* refuse.c: a backend whose calls all fail and log @why */
kernel_ipsec_t *refusing_backend(const char *why);

/* backend.c: the backend; never NULL */
kernel_ipsec_t *espah_backend(void);

/* algorithm.c: the module's name for the algorithms that IKE negotiated; NULL: not supported */
const char *algorithm_name(uint8_t proto, uint16_t enc, size_t enc_key_len, uint16_t integ,
			   char *buf, size_t size);

/* label.c: labels our SAs and policies with the peer's identity */
void label_put(struct nlmsghdr *nlh, uint16_t type);
bool label_is_ours(const struct nlattr *label);

/* leftover.c: SAs and policies that an earlier charon left behind; those of others stay */
struct leftovers;
struct leftovers *leftovers_create(struct nl *nl, mutex_t *mutex);
void leftovers_destroy(struct leftovers *this);
/* Context of both: the mutex. Whether there are any policies; and this one was installed again */
bool leftovers_any(struct leftovers *this);
void leftovers_taken(struct leftovers *this, uint32_t id);

/* selector.c: conversion between traffic selectors of IKE and selectors of the module */
/* @ifindex: index of the device that @id names; 0: none */
void selector_put(struct nlmsghdr *nlh, uint16_t type, kernel_ipsec_policy_id_t *id,
		  uint32_t ifindex);
/* source or destination side of the flow of an event; NULL if it is invalid */
traffic_selector_t *selector_side(const struct nlattr *nest, bool src);
/* how specific a selector is, for priorities: 0 to SELECTOR_WEIGHT_MAX */
unsigned int selector_weight(kernel_ipsec_policy_id_t *id);
#define SELECTOR_WEIGHT_MAX 0x1ffff

/* installed.c: a record of our SAs */
struct installed;
struct installed *installed_create(void);
void installed_destroy(struct installed *this);
void installed_add(struct installed *this, uint8_t dir, kernel_ipsec_sa_id_t *id);
void installed_del(struct installed *this, kernel_ipsec_sa_id_t *id);
/* tells charon of the SAs that have ended, or are to be replaced, after events were lost */
void installed_compare(struct installed *this, struct nl *nl);

/* sa.c: the SA methods of kernel_ipsec_t */
void sa_check_settings(void);
status_t sa_get_spi(struct nl *nl, host_t *src, host_t *dst, uint8_t proto, uint32_t *spi);
status_t sa_add(struct nl *nl, struct installed *installed, kernel_ipsec_sa_id_t *id,
		kernel_ipsec_add_sa_t *data);
status_t sa_update(struct nl *nl, struct installed *installed, kernel_ipsec_sa_id_t *id,
		   kernel_ipsec_update_sa_t *data);
status_t sa_query(struct nl *nl, kernel_ipsec_sa_id_t *id, uint64_t *bytes, uint64_t *packets,
		  time_t *time);
status_t sa_del(struct nl *nl, struct installed *installed, kernel_ipsec_sa_id_t *id);

/* policy.c: policies, each with the CHILD_SAs that use it */
struct policies *policies_create(struct nl *nl);
void policies_destroy(struct policies *this);
/* charon stops: traps and shunts stay in force, unless the settings say otherwise */
void policies_leave(struct policies *this);
status_t policy_add(struct policies *this, kernel_ipsec_policy_id_t *id,
		    kernel_ipsec_manage_policy_t *data);
status_t policy_del(struct policies *this, kernel_ipsec_policy_id_t *id,
		    kernel_ipsec_manage_policy_t *data);

/* route.c: the routes of outbound policies, reference-counted */
struct route;
struct routes;
struct routes *routes_create(void);
void routes_destroy(struct routes *this);
/* NULL: no route is needed, or none is possible */
struct route *route_get(struct routes *this, kernel_ipsec_policy_id_t *id,
			kernel_ipsec_manage_policy_t *data);
void route_put(struct routes *this, struct route *route);

/*
 * event.c: passes events of the module to charon; NULL and @why: no events can be received.
 * @nl: for requests; @installed: compared with the module's SAs if events were lost
 */
struct events *events_create(struct nl *nl, struct installed *installed, char *why, size_t size);
void events_destroy(struct events *this);

#endif /* KERNEL_ESPAH_BACKEND_H */
