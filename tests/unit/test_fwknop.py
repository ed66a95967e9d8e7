"""Packets of fwknop's client: the worked example byte for byte, and nothing that differs from it in a single bit."""

import unittest

from common import ciphers, fwknop
from knocklet.core import verdict
from knocklet.core.fwknop import Fwknop

SOURCE = bytes((203, 0, 113, 9))
# Made by fwknop 2.6.10.
PACKET = (
    b"+UiOVw2iaKNkXAPNQEs6F9B757HK6DYwiMNORAja+7FZmXOrHmbjso7Wc5n21VEFnPoRD0lZlegLZQMgpt38gltPNwPdZfdGXe49"
    b"4lsw6m6Twni/UA37JubK4bFcpc1mn5k7dXStFVLe3qRpWV1UKFNppA3xJ6JnKeoG6Rsk/EZOgm4EOxFe9gbRRXg2/z7aAEYasUhH"
    b"InYNOfJdMcHsb1p9fyljleR2Y"
)
WITHOUT_HMAC = (
    b"+FRJ80/V6+YZQULQHjKIu4tyOXih62SMQVtZQWuvHDA6xuilAkYwUaDFsAWYOio/PWJzTs9K3bwB7LuVHwEQXzefFO6nDtoJSUGDhlySUt2w"
    b"+fuwcZpfc171Bm7hSa2jhTH+Rl4M4F/TOoUFzccRxKz1t86El68z39EQ00ynUhZh0VK0uOePjv"
)
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
DIGESTS = ("sha256", "sha1", "md5")


SSH = fwknop.service("ssh", 6, 22)
ALICE = fwknop.client("alice", [SSH])
GOOD = fwknop.padded(fwknop.sealed(fwknop.fields(1, b"198.51.100.7,tcp/22")))


def read(payload, *clients):
    return Fwknop(clients or (ALICE,), ciphers).read(payload, SOURCE)


class TestRead(unittest.TestCase):
    def test_made_by_fwknop(self):
        found, request = read(PACKET)
        self.assertEqual(found, verdict.PARSED)
        self.assertTrue(request.client is ALICE and request.services == [SSH] and request.stated)
        self.assertEqual((request.address, request.stamp_us, request.ttl_s), (bytes((198, 51, 100, 7)), 1795454680_000000, 0))
        self.assertEqual(request.content.hex(), "ec9ac498ebc1c67f")

    def test_each_digest_and_length_of_key(self):
        for digest in DIGESTS:
            for size in (1, 63, 64, 65, 128):
                client = fwknop.client("c", [SSH], b"swordfish"[: size % 9 + 1], bytes(range(size)), digest)
                for inner in DIGESTS:
                    blocks = fwknop.padded(fwknop.sealed(fwknop.fields(1, b"198.51.100.7,tcp/22"), inner))
                    self.assertEqual(read(fwknop.packet(client.fwknop, blocks), client)[0], verdict.PARSED)

    def test_each_client_is_found(self):
        clients = [fwknop.client("c%d" % i, [SSH], hmac_key=bytes((i + 1,)), digest=DIGESTS[i % 3]) for i in range(16)]
        clients.insert(5, fwknop.client("other", [SSH], key=None))
        self.assertEqual(Fwknop(clients, ciphers).cost(), 16)
        for client in clients:
            if client.fwknop:
                found, request = read(fwknop.packet(client.fwknop, GOOD), *clients)
                self.assertTrue(found == verdict.PARSED and request.client is client)
        self.assertEqual(read(PACKET, *clients), (verdict.BAD_MAC, None))

    def test_the_content_tells_packets_apart(self):
        packets = [fwknop.packet(ALICE.fwknop, GOOD, salt) for salt in (b"saltsalt", b"saltsalu", b"saltsalt")]
        contents = [read(packet)[1].content for packet in packets]
        self.assertEqual(contents[0], contents[2])
        self.assertNotEqual(contents[0], contents[1])


class TestRefused(unittest.TestCase):
    def refused(self, expected, payload):
        found, request = read(payload)
        self.assertEqual(verdict.NAMES[found], expected)
        # Who it was is known exactly when the HMAC was right.
        self.assertTrue(request is None if found <= verdict.BAD_MAC else request.client is ALICE)

    def test_each_bit_counts(self):
        changed = bytearray(PACKET)
        engine = Fwknop((ALICE,), ciphers)
        for bit in range(8 * len(PACKET)):
            changed[bit >> 3] ^= 1 << (bit & 7)
            found, request = engine.read(bytes(changed), SOURCE)
            if found not in (verdict.BAD_MAC, verdict.UNKNOWN_TAG) or request:
                self.fail("bit %d does not matter" % bit)
            changed[bit >> 3] ^= 1 << (bit & 7)
        self.assertEqual(engine.read(bytes(changed), SOURCE)[0], verdict.PARSED)

    def test_each_character_of_body_and_hmac_ends(self):
        """Both last characters carry loose bits; an HMAC that is right over other loose bits is refused for them."""
        for at in (0, 181, 182, 224):
            for character in ALPHABET:
                changed = bytearray(PACKET)
                changed[at] = character
                if bytes(changed) != PACKET:
                    found = read(bytes(changed))[0]
                    self.assertTrue(found in (verdict.BAD_MAC, verdict.UNKNOWN_TAG), (at, character))

    def test_loose_bits_under_the_hmac(self):
        for blocks in (16, 32):  # 182 characters and 10 of the prefix are whole groups of four: one or two blocks more are not
            body = fwknop.packet(ALICE.fwknop, GOOD + bytes(blocks))[:-43]
            self.refused("bad_fields", fwknop.signed(ALICE.fwknop, body))
            for loose in range(1, 16 if blocks == 16 else 4):
                changed = body[:-1] + ALPHABET[ALPHABET.index(body[-1:]) + loose :][:1]
                self.refused("bad_base64", fwknop.signed(ALICE.fwknop, changed))
            self.refused("bad_base64", fwknop.signed(ALICE.fwknop, body + b"="))
        for wrong in (b"=", b"==", b"\n", b" ", b"-", b"_", b"\0", b"\xff"):
            self.refused("bad_base64", fwknop.signed(ALICE.fwknop, PACKET[:182] + wrong))
            self.refused("bad_base64", fwknop.signed(ALICE.fwknop, PACKET[:90] + wrong + PACKET[91:182]))

    def test_something_at_the_ends(self):
        for end in (b"=", b"==", b"A", b"\n", b"\0"):
            self.refused("bad_mac", PACKET + end)
            self.refused("bad_mac", PACKET[:182] + end + PACKET[182:])
        self.refused("bad_mac", PACKET[:-1])

    def test_prefix_put_back(self):
        for start in (b"U2FsdGVkX1", b"hQ", b"U2FsdGVkX18="):
            self.refused("unknown_tag", start + PACKET)
            self.refused("unknown_tag", fwknop.signed(ALICE.fwknop, start + PACKET[:-43]))
        self.refused("bad_mac", PACKET[:10] + PACKET)

    def test_first_character(self):
        for first in range(256):
            expected = verdict.CHECK if first in b"89+/" else verdict.UNKNOWN_TAG
            self.assertEqual(Fwknop((ALICE,), ciphers).looks_right(bytes((1, first)), 1, 200), expected)

    def test_length(self):
        """Also of what its HMAC is right for."""
        for length, wrong in ((0, 1), (1, 1), (139, 1), (140, 0), (384, 0), (385, 1), (1500, 1)):
            found = read(fwknop.signed(ALICE.fwknop, b"+" + b"A" * (length - 44))[:length])[0]
            self.assertEqual(found == verdict.WRONG_LENGTH, wrong)

    def test_without_hmac(self):
        client = fwknop.client("c", [SSH], b"swordfish")
        self.assertEqual(read(WITHOUT_HMAC, client), (verdict.BAD_MAC, None))

    def test_hmac_of_another_kind(self):
        for digest in ("sha1", "md5"):
            other = fwknop.client("c", [SSH], digest=digest)
            self.refused("bad_mac", fwknop.packet(other.fwknop, GOOD))

    def test_wrong_key(self):
        self.refused("bad_fields", fwknop.packet(fwknop.client("c", [SSH], key=b"another").fwknop, GOOD))

    def test_blocks(self):
        body = PACKET[:182]
        for end in (b"AAAA", b"AAAAAAAAAAAAAAAA"):
            self.refused("bad_fields", fwknop.signed(ALICE.fwknop, body + end))
        self.refused("bad_fields", fwknop.signed(ALICE.fwknop, body[:-4]))

    def test_padding(self):
        text = fwknop.sealed(fwknop.fields(1, b"198.51.100.7,tcp/22"))
        self.assertEqual(len(text) % 16, 2)
        for end in (bytes(14), bytes(13) + b"\x0e", b"\x0e" * 13 + b"\x0d", b"\x0d" + b"\x0e" * 13, bytes(13) + b"\x11",
                    bytes(13) + b"\xff", b"\x0e" * 13 + b"\0", b"\x1e" * 30,
                    b"\x0f" + b"\x0e" * 13):  # fmt: skip
            self.refused("bad_fields", fwknop.packet(ALICE.fwknop, text + end))

    def test_padding_of_every_length(self):
        seen = set()
        for size in range(1, 9):
            for auth in ((), (b"QUFBQUE",)):  # eight characters more
                text = fwknop.fields(1, b"198.51.100.7,tcp/22", *auth, version=b"1" * size)
                blocks = fwknop.padded(fwknop.sealed(text))
                seen.add(blocks[-1])
                self.assertEqual(read(fwknop.packet(ALICE.fwknop, blocks))[0], verdict.PARSED)
        self.assertEqual(seen, set(range(1, 17)))

    def test_digest(self):
        text = fwknop.fields(1, b"198.51.100.7,tcp/22")
        right = fwknop.base64(fwknop.hashes("sha256")(text))
        for wrong in (b"", right[:-1], right + b"A", right + b"=", right[:-1] + b"l", b"A" + right[1:], right[:22], b"A" * 64):
            self.refused("bad_fields", fwknop.packet(ALICE.fwknop, fwknop.padded(text + b":" + wrong)))
        self.refused("bad_fields", fwknop.packet(ALICE.fwknop, fwknop.padded(text + right)))

    def test_not_printable(self):
        for wrong in (b"\0", b"\n", b"\x1f", b"\x7f", b"\x80", b"\xff"):
            text = fwknop.fields(1, b"198.51.100.7,tcp/22", version=wrong)
            self.refused("bad_fields", fwknop.packet(ALICE.fwknop, fwknop.padded(fwknop.sealed(text))))

    def test_hash_that_is_missing(self):
        class Few:
            md5 = staticmethod(ciphers.md5)
            sha1 = None
            aes_cbc_decrypt = staticmethod(ciphers.aes_cbc_decrypt)

        blocks = fwknop.padded(fwknop.sealed(fwknop.fields(1, b"198.51.100.7,tcp/22"), "sha1"))
        found, _ = Fwknop((ALICE,), Few).read(fwknop.packet(ALICE.fwknop, blocks), SOURCE)
        self.assertEqual(found, verdict.BAD_FIELDS)


if __name__ == "__main__":
    unittest.main()
