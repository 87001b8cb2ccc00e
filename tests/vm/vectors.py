# SPDX-License-Identifier: GPL-2.0-only
"""ESP packets that were printed elsewhere must come out as printed there.

- RFC 3602 section 4, cases 5 to 8. They show encryption alone, so an ICV is added.
- RFC 7634 appendix A.
- draft-mcgrew-gcm-test-01, "Test Cases for the Use of GCM and GMAC in IPsec ESP": all
  but the fourth, whose SPI of 0 RFC 4303 2.1 forbids. Their next header is 1 whatever
  they carry, so they are sent in transport mode.
"""
import hashlib
import hmac
import ipaddress
import socket
import struct

import ipsec
import lab
import traffic
from ipsec import ALGORITHMS, Espah, Policy, SA

ESP, ICMP = 50, 1


def header(source, target, length, protocol=ESP):
    """An IPv4 header, with its checksum."""
    fields = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, 0x2345, 0, 64, protocol, 0,
                         ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed)
    total = sum(struct.unpack("!10H", fields))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return fields[:10] + struct.pack("!H", ~total & 0xffff) + fields[12:]


class Receiver:
    """espah at the end of a veth, under the addresses that a vector wants."""

    def __init__(self, source, target, sa, selectors=None):
        lab.delete_all()
        self.ns, peer = lab.Netns("a"), lab.Netns("b")
        lab.link(self.ns, "eth0", peer, "eth0")
        self.ns.ip(f"addr add {target}/32 dev eth0\nroute add default dev eth0\n")
        if selectors:  # a tunnel: its inner packet is for this host too
            self.ns.ip(f"addr add {selectors[1]}/32 dev lo\n" if selectors[1] != target else "\n")
            tunnel = (source, target)
        else:
            selectors, tunnel = (source, target), None
        Espah.configure(self.ns, inbound=[sa],
                        in_=[Policy(f"{selectors[0]}/32", f"{selectors[1]}/32", tunnel, sa.reqid)])
        self.injector = traffic.Injector(peer, "eth0", self.ns, "eth0")
        with self.ns:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, ICMP)
        self.socket.settimeout(lab.TIMEOUT)

    def check(self, packet, plain):
        """plain: the packet that comes out, header and all; or what follows its header."""
        forged = bytearray(packet)
        forged[-1] ^= 1
        self.injector.send(bytes(forged))
        lab.wait_for(lambda: Espah.drops(self.ns) == {"icv": 1}, "the drop of a forged ICV")
        self.injector.send(packet)
        if not plain:  # the kernel gives no ICMP socket a packet without an ICMP header
            lab.wait_for(lambda: (Espah.sas(self.ns)[0]["packets"], Espah.sas(self.ns)[0]["bytes"])
                         == (1, 20), "a packet of an IP header alone")
            self.socket.close()
            return
        try:
            got = self.socket.recv(65536)
        except TimeoutError:
            raise lab.Failed(f"nothing came out; drops {Espah.drops(self.ns)}") from None
        finally:
            self.socket.close()
        if plain[:1] != b"\x45" or len(plain) < 20 or got != plain:
            got = got[20:]
        lab.equal(got.hex(), plain.hex(), "the packet that came out")


# --- AES-CBC ------------------------------------------------------------------------------------

CBC = [  # case, mode, key, SPI, number, target, IV, ciphertext, plaintext
    (5, "transport", "90d382b410eeba7ad938c46cec1a82bf", 0x4321, 1, "192.168.123.100",
     "e96e8c08ab465763fd098d45dd3ff893",
     "f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856"
     "a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874a"
     "a269add047ad2d5913ac19b7cfbad4a6",
     "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f1011121314151617"
     "18191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"),
    (6, "transport", "90d382b410eeba7ad938c46cec1a82bf", 0x4321, 8, "192.168.123.100",
     "69d08df7d203329db093fc4924e5bd80",
     "f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca346a89f75",
     "0800b5e8a80a0500a69c083d0b660e00777777777777777777777777"),
    (7, "tunnel", "0123456789abcdef0123456789abcdef", 0x8765, 2, "192.168.123.200",
     "f4e765244f6407adf13dc1380f673f37",
     "773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8"
     "e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5"
     "c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d",
     "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d"
     "02a2040008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
     "2425262728292a2b2c2d2e2f3031323334353637"),
    (8, "tunnel", "0123456789abcdef0123456789abcdef", 0x8765, 5, "192.168.123.200",
     "85d47224b5f3dd5d2101d4ea8dffab22",
     "15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb5"
     "0f980a08c9843fd3a1b06d5c07ff9639b7eb7dfb3512e5de435e7207ed971ef3"
     "d2726d9b5ef6affc6d17a0decbb13892",
     "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083d"
     "a3de0300ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
     "ffffffff"),
]


@lab.test("RFC 3602 section 4")
def cbc():
    source, algorithm = "192.168.123.3", ALGORITHMS["aes128-sha1"]
    integrity = bytes(range(20))
    for case, mode, key, spi, number, target, iv, ciphertext, plain in CBC:
        with lab.verdict(f"RFC 3602 section 4, case {case}"):
            sa = SA(spi, source, target, mode, algorithm, key=bytes.fromhex(key) + integrity)
            receiver = Receiver(source, target, sa,
                                (source, target) if mode == "tunnel" else None)
            esp = struct.pack("!II", spi, number) + bytes.fromhex(iv + ciphertext)
            esp += hmac.new(integrity, esp, hashlib.sha1).digest()[:12]
            receiver.check(header(source, target, len(esp)) + esp, bytes.fromhex(plain))


# --- ChaCha20-Poly1305 ----------------------------------------------------------------------------

@lab.test("RFC 7634 appendix A")
def chacha():
    key = bytes(range(0x80, 0xa4))
    sa = SA(0x01020304, "203.0.113.153", "203.0.113.5", "tunnel", ALGORITHMS["chacha20poly1305"],
            key=key)
    receiver = Receiver(sa.src, sa.dst, sa, ("198.51.100.5", "192.0.2.5"))
    receiver.check(bytes.fromhex(
        "4500008c234500004032de5bcb007199cb00710501020304000000051011121314151617"
        "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6"
        "14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3"
        "cbec163fac469b502773f6fb94e664da9165b82829f641e0"
        "76aaa8266b7fb0f7b11b369907e1ad43"), bytes.fromhex(
            "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10"
            "0007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
            "2425262728292a2b2c2d2e2f3031323334353637"))


# --- AES-GCM --------------------------------------------------------------------------------------

GCM = [  # case, key, salt and IV, SPI and number, plaintext with its trailer, ciphertext, ICV
    (1, "4c80cdefbb5d10da906ac73c3613a634", "2e443b684956ed7e3b244cfe", "000043218765432100000000",
     "45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000"
     "00000000045f736970045f756470037369700963796265726369747902646b00"
     "0021000101020201",
     "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34"
     "cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce"
     "61bc17d768fd9732", "459018148f6cbe722fd04796562dfdb4"),
    (2, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "0000a5f80000000a",
     "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100"
     "0001000000000000037369700963796265726369747902646b00000100010001",
     "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c"
     "3de81827c10e9a4f51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd1",
     "83b70d3aa8bc6ee4c309e9d85a41ad4a"),
    (3, "abbccddef00112233445566778899aababbccddef00112233445566778899aab",
     "112233440102030405060708", "4a2cbfe300000002",
     "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee000000000"
     "7002400020bf0000020405b40101040201020201",
     "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763"
     "748a637985771d347f0545659f14e99def842d8e", "b335f4eecfdbf831824b4c4915956c96"),
    (5, "3de09874b388e6491988d0c3607eae1f", "57690e434e280000a2fca1a3",
     "42f67e3f1010101010101010",
     "4500003c99c300008001cb7c40679318010101010800085c0200430061626364"
     "65666768696a6b6c6d6e6f707172737475767761626364656667686901020201",
     "fba2caa4853cf9f0f22cb10d86dd83b0fec75691cf1a04b00d1138ec9c357917"
     "65acbd8701ad79845bf9fe3fba487bc91755e6662b4c8d0d1f5e22739530320a",
     "e0d731cc978ecafaeae88f00e80d6e48"),
    (6, "3de09874b388e6491988d0c3607eae1f", "57690e434e280000a2fca1a3",
     "42f67e3f1010101010101010",
     "4500001c42a200008001441f406793b6e00000020a00f5ff01020201",
     "fba2ca845e5df9f0f22c3e6e86dd831e1fc65792cd1af9130e1379ed",
     "369f071f35e034be95f112e4e7d05d35"),
    (7, "feffe9928665731c6d6a8f9467308308feffe9928665731c", "cafebabefacedbaddecaf888",
     "0000a5f80000000a",
     "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e"
     "501016d075680001",
     "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0"
     "315b27452144cc77", "95457b9652037f5318027b5b4cd7a636"),
    (8, "abbccddef00112233445566778899aab", "decaf888cafedebaceface74",
     "000001000000000000000001",
     "4500004933ba00007f119106c3fb1d10c2b1d326c02831ce0035dd7b800302d5"
     "00004e20001e8c18d75b81dc91baa0476b91b924b280389d92c963bac046ec95"
     "9b6266c04722b14923010101",
     "18a6fd42f72cbf4ab2a2ea901f73d814e3e7f243d95412e1c349c1d2fbec168f"
     "9190feebaf2cb01984e65863965d7472b79da345e0e780191f0d2f0e0f496c22"
     "6f2127b27db35724e7845d68", "651f57e65f354f75ff17015769623436"),
    (9, "abbccddef00112233445566778899aababbccddef00112233445566778899aab",
     "73616c74616e640169766563", "17405e67156f3126dd0db99b",
     "45080028732c00004006e9f90a0106120a01038f06b88023dd6bafbecb712602"
     "50101f646d540001",
     "f2d69ecdbd5a0d5b8d5ef38bad4da58d1f278fde98ef67549d524a3018d9a57f"
     "f4d3a31ce673119e", "451626c2415771e3b7eebca614c89b35"),
    (10, "3de09874b388e6491988d0c3607eae1f", "57690e434e280000a2fca1a3",
     "42f67e3f1010101010101010",
     "45000049333e00007f119182c3fb1d10c2b1d326c02831ce0035cb458003025b"
     "000001e0001e8c18d65759d52284a0352c71475c8880391c764d6e5ee0496b32"
     "5ae270c03899493915010101",
     "fba2cad12fc1f9f00d3cebf305410db83d7784b607323d220f24b0a97d541828"
     "00cadb0f68d99ef0e0c0c89ae9bea8884e52d65bc1afd0740f742444747b5b39"
     "ab533163aad4550ee5160975", "cdb608c5769189609763b8e18caa81e2"),
    (11, "abbccddef00112233445566778899aababbccddef00112233445566778899aab",
     "73616c74616e640169766563", "17405e67156f3126dd0db99b",
     "636973636f0172756c657301746865016e6574776501646566696e6501746865"
     "746563686e6f6c6f67696573017468617477696c6c01646566696e65746f6d6f"
     "72726f7701020201",
     "d4b7ed86a1777f2ea13d6973d324c69e7b43f826fb56831226508bebd2dceb18"
     "d0a6df10e5487df074113e14c641024e3e6773d91a62ee429b043a10e3efe6b0"
     "12a49363412364f8", "c0cac587f249e56b11e24f30e44ccc76"),
    (12, "7d773d00c144c525ac619d18c84a3f47", "d966426743457e9182443bc6", "335467aeffffffff",
     "01020201", "437f866b", "cb3f699fe9b0822bac961c4504bef270"),
    (13, "abbccddef00112233445566778899aab", "decaf888cafedebaceface74",
     "000001000000000000000001",
     "746f016265016f72016e6f7401746f0162650001",
     "29c9fc69a197d038ccdd14e2ddfcaa0543332164", "412503524303ed3c6c5f283843af8c3e"),
    (14, "6c6567616c697a656d6172696a75616e61616e64646f69746265666f72656961",
     "7475726e333021696765746d", "796b6963ffffffffffffffff",
     "45000030da3a00008001df3bc0a80005c0a800010800c6cd0200070061626364"
     "65666768696a6b6c6d6e6f707172737401020201",
     "f97ab2aa356d8edce17644ac8c78e25dd24dedbb29ebf1b64a274b39b49c3a86"
     "4cd3d78ca4ae68a32b42458fb57dbe821dcc63b9", "d0937ba2945f669368661a329fb4c053"),
]


@lab.test("draft-mcgrew-gcm-test-01")
def gcm():
    source, target = "192.0.2.2", "192.0.2.1"
    for case, key, nonce, associated, plain, ciphertext, icv in GCM:
        with lab.verdict(f"draft-mcgrew-gcm-test-01, case {case}"):
            key, nonce, associated, plain = map(bytes.fromhex, (key, nonce, associated, plain))
            spi, number = struct.unpack("!I", associated[:4])[0], int.from_bytes(associated[4:], "big")
            sa = SA(spi, source, target, "transport", ALGORITHMS[f"aes{len(key) * 8}gcm16"],
                    esn=len(associated) == 12, seq=number - 1, key=key + nonce[:4])
            esp = associated[:4] + associated[-4:] + nonce[4:] + bytes.fromhex(ciphertext + icv)
            Receiver(source, target, sa).check(header(source, target, len(esp)) + esp,
                                               plain[:-2 - plain[-2]])


if __name__ == "__main__":
    ipsec.need_espah()
    lab.main()
