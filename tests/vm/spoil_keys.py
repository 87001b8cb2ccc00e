# SPDX-License-Identifier: GPL-2.0-only
"""Actions of a world (see chaos.py) on SAs and policies."""
import errno

import ipsec
import netlink
from netlink import IN, NESTED, OUT, be16, be32, name, nest, u8, u16, u32, u64
from place import INNER, OUTER


class Keys:
    """The part of a world that adds, changes and removes SAs and policies."""

    def algorithm(self, proto):
        table = ipsec.AH if proto == 51 else ipsec.ALGORITHMS
        return table[self.dice.choice(sorted(table))]

    def sa(self, src, dst, mode, proto, reqid):
        """Attributes of an SA: those of both ends, and those of each end."""
        dice = self.dice
        algorithm = self.algorithm(proto) if self.chance(0.6) or proto == 51 else ipsec.GCM
        spi = self.spis[dice.randrange(len(self.spis))] if self.chance(0.3) else dice.randrange(256, 1 << 32)
        self.spis.append(spi)
        del self.spis[:-16]
        both = dict(SPI=be32(spi), SRC=netlink.ip(src), DST=netlink.ip(dst), MODE=u8(mode), PROTO=u8(proto),
                    ALG=name(algorithm.name), KEY=dice.randbytes(algorithm.key_len),
                    REQID=u32(reqid))
        esn = self.chance(0.3)
        if esn:
            both["FLAGS"] = u32(1)
        if self.chance(0.3):
            both["CPUS"] = u16(dice.choice((1, 2, 2, 3, 65535)))
        if proto == 50 and self.chance(0.2) and not self.sealed:  # the check of the wire would take it for cleartext
            port = dice.choice((4500, 4500, *self.ports))
            both |= dict(ENCAP_SPORT=be16(port), ENCAP_DPORT=be16(port))
        if self.chance(0.15):
            number = dice.choice(((1 << 32) - 20, (1 << 31) - 5, (1 << 32) - 1, 1))
            both["SEQ"] = u64(number)
        out, into = {"DIR": u8(OUT)}, {"DIR": u8(IN)}
        if mode == netlink.TUNNEL:
            if self.chance(0.4):
                out["DF"] = u8(dice.randrange(3))
            if self.chance(0.2) and proto == 50:
                out["TFC"] = u16(dice.choice((1, 100, 1400, 0xffff)))
            if self.chance(0.2):
                out |= dict(TTL=u8(dice.choice((1, 64, 255))), DSCP=u8(dice.randrange(64)))
        if self.chance(0.05) and proto == 50:
            out["DUMMY"] = u32(dice.choice((1000, 20000, 100000)))
        if self.chance(0.4):
            into["WINDOW"] = u32(dice.choice((32, 64, 4096) + (() if esn else (0,))))
        limits = []
        if self.chance(0.2):
            kind, value = dice.choice(((1, 20), (1, 200), (2, 30000), (3, 1), (3, 2), (4, 1), (5, 1)))
            limits = [(netlink.HARD | NESTED, nest((kind, u64(value))))]
            if self.chance(0.5):
                limits.append((netlink.SOFT | NESTED, nest((kind, u64(max(1, value // 2))))))
        return [[(getattr(netlink, key), value) for key, value in (both | side).items()] + limits
                for side in (out, into)]

    def ask(self, place, command, pairs, flags=netlink.REQUEST | netlink.ACK):
        self.count("requests")
        answers, code, _ = place.link.exchange(place.link.message(command, netlink.attrs(pairs), flags))
        if code:
            self.count(f"refused: {errno.errorcode.get(code, code)}")
        else:
            self.count("accepted")
        return answers

    def add_sa(self, near, far, pair):
        self.ask(near, netlink.SA_NEW, pair[0])
        if self.chance(0.95):
            self.ask(far, netlink.SA_NEW, pair[1])
        near.sas.append(pair[0])
        far.sas.append(pair[1])

    def selector(self, near, far, six):
        """A selector for traffic from one place to another, from wide to narrow."""
        dice, bits = self.dice, 128 if six else 32
        pairs = [(netlink.S_FAMILY, u8(10 if six else 2))]
        sides = dice.choice((None, None, INNER, INNER, OUTER, "prefix", "ranges"))
        if isinstance(sides, dict):
            for title, kind, length in ((near, netlink.S_SRC, netlink.S_SRC_LEN),
                                        (far, netlink.S_DST, netlink.S_DST_LEN)):
                if self.chance(0.8):
                    pairs += [(kind, netlink.ip(sides[title][six])), (length, u8(bits))]
        elif sides == "prefix":
            pairs += [(netlink.S_DST, netlink.ip("fd10::" if six else "10.0.0.0")),
                      (netlink.S_DST_LEN, u8(dice.choice((16, 28)) if six else 8))]
        elif sides == "ranges":
            low, high = sorted(netlink.ip(table[far][six]) for table in (INNER, OUTER))
            pairs.append((netlink.S_DST_RANGES, low + high))
        protocol = dice.choice((0, 0, 0, 17, 6, 58 if six else 1, 47, 4, 41))
        if protocol:
            pairs.append((netlink.S_PROTO, u8(protocol)))
        if protocol in (6, 17) and self.chance(0.5):
            pairs += [(netlink.S_DPORT_MIN, be16(self.ports[0])), (netlink.S_DPORT_MAX, be16(65535))]
        if self.chance(0.1):
            pairs.append((netlink.S_MARK, u32(dice.randrange(2))))
        if self.chance(0.1):
            pairs.append((netlink.S_IFINDEX, u32(dice.randrange(1, 6))))
        return nest(*pairs)

    def template(self, src, dst, sas):
        """A template for the first of (mode, protocol, reqid), with the others around it."""
        (mode, proto, reqid), *more = sas
        pairs = [(netlink.T_MODE, u8(mode)), (netlink.T_REQID, u32(reqid)), (netlink.T_PROTO, u8(proto))]
        if mode == netlink.TUNNEL:
            pairs += [(netlink.T_SRC, netlink.ip(src)), (netlink.T_DST, netlink.ip(dst))]
        if more:
            pairs.append((netlink.T_OUTER | NESTED, self.template(src, dst, more)))
        return nest(*pairs)

    def policy(self, title, direction, selector, priority, sas, ends):
        dice = self.dice
        pairs = [(netlink.P_DIR, u8(direction)), (netlink.P_SELECTOR | NESTED, selector),
                 (netlink.P_PRIORITY, u32(priority))]
        action = dice.choice((netlink.PROTECT,) * 8 + (netlink.BYPASS, netlink.DISCARD))
        if self.places[title] == self.sealed and action == netlink.BYPASS:
            action = netlink.DISCARD
        pairs.append((netlink.P_ACTION, u8(action)))
        if action == netlink.PROTECT:
            pairs.append((netlink.P_TEMPLATE | NESTED, self.template(*ends, sas)))
        if self.chance(0.3):
            pairs.append((netlink.P_REPLACE, b""))
        if direction == OUT and action != netlink.BYPASS and self.chance(0.3):
            pairs.append((netlink.P_UNREACH, b""))
        if direction == OUT and action == netlink.PROTECT and self.chance(0.3):
            pairs.append(dice.choice(((netlink.P_QUEUE, u32(dice.choice((1, 5, 64)))), (netlink.P_PFP, u32(3)))))
        self.ask(self.places[title], netlink.POLICY_NEW, pairs)

    def protect(self):
        """SAs both ways between two places, and policies that ask for them."""
        dice = self.dice
        near, far = dice.choice(("ab", "ab", "ab", "am", "mb", "ba"))
        outer, inner = dice.randrange(2), dice.randrange(2)
        src, dst = OUTER[near][outer], OUTER[far][outer]
        mode = dice.choice((netlink.TUNNEL, netlink.TUNNEL, netlink.TRANSPORT))
        if mode == netlink.TRANSPORT:
            inner = outer
            if self.chance(0.5):
                src, dst = INNER[near][outer], INNER[far][outer]
        # usually one SA for each packet; sometimes several, and SAs that no policy requires
        sas = [(mode, dice.choice((50,) * 6 + (51,)), dice.randrange(3))]
        while len(sas) < 4 and self.chance(0.12):
            sas.append((netlink.TRANSPORT, dice.choice((50, 51)), dice.randrange(3)))
        one, other = self.places[near], self.places[far]
        for kind, proto, reqid in sas:
            self.add_sa(one, other, self.sa(src, dst, kind, proto, reqid))
            self.add_sa(other, one, self.sa(dst, src, kind, proto, reqid))
        if self.chance(0.1):
            sas = [(kind, proto, dice.randrange(3)) for kind, proto, _ in sas]
        for here, there, ends in ((near, far, (src, dst)), (far, near, (dst, src))):
            selector, priority = self.selector(here, there, inner), dice.randrange(4)
            self.policy(here, OUT, selector, priority, sas, ends)
            if self.chance(0.1):
                selector = self.selector(here, there, inner)
            if self.chance(0.85):
                self.policy(there, IN, selector, priority, sas, ends)

    def rekey(self):
        """Changes, replaces or deletes an existing SA."""
        place = self.place()
        if not place.sas:
            return
        sa = dict(self.dice.choice(place.sas))
        who = [(kind, sa[kind]) for kind in (netlink.DIR, netlink.SPI, netlink.DST, netlink.PROTO)]
        how = self.dice.randrange(7)
        if how == 0:
            self.ask(place, netlink.SA_DEL, who)
        elif how == 1:
            twin = {netlink.SPI: be32(256 + self.dice.randrange(8)), netlink.FLAGS: u32(self.dice.choice((0, 8, 9)))}
            self.ask(place, netlink.SA_NEW, [*(sa | twin).items()])
        elif how == 2:
            table = self.dice.choice((OUTER, INNER))
            pair = [table[title][len(sa[netlink.DST]) == 16] for title in self.dice.sample("abm", 2)]
            self.ask(place, netlink.SA_SET, who + [(netlink.NEW_SRC, netlink.ip(pair[0])),
                                                   (netlink.NEW_DST, netlink.ip(pair[1]))])
        elif how == 3:
            port = 0 if self.sealed else self.dice.choice((0, 4500, *self.ports))
            self.ask(place, netlink.SA_SET, who + [(netlink.ENCAP_SPORT, be16(port)),
                                                   (netlink.ENCAP_DPORT, be16(port))])
        elif how == 4:
            self.ask(place, netlink.SA_SET, who + self.dice.choice((
                [(netlink.CPUS, u16(self.dice.randrange(4)))], [(netlink.TFC, u16(self.dice.choice((0, 900))))],
                [(netlink.DUMMY, u32(self.dice.choice((0, 1000))))], [(netlink.DF, u8(2))],
                [(netlink.HARD | NESTED, nest((netlink.L_PACKETS, u64(self.dice.choice((0, 5000))))))])))
        elif how == 5:
            self.ask(place, netlink.SA_ALLOC_SPI, [(kind, sa[kind]) for kind in
                                                   (netlink.SRC, netlink.DST, netlink.MODE)])
        else:
            self.ask(place, netlink.SA_DEL, who)
            self.ask(place, netlink.SA_NEW, [*sa.items()])

    def administer(self):
        """Rarer requests: flushes, default actions, dumps that are not read to the end, queries."""
        place, how = self.place(), self.dice.randrange(9)
        if how == 0:
            self.ask(place, netlink.SA_FLUSH, [])
        elif how == 1 and place != self.sealed:
            self.ask(place, netlink.POLICY_FLUSH, [])
        elif how == 2:
            kinds = (netlink.C_IN, netlink.C_OUT, netlink.C_ICMP)
            self.ask(place, netlink.CONFIG_SET, [(kind, u8(self.chance(0.8))) for kind in kinds])
        elif how < 5:
            with place:
                link = netlink.Link()
            link.sock.send(link.message(self.dice.choice((netlink.SA_GET, netlink.POLICY_GET)), b"",
                                        netlink.REQUEST | netlink.DUMP))
            place.kept.append(link.sock)
        elif how == 5:
            with place:
                link = netlink.Link()
            for group in link.groups:
                link.join(group)
            place.kept.append(link.sock)  # never read
        else:
            six = self.dice.randrange(2)
            self.ask(place, netlink.EXPLAIN, netlink.explain(
                DIR=u8(self.dice.randrange(2)), PROTO=u8(17), DPORT=be16(self.ports[0]),
                SRC=netlink.ip(INNER[self.dice.choice("abm")][six]),
                DST=netlink.ip(INNER[self.dice.choice("abm")][six])))
