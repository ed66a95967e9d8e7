"""The kernel filter as a shield of signed knocks: what it drops, what where it has no room, and that nothing honest is lost.

`net.core.optmem_max` is what a socket's filter may take: 131072 since Linux 6.8, 20480 before, 10240 on 32-bit machines.
"""

import itertools
import os
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from net import frames
from net.clients import GATEWAY, PORT, KeyClient, became, knock, now_us, slot_now, write_store
from net.fake_clock import FastClock
from net.marks import one_firewall

from common.packets import UDP, udp
from knocklet.core.mac_budget import WINDOW_MS
from knocklet.wire import spa_packet
from knocklet.wire.spa_packet import MINUTE_US, RENEW
from lab.waiting import wait_until

SSH = 1
PORTION = 50  # packets in a window of the budget of MACs, which is small where the machine was busy when the engine measured it
RATE = 16_000  # of a flood, packets a second
SPEED = 30  # of the clock: a minute lasts two seconds, and so long the engine may be held up by others on this machine
EVERYTHING = "everything: the kernel had no room for a filter"
UNTRUSTED = "any, the clock is not trusted"


class Case(NamedTuple):
    """So many clients, of whom the first ones have one-time sequences too; the limit; the filter that comes of it."""

    clients: int
    one_time: int
    optmem: int
    filter: str


CASES = [
    Case(1, 0, 10240, "tags"),
    Case(50, 0, 10240, "tags"),
    Case(500, 64, 131072, "tags"),
    Case(500, 0, 20480, "slots"),
    pytest.param(Case(500, 0, 10240, "slots"), marks=pytest.mark.long),
    Case(64, 64, 10240, EVERYTHING),
]


@pytest.fixture
def config(config):
    config["id"] = GATEWAY
    return config


@pytest.fixture
def optmem(lab):
    """A function that sets the limit for the gateway; where all namespaces share it, for the machine, until the test ends."""
    place = "/proc/sys/net/core/optmem_max"
    with lab.gateway.inside():
        own = Path(place).exists()

    @contextmanager
    def there():
        if own:
            with lab.gateway.inside():
                yield Path(place)
        else:
            yield Path(place)

    with there() as path:
        before = path.read_text()

    def set_to(value):
        with there() as path:
            path.write_text(f"{value}\n")

    yield set_to
    set_to(before)


def write_clients(dut, clients, one_time=0):
    """`one_time`: how many of them have that kind."""
    issued = now_us() // 1_000_000 - 1000
    kinds = [["spa", "otp"] if i < one_time else ["spa"] for i in range(len(clients))]
    entries = {c.name: c.entry("ssh", kinds=kind, issued=issued) for c, kind in zip(clients, kinds)}
    dut.write_clients(entries)


def filter_of(dut):
    (interface,) = dut.ask("status")["interfaces"]
    assert interface["ring_dropped"] == 0
    return interface["filter"]


def sent(lab, dut, payloads):
    """What became of these, from the attacker."""
    found = Counter()
    for start in range(0, len(payloads), PORTION):
        portion = [udp(PORT, payload) for payload in payloads[start : start + PORTION]]
        packets = [frames.ip(lab.attacker.ip4, lab.gateway.ip4, datagram, UDP) for datagram in portion]
        found += became(dut, lambda packets=packets: frames.send(lab.attacker, lab.gateway, *packets))
        time.sleep(WINDOW_MS / 1000)
    return found


def junk(minute, count):
    """Right in length and slot."""
    return [spa_packet.slot_bytes(minute) + os.urandom(84) for _ in range(count)]


@one_firewall
@pytest.mark.parametrize("case", CASES)
def test_shield(lab, engine, optmem, case):
    """Every client is heard, with stamps of each minute that is right now; of junk as much reaches the engine as has to."""
    clients = [KeyClient(f"c{number}") for number in range(case.clients)]
    write_clients(engine, clients, case.one_time)
    write_store(engine.state_dir)
    optmem(case.optmem)
    engine.trust_clock()
    engine.start()
    assert filter_of(engine) == case.filter
    for away_s in (-50, 50):
        packets = [client.packet(SSH, RENEW, at_us=now_us() + away_s * 1_000_000) for client in clients]
        assert sent(lab, engine, packets) == {"nothing_live": case.clients}

    minute = now_us() // MINUTE_US
    by_tag = {} if case.filter == "tags" else {"unknown_tag": 100}
    by_slot = {"unknown_tag": 200} if case.filter == EVERYTHING else {}
    assert sent(lab, engine, junk(minute, 100)) == by_tag
    assert sent(lab, engine, junk(minute - 2, 100) + junk(minute + 3, 100)) == by_slot
    assert sent(lab, engine, [bytes(87)] * 100) == ({"wrong_length": 100} if case.filter == EVERYTHING else {})

    assert knock(lab, engine, clients[-1].packet(SSH, at_us=now_us() + 55_000_000)) == "accepted"
    engine.expect_event("opened", client=clients[-1].name)
    if case.one_time:
        client = clients[case.one_time - 1]
        lab.knock(client.steps(SSH, slot_now()), from_=lab.attacker)
        engine.expect_event("opened", client=client.name, source=lab.attacker.ip4)
    assert filter_of(engine) == case.filter


@one_firewall
def test_not_trusted(lab, engine):
    """Any slot may be right, so all of the right length reach the engine, which looks at few; the client still gets in."""
    anna = KeyClient("anna")
    write_clients(engine, [anna])
    write_store(engine.state_dir)
    engine.start()
    assert filter_of(engine) == UNTRUSTED
    found = sent(lab, engine, junk(7, 100) + [os.urandom(88) for _ in range(100)] + [bytes(87)] * 100)
    assert set(found) <= {"unknown_tag", "over_budget"} and found.total() == 200
    wait_until(lambda: knock(lab, engine, anna.packet(SSH)) == "accepted", "let in", interval_s=0.1)


@one_firewall
@pytest.mark.parametrize("limit", [131072, 10240])
@pytest.mark.parametrize("duration_s", [5, pytest.param(120, marks=pytest.mark.long)])
def test_replaced_under_a_flood(lab, engine, optmem, limit, duration_s):
    """Every minute another filter, and not one honest packet is lost. The flood dies in the kernel, but for
    what comes while the old filter has to go before the new one: both do not fit the smaller limit.
    """
    clients = [KeyClient(f"c{number}") for number in range(50)]
    write_clients(engine, clients)
    write_store(engine.state_dir)
    optmem(limit)
    clock = FastClock(engine, SPEED)
    with lab.flood(f"{PORT}/udp", rate=RATE) as flood:
        before, first_us, count = Counter(engine.ask("status")["packets"]), clock.now_us(), 0
        begin = time.monotonic()
        for client in itertools.cycle(clients):
            lab.datagram(client.packet(SSH, RENEW, at_us=clock.now_us()), PORT)
            count += 1
            if time.monotonic() - begin > duration_s:
                break
            time.sleep(0.01)
        found = Counter(engine.ask("status")["packets"]) - before
        assert flood.rate() > RATE * 3 / 4
    assert clock.now_us() - first_us > duration_s * SPEED * 1_000_000
    passed = found.pop("wrong_length", 0)
    assert found == {"nothing_live": count}
    assert passed < RATE // 100 * duration_s and (passed == 0 or limit < 131072)
    assert filter_of(engine) == "tags"
