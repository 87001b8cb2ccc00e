/* SPDX-License-Identifier: GPL-2.0-only */
/* Files that are written as a whole. */
#ifndef ESPAH_FILE_H
#define ESPAH_FILE_H

#include <stdio.h>
#include <sys/types.h>

int file_write(const char *name, mode_t mode, int (*write)(FILE *stream, void *data), void *data);
int file_write_secret(const char *name, int (*write)(FILE *stream, void *data), void *data);

#endif /* ESPAH_FILE_H */
