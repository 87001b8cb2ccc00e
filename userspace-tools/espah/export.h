/* SPDX-License-Identifier: GPL-2.0-only */
/* Export of SAs in the formats of other programs. */
#ifndef ESPAH_EXPORT_H
#define ESPAH_EXPORT_H

#include <stddef.h>
#include <libmnl/libmnl.h>

/** WIRESHARK_LINE_MAX - bytes: buffer size for a line of Wireshark's table with the longest key */
#define WIRESHARK_LINE_MAX 640

const char *wireshark_line(const struct nlattr **tb, char *buf, size_t size);

#endif /* ESPAH_EXPORT_H */
