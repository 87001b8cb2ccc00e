// SPDX-License-Identifier: GPL-2.0-only
#include <linux/random.h>
#include "judged.h"

struct espah_judged_keys espah_judged_keys __ro_after_init;

void __init espah_judged_setup(void)
{
	get_random_bytes(&espah_judged_keys, sizeof(espah_judged_keys));
	/* make the multipliers odd: no common divisor with 2^64 */
	espah_judged_keys.hash[0] |= 1;
	espah_judged_keys.hash[1] |= 1;
}
