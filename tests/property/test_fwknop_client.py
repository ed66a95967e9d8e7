"""Packets as fwknop's own client makes them are read as they were meant, and nothing that differs from one passes."""

import base64
import random
import time

import pytest

from common import ciphers, fwknop
from knocklet.core import verdict
from knocklet.core.fwknop import Fwknop
from knocklet.core.packet import TCP, UDP
from lab.fwknop import FwknopClient
from lab.host import run

GATEWAY = "198.51.100.1"
SOURCE = bytes((203, 0, 113, 9))
STATED = bytes((198, 51, 100, 7))


SERVICES = [
    fwknop.service("ssh", TCP, 22),
    fwknop.service("dns", UDP, 53),
    fwknop.service("camera", TCP, 8080, bytes((192, 168, 1, 50)), 80),
]


_CLOCK_REALTIME_COARSE = 5  # linux/time.h: what time(2) reads, which the client asks; a tick behind time.time()


class Made:
    """One packet of the client, and the engine that knows its keys."""

    def __init__(self, directory, *words, digest="sha256", **sizes):
        client = FwknopClient(directory / "fwknop", digest, **sizes)
        begin = int(time.clock_gettime(_CLOCK_REALTIME_COARSE))
        run(client.command(GATEWAY, "--test", *words))
        self.seconds = range(begin, int(time.time()) + 1)
        self.payload = client.packet()
        key, hmac_key = (base64.b64decode(client.keys[name]) for name in ("key", "hmac_key"))
        self.engine = Fwknop([fwknop.client("oldphone", SERVICES, key, hmac_key, digest)], ciphers)

    def read(self):
        """(verdict's name or "good", names of the services, address, seconds wanted)."""
        found, request = self.engine.read(self.payload, SOURCE)
        assert request.client.name == "oldphone"
        if found != verdict.PARSED:
            return verdict.NAMES[found]
        assert request.stamp_us // 1_000_000 in self.seconds and not request.stamp_us % 1_000_000
        assert request.stated == (request.address == STATED)
        return [service.name for service in request.services], request.address, request.ttl_s


@pytest.mark.parametrize("digest", ["sha256", "sha1", "md5"])
@pytest.mark.parametrize("inner", ["sha256", "sha1", "md5"])
def test_digests(tmp_path, digest, inner):
    made = Made(tmp_path, "-A", "tcp/22", "-a", "198.51.100.7", "-m", inner, digest=digest)
    assert made.read() == (["ssh"], STATED, 0)


@pytest.mark.parametrize("sizes", [(1, 1), (15, 63), (16, 64), (17, 65), (31, 127), (32, 128)])
@pytest.mark.parametrize("digest", ["sha256", "sha1", "md5"])
def test_keys(tmp_path, digest, sizes):
    made = Made(tmp_path, "-A", "tcp/22", "-s", digest=digest, key_bytes=sizes[0], hmac_key_bytes=sizes[1])
    assert made.read() == (["ssh"], SOURCE, 0)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-A tcp/22 -s", (["ssh"], SOURCE, 0)),
        ("-A tcp/22,udp/53 -s", (["ssh", "dns"], SOURCE, 0)),
        ("-A tcp/22 -a 198.51.100.7 -f 60", (["ssh"], STATED, 60)),
        ("-A tcp/22 -a 198.51.100.7 -U alice@example.com", (["ssh"], STATED, 0)),
        ("-A tcp/8080 -s", (["camera"], SOURCE, 0)),
        ("-A tcp/8080 -s -N 192.168.1.50:80", (["camera"], SOURCE, 0)),
        ("-A tcp/8080 -a 198.51.100.7 -N 192.168.1.50,80 -f 3600", (["camera"], STATED, 3600)),
        ("-A tcp/8080 -s -N 192.168.1.50:81", "not_allowed"),
        ("-A tcp/8080 -s -N camera.example:80", "not_allowed"),
        ("-A tcp/22 -s -N 192.168.1.50:80", "not_allowed"),
        ("-A tcp/22 -s -N 192.168.1.50:80 --nat-rand-port", "not_allowed"),
        ("-A tcp/8080 -s --nat-local --nat-port 22", "not_allowed"),
        ("-A tcp/8080 -s --nat-local --nat-port 22 -f 60", "not_allowed"),
        ("-A tcp/23 -s", "not_allowed"),
        ("-A tcp/22,tcp/23 -s", "not_allowed"),
        ("-A udp/22 -s", "not_allowed"),
        ("-A tcp/22 -a 127.0.0.1", "bad_source_field"),
        ("-A tcp/22 -a 239.1.1.1", "bad_source_field"),
        ("-C reboot -s", "command"),
        ("-A tcp/22 -s -M ctr", "bad_fields"),
    ],
)
def test_requests(tmp_path, words, expected):
    assert Made(tmp_path, *words.split()).read() == expected


def test_digest_that_we_have_not(tmp_path):
    made = Made(tmp_path, "-A", "tcp/22", "-s", "-m", "sha512")
    assert made.read() == "bad_fields"


def test_each_byte_counts(tmp_path):
    """Every other byte at every place, and every byte more or less."""
    made = Made(tmp_path, "-A", "tcp/22", "-s", "-f", "60")
    good = made.payload
    for at in range(len(good)):
        for byte in range(256):
            if byte != good[at]:
                found, request = made.engine.read(good[:at] + bytes((byte,)) + good[at + 1 :], SOURCE)
                assert found in (verdict.BAD_MAC, verdict.UNKNOWN_TAG) and request is None, (at, byte)
        for changed in (good[:at] + good[at + 1 :], good[:at], good[at:], good[:at] + good[at : at + 1] + good[at:]):
            if changed != good:
                assert made.engine.read(changed, SOURCE)[1] is None, at
    for end in ("=", "==", "A", "\n", "\0"):
        assert made.engine.read(good + end.encode(), SOURCE)[1] is None
    for start in ("U2FsdGVkX1", "hQ"):
        assert made.engine.read(start.encode() + good, SOURCE)[1] is None
    assert made.read() == (["ssh"], SOURCE, 60)


def test_parts_of_two_packets(tmp_path):
    """The body of one with the HMAC of another, and every mixture of the two."""
    client = FwknopClient(tmp_path / "fwknop")
    packets = []
    for port in ("tcp/22", "tcp/23"):
        run(client.command(GATEWAY, "--test", "-A", port, "-s"))
        packets.append(client.packet())
    key, hmac_key = (base64.b64decode(client.keys[name]) for name in ("key", "hmac_key"))
    engine = Fwknop([fwknop.client("oldphone", SERVICES, key, hmac_key)], ciphers)
    one, other = packets
    choose = random.Random(0x5EED)
    for at in range(1, len(one)):
        mixed = bytes(choose.choice(pair) for pair in zip(one, other))
        for changed in (one[:at] + other[at:], other[:at] + one[at:], mixed):
            if changed not in packets:
                assert engine.read(changed, SOURCE)[1] is None, at
