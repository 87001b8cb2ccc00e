// SPDX-License-Identifier: GPL-2.0-only
#include <linux/crypto.h>
#include "answer.h"
#include "netlink.h"
#include "packet/algo.h"
#include "report/put.h"

static int put_algo(struct sk_buff *skb, const struct espah_algo *algo, const char *driver)
{
	if (nla_put_string(skb, ESPAH_ALGO_NAME, algo->name) ||
	    nla_put_u8(skb, ESPAH_ALGO_PROTO, algo->proto) ||
	    nla_put_string(skb, ESPAH_ALGO_KERNEL_NAME, algo->aead) ||
	    nla_put_u32(skb, ESPAH_ALGO_KEY_LEN, espah_algo_key_len(algo)) ||
	    nla_put_u32(skb, ESPAH_ALGO_SALT_LEN, algo->salt_len) ||
	    nla_put_u32(skb, ESPAH_ALGO_AUTH_KEY_LEN, algo->auth_key_len) ||
	    nla_put_u32(skb, ESPAH_ALGO_IV_LEN, algo->iv_len) ||
	    nla_put_u32(skb, ESPAH_ALGO_ICV_LEN, algo->icv_len) ||
	    nla_put_u32(skb, ESPAH_ALGO_BLOCK_LEN, algo->block_len))
		return -EMSGSIZE;
	if (driver)
		return nla_put_string(skb, ESPAH_ALGO_DRIVER, driver);
	return nla_put_string(skb, ESPAH_ALGO_MISSING, algo->missing);
}

int espah_dump_algo(struct sk_buff *skb, struct netlink_callback *cb)
{
	char driver[CRYPTO_MAX_ALG_NAME];
	int err = espah_check_dump(cb);

	if (err)
		return err;
	for (; cb->args[0] < espah_algo_count; cb->args[0]++) {
		const struct espah_algo *algo = &espah_algos[cb->args[0]];
		bool offered = espah_algo_driver(algo, driver, sizeof(driver));
		void *hdr = espah_put_message(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
					      NLM_F_MULTI, ESPAH_CMD_ALGO_GET);

		if (!hdr)
			break;
		if (put_algo(skb, algo, offered ? driver : NULL)) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genlmsg_end(skb, hdr);
	}
	return skb->len;
}
