"""What a packet of fwknop's client asks for: each field within its bounds, and nothing that the policy does not name."""

import unittest

from common import ciphers, fwknop
from knocklet.core import verdict
from knocklet.core.fwknop import Fwknop
from knocklet.core.packet import TCP, UDP

SOURCE = bytes((203, 0, 113, 9))
SOURCE6 = bytes((0x20, 1, 0xD, 0xB8)) + bytes(11) + b"\x09"
STATED = bytes((198, 51, 100, 7))
CAMERA_TO = bytes((192, 168, 1, 50))


SSH = fwknop.service("ssh", TCP, 22)
DNS = fwknop.service("dns", UDP, 53)
CAMERA = fwknop.service("camera", TCP, 8080, CAMERA_TO, 80)
CAMERA6 = fwknop.service("camera6", TCP, 8080, families=(6,))
ALICE = fwknop.client("alice", [SSH, DNS, CAMERA6, CAMERA])
ENGINE = Fwknop([ALICE], ciphers)
HERE = b"198.51.100.7,tcp/22"
NAT = fwknop.base64(b"192.168.1.50,80")


def read(text, source=SOURCE):
    return ENGINE.read(fwknop.packet(ALICE.fwknop, fwknop.padded(fwknop.sealed(text))), source)


class TestAccepted(unittest.TestCase):
    def accepted(self, text, services, address=STATED, ttl_s=0, source=SOURCE):
        found, request = read(text, source)
        self.assertEqual(found, verdict.PARSED)
        self.assertEqual(request.services, services)
        self.assertEqual((request.address, request.stated), (address, address == STATED))
        self.assertEqual((request.ttl_s, request.stamp_us), (ttl_s, 1795454680_000000))

    def test_access(self):
        self.accepted(fwknop.fields(1, HERE), [SSH])
        self.accepted(fwknop.fields(1, b"198.51.100.7,tcp/22,udp/53,tcp/22"), [SSH, DNS])
        self.accepted(fwknop.fields(1, b"198.51.100.7,tcp/8080"), [CAMERA])

    def test_timeout(self):
        for timeout, ttl_s in ((b"60", 60), (b"0", 0), (b"1", 1), (b"65536", 65536)):
            self.accepted(fwknop.fields(3, HERE, timeout), [SSH], ttl_s=ttl_s)

    def test_nat(self):
        self.accepted(fwknop.fields(2, b"198.51.100.7,tcp/8080", NAT), [CAMERA])
        self.accepted(fwknop.fields(4, b"198.51.100.7,tcp/8080", NAT, b"60"), [CAMERA], ttl_s=60)

    def test_source_of_the_packet(self):
        self.accepted(fwknop.fields(1, b"0.0.0.0,tcp/22"), [SSH], SOURCE)
        self.accepted(fwknop.fields(1, b"0.0.0.0,tcp/22"), [SSH], SOURCE6, source=SOURCE6)
        self.accepted(fwknop.fields(1, HERE), [SSH], source=SOURCE6)

    def test_one_port_two_families(self):
        self.accepted(fwknop.fields(1, b"198.51.100.7,tcp/8080"), [CAMERA], source=SOURCE6)
        self.accepted(fwknop.fields(1, b"0.0.0.0,tcp/8080"), [CAMERA6], SOURCE6, source=SOURCE6)

    def test_server_auth_means_nothing(self):
        auth = fwknop.base64(b"crypt,password")
        self.accepted(fwknop.fields(1, HERE, auth), [SSH])
        self.accepted(fwknop.fields(3, HERE, auth, b"60"), [SSH], ttl_s=60)
        self.accepted(fwknop.fields(2, b"198.51.100.7,tcp/8080", NAT, auth), [CAMERA])
        self.accepted(fwknop.fields(4, b"198.51.100.7,tcp/8080", NAT, auth, b"60"), [CAMERA], ttl_s=60)

    def test_bounds(self):
        self.accepted(fwknop.fields(1, HERE, user=b"u" * 48, version=b"12345678"), [SSH])
        self.accepted(fwknop.fields(1, HERE, user=b"!#$%&'()-.@^_`{}~ ", version=b"x"), [SSH])
        self.accepted(fwknop.fields(1, HERE, version=b"~ !"), [SSH])


class TestRefused(unittest.TestCase):
    def refused(self, expected, *texts):
        for text in texts:
            found, request = read(text)
            self.assertEqual(verdict.NAMES[found], expected, text)
            self.assertTrue(request.client is ALICE)

    def test_command(self):
        self.refused("command", fwknop.fields(0, b"198.51.100.7,reboot"), fwknop.fields(0, HERE), fwknop.fields(0, b"", b""))

    def test_other_types(self):
        for kind in (5, 6, 7, 8, 9):
            self.refused("not_allowed", fwknop.fields(kind, b"198.51.100.7,tcp/8080", NAT, b"60"))
        for kind in ("", "x", "10", "01", "-1", "+1", " 1", "1 ", "12", "24"):
            self.refused("bad_fields", fwknop.fields(kind, HERE))
            self.refused("bad_fields", fwknop.fields(kind, b"198.51.100.7,tcp/8080", NAT, b"60"))

    def test_services_of_others(self):
        for door in (b"tcp/23", b"udp/22", b"tcp/53", b"icmp/22", b"none/22", b"tcp/80", b"tcp/22,tcp/23", b"tcp/23,tcp/22"):
            self.refused("not_allowed", fwknop.fields(1, b"198.51.100.7," + door), fwknop.fields(3, b"0.0.0.0," + door, b"9"))

    def test_no_address_of_that_family(self):
        only = fwknop.client("only", [CAMERA, fwknop.service("six", TCP, 6666, families=(6,))])
        for door, source, expected in (
            (b"tcp/8080", SOURCE, verdict.PARSED),
            (b"tcp/8080", SOURCE6, verdict.NOT_ALLOWED),
            (b"tcp/6666", SOURCE6, verdict.PARSED),
            (b"tcp/6666", SOURCE, verdict.NOT_ALLOWED),
        ):
            blocks = fwknop.padded(fwknop.sealed(fwknop.fields(1, b"0.0.0.0," + door)))
            found, _ = Fwknop([only], ciphers).read(fwknop.packet(only.fwknop, blocks), source)
            self.assertEqual(found, expected)

    def test_nat_to_elsewhere(self):
        for nat in (b"192.168.1.51,80", b"192.168.1.50,81", b"192.168.1.50,8080", b"camera,80", b"192.168.1.050,80",
                    b"192.168.1.50,080", b"192.168.1.50", b"192.168.1.50,80,", b"192.168.1.50:80", b"192.168.1.50,80,80",
                    b" 192.168.1.50,80", b"0.0.0.0,0", b"127.0.0.1,80", b"198.51.100.1,8080", b","):  # fmt: skip
            text = fwknop.base64(nat)
            self.refused("not_allowed", fwknop.fields(2, b"198.51.100.7,tcp/8080", text))
            self.refused("not_allowed", fwknop.fields(4, b"198.51.100.7,tcp/8080", text, b"60"))
        for door in (b"tcp/80", b"tcp/22", b"udp/8080", b"tcp/8080,tcp/8080", b"tcp/8080,tcp/22", b"udp/53"):
            self.refused("not_allowed", fwknop.fields(2, b"198.51.100.7," + door, NAT))
        for nat in (b"None,0", b"0.0.0.0,0", b"198.51.100.1,22", b"127.0.0.1,22"):  # no NAT to what has none
            self.refused("not_allowed", fwknop.fields(2, HERE, fwknop.base64(nat)))

    def test_address_nobody_can_have(self):
        for address in (b"0.0.0.1", b"0.1.2.3", b"127.0.0.1", b"127.255.0.1", b"224.0.0.1", b"239.1.1.1", b"240.0.0.1",
                        b"255.255.255.255"):  # fmt: skip
            self.refused("bad_source_field", fwknop.fields(1, address + b",tcp/22"))

    def test_address(self):
        for address in (b"", b"1.2.3", b"1.2.3.4.5", b"1.2.3.256", b"01.2.3.4", b"1.2.3.4 ", b"a.b.c.d", b"host",
                        b"2001:db8::1", b"1.2.3.4/24", b"1.2.3.-4", b"9" * 80):  # fmt: skip
            self.refused("bad_fields", fwknop.fields(1, address + b",tcp/22"))

    def test_message(self):
        for message in (b"198.51.100.7", b"198.51.100.7,", b"198.51.100.7,tcp", b"198.51.100.7,tcp/", b"198.51.100.7,/22",
                        b"198.51.100.7,tcp/0", b"198.51.100.7,tcp/65536", b"198.51.100.7,tcp/022", b"198.51.100.7,tcp/22,",
                        b"198.51.100.7,,tcp/22", b"198.51.100.7,sctp/22", b"198.51.100.7,TCP/22",
                        b"198.51.100.7,tcp/22/23",
                        b"198.51.100.7,tcp/-1", b"198.51.100.7,tcp/ 22", b"198.51.100.7;tcp/22", b"tcp/22",
                        b"198.51.100.7\0,tcp/22", b"198.51.100.7,tcp/22\n", b"198.51.100.7,tcp/2\xb2",
                        b",,,,,,,,"):  # fmt: skip
            self.refused("bad_fields", fwknop.fields(1, message))

    def test_number_of_fields(self):
        access, nat = fwknop.fields(1, HERE), fwknop.fields(2, b"198.51.100.7,tcp/8080", NAT)
        auth = b":" + fwknop.base64(b"a")
        for count in range(1, 6):
            self.refused("bad_fields", b":".join(access.split(b":")[:count]) + b"-" * 60)
        self.refused("bad_fields", access + auth + auth, nat + auth + auth, access + b":", nat + b":", fwknop.fields(2, HERE))
        self.refused("bad_fields", fwknop.fields(3, HERE), fwknop.fields(4, b"198.51.100.7,tcp/8080", NAT))
        self.refused("bad_fields", fwknop.fields(3, HERE, auth[1:], auth[1:], b"60"), fwknop.fields(3, HERE, b"60", auth[1:]))
        self.refused("bad_fields", fwknop.fields(4, b"198.51.100.7,tcp/8080", NAT, auth[1:], auth[1:], b"60"))

    def test_timeout(self):
        for timeout in (b"", b"65537", b"99999", b"100000", b"-1", b"+1", b" 1", b"1.5", b"0x10", b"a"):
            self.refused("bad_fields", fwknop.fields(3, HERE, timeout))
            self.refused("bad_fields", fwknop.fields(4, b"198.51.100.7,tcp/8080", NAT, timeout))

    def test_stamp(self):
        for stamp in ("", "1795454680123", "-1", "1e9", "0x7", " 7", "1795454680."):
            self.refused("bad_fields", fwknop.fields(1, HERE, stamp=stamp))
        self.assertEqual(read(fwknop.fields(1, HERE, stamp=999_999_999_999))[1].stamp_us, 999_999_999_999_000_000)

    def test_random(self):
        for random in (b"", b"1", b"126819125916004", b"12681912591600490", b"126819125916004a", b"-268191259160049"):
            self.refused("bad_fields", fwknop.fields(1, HERE, random=random))

    def test_user(self):
        for user in (b"", b"u" * 49, b"a\0", b"a\n", b"a\x7f", b"\xff") + tuple(bytes((c,)) for c in b'"/\\[]:;|=,+*?<>'):
            self.refused("bad_fields", fwknop.fields(1, HERE, user=user))

    def test_version(self):
        for version in (b"", b"123456789"):
            self.refused("bad_fields", fwknop.fields(1, HERE, version=version))

    def test_loose_base64_inside(self):
        good = fwknop.fields(2, b"198.51.100.7,tcp/8080", NAT, fwknop.base64(b"a"))
        parts = good.split(b":")
        for place in (1, 5, 6, 7):
            for end in (b"=", b"==", b"\t", b" ", b"-", b"A"):
                changed = parts[:place] + [parts[place] + end] + parts[place + 1 :]
                found = read(b":".join(changed))[0]
                self.assertTrue(found == verdict.BAD_FIELDS, (place, end, found))


if __name__ == "__main__":
    unittest.main()
