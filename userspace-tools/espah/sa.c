// SPDX-License-Identifier: GPL-2.0-only
/* espah sa: security associations. */
#include <arpa/inet.h>

#include <linux/espah.h>

#include "carry.h"
#include "conf.h"
#include "queue.h"
#include "sa.h"
#include "words.h"

#define IDENTITY (SA_DIR | SA_SPI | SA_DST)

#define IDENTITY_HELP \
	"An SA is named by its direction, protocol (esp if none is given), SPI,\n" \
	"destination, and VRF if it was added with one.\n"

#define VRF_HELP \
	"  vrf NAME          in this VRF (default: the domain of the device that has its\n" \
	"                    local address)\n"

#define LABEL_HELP \
	"  label TEXT        whose it is, to be shown, up to 63 characters\n"

#define HIDING_HELP \
	"  tfc N|mtu|off     out, tunnel: pad inner packets to N bytes, or to what fits\n" \
	"                    the path MTU\n" \
	"  dummy steady|random RATE\n" \
	"                    out: send dummy packets, such as 10/s or 6/m; 'dummy off'\n" \
	"                    stops\n"

#define FOR_DSCP_HELP \
	"  for-dscp any|D[-D],...\n" \
	"                    out: for packets with these DSCPs, such as ef,cs5,8-15;\n" \
	"                    others take the newest SA for any, the default\n"

#define CPUS_HELP \
	"  cpus auto|N       on so many CPUs, in order; auto (default): on others when\n" \
	"                    one is busy\n"

#define PROGRESS_HELP \
	"  seq N             out: last sequence number used; in: highest accepted (a new\n" \
	"                    SA: 0)\n" \
	"  seen HEX          in, with seq: the numbers of the window that were received:\n" \
	"                    the first bit for N, the next for N - 1 (default: all)\n" \
	"  iv-mask HEX       out, with seq: 8 bytes: the IV is the sequence number XOR\n" \
	"                    these (a new SA: random). Packets with numbers above seq\n" \
	"                    must not have been sent with them\n" \
	"  used LIMIT...     how much of the limits was used elsewhere\n"

#define LIMIT_HELP \
	"LIMIT is one or more of the following; of several, the first that is reached\n" \
	"counts.\n" \
	"  packets N         packets; k, M, G and T behind N stand for thousands,\n" \
	"                    millions ...\n" \
	"  bytes N           bytes that the cipher works on, padding included\n" \
	"  time T            since the SA was added: seconds, or as in 90s, 50m, 1h30m,\n" \
	"                    2d\n" \
	"  use T             since its first packet\n" \
	"  idle T            since its last packet\n" \
	"'off' instead of N or T: no limit.\n"

const char sa_help[] =
	"espah sa COMMAND: security associations, the keys and counters of one direction\n"
	"\n"
	"  add in|out [esp|ah] spi SPI src ADDR dst ADDR tunnel|transport ALG\n"
	"      key-file FILE [...]\n"
	"  set in|out [esp|ah] spi SPI dst ADDR [df copy|set|clear] [soft|hard LIMIT...]\n"
	"      [new-src ADDR] [new-dst ADDR] [encap ...] [tfc N] [dummy ...] [cpus N]\n"
	"      [for-dscp D,...] [vrf NAME]\n"
	"  del in|out [esp|ah] spi SPI dst ADDR [vrf NAME]\n"
	"  get in|out [esp|ah] spi SPI dst ADDR [vrf NAME] [--show-keys]\n"
	"  list [in|out] [esp|ah] [spi SPI] [src ADDR] [dst ADDR] [reqid N] [vrf NAME]\n"
	"      [if-id N] [--show-keys]\n"
	"  flush [in|out] [esp|ah] [reqid N] [vrf NAME] [if-id N]\n"
	"  alloc src ADDR dst ADDR tunnel|transport [esp|ah] [reqid N] [min SPI]\n"
	"      [max SPI] [vrf NAME] [if-id N]\n"
	"  export FILE [in|out] [esp|ah] [spi SPI] [src ADDR] [dst ADDR] [reqid N]\n"
	"      [vrf NAME] [if-id N] [--show-keys]\n"
	"  import FILE [ahead N]\n"
	"\n"
	"'espah sa COMMAND --help' says more. Example:\n"
	"  espah sa add in spi 0x1001 src 198.51.100.7 dst 192.0.2.1 \\\n"
	"      tunnel aes256gcm16 key-file site-b.in\n";

static const char add_help[] =
	"espah sa add in|out [esp|ah] spi SPI src ADDR dst ADDR tunnel|transport ALG KEY\n"
	"    [OPTION...]\n"
	"\n"
	"Adds an SA. Words may come in any order, but ALG stands right after the mode.\n"
	"  in|out            as seen from this host\n"
	"  esp|ah            the protocol (default esp)\n"
	"  spi SPI           256 to 0xffffffff, decimal or 0x and hexadecimal\n"
	"  src, dst ADDR     addresses of the outer header; in transport mode dst may be\n"
	"                    a multicast group, and src 0.0.0.0 or ::, for any, without\n"
	"                    replay window\n"
	"  ALG               such as aes256gcm16, for AH sha256; 'espah algo' lists them,\n"
	"                    with the lengths of their keys\n"
	"KEY is one of\n"
	"  key-file FILE     hexadecimal digits; blanks, colons and # lines do not count\n"
	"  key-stdin         the same from standard input ('key-file -' too)\n"
	"  key HEX           visible to others in the process list\n"
	"in the order of IKE's key material: encryption key, salt, integrity key.\n"
	"Give each SA, in each direction, a key of its own, and never use a key again:\n"
	"with AES-GCM, AES-CCM, AES-GMAC, AES-CTR and ChaCha20-Poly1305, two packets with\n"
	"one key, salt and IV expose plaintext, or let packets be forged. Therefore a key\n"
	"and salt that another SA has, and a key of zeros, need the word reuse-key there.\n"
	"OPTION is any of\n"
	"  reqid N           ties it to the policies that name N (default 0)\n"
	"  esn               64-bit sequence numbers\n"
	"  window N          in: replay window of N packets, 0: no check (default 1024)\n"
	"  df copy|set|clear out, tunnel: don't-fragment bit of the outer IPv4 header\n"
	"                    (default copy)\n"
	PROGRESS_HELP
	"  reuse-key         take a key that another SA has, or zeros; IVs start at a\n"
	"                    random place, so two such SAs meet in an IV with a chance of\n"
	"                    1 in 2^32 if each sends 2^32 packets, in proportion if\n"
	"                    fewer. Not for implicit IVs (...iiv)\n"
	"  noecn             out: the outer header is not ECN-capable; in: leave the\n"
	"                    inner ECN as it is\n"
	"  dscp copy|D|MAP   out, tunnel: DSCP of the outer header: the inner one\n"
	"                    (default), a number or name such as ef, or by the inner one,\n"
	"                    such as ef=cs5,af41=af42,else=cs0\n"
	"  dscp-in           in, tunnel: copy the outer DSCP to the inner header\n"
	"  ttl N             out, tunnel: TTL or hop limit of the outer header (default:\n"
	"                    the route's)\n"
	"  encap udp SPORT DPORT\n"
	"                    ESP in UDP, to pass NATs (RFC 3948); the SA's packets go\n"
	"                    from port SPORT to port DPORT, both 4500 unless a NAT\n"
	"                    changed one\n"
	FOR_DSCP_HELP
	LABEL_HELP
	HIDING_HELP
	CPUS_HELP
	VRF_HELP
	"  if-id N           it belongs to the device of kind espah with this number\n"
	"  set-mark M[/MASK] out: mark of ESP and AH packets, by which 'ip rule' routes\n"
	"                    them; in: of decrypted packets; such as 7 or 0x20/0xf0. By\n"
	"                    default ESP and AH packets keep the mark of a forwarded\n"
	"                    packet, and decrypted packets that of the ESP or AH packet\n"
	"  mark M[/MASK]     it is for packets with this mark only: out: of the packet in\n"
	"                    clear; in: of the ESP or AH packet\n"
	"  soft LIMIT...     when an 'expire' event says that the SA is to be replaced\n"
	"  hard LIMIT...     when the SA ends\n"
	LIMIT_HELP
	"\n"
	"Examples:\n"
	"  espah sa add out spi 0x2001 src 192.0.2.1 dst 198.51.100.7 \\\n"
	"      tunnel aes256gcm16 key-file site-b.out reqid 7 \\\n"
	"      soft time 50m bytes 8G hard time 1h bytes 10G\n"
	"  espah sa add in ah spi 0x3001 src 198.51.100.7 dst 192.0.2.1 \\\n"
	"      transport sha256 key-file b.in\n";

static const char set_help[] =
	"espah sa set in|out [esp|ah] spi SPI dst ADDR [vrf NAME] OPTION...\n"
	"\n"
	"Changes an SA in place; what is not named stays. seq, seen and used only go\n"
	"ahead.\n"
	IDENTITY_HELP
	"OPTION is any of\n"
	"  df copy|set|clear  out, tunnel: don't-fragment bit of the outer IPv4 header\n"
	"  new-src ADDR       its source address from now on\n"
	"  new-dst ADDR       its destination address from now on, by which it is named\n"
	"                     then\n"
	"  encap udp SPORT DPORT|off  its UDP ports from now on, or no UDP\n"
	FOR_DSCP_HELP
	HIDING_HELP
	CPUS_HELP
	PROGRESS_HELP
	"  soft|hard LIMIT...\n"
	LIMIT_HELP
	"Policies that name the old addresses have to be replaced ('espah policy\n"
	"replace').\n"
	"\n"
	"Examples, the last two after a NAT gave the peer another port:\n"
	"  espah sa set out spi 0x2001 dst 198.51.100.7 df clear hard time 2h\n"
	"  espah sa set out spi 0x2001 dst 198.51.100.7 encap udp 4500 61234\n"
	"  espah sa set in spi 0x1001 dst 192.0.2.1 encap udp 61234 4500\n";

static const char del_help[] =
	"espah sa del in|out [esp|ah] spi SPI dst ADDR [vrf NAME]\n"
	"\n"
	"Deletes an SA.\n"
	IDENTITY_HELP
	"Traffic that a policy protects is dropped, not sent in the clear, while no SA is\n"
	"there.\n"
	"\n"
	"Example:\n"
	"  espah sa del in spi 0x1001 dst 192.0.2.1\n";

static const char get_help[] =
	"espah sa get in|out [esp|ah] spi SPI dst ADDR [vrf NAME] [--show-keys]\n"
	"\n"
	"Prints one SA with its counters.\n"
	IDENTITY_HELP
	"\n"
	"Example:\n"
	"  espah sa get in spi 0x1001 dst 192.0.2.1\n";

static const char list_help[] =
	"espah sa list [in|out] [esp|ah] [spi SPI] [src ADDR] [dst ADDR] [reqid N]\n"
	"    [vrf NAME] [if-id N] [--show-keys]\n"
	"\n"
	"Prints the SAs that equal each of what is given, in the order in which they were\n"
	"added.\n"
	"\n"
	"Examples:\n"
	"  espah sa list out dst 198.51.100.7\n"
	"  espah -j sa list reqid 7\n";

static const char flush_sa_help[] =
	"espah sa flush [in|out] [esp|ah] [reqid N] [vrf NAME] [if-id N]\n"
	"\n"
	"Deletes all SAs, or those of a direction, protocol, reqid, VRF or device of kind\n"
	"espah. Policies stay, so what they protect is dropped until there are SAs again.\n"
	"\n"
	"Example:\n"
	"  espah sa flush reqid 7\n";

static const char alloc_help[] =
	"espah sa alloc src ADDR dst ADDR tunnel|transport [esp|ah] [reqid N] [min SPI]\n"
	"    [max SPI] [vrf NAME] [if-id N]\n"
	"\n"
	"Reserves a free inbound SPI for 60 seconds and prints it. 'sa add in' with that\n"
	"SPI and dst, within that time, makes it an SA. min and max bound the choice.\n"
	"\n"
	"Example:\n"
	"  spi=$(espah sa alloc src 198.51.100.7 dst 192.0.2.1 tunnel reqid 7)\n";

static int note(struct conf *conf, const struct sa *sa)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh = msg_start(buf, 0, 0, 0, ESPAH_CMD_SA_NEW);
	int status;

	sa_put(nlh, sa);
	mnl_attr_put_u8(nlh, ESPAH_SA_OWNER, ESPAH_OWNER_FILE);
	status = conf_add(conf, THING_SA, nlh);
	explicit_bzero(buf, nlh->nlmsg_len);
	return status;
}

static int change(struct cli *cli, uint8_t cmd, const char *what, const struct sa *sa)
{
	struct job *job;

	if (cli->conf)
		return note(cli->conf, sa);
	job = queue_add(cli, cmd, what, 0);
	if (!job)
		return STATUS_REFUSED;
	sa_put(job->nlh, sa);
	return queue_commit(cli);
}

static int add(struct cli *cli, struct args *args)
{
	struct sa sa;
	int status;

	status = sa_read(cli, args, "sa add", SA_ADD_TAKES, SA_ADD_NEEDS, &sa);
	if (!status)
		status = change(cli, ESPAH_CMD_SA_NEW, "sa add", &sa);
	sa_wipe(&sa);
	return status;
}

static int set(struct cli *cli, struct args *args)
{
	const uint64_t changes = SA_DF | SA_SOFT | SA_HARD | SA_ENCAP | SA_NEW_SRC | SA_NEW_DST |
				 SA_TFC | SA_DUMMY | SA_CPUS | SA_PROGRESS | SA_FOR_DSCP;
	struct sa sa;
	int status;

	status = sa_read(cli, args, "sa set", IDENTITY | SA_VRF | changes, IDENTITY, &sa);
	if (!status && !(sa.given & changes)) {
		error("sa set also needs an option to change (see 'espah sa set --help')");
		return STATUS_USAGE;
	}
	return status ? status : change(cli, ESPAH_CMD_SA_SET, "sa set", &sa);
}

static int del(struct cli *cli, struct args *args)
{
	struct sa sa;
	int status;

	status = sa_read(cli, args, "sa del", IDENTITY | SA_VRF, IDENTITY, &sa);
	return status ? status : change(cli, ESPAH_CMD_SA_DEL, "sa del", &sa);
}

/* A flush waits for the earlier requests, and does not run if one of them failed. */
static int flush(struct cli *cli, struct args *args)
{
	struct sa sa;
	int status;

	status = sa_read(cli, args, "sa flush", SA_DIR | SA_REQID | SA_VRF | SA_IF_ID, 0, &sa);
	if (!status)
		status = queue_barrier(cli);
	return status ? status : change(cli, ESPAH_CMD_SA_FLUSH, "sa flush", &sa);
}

static int print_one(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	struct cli *cli = data;

	attr_table(nlh, tb, ESPAH_SA_MAX);
	if (cli->json)
		json_print(sa_json(tb));
	else
		sa_print(tb);
	return 0;
}

static int get(struct cli *cli, struct args *args)
{
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	struct sa sa;
	int status;

	status = sa_read(cli, args, "sa get", IDENTITY | SA_VRF | SA_SHOW_KEYS, IDENTITY,
			 &sa);
	if (!status)
		status = queue_ready(cli);
	if (status)
		return status;
	nlh = nl_start(cli->nl, buf, ESPAH_CMD_SA_GET, NLM_F_ACK);
	sa_put(nlh, &sa);
	return nl_do(cli->nl, nlh, "sa get", print_one, cli);
}

static void print_row(struct table *table, const struct nlattr **tb)
{
	(void)table;
	sa_print(tb);
}

static const struct listing_kind in_full = { ESPAH_SA_MAX, sa_json, print_row, NULL };

static int list(struct cli *cli, struct args *args)
{
	static struct listing listing;
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	struct sa sa;
	int status;

	status = sa_read(cli, args, "sa list", SA_DIR | SA_SPI | SA_SRC | SA_DST | SA_REQID |
			 SA_VRF | SA_IF_ID | SA_SHOW_KEYS, 0, &sa);
	if (!status)
		status = queue_ready(cli);
	if (status)
		return status;
	nlh = nl_start(cli->nl, buf, ESPAH_CMD_SA_GET, NLM_F_DUMP);
	sa_put(nlh, &sa);
	listing_start(&listing, &in_full, cli->json);
	status = nl_dump(cli->nl, nlh, "sa list", ESPAH_SA_ID, listing_add, &listing);
	listing_end(&listing, true);
	return status;
}

static int print_alloc(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[ESPAH_SA_MAX + 1];
	struct cli *cli = data;

	if (cli->json)
		return print_one(nlh, data);
	attr_table(nlh, tb, ESPAH_SA_MAX);
	printf("0x%08x\n", ntohl(attr_u32(tb[ESPAH_SA_SPI], 0)));
	return 0;
}

static int alloc(struct cli *cli, struct args *args)
{
	const uint64_t needs = SA_SRC | SA_DST | SA_MODE;
	char buf[NL_REQUEST_MAX];
	struct nlmsghdr *nlh;
	struct sa sa;
	int status;

	status = sa_read(cli, args, "sa alloc", needs | SA_REQID | SA_MIN | SA_MAX | SA_VRF |
			 SA_IF_ID, needs, &sa);
	if (!status)
		status = queue_ready(cli);
	if (status)
		return status;
	nlh = nl_start(cli->nl, buf, ESPAH_CMD_SA_ALLOC_SPI, NLM_F_ACK);
	sa_put(nlh, &sa);
	return nl_do(cli->nl, nlh, "sa alloc", print_alloc, cli);
}

static const struct command commands[] = {
	{ "add", add, "add an SA", add_help },
	{ "set", set, "change an SA in place", set_help },
	{ "del", del, "delete an SA", del_help },
	{ "get", get, "print an SA", get_help },
	{ "list", list, "print SAs", list_help },
	{ "flush", flush, "delete SAs", flush_sa_help },
	{ "alloc", alloc, "reserve an inbound SPI", alloc_help },
	{ "export", carry_export, "write how far SAs have come, for a standby gateway",
	  carry_export_help },
	{ "import", carry_import, "carry on with the SAs of another gateway", carry_import_help },
	{ 0 }
};

/** cmd_sa() - espah sa */
int cmd_sa(struct cli *cli, struct args *args)
{
	return command_run(commands, "espah sa", sa_help, cli, args);
}
