// SPDX-License-Identifier: GPL-2.0-only
#include "link.h"

const struct net_device_ops *espah_link_ops __ro_after_init;
