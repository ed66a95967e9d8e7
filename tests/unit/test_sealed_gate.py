"""Each check that a sealed message has to pass, at its edge; and that none of those before the MAC costs one."""

import unittest
from struct import pack

from knocklet.core.errors import Refused
from knocklet.core.sealed_gate import SealedGate
from knocklet.wire import sealed
from knocklet.wire.hmac import hmac
from knocklet.wire.sealed import ANSWER, COMMAND, CONFIG, SealKeys

KEYS = SealKeys(bytes(range(32)), "home")
IV = bytes(range(16))
S = 1_000_000
NOW_S = 1_800_000_000
NOW = NOW_S * S
DAY = 86_400 * S
HIGHEST = 1 << 62
WRAP_MS = 2**30


def message(kind=CONFIG, version=NOW, text=b"{}", keys=KEYS, **fields):
    if kind == COMMAND:
        fields.setdefault("expires", version // S + 60)
    return sealed.seal(keys, kind, version, text, IV, **fields)


def with_version(version):
    """Also one that seal() refuses to make, with a right MAC."""
    made = bytearray(message()[: -sealed.MAC_BYTES])
    made[24:32] = pack(">Q", version)
    return bytes(made) + hmac(KEYS.mac, made)


def bit_flipped(made, bit):
    made = bytearray(made)
    made[bit >> 3] ^= 1 << (bit & 7)
    return bytes(made)


# The message, the last version of its kind that was taken, and why nothing is said to it.
SILENT = (
    (b"", 0, "form"),
    (message()[:-1], 0, "form"),
    (message() + b"\0", 0, "form"),
    (bytes(sealed.BYTES), 0, "form"),
    (message(ANSWER), 0, "form"),  # what the gateway itself has made
    (message(keys=SealKeys(bytes(range(32)), "office")), 0, "form"),
    (message(), NOW, "old"),
    (message(), NOW + 1, "old"),
    (message(), HIGHEST, "old"),
    (message(version=0), 0, "old"),
    (with_version(HIGHEST + 1), 0, "form"),
    (with_version((1 << 64) - 1), 0, "form"),
    (message(keys=SealKeys(bytes(32), "home")), 0, "mac"),
    (message()[:-1] + b"\0", 0, "mac"),
    (message(COMMAND)[:-1] + b"\0", 0, "mac"),
    # Where two things are wrong, the cheaper check comes first.
    (bit_flipped(message(), 8 * 80), NOW, "old"),
)
PASSED = (
    (message(), NOW - 1),
    (message(COMMAND), NOW - 1),
    (message(), 0),
    (message(version=1), 0),  # an old one that never came: what it says of times decides
    (message(version=HIGHEST), HIGHEST - 1),
    (message(text=bytes(sealed.TEXT_BYTES)), 0),
)
# kind, version, the last one of its kind, the clock, is it trusted: is it taken?
AHEAD = (
    (CONFIG, NOW + DAY, 0, NOW, True, True),
    (CONFIG, NOW + DAY + 1, 0, NOW, True, False),
    (COMMAND, NOW + 120 * S, 0, NOW, True, True),
    (COMMAND, NOW + 120 * S + 1, 0, NOW, True, False),
    (CONFIG, NOW + 400 * DAY, 0, NOW, False, True),
    (CONFIG, NOW + 400 * DAY + 1, 0, NOW, False, False),
    (COMMAND, NOW + 400 * DAY, 0, NOW, False, True),
    (COMMAND, NOW + 400 * DAY + 1, 0, NOW, False, False),
    (CONFIG, NOW + 400 * DAY, NOW, 0, False, True),  # the gateway's clock begins in 1970
    (CONFIG, NOW + 400 * DAY + 1, NOW, 0, False, False),
    (COMMAND, HIGHEST, NOW, NOW, False, False),
    (CONFIG, HIGHEST, NOW, NOW, True, False),
)
# expires, not_before, the clock: is it refused, and with which words?
TIMES = (
    (0, 0, NOW, None),
    (NOW_S, 0, NOW + S - 1, None),
    (NOW_S, 0, NOW + S, "it expired 1 s ago"),
    (1, 0, NOW, "it expired 999999999 s ago"),
    (1, 0, None, None),
    (0, NOW_S, NOW, None),
    (0, NOW_S, NOW - 1, "its time comes in 1 s"),
    (0, HIGHEST, NOW, "its time comes in 999999999 s"),
    (0, HIGHEST, None, None),
    (NOW_S + 60, NOW_S - 60, NOW, None),
)


class TestHeader(unittest.TestCase):
    def test_silent(self):
        for made, floor, reason in SILENT:
            gate = SealedGate(KEYS)
            self.assertIsNone(gate.header(made, lambda _kind, floor=floor: floor))
            self.assertEqual(gate.dropped, {reason: 1})

    def test_passed(self):
        gate = SealedGate(KEYS)
        for made, floor in PASSED:
            found = gate.header(made, lambda _kind, floor=floor: floor)
            self.assertEqual(found.version, int.from_bytes(made[24:32], "big"))
            self.assertEqual(found.kind, made[4])
        self.assertEqual(gate.dropped, {})

    def test_each_kind_has_its_floor(self):
        gate = SealedGate(KEYS)
        floors = {CONFIG: NOW, COMMAND: NOW + 1}
        for kind in floors:
            self.assertIsNone(gate.header(message(kind, floors[kind]), floors.get))
            self.assertEqual(gate.header(message(kind, floors[kind] + 1), floors.get).kind, kind)
        self.assertEqual(gate.dropped, {"old": 2})

    def test_each_bit_counts(self):
        gate = SealedGate(KEYS)
        made = message()
        for bit in range(8 * len(made)):
            if gate.header(bit_flipped(made, bit), lambda _kind: 0):
                self.fail("bit %d does not matter" % bit)
        self.assertEqual(sum(gate.dropped.values()), 8 * len(made))

    def test_what_is_cheap_comes_before_the_mac(self):
        """However much junk there is, it costs no MAC."""
        real = sealed.is_from
        checked = []
        sealed.is_from = lambda _keys, made: checked.append(made)
        try:
            gate = SealedGate(KEYS)
            for made, floor, _ in SILENT:
                gate.header(made, lambda _kind, floor=floor: floor)
        finally:
            sealed.is_from = real
        self.assertEqual(checked, [made for made, _, reason in SILENT if reason == "mac"])

    def test_counts(self):
        gate = SealedGate(KEYS)
        for _ in range(3):
            gate.header(b"", None)
        self.assertEqual(gate.dropped, {"form": 3})


class TestText(unittest.TestCase):
    def refused(self, made, now_us):
        """The line with which an authentic message is refused, None when it is not. now_us: None: the clock may be wrong."""
        gate = SealedGate(KEYS)
        try:
            gate.check(gate.header(made, lambda _kind: 0), 0, now_us or NOW, now_us is not None)
        except Refused as error:
            return str(error)
        self.assertEqual(gate.text(made), b"{}")
        return None

    def test_times(self):
        for expires, not_before, now_us, line in TIMES:
            found = self.refused(message(expires=expires, not_before=not_before), now_us)
            self.assertEqual(found is None, line is None)
            if line:
                self.assertEqual(found, line + ", by the gateway's clock")

    def test_ahead(self):
        """One wrong clock of a computer must not shut out all that come later."""
        gate = SealedGate(KEYS)
        for kind, version, floor, now_us, trusted, good in AHEAD:
            found = gate.header(message(kind, version), lambda _kind, floor=floor: floor)
            try:
                gate.check(found, floor, now_us, trusted)
                self.assertTrue(good)
            except Refused as error:
                self.assertFalse(good)
                line = "its version is %d s ahead of the gateway's clock: set that of your computer"
                self.assertEqual(str(error), line % ((version - now_us) // S))

    def test_what_the_header_says(self):
        """Whatever the clock is."""
        for now_us in (NOW, None):
            self.assertIn("confirm_s 29: allowed: 0, 30-600", self.refused(message(confirm_s=29), now_us))
            self.assertIn("confirm_s 30: allowed: only with a config", self.refused(message(COMMAND, confirm_s=30), now_us))
            self.assertIn("expires", self.refused(message(COMMAND, expires=NOW_S + 121), now_us))
            self.assertIn("expires", self.refused(message(COMMAND, expires=0), now_us))

    def test_it_is_decrypted(self):
        gate = SealedGate(KEYS)
        for text in (b"", b"x", bytes(range(256)) * 20):
            made = message(text=text)
            self.assertEqual(gate.text(made), text)


class TestRoom(unittest.TestCase):
    def test_rate(self):
        """4 at once, then 4 a second, also across a wrap of the clock; never more than 4 saved up."""
        for start in (0, WRAP_MS - 600):
            gate = SealedGate(KEYS)

            def burst(after_ms, gate=gate, start=start):
                return sum([gate.has_room((start + after_ms) % WRAP_MS) for _ in range(50)])

            self.assertEqual([burst(at_ms) for at_ms in (0, 249, 250, 499, 1000, 60_000)], [4, 0, 1, 0, 3, 4])
            self.assertEqual(gate.dropped, {"too_many": 300 - 12})


if __name__ == "__main__":
    unittest.main()
