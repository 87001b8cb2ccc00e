/* SPDX-License-Identifier: GPL-2.0-only */
/* not shim.h: <errno.h> of the C library includes this */
#include <asm/errno.h>
