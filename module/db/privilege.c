// SPDX-License-Identifier: GPL-2.0-only
#include <linux/capability.h>
#include <linux/module.h>
#include "privilege.h"

bool espah_userns;
module_param_named(userns, espah_userns, bool, 0444);
MODULE_PARM_DESC(userns,
		 "Let user namespaces use espah in network namespaces of their own (default: N)");

int espah_permitted(const struct sk_buff *skb, struct netlink_ext_ack *extack)
{
	/* the family requires CAP_NET_ADMIN over the network namespace in any case */
	if (espah_userns || espah_privileged(skb))
		return 0;
	NL_SET_ERR_MSG(extack, ESPAH_UNPRIVILEGED);
	return -EPERM;
}

int espah_device_permitted(struct netlink_ext_ack *extack)
{
	if (espah_userns || capable(CAP_NET_ADMIN))
		return 0;
	NL_SET_ERR_MSG(extack, ESPAH_UNPRIVILEGED);
	return -EPERM;
}
