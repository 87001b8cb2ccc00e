/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface between ip and its plugins for kinds of devices. iproute2 installs no header for
 * it. Its source has the same layout in 6.1 and 7.1 (ip/ip_common.h). ip opens link_KIND.so in its
 * folder of plugins and looks for the symbol KIND_link_util (get_link_kind() in ip/iplink.c).
 */
#ifndef ESPAH_LINK_UTIL_H
#define ESPAH_LINK_UTIL_H

#include <linux/rtnetlink.h>
#include <stdio.h>

/** LINK_REQUEST_MAX - bytes: largest request that fits the buffer of ip (ip/iplink.c) */
#define LINK_REQUEST_MAX 1024

/**
 * struct link_util - a kind of devices
 * @next: list of ip
 * @id: the kind
 * @maxattr: highest attribute in IFLA_INFO_DATA
 * @parse_opt: reads the words after "type KIND" and adds attributes to the request, in whose
 *             IFLA_INFO_DATA it is called; not 0: an error was printed
 * @print_opt: prints the attributes for "ip -d link show"; NULL: there are none
 * @print_xstats: unused
 * @print_help: prints the answer to "ip link help KIND"
 * @parse_ifla_xstats: unused
 * @print_ifla_xstats: unused; its arguments differ between versions
 */
struct link_util {
	struct link_util *next;
	const char *id;
	int maxattr;
	int (*parse_opt)(struct link_util *lu, int argc, char **argv, struct nlmsghdr *nlh);
	void (*print_opt)(struct link_util *lu, FILE *file, struct rtattr **tb);
	void (*print_xstats)(struct link_util *lu, FILE *file, struct rtattr *xstats);
	void (*print_help)(struct link_util *lu, int argc, char **argv, FILE *file);
	int (*parse_ifla_xstats)(struct link_util *lu, int argc, char **argv);
	int (*print_ifla_xstats)(void);
};

extern struct link_util espah_link_util;

/*
 * Functions of ip, for its JSON (include/json_print.h). They are weak, because not every build of
 * ip exports them. Colours have no meaning in JSON.
 */
enum link_output {
	LINK_OUTPUT_JSON = 2,
};

_Bool is_json_context(void) __attribute__((weak));
int print_color_uint(int output, int colour, const char *key, const char *format,
		     unsigned int value) __attribute__((weak));
int print_color_string(int output, int colour, const char *key, const char *format,
		       const char *value) __attribute__((weak));
int print_color_bool(int output, int colour, const char *key, const char *format,
		     _Bool value) __attribute__((weak));

#endif /* ESPAH_LINK_UTIL_H */
