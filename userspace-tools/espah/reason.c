// SPDX-License-Identifier: GPL-2.0-only
/* espah explain reason: what to look at when packets are dropped. The kernel says what it means. */
#include <string.h>

#include "cli.h"
#include "print.h"
#include "queue.h"
#include "reason.h"
#include "stats.h"

static const struct {
	const char *name;
	const char *check;
} reasons[] = {
	{ "nomem", "Memory for packets was short: look at 'free', and at what else the machine does." },
	{ "crypto", "Look into the kernel log for the driver that 'espah algo' names; try another algorithm." },
	{ "queue_full", "More comes than the crypto driver can do: compare 'espah algo' with faster drivers." },
	{ "ah_headers", "Which IP options or extension headers do these packets have? 'tcpdump -v' shows them." },
	{ "larval", "The peer already uses an SPI that was only reserved: 'espah sa add in' with its keys is missing." },
	{ "expired", "No new SA came before the hard limit: set a soft limit, and see that IKE or you act on it." },
	{ "no_sa", "'espah sa list out' needs an SA with the addresses, mode and reqid of the policy's template; 'espah monitor acquire' shows what is asked for." },
	{ "acquire_full", "Packets came faster than IKE makes an SA; 'queue' of the policy may be raised." },
	{ "acquire_late", "As for no_sa: nobody added the SA within five seconds; is an IKE daemon running, and does its peer answer?" },
	{ "discard_out", "'espah explain out SRC DST' names the policy or default action that says discard." },
	{ "opaque_out", "Fragments have no ports: add a policy without ports for them, or one with 'opaque'." },
	{ "fragment_out", "Transport mode takes no fragments: let the sender not fragment, or use a tunnel." },
	{ "malformed_out", "'tcpdump -v' on the way in shows who makes these packets." },
	{ "seq_overflow", "Replace the SA before its numbers end ('soft packets'), or use 'esn'." },
	{ "too_big", "Fine if senders heed ICMP; else allow ICMP too big in firewalls, use 'mss auto', or 'df clear'." },
	{ "redirect", "As it should be: this host forwards by the device that a packet came by, and tells nobody a shorter way round its policies. 'send_redirects' may be turned off." },
	{ "icmp_no_sa", "As for no_sa: the flow that this ICMP error is about has no SA." },
	{ "no_route", "'ip route get' with the SA's destination; in transport mode, with the packet's." },
	{ "nesting", "'ip route get' with the SA's destination: the route must not lead through a tunnel whose own packets are protected again without end; a narrower policy, or a bypass for the tunnel's outer addresses, ends that." },
	{ "family", "The policy leads to a transport SA between other addresses: check reqid, or use a tunnel." },
	{ "segment", "Switch off GSO on the sending device ('ethtool -K DEV gso off') and report it." },
	{ "lwtunnel", "'ip route get' shows its route with 'encap': let the route for protected networks have none, or set net.netfilter.nf_hooks_lwtunnel=1 (segment routing only)." },
	{ "confirm", "'conntrack -S' and the kernel log: the table may be full, or a helper refuses." },
	{ "udp", "Something on the way alters UDP: compare 'tcpdump -vv' at both ends." },
	{ "keepalive", "Nothing: a NAT keepalive has done its work when it is here." },
	{ "encap", "One end has 'encap udp' and the other has not; 'espah sa get' shows it." },
	{ "short", "Broken or forged ESP or AH; or the ends use different algorithms." },
	{ "reserved_spi", "No SA may have such an SPI: forged, or no ESP at all." },
	{ "no_spi", "'espah sa list in': is the SPI there, with this destination and protocol? If the peer has restarted, or deletes SAs early, rekey." },
	{ "fragment", "A fragment of ESP that was not put together: see 'nstat -z *Reasm*', and the path's MTU." },
	{ "replay", "Doubled by the network, or an attack; after a restart of the peer with the same keys, make new SAs." },
	{ "too_old", "The network reorders more than the window allows: use a larger 'window'." },
	{ "length", "The ends use different algorithms, or AH pads differently (XFRM needs 'flag align4')." },
	{ "icv", "Different keys or algorithms at both ends, packets altered on the way (AH and NAT), or forged ones." },
	{ "padding", "The peer pads otherwise than RFC 4303 2.4 says, or the encryption keys differ." },
	{ "dummy", "Nothing: the peer sends dummy packets to hide its traffic." },
	{ "next_header", "One end uses tunnel mode, the other transport mode." },
	{ "inner", "What the peer has encrypted is no sound IP packet." },
	{ "ecn", "A router on the way marks packets that do not know ECN; or use 'noecn' at both ends." },
	{ "policy", "'espah explain in SRC DST' with the inner addresses: the policy asks for another SA, or there is none. Selectors and reqids have to be the same at both ends." },
	{ "bundle", "The policy asks for other SAs than the peer used, more, fewer, or in another order: compare 'espah policy list in' with the peer." },
	{ "deliver", "The CPUs cannot follow, or the device is down; net.core.netdev_max_backlog may be raised." },
	{ "plaintext", "The peer sends in clear what is protected here: has it the policy and an SA? 'espah explain in SRC DST' names the policy." },
	{ "icmp_plaintext", "A router or host outside of the SA reports about it; 'espah default icmp bypass' lets such in." },
	{ "discard_in", "'espah explain in SRC DST' names the policy or default action that says discard." },
	{ "opaque_in", "Fragments have no ports: add a policy without ports for them, or one with 'opaque'." },
	{ "malformed_in", "'tcpdump -v' shows the packets; broken or forged." },
};

static const char *reason_name(unsigned int i)
{
	return i < ARRAY_SIZE(reasons) ? reasons[i].name : NULL;
}

/** cmd_explain_reason() - espah explain reason NAME */
int cmd_explain_reason(struct cli *cli, struct args *args)
{
	const char *name = args_value(args, "reason"), *near;
	char text[256];
	unsigned int i;
	int status;

	if (!name || args_end(args, "explain"))
		return STATUS_USAGE;
	for (i = 0; i < ARRAY_SIZE(reasons) && strcmp(name, reasons[i].name); i++)
		;
	if (i == ARRAY_SIZE(reasons)) {
		near = suggest(name, reason_name);
		if (near)
			error("'%s' is no drop reason; did you mean '%s'?", name, near);
		else
			error("'%s' is no drop reason (see 'espah stats --all')", name);
		return STATUS_USAGE;
	}
	status = queue_ready(cli);
	if (status)
		return status;
	if (stats_reason(cli, name, text, sizeof(text)))
		return STATUS_REFUSED;
	if (cli->json)
		json_print(json_pack("{s:s,s:s,s:s}", "reason", name, "text", text, "check",
				     reasons[i].check));
	else
		printf("%s: %s.\n%s\n", name, text, reasons[i].check);
	return STATUS_OK;
}
