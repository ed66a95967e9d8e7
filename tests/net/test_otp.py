"""One-time sequences: ports that any knock program can send, valid for a minute and a half, each good for once."""

import socket
import time
from collections import Counter
from contextlib import ExitStack

import pytest
from net import frames, kernel
from net.clients import GATEWAY, became, held, in_use, slot_now
from net.fake_clock import FakeClock
from net.marks import one_firewall

from knocklet.wire.otp_ports import SLOT_S

SSH, ADMIN = 1, 4


@pytest.fixture
def protocol():
    return "tcp"


@pytest.fixture
def config(config, anna, ben, protocol):
    config["id"] = GATEWAY
    config["otp"] = {"protocol": protocol}
    config["clients"] = {client.name: client.entry("ssh", "admin", kinds=["otp"]) for client in (anna, ben)}
    return config


@pytest.fixture
def engine(engine):
    return in_use(engine)


def last_step(lab, dut, steps, **options):
    """What became of the last step of these: a verdict's name; None: it has not passed the filter."""
    lab.knock(steps[:-1], **options)
    found = became(dut, lambda: lab.knock(steps[-1:], **options))
    return next(found.elements(), None)


def programs(lab, steps, to):
    """Debian's knock sends these."""
    words = [step.replace("/", ":") for step in steps]
    return lab.client.run(["knock", "-6" if ":" in to else "-4", to, *words])


@pytest.mark.parametrize(
    "firewall, bits, family, protocol",
    [("ipset", 64, "ip4", "tcp"), ("nft", 64, "ip6", "udp"), ("nft", 32, "ip4", "tcp")],
    indirect=["firewall", "bits"],
)
def test_knock(lab, dut, anna, protocol, family):
    """What Debian's program sends opens for its sender only, and the same again does not."""
    to, source = getattr(lab.gateway, family), getattr(lab.client, family)
    steps = anna.steps(SSH, slot_now(), protocol)
    assert lab.tcp_open(to, 22, timeout_s=0.1) == "silent"
    programs(lab, steps, to)
    event = dut.expect_event("opened")
    assert (event["client"], event["service"], event["source"], event["ends_s"]) == ("anna", "ssh", source, 30)
    assert list(kernel.entries(lab)) == [(SSH, source)]
    assert lab.tcp_open(to, 22) == "open"
    assert lab.tcp_open(to, 22, from_=lab.attacker, timeout_s=0.1) == "silent"
    dut.ask("close", all=True)
    assert became(dut, lambda: programs(lab, steps, to))["otp_used"] == 1
    assert held(dut) == [] and kernel.entries(lab) == {}


@one_firewall
def test_slots(lab, engine, anna, ben):
    """The slot before, now and the next one, each once for each client and service, and none before one that was used."""
    clock = FakeClock(engine)
    engine.start()
    now = slot_now(left_s=5)
    for away in (-2, 2, -1000, 1000):
        assert became(engine, lambda away=away: lab.knock(anna.steps(SSH, now + away)))["complete"] == 0
    assert held(engine) == []
    assert last_step(lab, engine, anna.steps(SSH, now - 1)) == "complete"
    assert last_step(lab, engine, anna.steps(SSH, now)) == "complete"
    assert last_step(lab, engine, anna.steps(SSH, now)) == "otp_used"
    assert last_step(lab, engine, anna.steps(ADMIN, now + 1)) == "complete"
    assert last_step(lab, engine, anna.steps(ADMIN, now)) == "otp_used"
    assert last_step(lab, engine, ben.steps(SSH, now)) == "complete"
    engine.restart()
    assert last_step(lab, engine, anna.steps(SSH, now)) == "otp_used"
    assert last_step(lab, engine, anna.steps(ADMIN, now - 1)) == "otp_used"
    clock.set(SLOT_S)
    engine.ask("close", all=True)
    assert last_step(lab, engine, anna.steps(SSH, now + 2)) == "complete", "the one after it has begun"
    assert last_step(lab, engine, ben.steps(SSH, now + 1)) == "complete"
    assert last_step(lab, engine, ben.steps(ADMIN, now - 1)) in (None, "decoy"), "over"
    assert held(engine) == [("anna", "ssh", lab.client.ip4), ("ben", "ssh", lab.client.ip4)]


@one_firewall
def test_a_slot_that_ends_on_the_way(lab, engine, anna):
    """The attempt goes on: its slot is the one before now then."""
    clock = FakeClock(engine)
    engine.start()
    steps = anna.steps(SSH, slot_now())
    lab.knock(steps[:3])
    clock.set(SLOT_S)
    lab.knock(steps[3:])
    engine.expect_event("opened", client="anna")


@one_firewall
def test_not_one_step_less(lab, dut, anna):
    """Nor one in another's place, nor in another order, nor from two addresses."""
    steps = anna.steps(SSH, slot_now())
    swapped = [*steps[:2], steps[3], steps[2], *steps[4:]]
    for number, wrong in enumerate((steps[:-1], steps[1:], steps[::-1], [*steps[1:], steps[0]], swapped)):
        packets = [frames.step(f"203.0.114.{number}", lab.gateway.ip4, step) for step in wrong]
        assert became(dut, lambda packets=packets: frames.send(lab.client, lab.gateway, *packets))["complete"] == 0
    lab.knock(steps[:3], from_=lab.attacker)
    assert became(dut, lambda: lab.knock(steps[3:]))["complete"] == 0
    assert held(dut) == []
    assert last_step(lab, dut, steps) == "complete"


@one_firewall
def test_retransmissions(lab, dut, anna):
    """Connection attempts that are left alone: the kernel sends each SYN again, a second after the first and so on, and all
    steps come in their order once more. They neither end the attempt nor open a second time."""
    steps = anna.steps(SSH, slot_now())
    ports = [int(step.partition("/")[0]) for step in steps]
    with ExitStack() as stack, frames.listening(lab.client) as wait:
        for port in ports:
            with lab.client.inside():
                connecting = stack.enter_context(socket.socket())
            connecting.setblocking(False)
            time.sleep(0.1)  # apart from each other, also in fractions of a second: the order of the timers is sure
            connecting.connect_ex((lab.gateway.ip4, port))
            wait(lambda packet, port=port: frames.is_syn(packet, port))
            if port == ports[2]:
                wait(lambda packet: frames.is_syn(packet, ports[0]))  # the first one for the second time
                time.sleep(0.3)
        dut.expect_event("opened", client="anna")
        dut.ask("close", all=True)
        for _ in range(2):
            wait(lambda packet: frames.is_syn(packet, ports[-1]))
    counts = Counter(dut.ask("status")["packets"])
    assert counts["complete"] == 1 and counts["step_repeated"] >= 1
    assert counts["otp_used"] >= 1, "the whole sequence has come again"
    assert held(dut) == [] and kernel.entries(lab) == {}
    assert last_step(lab, dut, anna.steps(SSH, slot_now() + 1)) == "complete"


@one_firewall
def test_both_families_at_once(lab, dut, anna):
    """A name with two addresses, knocked at by a program that tries both: the slot opens for one of them."""
    for step in anna.steps(SSH, slot_now()):
        lab.knock([step])
        lab.knock([step], lab.gateway.ip6)
    assert held(dut) == [("anna", "ssh", lab.client.ip4)]
    assert dut.ask("status")["packets"]["otp_used"] == 1


@one_firewall
def test_silence(lab, dut, anna):
    lab.wait_until_quiet()
    before = lab.sent_to_wan()
    lab.knock(anna.steps(SSH, slot_now()))
    dut.expect_event("opened")
    lab.wait_until_quiet()
    assert lab.sent_to_wan() == before
