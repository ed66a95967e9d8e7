"""Whatever a holder of the key writes into a packet of fwknop, the engine raises nothing, takes exactly what a plain reading of
the format takes, with the same services, address and time, and no service that the policy does not name for him.

    micropython tests/fuzz/fuzz_fwknop.py COUNT SEED

Inputs are plaintexts of good fields with some replaced, doubled, left out or changed in a byte, most with their digest made
after that, encrypted and signed as the client does. A failing one is printed; the same SEED gives the same inputs.
"""

import random
import sys

here = sys.argv[0].rpartition("/")[0] or "."
sys.path[0:1] = [here + "/../../firmware", here + "/.."]

from common import ciphers, fwknop  # noqa: E402  (only after the path is set)
from common.fwknop import base64  # noqa: E402
from knocklet.core import verdict  # noqa: E402
from knocklet.core.base64 import decode  # noqa: E402
from knocklet.core.fwknop import Fwknop  # noqa: E402

SOURCE = bytes((203, 0, 113, 9))
ADDRESSES = (b"198.51.100.7", b"0.0.0.0", b"127.0.0.1", b"224.0.0.1", b"0.0.0.1", b"1.2.3.04", b"256.1.1.1", b"::1", b"")
DOORS = (b"tcp/22", b"udp/53", b"tcp/8080", b"tcp/23", b"udp/22", b"icmp/22", b"tcp/0", b"tcp/65536", b"sctp/22", b"22", b"")
NATS = (b"192.168.1.50,80", b"192.168.1.50,80", b"192.168.1.50,22", b"192.168.1.51,80", b"camera,80", b"192.168.1.50", b"")
NUMBERS = (b"0", b"1", b"60", b"65536", b"65537", b"999999", b"-1", b"", b"x")
STAMPS = (b"1795454680", b"0", b"999999999999", b"1000000000000", b"", b"-1", b"1795454680.5")
RANDOMS = (b"1268191259160049", b"0000000000000000", b"126819125916004", b"12681912591600490", b"12681912591600x9")
USERS = (b"alice", b"alice@example.com", b"u" * 48, b"u" * 49, b"a:b", b"a\nb", b"\xff", b"")
VERSIONS = (b"3.0.0", b"2.5.0", b"12345678", b"123456789", b"")
KINDS = (b"1", b"2", b"3", b"4", b"1", b"2", b"3", b"4", b"0", b"5", b"6", b"9", b"10", b"", b"x")
DIGESTS = ("sha256", "sha256", "sha1", "md5")
NO_DIGIT = 16  # a value for a byte

bits = random.getrandbits


SERVICES = [
    fwknop.service("ssh", 6, 22),
    fwknop.service("dns", 17, 53),
    fwknop.service("camera", 6, 8080, bytes((192, 168, 1, 50)), 80),
]
CLIENT = fwknop.client("oldphone", SERVICES)
SALTS = [bytes([i] * 8) for i in range(8)]


def pick(values, often=3):
    """Mostly the first, which is good."""
    return values[0] if bits(often) else values[bits(8) % len(values)]


def plaintext():
    """One input."""
    doors = [DOORS[bits(8) % 3] if bits(3) else pick(DOORS, 1) for _ in range(1 + (bits(2) == 0) * bits(2))]
    kind = KINDS[bits(8) % (len(KINDS) if bits(2) == 0 else 4)]
    fields = [pick(RANDOMS, 5), base64(pick(USERS, 4)), pick(STAMPS, 4), pick(VERSIONS, 4), kind]
    if kind in (b"2", b"4") and bits(2):
        doors = [b"tcp/8080"]
    fields.append(base64(b",".join([pick(ADDRESSES, 2)] + doors)))
    if kind in (b"2", b"4") and bits(4) or bits(5) == 0:
        fields.append(base64(pick(NATS, 2)))
    if bits(4) == 0:
        fields.append(base64(b"crypt,password"))
    if kind in (b"3", b"4") and bits(4) or bits(5) == 0:
        fields.append(NUMBERS[bits(8) % (len(NUMBERS) if bits(2) == 0 else 4)])
    change = bits(5)
    at = bits(8) % len(fields)
    if change == 0:
        fields.pop(at)
    elif change == 1:
        fields.insert(at, fields[bits(8) % len(fields)])
    text = b":".join(fields)
    if change == 2:
        text = changed(text)
    made = fwknop.sealed(text, DIGESTS[bits(2)])
    if change == 3:
        made = changed(made)
    return made[: bits(8)] if change == 4 else made


def changed(text):
    text = bytearray(text)
    for _ in range(1 + bits(1)):
        at = bits(8) % len(text)
        text[at] = bits(8) if bits(1) else text[at] ^ 1 << bits(3)
    return bytes(text)


def plainly(text):
    """The (names, address, seconds, stamp) that are asked for, or the verdict: read from the description, all at once."""
    fields = text.split(b":")
    digest = fields.pop()
    body = b":".join(fields)
    name = {22: "md5", 27: "sha1", 43: "sha256"}.get(len(digest))
    if not name or base64(fwknop.hashes(name)(body)) != digest or any(c < 32 or c > 126 for c in body):
        return verdict.BAD_FIELDS
    if len(fields) < 6 or len(fields[0]) != 16 or not digits(fields[0]) or not 0 < len(fields[3]) < 9:
        return verdict.BAD_FIELDS
    user, stamp, kind = plain_text(fields[1]), fields[2], fields[4]
    if not user or len(fields[1]) > 64 or any(c in b'"/\\[]:;|=,+*?<>' for c in user):
        return verdict.BAD_FIELDS
    if not digits(stamp) or len(stamp) > 12 or len(kind) != 1 or not digits(kind):
        return verdict.BAD_FIELDS
    if kind == b"0":
        return verdict.COMMAND
    if kind not in (b"1", b"2", b"3", b"4"):
        return verdict.NOT_ALLOWED
    nat = timeout = None
    rest = fields[6:]
    if kind in (b"2", b"4"):
        nat = plain_text(rest.pop(0)) if rest else b""
        if not nat:
            return verdict.BAD_FIELDS
    seconds = 0
    if kind in (b"3", b"4"):
        timeout = rest.pop() if rest else b""
        if not digits(timeout) or len(timeout) > 5 or int(timeout) > 65536:
            return verdict.BAD_FIELDS
        seconds = int(timeout)
    if len(rest) > 1 or rest and not plain_text(rest[0]):
        return verdict.BAD_FIELDS
    return plain_message(plain_text(fields[5]), nat, seconds, int(stamp))


def plain_message(message, nat, seconds, stamp):
    parts = (message or b"").split(b",")
    numbers = parts[0].split(b".")
    if len(numbers) != 4 or any(not digits(n) or str(int(n)).encode() != n or int(n) > 255 for n in numbers):
        return verdict.BAD_FIELDS
    doors = [part.split(b"/") for part in parts[1:]]
    for door in doors:
        if len(door) != 2 or door[0] not in (b"tcp", b"udp", b"icmp", b"none") or not digits(door[1]) or door[1][:1] == b"0":
            return verdict.BAD_FIELDS
        if len(door[1]) > 5 or int(door[1]) > 65535:
            return verdict.BAD_FIELDS
    address = bytes([int(n) for n in numbers])
    if address == bytes(4):
        address = SOURCE
    elif address[0] in (0, 127) or address[0] > 223:
        return verdict.BAD_SOURCE_FIELD
    if not doors:
        return verdict.BAD_FIELDS
    names = []
    for door in doors:
        name = {(b"tcp", 22): "ssh", (b"udp", 53): "dns", (b"tcp", 8080): "camera"}.get((door[0], int(door[1])))
        if not name:
            return verdict.NOT_ALLOWED
        if name not in names:
            names.append(name)
    if nat is not None and (len(doors) > 1 or names != ["camera"] or nat != b"192.168.1.50,80"):
        return verdict.NOT_ALLOWED
    return names, address, seconds, stamp * 1_000_000


def digits(text):
    return len(text) > 0 and all(48 <= c < 58 for c in text)


def plain_text(field):
    """What base64 says, None when it says nothing that can be read."""
    try:
        data = decode(field)
    except ValueError:
        return None
    return data if data and all(32 <= c < 127 for c in data) else None


def answer(engine, text):
    """The engine's, in the same form."""
    payload = fwknop.packet(CLIENT.fwknop, fwknop.padded(text), SALTS[bits(3)])
    if not 140 <= len(payload) <= 384:
        return None
    found, request = engine.read(payload, SOURCE)
    if request.client is not CLIENT:
        return "of nobody"
    if found != verdict.PARSED:
        return found
    if any(service not in SERVICES for service in request.services) or request.stated != (request.address != SOURCE):
        return "not named"
    return [service.name for service in request.services], request.address, request.ttl_s, request.stamp_us


def main(count, seed):
    random.seed(seed)
    engine = Fwknop([fwknop.client("other", SERVICES, hmac_key=b"other"), CLIENT], ciphers)
    good = number = 0
    while number < count:
        text = plaintext()
        try:
            found = answer(engine, text)
        except Exception as error:  # any at all is a failure, and the input is told with it
            found = "raised %r" % error
        if found is None:  # too short or too long for a packet
            continue
        expected = plainly(text)
        if found != expected:
            print("input %d of seed %d: %r\nread %r, plainly %r" % (number, seed, text, found, expected))
            return 1
        good += type(found) is tuple
        number += 1
    print("%d inputs of seed %d, %d of them good" % (count, seed, good))
    # A fuzzer that only makes rubbish, or only good packets, proves nothing.
    return 0 if count // 10 < good < count * 9 // 10 else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
