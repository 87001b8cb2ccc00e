/* SPDX-License-Identifier: GPL-2.0-only */
/* Drop reasons: their enum, and sets of them. */
#ifndef _ESPAH_REASONS_H
#define _ESPAH_REASONS_H

#include <linux/bits.h>
#include "reason_list.h"

/** enum espah_drop - why a packet was dropped; ESPAH_DROP_NONE: not dropped */
enum espah_drop {
	ESPAH_DROP_NONE,
#define X(id, name, kernel, text) ESPAH_DROP_##id,
	ESPAH_DROPS(X)
#undef X
	ESPAH_DROP_NUM
};

#define DROP_BIT(id) BIT_ULL(ESPAH_DROP_##id)
/*
 * The auditable reasons: RFC 4301 4.4.1.1, 5.2, 6.1, 6.2, 7; RFC 4302 and 4303 3.3.3 (sequence
 * number overflow), 3.4.1 (fragment), 3.4.2 (no SA), 3.4.3 (replay), 3.4.4 (ICV)
 */
#define ESPAH_DROPS_AUDITED							\
	(DROP_BIT(NO_SA) | DROP_BIT(OPAQUE_OUT) | DROP_BIT(SEQ_OVERFLOW) |	\
	 DROP_BIT(RESERVED_SPI) | DROP_BIT(NO_SPI) | DROP_BIT(FRAGMENT) |	\
	 DROP_BIT(REPLAY) | DROP_BIT(TOO_OLD) | DROP_BIT(ICV) |			\
	 DROP_BIT(POLICY) | DROP_BIT(BUNDLE) | DROP_BIT(PLAINTEXT) |		\
	 DROP_BIT(ICMP_PLAINTEXT) | DROP_BIT(OPAQUE_IN))

/* The reasons that are part of normal operation and cause no event. */
#define ESPAH_DROPS_QUIET (DROP_BIT(KEEPALIVE) | DROP_BIT(DUMMY))

extern const char *const espah_drop_names[ESPAH_DROP_NUM];
extern const char *const espah_drop_texts[ESPAH_DROP_NUM];

#endif /* _ESPAH_REASONS_H */
