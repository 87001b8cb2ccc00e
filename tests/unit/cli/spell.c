// SPDX-License-Identifier: GPL-2.0-only
/* What a configuration file says, spelled again: equal things have equal texts, which make them again. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "harness.h"
#include "parse.h"
#include "spell.h"

/* Reads @text as a configuration file. Return: a STATUS_*; @conf is freed by the caller. */
static int read_text(const char *text, struct conf *conf)
{
	char file[] = "/tmp/espah.spell.XXXXXX";
	struct cli cli = { 0 };
	int fd = mkstemp(file), status;

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
	status = conf_read(&cli, file, true, conf);
	unlink(file);
	return status;
}

static bool is(const char *got, const char *expected)
{
	if (!strcmp(got, expected))
		return true;
	printf("# got      '%s'\n# expected '%s'\n", got, expected);
	return false;
}

/* Spells all that @conf holds, a line each; SAs with @key behind them. */
static void write_all(FILE *out, const struct conf *conf, const char *key)
{
	unsigned int kind;
	size_t i;

	for (kind = 0; kind < THING_KINDS; kind++)
		for (i = 0; i < conf->things[kind].count; i++)
			fprintf(out, "%s%s\n", conf->things[kind].at[i].text,
				kind == THING_SA ? key : "");
	spell_config(out, conf->value, conf->given);
}

/* Return: what the lines of @text make, spelled; the caller frees it */
static char *spell(const char *text, const char *key)
{
	char *spelled = NULL;
	struct conf conf;
	size_t size;
	FILE *out;
	int status;

	status = read_text(text, &conf);
	if (status)
		printf("# not read: %s# %s", text, told());
	out = open_memstream(&spelled, &size);
	if (!out)
		abort();
	if (!status)
		write_all(out, &conf, key);
	fclose(out);
	conf_free(&conf);
	return spelled;
}

/* Whether @line makes what @expected says, a line each, and so do these lines. */
static bool spells(const char *line, const char *expected)
{
	bool is_sa = !strncmp(line, "sa ", 3), good;
	char text[1024], *once, *again, *third;

	snprintf(text, sizeof(text), "%s%s\n", line, is_sa ? " key 0x0102" : "");
	once = spell(text, "");
	/* the key is not part of the text */
	again = spell(text, is_sa ? " key-present" : "");
	third = spell(again, "");
	good = is(once, expected) & is(third, expected);
	free(once);
	free(again);
	free(third);
	return good;
}

#define SPELLS(line, expected) CHECK(spells(line, expected))
#define SAME(line) SPELLS(line, line "\n")

static void policies(void)
{
	test_begin("spell: selectors of policies, each in one way");
	SAME("policy add out 10.1.0.0/16 10.2.0.9 bypass");
	SPELLS("policy add bypass out src 10.1.0.0/16 dst 10.2.0.9/32 priority 1000",
	       "policy add out 10.1.0.0/16 10.2.0.9 bypass\n");
	SPELLS("policy add in any any inet discard", "policy add in any4 any4 discard\n");
	SPELLS("policy add in 0.0.0.0/0 any discard", "policy add in any4 any4 discard\n");
	SPELLS("policy add in any6 any discard", "policy add in any6 any6 discard\n");
	SPELLS("policy add in inet6 any 2001:DB8:0::/48 discard",
	       "policy add in any 2001:db8::/48 discard\n");
	SPELLS("policy add out 10.3.0.9,10.3.0.5-10.3.0.8,10.1.0.0/16 any bypass",
	       "policy add out 10.1.0.0/16,10.3.0.5-10.3.0.9 any bypass\n");
	SPELLS("policy add out 10.1.0.1 any tcp sport 1024-65535 dport 443,80 bypass",
	       "policy add out 10.1.0.1 any proto tcp sport 1024-65535 dport 80,443 bypass\n");
	SPELLS("policy add in any4 any icmp type 8,0 code 0-1 bypass",
	       "policy add in any4 any4 proto icmp type 0,8 code 0-1 bypass\n");
	SPELLS("policy add in any6 any icmp6 type 135 bypass",
	       "policy add in any6 any6 proto icmpv6 type 135 bypass\n");
	SPELLS("policy add in any6 any mh type 5-6 bypass",
	       "policy add in any6 any6 proto mh type 5-6 bypass\n");
	SPELLS("policy add in any4 any proto 200 bypass",
	       "policy add in any4 any4 proto 200 bypass\n");
	SPELLS("policy add in any4 any proto 50 bypass",
	       "policy add in any4 any4 proto esp bypass\n");
	SPELLS("policy add out any4 any udp opaque discard",
	       "policy add out any4 any4 proto udp opaque discard\n");
	SPELLS("policy add out any4 any priority 7 if-id 0x2a dev lo mark 32/0xf0 discard",
	       "policy add out any4 any4 mark 0x20/0xf0 dev lo priority 7 if-id 42 discard\n");
	SPELLS("policy add out any4 any mark 7 bypass", "policy add out any4 any4 mark 0x7 bypass\n");
	SAME("policy add out any4 any4 mark 0x0/0xff bypass");
	/* a device that is not there yet */
	SAME("policy add out any4 any4 dev ppp77 bypass");
	test_end();

	test_begin("spell: actions of policies, without words that change nothing");
	SAME("policy add out any4 any4 discard unreach");
	SPELLS("policy add out any4 any protect tunnel 192.0.2.1 198.51.100.7 reqid 0 mss auto",
	       "policy add out any4 any4 protect esp tunnel 192.0.2.1 198.51.100.7\n");
	SAME("policy add out any4 any4 protect ah tunnel 2001:db8::1 2001:db8::2 reqid 7 vrf lo mss 1300");
	SPELLS("policy add out any4 any queue 5 mss off unreach protect transport",
	       "policy add out any4 any4 protect esp transport mss off queue 5 unreach\n");
	SAME("policy add out any4 any4 protect esp transport 192.0.2.1 224.0.0.5");
	SAME("policy add out any4 any4 protect esp tunnel 192.0.2.1 192.0.2.2 reqid 1 ah transport reqid 2");
	SAME("policy add out any4 any4 protect esp transport reqid 1 ah tunnel 192.0.2.1 192.0.2.2");
	SPELLS("policy add in any4 any protect transport pfp dst,src,proto",
	       "policy add in any4 any4 protect esp transport pfp src,dst,proto\n");
	SPELLS("policy add in any4 any tcp protect transport pfp dport,sport",
	       "policy add in any4 any4 proto tcp protect esp transport pfp sport,dport\n");
	SPELLS("policy add label 'a \"b\", #\\c' in any4 any bypass",
	       "policy add in any4 any4 bypass label \"a \\\"b\\\", #\\\\c\"\n");
	SAME("policy add in any4 any4 bypass label site-b");
	test_end();

	test_begin("spell: both makes two policies");
	SPELLS("policy add both 10.1.0.0/16 10.2.0.0/16 tcp dport 443 protect tunnel 192.0.2.1 "
	       "198.51.100.7 queue 9",
	       "policy add out 10.1.0.0/16 10.2.0.0/16 proto tcp dport 443 protect esp tunnel "
	       "192.0.2.1 198.51.100.7 queue 9\n"
	       "policy add in 10.2.0.0/16 10.1.0.0/16 proto tcp sport 443 protect esp tunnel "
	       "198.51.100.7 192.0.2.1\n");
	SPELLS("policy add both 10.1.0.1 any4 icmp type 8 protect transport pfp src,type unreach",
	       "policy add out 10.1.0.1 any proto icmp type 8 protect esp transport pfp src,sport unreach\n"
	       "policy add in any 10.1.0.1 proto icmp type 8 protect esp transport pfp dst,sport\n");
	test_end();
}

#define SA_OUT "sa add out esp spi 0x00002001 dst 198.51.100.7 src 192.0.2.1 tunnel aes256gcm16"
#define SA_IN "sa add in esp spi 0x00001001 dst 192.0.2.1 src 198.51.100.7 tunnel aes256gcm16"

static void sas(void)
{
	test_begin("spell: SAs, each in one way, and never a key");
	SPELLS("sa add out spi 0x2001 src 192.0.2.1 dst 198.51.100.7 tunnel aes256gcm16 df copy "
	       "reqid 0 cpus auto tfc off dummy off dscp copy", SA_OUT "\n");
	SPELLS("sa add in tunnel aes256gcm16 window 1024 dst 192.0.2.1 spi 4097 src 198.51.100.7",
	       SA_IN "\n");
	SAME("sa add in ah spi 0x00003001 dst 2001:db8::1 src 2001:db8::2 transport sha256");
	SPELLS(SA_OUT " if-id 0x2a noecn reqid 7 esn reuse-key",
	       SA_OUT " reqid 7 if-id 42 esn reuse-key noecn\n");
	SAME(SA_IN " window 64 dscp-in");
	SAME(SA_IN " window 0");
	/* an SA with any source has no window */
	SPELLS("sa add in spi 0x3001 dst 224.0.0.5 src 0.0.0.0 transport null-sha256 window 0",
	       "sa add in esp spi 0x00003001 dst 224.0.0.5 src 0.0.0.0 transport null-sha256\n");
	SPELLS(SA_OUT " ttl 9 dscp 46", SA_OUT " dscp ef ttl 9\n");
	SPELLS(SA_OUT " dscp else=cs0,ef=cs5", SA_OUT " dscp ef=cs5,else=cs0\n");
	SPELLS(SA_OUT " for-dscp 46,12,8-11 tfc 9", SA_OUT " for-dscp 8-12,ef tfc 9\n");
	SPELLS(SA_OUT " for-dscp any", SA_OUT "\n");
	SPELLS(SA_OUT " set-mark 5/255 mark 3", SA_OUT " set-mark 0x5/0xff mark 0x3\n");
	SPELLS("sa add out spi 0x2001 src 192.0.2.1 vrf lo dst 198.51.100.7 tunnel aes256gcm16",
	       "sa add out esp spi 0x00002001 dst 198.51.100.7 vrf lo src 192.0.2.1 tunnel aes256gcm16\n");
	SAME(SA_OUT " label \"site b\" encap udp 4500 61234 df clear tfc mtu dummy random 6/m cpus 1");
	SPELLS(SA_OUT " tfc 600 dummy steady 7/h df set",
	       SA_OUT " df set tfc 600 dummy steady 7.00000000389/h\n");
	SPELLS(SA_OUT " hard time 1h30m idle 2d packets off soft bytes 8G packets 5k",
	       SA_OUT " soft packets 5000 bytes 8000000000 hard time 5400 idle 172800\n");
	SPELLS(SA_OUT " soft use 90s hard use 2m", SA_OUT " soft use 90 hard use 120\n");
	/* where the sequence numbers begin does not tell SAs apart */
	SPELLS(SA_OUT " seq 77", SA_OUT "\n");
	test_end();
}

static void others(void)
{
	test_begin("spell: devices and settings");
	SPELLS("link add ipsec0 up mtu 1400 carrier dev lo if-id 0x2a",
	       "link add ipsec0 if-id 42 dev lo mtu 1400 carrier up\n");
	SAME("link add ipsec1 if-id 43");
	SPELLS("link add 'a\"b' if-id 44", "link add \"a\\\"b\" if-id 44\n");
	SPELLS("default icmp bypass out discard in discard",
	       "default in discard\ndefault out discard\ndefault icmp bypass\n");
	SPELLS("config direct on secpath off", "config secpath off\nconfig direct on\n");
	SAME("config direct off");
	test_end();
}

/* Reads a line that makes one thing of a kind, and compares its texts. */
static bool parts(enum thing_kind kind, const char *line, const char *name, const char *fixed)
{
	const struct thing *thing;
	struct conf conf;
	bool good = false;

	if (!read_text(line, &conf) && conf.things[kind].count == 1) {
		thing = conf.things[kind].at;
		good = is(thing->name, name) & is(thing->fixed, fixed);
	}
	conf_free(&conf);
	return good;
}

static void identities(void)
{
	test_begin("spell: what tells things apart, and what cannot change in place");
	CHECK(parts(THING_POLICY, "policy add in any4 any tcp dport 5 mark 1 dev lo priority 3 if-id 9 "
		    "label x protect transport reqid 5 mss off\n",
		    "policy in any4 any4 proto tcp dport 5 mark 0x1 dev lo priority 3 if-id 9", ""));
	CHECK(parts(THING_SA, SA_OUT " reqid 7 vrf lo if-id 4 esn noecn dscp ef ttl 9 set-mark 1 mark 2 "
		    "reuse-key label x encap udp 1 2 for-dscp ef df set tfc 9 dummy steady 1/s cpus 2 "
		    "soft time 1 hard time 2 key-present\n",
		    "sa out esp spi 0x00002001 dst 198.51.100.7 vrf lo",
		    " tunnel aes256gcm16 reqid 7 if-id 4 esn reuse-key noecn dscp ef ttl 9 "
		    "set-mark 0x1 mark 0x2 label x"));
	CHECK(parts(THING_LINK, "link add ipsec0 if-id 42 dev lo mtu 1400 carrier up\n", "link ipsec0",
		    " if-id 42"));
	test_end();
}

void test_spell(void)
{
	policies();
	sas();
	others();
	identities();
	dev_lenient(false);
}
