// SPDX-License-Identifier: GPL-2.0-only
/* Conversion of the kernel's acknowledgements to error messages. */
#include <errno.h>
#include <string.h>

#include <linux/espah.h>

#include "harness.h"
#include "nl.h"

static char request_buf[1024] __attribute__((aligned(8)));
static char ack_buf[1024] __attribute__((aligned(8)));
static struct nlmsghdr *request;
static struct nl_result result;

static struct nlmsghdr *ack(int err, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(ack_buf);
	struct nlmsgerr *body;

	memset(ack_buf, 0, sizeof(ack_buf));
	nlh = mnl_nlmsg_put_header(ack_buf);
	nlh->nlmsg_type = NLMSG_ERROR;
	nlh->nlmsg_flags = flags;
	body = mnl_nlmsg_put_extra_header(nlh, sizeof(*body));
	body->error = -err;
	body->msg.nlmsg_len = request->nlmsg_len;
	return nlh;
}

void test_ack(void)
{
	struct nlattr *nest, *inner;
	struct nlmsghdr *nlh;
	uint32_t offset;

	request = msg_start(request_buf, 77, 0, 1, ESPAH_CMD_POLICY_NEW);
	mnl_attr_put_u8(request, ESPAH_POLICY_DIR, 0);
	nest = mnl_attr_nest_start(request, ESPAH_POLICY_SELECTOR);
	inner = mnl_nlmsg_get_payload_tail(request);
	mnl_attr_put_u8(request, ESPAH_SEL_PROTO, 6);
	mnl_attr_nest_end(request, nest);

	test_begin("acks: success, and an errno alone");
	nl_result_read(ack(0, NLM_F_CAPPED), request, &result);
	CHECK(!result.error && !nl_result_tell("x", &result));
	nl_result_read(ack(EPERM, NLM_F_CAPPED), request, &result);
	CHECK(nl_result_tell("sa add", &result) == STATUS_REFUSED);
	CHECK(told_of("sa add needs CAP_NET_ADMIN"));
	nl_result_read(ack(ENOMEM, NLM_F_CAPPED), request, &result);
	CHECK(nl_result_tell("sa add", &result) == STATUS_REFUSED);
	CHECK(told_of("the kernel refused sa add: Cannot allocate memory"));
	test_end();

	test_begin("acks: the kernel's sentence, and the word it is about");
	nlh = ack(EINVAL, NLM_F_CAPPED | NLM_F_ACK_TLVS);
	mnl_attr_put_strz(nlh, NLMSGERR_ATTR_MSG, "integer out of range");
	nl_result_read(nlh, request, &result);
	CHECK(!strcmp(result.text, "integer out of range"));
	offset = (char *)inner - request_buf;
	mnl_attr_put_u32(nlh, NLMSGERR_ATTR_OFFS, offset);
	nl_result_read(nlh, request, &result);
	CHECK(!strcmp(result.text, "proto: integer out of range"));
	nl_result_read(nlh, NULL, &result);
	CHECK(!strcmp(result.text, "integer out of range"));
	test_end();

	test_begin("acks: attributes are called as people type them");
	nlh = ack(EINVAL, NLM_F_CAPPED | NLM_F_ACK_TLVS);
	mnl_attr_put_strz(nlh, NLMSGERR_ATTR_MSG,
			  "needs ESPAH_TMPL_SRC_LEN, ESPAH_SA_DF: not ESPAH_ or ESPAH_SA");
	mnl_attr_put_u32(nlh, NLMSGERR_ATTR_OFFS, offset);
	nl_result_read(nlh, request, &result);
	CHECK(!strcmp(result.text, "needs src len, df: not ESPAH_ or ESPAH_SA"));
	test_end();

	test_begin("acks: with the request quoted, and broken ones");
	nlh = ack(EINVAL, NLM_F_ACK_TLVS);
	mnl_nlmsg_put_extra_header(nlh, request->nlmsg_len - sizeof(*request));
	mnl_attr_put_strz(nlh, NLMSGERR_ATTR_MSG, "behind the request");
	nl_result_read(nlh, request, &result);
	CHECK(!strcmp(result.text, "behind the request"));
	nlh = ack(EINVAL, NLM_F_CAPPED | NLM_F_ACK_TLVS);
	mnl_attr_put(nlh, NLMSGERR_ATTR_MSG, 3, "abc");
	mnl_attr_put_u32(nlh, NLMSGERR_ATTR_OFFS, 4000000000u);
	nl_result_read(nlh, request, &result);
	CHECK(result.error == EINVAL && !*result.text);
	((struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->msg.nlmsg_len = 0xfffffff0;
	nlh->nlmsg_flags = NLM_F_ACK_TLVS;
	nl_result_read(nlh, request, &result);
	CHECK(result.error == EINVAL && !*result.text);
	nlh->nlmsg_len = NLMSG_HDRLEN + 2;
	nl_result_read(nlh, request, &result);
	CHECK(!result.error);
	test_end();
}
