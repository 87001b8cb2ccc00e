/* SPDX-License-Identifier: GPL-2.0-only */
/* Other programs, run to their end. */
#ifndef ESPAH_PROGRAM_H
#define ESPAH_PROGRAM_H

#include "cli.h"

int program_run(const char *const *argv, const char *input, char *output, size_t size);

#endif /* ESPAH_PROGRAM_H */
