/* SPDX-License-Identifier: GPL-2.0-only */
/* The ESP transform (RFC 4303): trailer, header, IV, and the request to the crypto API. */
#ifndef _ESPAH_ESP_H
#define _ESPAH_ESP_H

#include "db/reasons.h"
#include "op.h"

/* bytes of padding, trailer and ICV behind @payload_len bytes of payload */
unsigned int espah_esp_tail_len(const struct espah_sa *sa, unsigned int payload_len);

/* appends padding, pad length, next header and room for the ICV (RFC 4303 2.4 to 2.7) */
void espah_esp_put_trailer(const struct espah_sa *sa, struct sk_buff *skb, struct sk_buff *trailer,
			   unsigned int payload_len, unsigned int tfc_len, u8 next_header);

/**
 * espah_esp_seal - prepare the encryption
 * @op: with @op->skb laid out (ESP header and IV unwritten), @op->seq and @op->hdr_off set
 *
 * Writes header and IV. Return: ESPAH_DROP_NONE or ESPAH_DROP_NOMEM.
 */
enum espah_drop espah_esp_seal(struct espah_op *op);

/**
 * espah_esp_open - prepare the decryption
 * @op: with @op->seq and @op->hdr_off set; lengths have been checked
 *
 * Return: ESPAH_DROP_NONE or ESPAH_DROP_NOMEM.
 */
enum espah_drop espah_esp_open(struct espah_op *op);

/* moves the ESP header back to its place after encryption or decryption */
void espah_esp_restore(struct espah_op *op);

/**
 * espah_esp_strip - check and remove trailer and ICV of an authenticated packet
 * @sa: its SA
 * @skb: the packet
 * @hdr_off: offset of the ESP header
 * @next_header: gets the next header
 *
 * Return: ESPAH_DROP_NONE, or the drop reason.
 */
enum espah_drop espah_esp_strip(const struct espah_sa *sa, struct sk_buff *skb,
				unsigned int hdr_off, u8 *next_header);

#endif /* _ESPAH_ESP_H */
