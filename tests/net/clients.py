"""Clients with keys: what the gateway's configuration holds of them, their packets and their one-time steps.

    anna = KeyClient("anna")
    config["id"], config["clients"] = GATEWAY, {"anna": anna.entry("ssh")}
    lab.datagram(anna.packet(1), PORT)

Packets are made by knocklet.wire, as the host tool makes them.
"""

import os
import time
from collections import Counter
from ipaddress import ip_address

from knocklet.core.replay_records import BYTES, FLOOR_KEY, record
from knocklet.wire import spa_packet
from knocklet.wire.keys import KEY_BYTES, ClientKeys
from knocklet.wire.otp_ports import SLOT_S, otp_ports
from knocklet.wire.spa_packet import OPEN
from lab.waiting import wait_until

GATEWAY = "home"
PORT = 62201
DAY_S = 86_400
YEAR_S = 365 * DAY_S


class KeyClient:
    """One holder of a key. No stamp of its packets comes twice, nor a lower one, unless `at_us` says so."""

    def __init__(self, name, key=None):
        self.name = name
        self.key = key or os.urandom(KEY_BYTES)
        self.keys = ClientKeys(self.key, GATEWAY)
        self._stamp_us = 0

    def entry(self, *services, **fields):
        """What stands under its name in the configuration's `clients`."""
        return {"key": self.key.hex(), "open": list(services), **fields}

    def packet(self, service, op=OPEN, ttl_s=0, source=None, at_us=None):
        """A signed packet for the service with this index; source: an address (text) that it states."""
        if at_us is None:
            at_us = self._stamp_us = max(self._stamp_us + 1, now_us())
        address = ip_address(source).packed if source else None
        return self.sealed(spa_packet.plaintext(op, service, ttl_s, at_us, address))

    def sealed(self, text):
        """A packet with this plaintext of 32 bytes, whatever it says."""
        return spa_packet.seal(self.keys, os.urandom(spa_packet.IV_BYTES), text)

    def steps(self, service, slot, protocol="tcp"):
        """Its one-time sequence for the service with this index: ["23171/tcp", ...]."""
        return [f"{port}/{protocol}" for port in otp_ports(self.keys.otp, service, slot)]


def now_us():
    return time.time_ns() // 1000


def slot_now(left_s=2):
    """The slot of one-time sequences. It has `left_s` to go: else the next one is waited for."""
    if SLOT_S - time.time() % SLOT_S < left_s:
        time.sleep(left_s)
    return int(time.time()) // SLOT_S


def write_store(state_dir, records=(), floor_us=1):
    """A replay store in which this was used: [(key, value)] as core/replay_records.py wants them."""
    places = [record(FLOOR_KEY, floor_us)] + [record(key, value) for key, value in records]
    state_dir.mkdir(mode=0o700, exist_ok=True)
    for name in ("replay.a", "replay.b"):
        (state_dir / name).write_bytes(b"".join(places).ljust(BYTES, b"\0"))


def held(dut):
    """[(client, service, source)] of the grants."""
    return sorted((grant["client"], grant["service"], grant["source"]) for grant in dut.ask("grants")["grants"])


def knock(lab, dut, packet, *addressed, **options):
    """What became of this one packet, which passes the filter: a verdict's name. Sent again while it comes too early."""

    def once():
        (name,) = became(dut, lambda: lab.datagram(packet, PORT, *addressed, **options)).elements()
        return name if name != "too_often" else None

    return wait_until(once, "its turn", interval_s=0.05)


def in_use(engine):
    """An engine of a gateway that was in use before, and whose clock has been set."""
    write_store(engine.state_dir)
    engine.trust_clock()
    return engine


def became(dut, act):
    """What became of the packets that act() sent and that passed the filter: name -> how many. Not of more than 500 at once:
    the engine takes them in portions, and answers between two.
    """
    before = Counter(dut.ask("status")["packets"])
    act()
    return Counter(dut.ask("status")["packets"]) - before
