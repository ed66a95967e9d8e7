"""Whatever a holder of the key writes into a sealed message, it is answered: nothing is raised, the answer is one line where it
is refused, and fits what carries it. Nothing is done but what was asked for, and nothing at all by what is refused.

    micropython tests/fuzz/fuzz_orders.py COUNT SEED

Inputs are commands and configurations of good fields, with some taken out, replaced by odd ones or added, and with bytes of the
text changed, taken out or doubled. They are not encrypted, for speed: header(), check() and text() of the gate are stubs, and
what is kept cannot be read again. The gateway is that of tests/common/gateway.py, with a clock that is trusted or not, storage
that works or not, grants, and requests that wait.
"""

import json
import random
import sys

here = sys.argv[0].rpartition("/")[0] or "."
sys.path[0:1] = [here + "/../../firmware", here + "/.."]

from common.gateway import BOOT, CONFIG_FILE, Gateway, S, Time, changed  # noqa: E402  (only after the path is set)
from knocklet.core.strict_json import loads  # noqa: E402
from knocklet.wire.addresses import format_address  # noqa: E402
from knocklet.wire.sealed import COMMAND, CONFIG, Header  # noqa: E402

ANSWER_BYTES = 60_000  # with what a report adds it fits one message to the agent
HERE, THERE = "198.51.100.2", "2001:db8::9"
ADDRESSES = {HERE: bytes([198, 51, 100, 2]), THERE: b"\x20\x01\x0d\xb8" + bytes(11) + b"\x09"}
VERBS = ("open", "close", "close_all", "approve", "deny", "arm", "disarm", "reload", "revoke", "selftest", "pull", "confirm",
         "rollback")  # fmt: skip
ALWAYS = ("close", "close_all", "deny", "disarm", "revoke", "confirm", "rollback", "selftest", "pull")
ODD = (None, True, False, 0, -1, 1, 256, 9999999999, "", "x", "ssh", "\n", "A" * 70, [], ["ssh"], {}, {"a": 1},
       [[[[[[[[1]]]]]]]], "127.0.0.1", "ff02::1", "0" * 16, "front", "any", "nft", "7000/udp")  # fmt: skip
PIECES = (b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\n", b"-", b"0", b"\xff", b"\0", b"true", b"null", b"\\u0000",
          b"1e9")  # fmt: skip
CONFIGS = (
    CONFIG_FILE,
    changed(CONFIG_FILE, zone="reject", revoked=["%016x" % 77]),
    changed(CONFIG_FILE, clients={"bob": CONFIG_FILE["clients"]["bob"]}),
    changed(CONFIG_FILE, sequences={}, spa_port=4000, otp={"protocol": "udp", "count": 4}),
)
MANY = 40  # inputs that one gateway takes

bits = random.getrandbits


def pick(values):
    return values[bits(16) % len(values)]


def command(gateway):
    """The fields of one."""
    asked = gateway.wishes.waiting[0] if gateway.wishes.waiting else None
    fields = {"verb": pick(VERBS), "transaction": "t"}
    verb = fields["verb"]
    if verb in ("open", "close", "approve", "deny"):
        fields["service"] = pick(("ssh", "camera"))
    if verb in ("open", "approve", "deny") or verb == "close" and bits(1):
        fields["source"] = pick((HERE, THERE))
    if verb == "open" and bits(1):
        fields["ttl"] = bits(16)
    if verb in ("approve", "deny"):
        fields.update(boot=BOOT, seq=asked.seq if asked else 1, client="anna", service="camera", source=HERE)
    if verb == "revoke" and bits(2) == 0:
        fields["client"] = "anna"
    if verb == "confirm":
        fields["version"] = "%016x" % gateway.configuration.version
    return fields


def changed_somewhere(values):
    """Sometimes, one value of it, at any depth."""
    table = values
    while True:
        inner = [table[key] for key in table if isinstance(table[key], dict) and table[key]]
        if not inner or bits(1):
            break
        table = pick(inner)
    key = pick(list(table) + ["new"])
    if bits(2) == 0:
        table.pop(key, None)
    else:
        table[key] = pick(ODD)


def broken(text):
    at = bits(16) % len(text)
    piece = pick(PIECES) if bits(1) else bytes([bits(8)])
    return text[:at] + (piece, b"", text[at : at + 9] * 2)[bits(8) % 3] + text[at + bits(2) :]


def one_input(gateway):
    """(kind, text, confirm_s)."""
    if bits(2):
        kind, values = COMMAND, command(gateway)
    else:
        kind, values = CONFIG, json.loads(json.dumps(pick(CONFIGS)))
    if bits(1):
        changed_somewhere(values)
    text = json.dumps(values).encode()
    if bits(2) == 0:
        text = broken(text)
    return kind, text, pick((0, 30, 600)) if kind == CONFIG else 0


class State:
    """A gateway in any state; anew from time to time: it may be revoked or closed for good."""

    def __init__(self):
        self.gateway = None
        self.used = 0

    def next(self):
        if not self.gateway or self.used == MANY:
            self.end()
            self.gateway, self.used = Gateway(), 0
        self.used += 1
        one = self.gateway
        one.wait(bits(15))
        one.clients.clock.trusted = bits(2) > 0
        one.store.writes = bits(3) > 0
        services = {service.name: service for service in one.policy.services}
        if "ssh" in services and bits(1):
            one.doors.grants.put(services["ssh"], ADDRESSES[pick((HERE, THERE))], "front", Time.ms)
        if "camera" in services and bits(1):
            one.wishes.open(services["camera"], ADDRESSES[HERE], "anna", Time.ms)
        one.done.clear()
        return one

    def end(self):
        if self.gateway:
            self.gateway.end()


def is_command(text):
    """What a plain reading finds in it: a dict of a command, {} for none."""
    try:
        found = loads(text)
        return found if isinstance(found, dict) and found.get("verb") in VERBS else {}
    except Exception:  # strict_json has a fuzzer of its own
        return {}


def wrong_deeds(done, kind, text, good, trusted):
    """What is wrong with what was done, or None."""
    deeds = [one for one in done if one[0] not in ("store", "store_failed", "config_rolled_back")]
    names = [one[0] for one in deeds]
    if kind == CONFIG:
        allowed = ("force", "close", "config_trial", "config_applied")
        return None if good and "force" in names and all(name in allowed for name in names) or not names else "did %r" % deeds
    asked = is_command(text)
    verb = asked.get("verb")
    may = {
        "open": ("open",), "close": ("close",), "close_all": ("close",), "approve": ("approved", "open"), "deny": ("denied",),
        "reload": ("force", "close"), "rollback": ("force", "close"), "revoke": ("close",), "confirm": ("config_applied",),
        "disarm": ("lapsed",),
    }  # fmt: skip
    if any(name not in may.get(verb, ()) for name in names):
        return "did %r" % deeds
    if good and not trusted and verb not in ALWAYS:
        return "%s obeyed without a trusted clock" % verb
    for name, *rest in deeds:
        if name == "open" and format_address(rest[1]) != asked["source"]:
            return "opened %r" % rest
        if name == "close" and verb == "close" and format_address(rest[1]) != asked.get("source", format_address(rest[1])):
            return "closed %r" % rest
    if verb == "revoke":  # what cannot be stored is refused all the same, as long as the engine lives
        return None
    return "did %r, and refused" % deeds if not good and names else None


def wrong(state, version):
    """(what is wrong with the answer to an input, or None; the input; was it obeyed?)"""
    gateway = state.next()
    kind, text, confirm_s = one_input(gateway)
    header = Header()
    header.kind, header.version, header.confirm_s = kind, version, confirm_s
    gateway.orders.gate.header = lambda _message, _floor: header
    gateway.orders.gate.check = lambda _found, _floor, _now_us, _trusted: None
    gateway.orders.gate.text = lambda _message: text
    before = gateway.configuration.version, gateway.configuration.trial, gateway.wishes.armed
    try:
        verb, answer = gateway.orders.obey(b"a sealed message")
        size = len(json.dumps(answer))
    except Exception as error:  # any at all is a failure, and the input is told with it
        return "raised %r" % error, text, False
    good = answer["status"] == "ok"
    line = answer.get("error", "")
    if good == bool(line) or any(not 32 <= ord(c) < 127 for c in line) or size > ANSWER_BYTES or not is_verb(verb):
        return "answers %r" % answer, text, good
    after = gateway.configuration.version, gateway.configuration.trial, gateway.wishes.armed
    if not good and after != before:
        return "refused, and was %r, is %r" % (before, after), text, good
    return wrong_deeds(gateway.done, kind, text, good, gateway.clients.clock.trusted), text, good


def is_verb(verb):
    return verb in VERBS or verb in ("set", "command")


def main(count, seed):
    random.seed(seed)
    state = State()
    good = 0
    try:
        for number in range(count):
            what, text, obeyed = wrong(state, 1_800_000_000 * S + number)
            if what:
                print("input %d of seed %d: %s\n%r" % (number, seed, what, text))
                return 1
            good += obeyed
    finally:
        state.end()
    print("%d inputs of seed %d, %d of them good" % (count, seed, good))
    # A fuzzer that only makes rubbish, or only good messages, proves nothing.
    return 0 if count // 10 < good < count * 9 // 10 else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
