// SPDX-License-Identifier: GPL-2.0-only
#include "port.h"

int espah_port_get(struct espah_net *en, __be16 port)
{
	unsigned long users = xa_to_value(xa_load(&en->encap_ports, ntohs(port)));

	lockdep_assert_held(&en->lock);
	return xa_err(xa_store(&en->encap_ports, ntohs(port), xa_mk_value(users + 1),
			       GFP_KERNEL_ACCOUNT));
}

void espah_port_put(struct espah_net *en, __be16 port)
{
	unsigned long users = xa_to_value(xa_load(&en->encap_ports, ntohs(port)));

	lockdep_assert_held(&en->lock);
	/* the entry exists, so the store needs no memory */
	if (users > 1)
		xa_store(&en->encap_ports, ntohs(port), xa_mk_value(users - 1),
			 GFP_KERNEL_ACCOUNT);
	else
		xa_erase(&en->encap_ports, ntohs(port));
}
