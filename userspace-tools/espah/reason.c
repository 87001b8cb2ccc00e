// SPDX-License-Identifier: GPL-2.0-only
/* espah explain reason: what a drop reason means, and what to check. */
#include <string.h>

#include "../../module/db/reason_list.h"
#include "cli.h"
#include "print.h"
#include "reason.h"
#include "term.h"

static const struct {
	const char *name;
	const char *check;
} reasons[] = {
	{ "nomem", "Memory for packets was short: run 'free', and check what else uses memory." },
	{ "crypto", "Search the kernel log for the driver that 'espah algo' names, or try another algorithm." },
	{ "queue_full", "Packets arrive faster than the crypto driver works: see in 'espah algo' whether a faster driver is missing." },
	{ "ah_headers", "Check the IP options or extension headers of these packets with 'tcpdump -v'." },
	{ "larval", "The peer already uses an SPI that is only reserved here: run 'espah sa add in' with its keys." },
	{ "expired", "No new SA was added before the hard limit: set a soft limit, and make sure that IKE or an administrator acts on it." },
	{ "sa_mark", "'espah sa get' shows the SA's mark, 'nft' or 'ip rule' who marks packets: outbound the mark of the packet in clear counts, inbound that of the ESP or AH packet." },
	{ "no_sa", "'espah sa list out' needs an SA with the addresses, mode and reqid of the policy's template; 'espah monitor acquire' shows which SA a packet needs." },
	{ "acquire_full", "Packets came faster than IKE made an SA: raise 'queue' of the policy." },
	{ "acquire_late", "As for no_sa: no SA was added within five seconds. Check that an IKE daemon runs and that its peer answers." },
	{ "discard_out", "'espah explain out SRC DST' names the policy or default action that discards." },
	{ "opaque_out", "Fragments have no ports: add a policy without ports for them, or one with 'opaque'." },
	{ "fragment_out", "Transport mode takes no fragments: stop the sender from fragmenting, or use a tunnel." },
	{ "malformed_out", "'tcpdump -v' on the incoming device shows the source of these packets." },
	{ "seq_overflow", "Replace the SA before its sequence numbers run out ('soft packets'), or use 'esn'." },
	{ "too_big", "This is normal if senders heed ICMP. If not, allow ICMP 'too big' in firewalls, or use 'mss auto' or 'df clear'." },
	{ "redirect", "This is normal: this host forwards packets out of the device that received them, and must not send a redirect that leads senders around its policies. To stop it from trying, turn off 'send_redirects'." },
	{ "icmp_no_sa", "As for no_sa: the flow that this ICMP error is about has no SA." },
	{ "no_route", "Run 'ip route get' with the SA's destination; in transport mode, with the packet's destination." },
	{ "nesting", "Run 'ip route get' with the SA's destination: the route must not lead into a tunnel whose own packets are protected again without end. Use a narrower policy, or a bypass for the tunnel's outer addresses." },
	{ "family", "The policy selects a transport SA between other addresses: check reqid, or use a tunnel." },
	{ "segment", "Switch off GSO on the sending device ('ethtool -K DEV gso off') and report it." },
	{ "lwtunnel", "'ip route get' shows a route with 'encap': use a route without 'encap' for protected networks, or set net.netfilter.nf_hooks_lwtunnel=1 (segment routing only)." },
	{ "device_no_policy", "'espah policy list out if-id N' needs a policy for these packets; 'espah link' shows the number N of the device." },
	{ "device_loop", "Run 'ip route get' with the SA's destination: give the device a link ('espah link set NAME dev LINK'), or route the peer past the device." },
	{ "confirm", "Check 'conntrack -S' and the kernel log: the table may be full, or a helper refuses the packets." },
	{ "udp", "A device on the path alters UDP: compare 'tcpdump -vv' at both ends." },
	{ "keepalive", "Nothing to check: a NAT keepalive has served its purpose once it arrives." },
	{ "encap", "One end uses 'encap udp' and the other does not: compare 'espah sa get' at both ends." },
	{ "short", "The packets are broken or forged, or the ends use different algorithms." },
	{ "reserved_spi", "No SA may have such an SPI: the packets are forged, or are not ESP." },
	{ "no_spi", "Check that 'espah sa list in' shows the SPI with this destination and protocol. If the peer has restarted, or deletes SAs early, rekey." },
	{ "fragment", "An ESP or AH fragment could not be reassembled: check 'nstat -z *Reasm*' and the path MTU." },
	{ "replay", "The network duplicates packets, or this is an attack. If the peer restarted with the same keys, make new SAs." },
	{ "too_old", "The network reorders more than the window allows: use a larger 'window'." },
	{ "length", "The ends use different algorithms, or AH pads differently (XFRM needs 'flag align4')." },
	{ "icv", "The ends use different keys or algorithms, packets are altered on the path (AH and NAT), or packets are forged." },
	{ "padding", "The peer does not pad as RFC 4303 2.4 requires, or the encryption keys differ." },
	{ "dummy", "Nothing to check: the peer sends dummy packets to hide its traffic." },
	{ "next_header", "One end uses tunnel mode, the other transport mode." },
	{ "inner", "The peer encrypted a packet that is not valid IP: check the peer." },
	{ "ecn", "A router on the path marks packets that are not ECN-capable: check the router, or use 'noecn' at both ends." },
	{ "policy", "Run 'espah explain in SRC DST' with the inner addresses: the policy requires another SA, or there is no policy. Selectors and reqids must be the same at both ends." },
	{ "bundle", "The peer used other SAs than the policy requires, more, fewer, or in another order: compare 'espah policy list in' with the peer." },
	{ "device_missing", "'espah sa list in' shows the SA's if-id: run 'espah link add NAME if-id N'." },
	{ "device_down", "Set the device up: 'ip link set NAME up' ('espah link' shows its name)." },
	{ "deliver", "The CPUs are too slow, or the device is down: raise net.core.netdev_max_backlog, or check the device." },
	{ "plaintext", "The peer sends traffic in the clear that is protected here: check that the peer has the policy and an SA. 'espah explain in SRC DST' names the policy." },
	{ "icmp_plaintext", "A router or host outside the SA sent an ICMP error about the flow; 'espah default icmp bypass' accepts such errors." },
	{ "discard_in", "'espah explain in SRC DST' names the policy or default action that discards." },
	{ "opaque_in", "Fragments have no ports: add a policy without ports for them, or one with 'opaque'." },
	{ "malformed_in", "The packets are broken or forged: 'tcpdump -v' shows them." },
};

static const struct {
	const char *name;
	const char *text;
} meanings[] = {
#define X(id, name, kernel, text) { name, text },
	ESPAH_DROPS(X)
#undef X
};

/** reason_text() - Return: what a drop reason means; "" if this command does not know it */
const char *reason_text(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(meanings); i++)
		if (same(meanings[i].name, name))
			return meanings[i].text;
	return "";
}

static const char *reason_name(unsigned int i)
{
	return i < ARRAY_SIZE(reasons) ? reasons[i].name : NULL;
}

/** cmd_explain_reason() - espah explain reason NAME */
int cmd_explain_reason(struct cli *cli, struct args *args)
{
	const char *name = args_value(args, "reason"), *near;
	struct wrap wrap;
	unsigned int i;

	if (!name || args_end(args, "explain"))
		return STATUS_USAGE;
	for (i = 0; i < ARRAY_SIZE(reasons) && strcmp(name, reasons[i].name); i++)
		;
	if (i == ARRAY_SIZE(reasons)) {
		near = suggest(name, reason_name);
		if (near)
			error("'%s' is not a drop reason; did you mean '%s'?", name, near);
		else
			error("'%s' is not a drop reason (see 'espah stats --all')", name);
		return STATUS_USAGE;
	}
	if (cli->json) {
		json_print(json_pack("{s:s,s:s,s:s}", "reason", name, "text", reason_text(name),
				     "check", reasons[i].check));
		return STATUS_OK;
	}
	wrap_start(&wrap);
	printf("%s: %s.\n%s\n", name, reason_text(name), reasons[i].check);
	wrap_end(&wrap, WRAP_INDENT);
	return STATUS_OK;
}
