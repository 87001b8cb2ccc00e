// SPDX-License-Identifier: GPL-2.0-only
#include "reasons.h"

const char *const espah_drop_names[ESPAH_DROP_NUM] = {
#define X(id, name, kernel, text) [ESPAH_DROP_##id] = name,
	ESPAH_DROPS(X)
#undef X
};

const char *const espah_drop_texts[ESPAH_DROP_NUM] = {
#define X(id, name, kernel, text) [ESPAH_DROP_##id] = text,
	ESPAH_DROPS(X)
#undef X
};
