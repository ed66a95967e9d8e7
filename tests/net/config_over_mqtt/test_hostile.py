"""A hostile broker, or a captured agent, that invents and changes sealed messages: nothing is applied, nothing changes.
Knocks open.

    engine (gateway) <-- AF_UNIX SOCK_SEQPACKET --> the attacker

Some need what only the holder of the key can make: that what is authentic is read no less strictly.
"""

import json
import os
import random
import threading
import time
from struct import pack

import pytest
from net import kernel
from net.attacker import VERSION_AT, Attacker, flipped, resealed
from net.clients import in_use, knock
from net.holder import KEY, NAME
from net.marks import one_firewall
from net.trials import BACK, FRONT, SIDE, opens, with_steps
from net.untouched import state

from knocklet.wire import sealed
from lab.waiting import wait_until

pytestmark = one_firewall

SSH = 1
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
RSS_MARGIN_KB = 128


@pytest.fixture
def config(config, anna):
    config["clients"] = {"anna": anna.entry("ssh")}
    return config


@pytest.fixture
def engine(engine):
    """Its clock is trusted."""
    return in_use(engine)


@pytest.fixture
def kept(engine, config):
    """In force is one that came a day ago: later versions are new. Returns its message."""
    version = time.time_ns() // 1000 - DAY_US
    text = json.dumps(with_steps(config, back=BACK)).encode()
    message = sealed.seal(sealed.SealKeys(KEY, NAME), sealed.CONFIG, version, text, os.urandom(16), confirm_s=30)
    path = engine.state_dir / "config.sealed"
    path.write_bytes(message)
    path.chmod(0o600)
    return message


@pytest.fixture
def attacker(engine, kept):
    engine.start()
    with Attacker(engine) as attacker:
        yield attacker


def silent_ones(attacker, kept, config):
    """(message, why it is not even answered)."""
    now_us = time.time_ns() // 1000
    in_force = int.from_bytes(kept[VERSION_AT : VERSION_AT + 8], "big")
    good = attacker.config_message(with_steps(config, side=SIDE))
    command = attacker.command_message("open", service="ssh", source="203.0.113.9")
    yield kept, "old"
    for version in (in_force, in_force - 1, 0, 1):
        yield resealed(good, at24=pack(">Q", version)), "old"
    for version in (2**64 - 1, 2**63, 2**62 + 1):
        yield resealed(good, at24=pack(">Q", version)), "form"
        yield resealed(command, at24=pack(">Q", version)), "form"
    for kind in (0, 3, 4, 255):
        yield resealed(good, at4=bytes([kind])), "form"
    for other in ("attic", "home2"):
        yield sealed.seal(sealed.SealKeys(KEY, other), sealed.CONFIG, now_us, b"{}", bytes(16), confirm_s=30), "form"
    yield sealed.seal(sealed.SealKeys(bytes(32), NAME), sealed.CONFIG, now_us, b"{}", bytes(16), confirm_s=30), "mac"
    yield resealed(good, key=bytes(31) + b"\1"), "mac"
    yield good[:4] + b"\2" + good[5:], "mac"  # a config as a command
    yield command[:4] + b"\1" + command[5:], "mac"
    for at in (0, 3, 5, 7, 8, 23, 52, 55):
        yield flipped(command, at), "form"
    for at in (31, 39, 47, 51, 56, 71, 72, len(command) - 33, len(command) - 32, len(command) - 1):
        yield flipped(command, at, random.Random(at).randrange(8)), "mac"
    for size in (sealed.BYTES, len(command) - 1):
        yield command[:size], "form"
    yield command + b"\0", "form"
    yield good.ljust(sealed.LIMIT_BYTES, b"\0"), "form"
    yield bytes(sealed.BYTES), "form"
    yield command[:-32] + bytes(32), "mac"


def test_not_even_answered(lab, engine, attacker, kept, config, anna):
    """Not one changes a byte; each is counted."""
    lab.knock(FRONT)
    engine.expect_event("opened", service="ssh")
    before = state(lab, engine)
    counted = {}
    for message, why in silent_ones(attacker, kept, config):
        assert attacker.told(message) is None, (why, message)
        counted[why] = counted.get(why, 0) + 1
        assert engine.ask("status")["sealed_dropped"] == counted, message
    after = state(lab, engine)
    assert before == after
    engine.ask("close", all=True)
    assert opens(lab, engine, FRONT, BACK, SIDE) == [FRONT, BACK]
    assert knock(lab, engine, anna.packet(SSH)) == "accepted"


TEXTS = (
    b"", b"{", b"null", b"[]", b"7", b'"x"', b"[" * 60_000, b" " * 65_536, b'{"id":"home"}', b"\xff" * 100, b'{"a":"\\u0000"}',
    b'{"a":' * 9 + b"1" + b"}" * 9, b'{"id":"home","id":"home"}', b'{"id":"home","decoys":99999999999}', b"{}\0", b"{} {}",
)  # fmt: skip
COMMANDS = (
    {"verb": "format"}, {"verb": ["open"]}, {"verb": "set"}, {"transaction": "t" * 65}, {"transaction": 1}, {"more": 1},
    {"source": "0.0.0.0"}, {"source": "255.255.255.255"}, {"source": "224.0.0.1"}, {"source": "::"},
    {"ttl": 0}, {"ttl": 86_401}, {"ttl": "60"},
)  # fmt: skip


TO_OPEN = {"service": "ssh", "source": "203.0.113.9"}


def refused_ones(attacker, config):
    """(message, a part of what the owner is told): authentic and new, and not obeyed."""
    now_us = time.time_ns() // 1000
    now_s = now_us // 1_000_000
    changed = with_steps(config, side=SIDE)
    for version in (2**62, now_us + DAY_US + 60_000_000):  # and the next ones are looked at all the same
        yield attacker.config_message(changed, version=version), "ahead of the gateway's clock"
    yield attacker.command_message("open", sealed_us=now_us + 180_000_000, **TO_OPEN), "ahead of the gateway's clock"
    yield attacker.config_message(changed, expires=now_s - 1), "it expired "
    yield attacker.config_message(changed, version=now_us - HOUR_US, expires=now_s - 3000), "it expired "
    yield resealed(attacker.config_message(changed), at32=pack(">Q", now_s + 3600)), "its time comes in "
    yield resealed(attacker.config_message(changed), at32=pack(">Q", 2**64 - 1)), "its time comes in "
    for confirm_s in (1, 29, 601, 2**32 - 1):
        yield resealed(attacker.config_message(changed), at48=pack(">I", confirm_s)), "confirm_s"
    yield attacker.config_message(changed, confirm_s=0), "confirm_s 0"
    yield attacker.config_message(changed | {"id": "attic"}), "id"
    for text in TEXTS:
        yield attacker.config_message(text), ""
    yield attacker.command_message("open", sealed_us=now_us - HOUR_US, **TO_OPEN), "it expired "
    yield attacker.command_message("open", expires=0, **TO_OPEN), "expires"
    yield attacker.command_message("open", expires=now_s + 3600, **TO_OPEN), "expires"
    yield attacker.command_message("open", expires=now_s - 1, **TO_OPEN), "expires"
    yield attacker.command_message("open", expires=2**62, **TO_OPEN), "expires"
    yield resealed(attacker.command_message("open", **TO_OPEN), at48=pack(">I", 30)), "confirm_s"
    yield resealed(attacker.command_message("open", **TO_OPEN), at32=pack(">Q", now_s + 60)), "its time comes in "
    for fields in COMMANDS:
        text = json.dumps({"verb": "open", "transaction": "t", **TO_OPEN, **fields}).encode()
        version = attacker.version()
        yield sealed.seal(attacker.keys, sealed.COMMAND, version, text, os.urandom(16), expires=version // 1_000_000 + 60), ""


def test_answered_and_not_obeyed(lab, engine, attacker, config):
    """Whoever has the key is told why, in one line; no byte has changed, and no version is used up."""
    before = state(lab, engine)
    for message, why in refused_ones(attacker, config):
        answer = attacker.told(message)
        assert answer and answer["status"] == "error" and why in answer["error"], (message, why, answer)
        assert "\n" not in answer["error"]
    assert state(lab, engine) == before
    assert engine.ask("status")["sealed_dropped"] == {}
    assert opens(lab, engine, FRONT, BACK, SIDE) == [FRONT, BACK]


@pytest.mark.parametrize("size", [0, 1, 2, 50, sealed.BYTES - 1, sealed.LIMIT_BYTES + 1])
def test_no_message(lab, engine, attacker, size):
    """Shorter or longer than any: the connection ends, the next one is taken."""
    before = state(lab, engine)
    attacker.agent.sealed(bytes(size))
    wait_until(lambda: engine.ask("status")["agent"]["bad_messages"] == 1, "it was looked at")
    with Attacker(engine) as again:
        assert state(lab, engine) == before
        assert again.ask("selftest")["status"] == "ok"


@pytest.mark.parametrize("bits", [64, 32], indirect=True)
def test_flood(lab, dut, anna, bits):
    """Messages of full size that look right up to their mac, one after the other: knocks open, memory stays, and what the
    holder says next is heard."""
    head = pack(">4sB3s16sQQQII", b"KLE1", 1, b"", sealed.SealKeys(KEY, NAME).gateway_id, time.time_ns() // 1000, 0, 0, 30,
                sealed.TEXT_BYTES)  # fmt: skip
    junk = head + os.urandom(sealed.LIMIT_BYTES - len(head))
    ended = threading.Event()
    sent = []
    with Attacker(dut) as attacker:

        def flood():
            while not ended.is_set():
                try:
                    attacker.agent.sealed(junk)
                    sent.append(1)
                except TimeoutError:
                    pass

        flooding = threading.Thread(target=flood)
        flooding.start()
        try:
            refused = lambda: dut.ask("status")["sealed_dropped"]  # noqa: E731
            wait_until(lambda: refused().get("mac", 0) >= 6, "it has warmed up", 10)
            before_kb = kernel.status_of(dut.process, "VmRSS")
            assert knock(lab, dut, anna.packet(SSH)) == "accepted"
            for _ in range(20):
                lab.knock(FRONT)
                dut.expect_event("opened", client="front")
                dut.ask("close", all=True)
            wait_until(lambda: refused().get("mac", 0) >= 20, "more of it", 10)
            kernel.has_not_grown(dut.process, before_kb, RSS_MARGIN_KB)
        finally:
            ended.set()
            flooding.join()
    counts = refused()
    assert set(counts) == {"mac", "too_many"} and sum(counts.values()) <= len(sent)
    with Attacker(dut) as holder:
        wait_until(lambda: holder.told(holder.command_message("selftest")), "the holder is heard", 5)
