"""Whatever was accepted once is never accepted again: at once, from elsewhere, after every kind of end, loss and wrong clock.

The one who replays has heard all that an honest client ever sent, and reaches the gateway on two interfaces.
"""

import itertools
import shutil

import pytest
from net import kernel
from net.clients import GATEWAY, PORT, YEAR_S, became, held, knock, slot_now, write_store
from net.fake_clock import FakeClock
from net.marks import one_firewall

from knocklet.wire.otp_ports import SLOT_S
from knocklet.wire.spa_packet import CLOSE, RENEW
from lab.waiting import wait_until

SSH, ADMIN = 1, 4
COPIES = ("replay.a", "replay.b")
HOUR_S = 3600
REFUSED = {"replayed", "stale", "clock_not_trusted", "unknown_tag", "otp_used", "step_alone", "step_repeated", "over_budget"}
PROGRESS = {"step_started", "step_advanced", "step_out_of_turn"}  # of a sequence that opens nothing in the end


@pytest.fixture
def config(config, anna, ben):
    config["id"] = GATEWAY
    config["interfaces"] = ["wan0", "mgmt0"]
    config["decoys"] = 0  # the same steps again are no sweep, and none of them may be saved by a decoy
    config["clients"] = {
        "anna": anna.entry("ssh", "admin", kinds=["spa", "otp"], issued=1_700_000_000),
        "ben": ben.entry("ssh", source="any", issued=1_700_000_000),
    }
    return config


@pytest.fixture
def clock(engine):
    return FakeClock(engine)


@pytest.fixture
def used(lab, engine, clock, anna, ben):
    """The engine runs, its clock is trusted, and all of this was accepted: ([(packet, where to)], [steps])."""
    write_store(engine.state_dir)
    engine.trust_clock()
    engine.start()
    packets = [
        (anna.packet(SSH), lab.gateway.ip4),
        (anna.packet(ADMIN), lab.gateway.ip6),
        (anna.packet(SSH, RENEW), lab.gateway.ip4),
        (anna.packet(SSH, CLOSE), lab.gateway.ip4),
        (ben.packet(SSH, source=lab.attacker.ip4), lab.gateway.ip6),
    ]
    for packet, to in packets:
        assert knock(lab, engine, packet, to) == "accepted"
    now = slot_now(left_s=4)
    sequences = [anna.steps(SSH, slot) for slot in (now - 1, now, now + 1)]
    for steps in sequences:
        assert became(engine, lambda steps=steps: lab.knock(steps))["complete"] == 1
    engine.ask("close", all=True)
    return packets, sequences


def none_is_accepted(lab, dut, used):
    """Sent again from the client, from another address outside, and from a host on the other interface."""
    packets, sequences = used
    places = [(lab.client, None), (lab.attacker, None), (lab.mgmt, {4: "203.0.113.1", 6: "2001:db8:2::1"})]
    for (host, addresses), (packet, to) in itertools.product(places, packets):
        to = addresses[6 if ":" in to else 4] if addresses else to

        def refused(packet=packet, to=to, host=host):
            found = became(dut, lambda: lab.datagram(packet, PORT, to, host))
            return [found] if "too_often" not in found else None

        (found,) = wait_until(refused, "its turn", interval_s=0.05)
        assert set(found) <= REFUSED, (host.netns, packet.hex())
    for (host, addresses), steps in itertools.product(places, sequences):
        to = addresses[4] if addresses else lab.gateway.ip4
        found = became(dut, lambda steps=steps, to=to, host=host: lab.knock(steps, to, host))
        assert set(found) <= REFUSED | PROGRESS, (host.netns, steps)
    assert dut.ask("grants")["grants"] == []
    assert kernel.entries(lab) == {}


def settled(dut):
    """Both copies of the store have all: the second one is written a moment after the first."""
    copies = [dut.state_dir / name for name in COPIES]
    wait_until(lambda: copies[0].read_bytes() == copies[1].read_bytes(), "the second copy")


# What happens between the first time and the second


def nothing(dut, clock):
    pass


def killed(dut, clock):
    dut.restart()


def folder_deleted(dut, clock):
    shutil.rmtree(dut.state_dir)


def one_deleted_then_killed(dut, clock):
    (dut.state_dir / COPIES[0]).unlink()
    dut.restart()


def other_deleted_then_killed(dut, clock):
    (dut.state_dir / COPIES[1]).unlink()
    dut.restart()


def both_deleted_then_killed(dut, clock):
    for name in COPIES:
        (dut.state_dir / name).unlink()
    dut.restart()


def folder_deleted_while_down(dut, clock):
    dut.kill()
    folder_deleted(dut, clock)
    dut.start()


def damaged_while_down(dut, clock):
    dut.kill()
    for name in COPIES:
        path = dut.state_dir / name
        path.write_bytes(bytes(len(path.read_bytes())))
    dut.start()


def wrong_ntp(dut, clock):
    for offset_s in (-YEAR_S, 0):
        clock.set(offset_s)
        clock.ntp()


# Beyond these lines the clock is not trusted in the end


def set_back(dut, clock):
    clock.set(-YEAR_S)


def set_back_a_little(dut, clock):
    clock.set(-HOUR_S)


def set_back_while_down(dut, clock):
    """What NTP said before is no word about the clock of now."""
    dut.kill()
    clock.set(-HOUR_S)
    dut.start()


def booted_a_year_behind(dut, clock):
    dut.kill()
    dut.trust_clock(False)
    clock.set(-YEAR_S)
    dut.start()


def booted_a_year_behind_without_store(dut, clock):
    folder_deleted(dut, clock)
    booted_a_year_behind(dut, clock)


TRUSTED = [
    nothing, killed, folder_deleted, one_deleted_then_killed, other_deleted_then_killed, both_deleted_then_killed,
    folder_deleted_while_down, damaged_while_down, wrong_ntp,
]  # fmt: skip
NOT_TRUSTED = [set_back, set_back_a_little, set_back_while_down, booted_a_year_behind, booted_a_year_behind_without_store]


@one_firewall
@pytest.mark.parametrize("between", TRUSTED + NOT_TRUSTED)
def test_again(lab, engine, clock, used, anna, between):
    """An honest knock afterwards opens, unless nobody knows what was used nor what time it is; and it is accepted once, too."""
    settled(engine)
    between(engine, clock)
    assert (engine.ask("status")["keys"]["clock"] == "trusted") is (between in TRUSTED)
    none_is_accepted(lab, engine, used)
    packet = anna.packet(SSH)
    if between is booted_a_year_behind_without_store:
        assert knock(lab, engine, packet) == "clock_not_trusted"
    else:
        assert knock(lab, engine, packet) == "accepted"
        assert knock(lab, engine, anna.packet(SSH, CLOSE)) == "accepted"
    clock.set(0)
    clock.ntp()
    none_is_accepted(lab, engine, ([(packet, lab.gateway.ip4)], used[1]))


def test_killed_right_after_the_accept(lab, engine, clock, used, anna):
    """Before the second copy of the store has it."""
    copies = [engine.state_dir / name for name in COPIES]

    def killed_before_the_second_copy():
        packet = anna.packet(SSH)
        used[0].append((packet, lab.gateway.ip4))
        settled(engine)
        accepted = knock(lab, engine, packet) == "accepted"
        engine.kill()
        early = copies[0].read_bytes() != copies[1].read_bytes()
        engine.start()
        engine.ask("close", all=True)
        return accepted and early

    wait_until(killed_before_the_second_copy, "a kill between the two")
    none_is_accepted(lab, engine, used)


@one_firewall
def test_one_time_sequences_of_a_new_store(lab, engine, clock, used, anna):
    """The slots that may have been used before it was lost stay closed; the next ones open, each once."""
    engine.kill()
    shutil.rmtree(engine.state_dir)
    engine.start()
    none_is_accepted(lab, engine, used)
    clock.set(3 * SLOT_S)
    clock.ntp()
    steps = anna.steps(SSH, clock.now_us() // 1_000_000 // SLOT_S)
    assert became(engine, lambda: lab.knock(steps))["complete"] == 1
    assert held(engine) == [("anna", "ssh", lab.client.ip4)]
    engine.ask("close", all=True)
    none_is_accepted(lab, engine, (used[0], [*used[1], steps]))
