"""A sweep of all ports opens no one-time sequence either, of as many as a gateway may have; without decoys it does.

The gateway's clock stands still, and the keys are always the same: so it is known which sequence a sweep does.
"""

import itertools
from hashlib import sha256

import pytest
from net.clients import GATEWAY, KeyClient, held, write_store
from net.fake_clock import StoppedClock
from net.marks import one_firewall
from net.sweeps import Sweep, every_tenth, judged, seen, send, source_of, ten_in_turn

from knocklet.wire.otp_ports import SLOT_S
from lab import generator

AT_S = 1_795_000_015  # the middle of a slot
SLOTS = [AT_S // SLOT_S + away for away in (-1, 0, 1)]
SERVICES = {name: {"index": index, "port": 20 + index} for index, name in enumerate(("one", "two", "three", "four"), 1)}
CLIENTS = 16  # 64 pairs of client and service, each with three sequences
DECOYS = 64
FAR = 65535 // 5  # of a sweep, from the first step of a sequence to the last: a decoy lies there but twice in a million times


def sequences_of(client):
    """(client, service, slot) -> steps."""
    return {
        (client.name, name, slot): client.steps(service["index"], slot) for name, service in SERVICES.items() for slot in SLOTS
    }


def is_swept(steps):
    """Does a sweep in port order do it, with room for decoys?"""
    ports = [int(step.partition("/")[0]) for step in steps]
    return ports == sorted(ports) and ports[-1] - ports[0] > FAR


@pytest.fixture(scope="module")
def clients():
    """Each has a sequence that an ascending sweep does."""
    found = []
    for number in itertools.count():
        client = KeyClient(f"c{len(found)}", sha256(b"%d" % number).digest())
        if any(map(is_swept, sequences_of(client).values())):
            found.append(client)
        if len(found) == CLIENTS:
            return found


@pytest.fixture(scope="module")
def sequences(clients):
    return {key: steps for client in clients for key, steps in sequences_of(client).items()}


@pytest.fixture
def decoys():
    return DECOYS


@pytest.fixture
def config(config, clients, decoys):
    config["id"] = GATEWAY
    config["decoys"] = decoys
    config["services"] = SERVICES
    config["sequences"] = {}
    config["clients"] = {client.name: client.entry(*SERVICES, kinds=["otp"]) for client in clients}
    return config


@pytest.fixture
def engine(engine):
    StoppedClock(engine, AT_S)
    write_store(engine.state_dir)
    return engine


def sweeps(sequences, seeds):
    """The last ones at random; in every other one the steps of some sequence come in their order."""
    for family in (4, 6):
        yield Sweep("ascending", generator.ascending(), ("tcp",), family)
    yield Sweep("ascending", generator.ascending(), ("tcp", "udp"))
    yield Sweep("descending", generator.descending())
    yield Sweep("every tenth port, ten times", every_tenth())
    yield Sweep("ten scanners in turn", ten_in_turn())
    some = list(sequences.values())
    for seed in range(seeds):
        steps = [int(step.partition("/")[0]) for step in some[seed * 7 % len(some)]] if seed % 2 else ()
        ports = generator.shuffled(seed, steps)
        if not steps or ports.index(steps[-1]) - ports.index(steps[0]) > FAR:
            yield Sweep("random", ports)


def opened(dut, source):
    return {(client, service) for client, service, address in held(dut) if address == source}


def results(lab, dut, sequences, seeds):
    """[(number and name of a sweep, what it opened, what it would have if the table of attempts had no end)]."""
    found, before = [], seen(dut)
    steps = {step for made in sequences.values() for step in made}
    for number, sweep in enumerate(sweeps(sequences, seeds)):
        source = source_of(number, sweep.family)
        count = len(steps) + len(sweep.protocols) * dut.ask("status")["decoys"]
        send(lab, sweep, source)
        before += judged(dut, before, count, sweep.name)
        possible = {(client, service) for client, service, _ in sweep.opens(sequences)}
        found.append((f"{number}: {sweep.name}, IPv{sweep.family}", opened(dut, source), possible))
    return found


def honest_client_gets_in(lab, dut, sequences):
    """Slots are taken in the order of time: what the sweeps have not opened is there to open."""
    client, service, slot = next(key for key in sequences if key[2] == SLOTS[2])
    lab.knock(sequences[client, service, slot])
    dut.expect_event("opened", client=client, service=service, source=lab.client.ip4)


@one_firewall
@pytest.mark.parametrize("seeds", [2, pytest.param(200, marks=pytest.mark.long)])
def test_no_sweep_opens(lab, dut, sequences, seeds):
    found = results(lab, dut, sequences, seeds)
    assert len(found[0][2]) >= CLIENTS
    assert [(name, opened) for name, opened, _ in found if opened] == []
    honest_client_gets_in(lab, dut, sequences)


@one_firewall
@pytest.mark.parametrize("decoys", [0])
def test_without_decoys_the_same_sweeps_open(lab, dut, sequences, decoys):
    """Not each: more are begun than one source has places for attempts."""
    found = results(lab, dut, sequences, seeds=0)
    assert all(opened <= possible for _, opened, possible in found)
    assert found[0][1]
