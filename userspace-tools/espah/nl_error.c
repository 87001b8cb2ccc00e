// SPDX-License-Identifier: GPL-2.0-only
/* Error messages for requests that the kernel refused. */
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/espah.h>

#include "algorithm.h"
#include "nl.h"
#include "words.h"

/* The command word of the attribute at @offset in @request, or NULL. */
static const char *culprit(const struct nlmsghdr *request, uint32_t offset)
{
	const struct nlattr *attr, *inner;
	const struct genlmsghdr *genl;
	const char *word;

	if (!request || request->nlmsg_type == GENL_ID_CTRL || offset < sizeof(*request))
		return NULL;
	genl = mnl_nlmsg_get_payload(request);
	mnl_attr_for_each(attr, request, sizeof(*genl)) {
		uint32_t at = (const char *)attr - (const char *)request;

		if (offset < at || offset >= at + mnl_attr_get_len(attr))
			continue;
		if (offset == at || !(attr->nla_type & NLA_F_NESTED))
			return word_attr(genl->cmd, mnl_attr_get_type(attr));
		mnl_attr_for_each_nested(inner, attr) {
			if (offset != (uint32_t)((const char *)inner - (const char *)request))
				continue;
			word = word_attr_nested(genl->cmd, mnl_attr_get_type(attr),
						mnl_attr_get_type(inner));
			return word;
		}
		return word_attr(genl->cmd, mnl_attr_get_type(attr));
	}
	return NULL;
}

/*
 * The kernel names attributes by their constants, such as ESPAH_SA_DF. The user typed
 * "df": the part after the second underscore, in lower case.
 */
static void say_words(char *text)
{
	static const char prefix[] = "ESPAH_";
	char *from = text, *to = text;

	while (*from) {
		size_t object = 0;

		if (!strncmp(from, prefix, strlen(prefix)))
			object = strspn(from + strlen(prefix), "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		if (!object || from[strlen(prefix) + object] != '_') {
			*to++ = *from++;
			continue;
		}
		for (from += strlen(prefix) + object + 1;
		     isupper((unsigned char)*from) || isdigit((unsigned char)*from) ||
		     *from == '_'; from++)
			*to++ = *from == '_' ? ' ' : tolower((unsigned char)*from);
	}
	*to = '\0';
}

static void read_extack(const struct nlattr *first, size_t size, const struct nlmsghdr *request,
			struct nl_result *result)
{
	const char *text = NULL, *word = NULL, *missing = NULL;
	const struct genlmsghdr *genl;
	const struct nlattr *attr;

	mnl_attr_for_each_payload(first, size) {
		switch (mnl_attr_get_type(attr)) {
		case NLMSGERR_ATTR_MSG:
			text = attr_string(attr, NULL);
			break;
		case NLMSGERR_ATTR_OFFS:
			result->offset = attr_u32(attr, 0);
			word = culprit(request, result->offset);
			break;
		case NLMSGERR_ATTR_MISS_TYPE:
			if (request && request->nlmsg_type != GENL_ID_CTRL) {
				genl = mnl_nlmsg_get_payload(request);
				missing = word_attr(genl->cmd, attr_u32(attr, 0));
			}
			break;
		}
	}
	if (!text && missing)
		snprintf(result->text, sizeof(result->text), "it needs %s", missing);
	else if (text && word && !strcasestr(text, word) && !strstr(text, "ESPAH_"))
		snprintf(result->text, sizeof(result->text), "%s: %s", word, text);
	else if (text)
		snprintf(result->text, sizeof(result->text), "%s", text);
	else if (word)
		snprintf(result->text, sizeof(result->text), "%s: %s", word,
			 strerror(result->error));
	say_words(result->text);
}

/* Adds the algorithm that was probably meant, if the kernel does not know that of the request. */
static void suggest_algorithm(const struct nlmsghdr *request, struct nl_result *result)
{
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	char meant[ALGORITHM_MAX];
	char *end;

	if (strncmp(result->text, "unknown algorithm", strlen("unknown algorithm")))
		return;
	attr_table(request, tb, ESPAH_SA_MAX);
	end = strchr(result->text, ';');
	if (end && algorithm_suggest(attr_string(tb[ESPAH_SA_ALG], ""),
				     attr_u8(tb[ESPAH_SA_PROTO], IPPROTO_ESP), meant))
		snprintf(end, sizeof(result->text) - (end - result->text),
			 "; did you mean '%s'? ('espah algo' lists all)", meant);
}

/**
 * nl_result_read() - read an acknowledgement
 * @ack: a message of type NLMSG_ERROR or NLMSG_DONE
 * @request: the request, to name the attribute at fault; NULL if it is not available
 * @result: result
 */
void nl_result_read(const struct nlmsghdr *ack, const struct nlmsghdr *request,
		    struct nl_result *result)
{
	size_t size = mnl_nlmsg_get_payload_len(ack), skip = sizeof(int);
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(ack);

	result->error = 0;
	result->offset = 0;
	result->text[0] = '\0';
	if (size < sizeof(int))
		return;
	/* a dump may end with a positive length, which is not an error */
	result->error = err->error < 0 ? -err->error : 0;
	if (ack->nlmsg_type == NLMSG_ERROR) {
		skip = sizeof(*err);
		if (size >= skip && !(ack->nlmsg_flags & NLM_F_CAPPED) && err->error)
			skip += MNL_ALIGN(err->msg.nlmsg_len) - sizeof(err->msg);
	}
	if (!(ack->nlmsg_flags & NLM_F_ACK_TLVS) || size <= skip)
		return;
	read_extack((const void *)((const char *)err + skip), size - skip, request, result);
	if (request && request->nlmsg_type != GENL_ID_CTRL)
		suggest_algorithm(request, result);
}

/**
 * nl_result_tell() - print why the kernel refused, if it did
 * @what: the command, such as "sa add"
 * @result: from nl_result_read()
 *
 * Return: STATUS_OK or STATUS_REFUSED.
 */
int nl_result_tell(const char *what, const struct nl_result *result)
{
	if (!result->error)
		return STATUS_OK;
	if (result->text[0]) {
		error("the kernel refused %s: %s", what, result->text);
		return STATUS_REFUSED;
	}
	switch (result->error) {
	case EPERM:
	case EACCES:
		error("%s needs CAP_NET_ADMIN in this network namespace; run it as root", what);
		break;
	case ENOENT:
	case ESRCH:
		error("the kernel refused %s: no such object exists", what);
		break;
	case EEXIST:
		error("the kernel refused %s: such an object exists already", what);
		break;
	case EOPNOTSUPP:
		error("the kernel refused %s: the loaded module does not know this request; is the module older than this command?",
		      what);
		break;
	default:
		error("the kernel refused %s: %s", what, strerror(result->error));
	}
	return STATUS_REFUSED;
}
