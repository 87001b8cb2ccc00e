// SPDX-License-Identifier: GPL-2.0-only
/* What espah_xfrm.ko uses of this module. */
#include "change.h"
#include "compat/export.h"
#include "db/account.h"
#include "db/domain.h"
#include "db/privilege.h"
#include "db/replay.h"
#include "packet/algo.h"
#include "packet/key.h"
#include "path/device.h"
#include "path/flowtable.h"
#include "report/event.h"
#include "report/face.h"

ESPAH_EXPORT(espah_account_charge);
ESPAH_EXPORT(espah_account_uncharge);
ESPAH_EXPORT(espah_addr_mask);
ESPAH_EXPORT(espah_algo_count);
ESPAH_EXPORT(espah_algos);
ESPAH_EXPORT(espah_counters_sum);
ESPAH_EXPORT(espah_default_set);
ESPAH_EXPORT(espah_device_change);
ESPAH_EXPORT(espah_device_make);
ESPAH_EXPORT(espah_device_net);
ESPAH_EXPORT(espah_device_permitted);
ESPAH_EXPORT(espah_device_prepare);
ESPAH_EXPORT(espah_domain_has);
ESPAH_EXPORT(espah_event_expire);
ESPAH_EXPORT(espah_event_sa);
ESPAH_EXPORT(espah_face_set);
ESPAH_EXPORT(espah_flowtable_settle);
ESPAH_EXPORT(espah_key_used);
ESPAH_EXPORT(espah_net_id);
ESPAH_EXPORT(espah_permitted);
ESPAH_EXPORT(espah_policy_alloc);
ESPAH_EXPORT(espah_policy_del);
ESPAH_EXPORT(espah_policy_free);
ESPAH_EXPORT(espah_policy_put);
ESPAH_EXPORT(espah_replay_check);
ESPAH_EXPORT(espah_replay_forget);
ESPAH_EXPORT(espah_replay_init);
ESPAH_EXPORT(espah_sa_add);
ESPAH_EXPORT(espah_sa_alloc);
ESPAH_EXPORT(espah_sa_change);
ESPAH_EXPORT(espah_sa_change_cancel);
ESPAH_EXPORT(espah_sa_change_prepare);
ESPAH_EXPORT(espah_sa_del);
ESPAH_EXPORT(espah_sa_key);
ESPAH_EXPORT(espah_sa_move);
ESPAH_EXPORT(espah_sa_put);
ESPAH_EXPORT(espah_sad_alloc_spi);
ESPAH_EXPORT(espah_sad_find);
ESPAH_EXPORT(espah_spd_by_id);
ESPAH_EXPORT(espah_spd_next);
#ifdef CONFIG_LOCKDEP
ESPAH_EXPORT(espah_sa_stands);
#endif
