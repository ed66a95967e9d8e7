"""A sweep of all ports never opens a sequence; without decoys the same sweep does, which proves that it could.

Every sweep comes from an address of its own: none is saved by the rest that the one before earned. What is open is read
from the kernel, and every packet is counted: at the gateway's interface, and behind the engine's filter.
"""

import itertools
import time

import pytest
from net import kernel
from net.marks import one_firewall
from net.sweeps import CHUNK, Sweep, completed, every_tenth, judged, seen, send, source_of, ten_in_turn

from lab import generator

STEPS = (7001, 8212, 9423, 10634)
SEQUENCES = {
    "tcp": [f"{port}/tcp" for port in STEPS],
    "udp": [f"{port}/udp" for port in STEPS],
    "both": [f"{port}/{protocol}" for port, protocol in zip(STEPS, ("tcp", "udp", "tcp", "udp"))],
    "down": [f"{port}/tcp" for port in reversed(STEPS)],
    "round": ["20000/tcp", "31000/tcp", "40000/tcp", "52000/tcp"],  # on the way of one who takes every tenth port only
}
NUMBER = {name: number for number, name in enumerate(SEQUENCES, 1)}  # each opens a service of its own
DECOYS = 64
REST_S = 60


# Orders of sending


def at_random(seed, protocol, in_order):
    """All ports at random: in any order, or such that STEPS come in theirs.

    An order that is right opens once in 12,500 times, when by chance the steps lie so close together that no decoy
    falls between them. No test may fail by chance: the next seed, unless the decoys have a fifth of the sweep for it.
    """
    ports = generator.shuffled(seed, STEPS if in_order else ())
    for name in completed(ports, (protocol,), SEQUENCES):
        first, last = (ports.index(int(SEQUENCES[name][i].partition("/")[0])) for i in (0, -1))
        if last - first < len(ports) // 5:
            return at_random(seed + 1_000_000, protocol, in_order)
    return ports


def in_port_order():
    yield Sweep("ascending", generator.ascending())
    yield Sweep("ascending", generator.ascending(), ("udp",))
    yield Sweep("ascending", generator.ascending(), ("tcp", "udp"))
    yield Sweep("descending", generator.descending())


def sweeps(seeds):
    """The sweeps; those at random five times `seeds` for each family, 3 of 5 with the steps in order."""
    for family in (4, 6):
        for protocols in (("tcp",), ("udp",), ("tcp", "udp")):
            yield Sweep("ascending", generator.ascending(), protocols, family)
        yield Sweep("ascending, to a LAN host", generator.ascending(), ("tcp",), family, to="camera")
        for seed in range(seeds):
            for number, protocol in enumerate(("tcp", "udp", "tcp", "udp", "tcp")):
                ports = at_random(10 * (2 * seed + family) + number, protocol, in_order=number < 3)
                yield Sweep("random", ports, (protocol,), family, good_checksum=number != 2)
    yield Sweep("ascending, bad IPv4 checksum", generator.ascending(), good_header=False)
    yield Sweep("descending", generator.descending())
    yield Sweep("every tenth port, ten times", every_tenth())
    yield Sweep("ten scanners in turn", ten_in_turn())


# Sending and counting


@pytest.fixture
def decoys():
    return DECOYS


@pytest.fixture
def config(config, decoys):
    config["decoys"] = decoys
    config["services"] = {name: {"index": number, "port": 20 + number} for name, number in NUMBER.items()}
    config["sequences"] = {name: {"steps": steps, "open": [name]} for name, steps in SEQUENCES.items()}
    return config


def opened(lab, source):
    """The sequences that have opened something for this address, as the kernel has it."""
    entries = kernel.entries(lab)
    return {name for name, number in NUMBER.items() if (number, source) in entries}


def expected(dut, protocols):
    """How many packets of a sweep of all ports pass the engine's filter: to steps and decoys."""
    steps = {step for steps in SEQUENCES.values() for step in steps if step[-3:] in protocols}
    return len(steps) + len(protocols) * dut.ctl("status")["decoys"]


def run(lab, dut, sweep, source, before, count):
    """Send one sweep of all ports, and prove that all of it that matters was judged: (what became of it, what it opened)."""
    send(lab, sweep, source)
    became = judged(dut, before, count, sweep.name)
    if sweep.to != "gateway":
        assert became == {"not_ours": count}
    if not sweep.good_header:
        assert became == {"bad_checksum": count}
    return became, opened(lab, source)


def results(lab, dut, sweeps_):
    """[(number and name of a sweep, what it opened, what it would without decoys)]."""
    found, before = [], seen(dut)
    counts = {protocols: expected(dut, protocols) for protocols in (("tcp",), ("udp",), ("tcp", "udp"))}
    for number, sweep in enumerate(sweeps_):
        assert len(sweep.ports) == 65535
        source = source_of(number, sweep.family)
        became, names = run(lab, dut, sweep, source, before, counts[sweep.protocols])
        before += became
        found.append((f"{number}: {sweep.name}, IPv{sweep.family}", names, sweep.opens(SEQUENCES)))
    return found


def honest_client_gets_in(lab, dut):
    """One that first tried the protected port and twenty other closed ones."""
    lab.knock(["21/tcp", *(f"{port}/tcp" for port in range(3500, 63500, 3000))])
    lab.knock(SEQUENCES["tcp"])
    assert dut.expect_event("opened", client="tcp")["source"] == lab.client.ip4
    assert lab.tcp_open(lab.gateway.ip4, 21) == "refused"  # nobody listens there: but it answers this client now
    assert lab.tcp_open(lab.gateway.ip4, 21, from_=lab.attacker) == "silent"


def none_of_them_opens(lab, dut, at_least, seeds):
    found = results(lab, dut, sweeps(seeds))
    assert len(found) >= at_least
    right = [bool(possible) for name, _, possible in found if "random" in name]
    assert 2 * sum(right) >= len(right)
    assert [(name, opened) for name, opened, _ in found if opened] == []
    honest_client_gets_in(lab, dut)


def test_no_sweep_opens(lab, dut):
    none_of_them_opens(lab, dut, at_least=20, seeds=1)


@pytest.mark.long
def test_no_sweep_opens_long(lab, dut):
    none_of_them_opens(lab, dut, at_least=200, seeds=19)


@pytest.mark.parametrize("decoys", [1])
@one_firewall
def test_no_sweep_in_port_order_opens_with_the_fewest_decoys(lab, dut, decoys):
    """There are those that lie between steps, and no other that could help by chance."""
    assert 1 < dut.ctl("status")["decoys"] <= sum(map(len, SEQUENCES.values()))
    assert [(name, opened) for name, opened, _ in results(lab, dut, in_port_order()) if opened] == []


@pytest.mark.parametrize("decoys", [0])
@one_firewall
def test_without_decoys_the_same_sweeps_open(lab, dut, decoys):
    found = results(lab, dut, sweeps(seeds=1))
    assert [(name, opened) for name, opened, _ in found] == [(name, possible) for name, _, possible in found]


@pytest.mark.parametrize("decoys", [1, 0])
@one_firewall
def test_ten_hosts_share_a_sweep(lab, dut, decoys):
    """Each takes every tenth port, all at once; the first one comes by all steps of "round", and by decoys between them."""
    hosts = {source_of(number, 4): range(number or 10, 65536, 10) for number in range(10)}
    before = seen(dut)
    with lab.generator() as wire:
        for start, (source, ports) in itertools.product(range(0, 6554, CHUNK), hosts.items()):
            wire.sweep(source, lab.gateway.ip4, ports[start : start + CHUNK])
    judged(dut, before, expected(dut, ("tcp",)), "ten hosts")
    assert [opened(lab, source) for source in hosts] == [set() if decoys else {"round"}] + 9 * [set()]


# Who swept


def rest_after_sweeps(lab, dut):
    """The attacker sweeps until it rests, and then knocks in vain; another client's knock opens."""
    for _ in range(3):
        send(lab, Sweep("ascending", generator.ascending()), lab.attacker.ip4)
    assert dut.expect_event("sweep")["interface"] == "wan0"
    lab.knock(SEQUENCES["udp"], from_=lab.attacker)
    honest_client_gets_in(lab, dut)
    assert opened(lab, lab.attacker.ip4) == set()


@one_firewall
def test_a_source_that_sweeps_rests_and_no_other(lab, dut):
    rest_after_sweeps(lab, dut)


@pytest.mark.long
def test_a_source_that_swept_gets_in_after_its_rest(lab, dut):
    rest_after_sweeps(lab, dut)
    time.sleep(REST_S)
    lab.knock(SEQUENCES["udp"], from_=lab.attacker)
    assert dut.expect_event("opened", client="udp")["source"] == lab.attacker.ip4


# The scanner that everybody has


@pytest.mark.parametrize("decoys", [DECOYS, 0])
@pytest.mark.parametrize("scan", ["tcp", "udp"])
@one_firewall
def test_nmap(lab, dut, scan, decoys):
    """nmap in the order of the ports: TCP all of them, UDP those around the steps."""
    command = {"tcp": ["-sS", "-p-"], "udp": ["-sU", "-p", "6000-12000"]}[scan]
    received = lab.received_from_wan()
    lab.attacker.run(["nmap", *command, "-r", "-n", "-Pn", "--max-retries", "0", "--min-rate", "20000", lab.gateway.ip4])
    assert lab.received_from_wan() - received >= {"tcp": 65535, "udp": 6001}[scan]
    assert seen(dut).total() >= len(STEPS)
    assert opened(lab, lab.attacker.ip4) == (set() if decoys else {"tcp", "round"} if scan == "tcp" else {"udp"})
