// SPDX-License-Identifier: GPL-2.0-only
#include "packet/ah.h"
#include "report/drop.h"
#include "seal.h"

bool espah_seal(struct espah_op *op)
{
	struct espah_sa *sa = op->sa;
	enum espah_drop reason = unlikely(espah_sa_is_ah(sa)) ? espah_ah_seal(op) :
								espah_esp_seal(op);

	if (unlikely(READ_ONCE(sa->watch)) && !reason)
		reason = espah_op_charge(op);
	if (likely(!reason))
		return true;
	espah_drop(sa->en, sa, NULL, reason, op->skb);
	if (likely(!op->linked))
		espah_op_put(op);
	return false;
}
