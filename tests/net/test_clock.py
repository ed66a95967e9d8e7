"""The gateway's clock: wrong at its start, set right, set wrong, and what clients with right or wrong clocks can do meanwhile.

Clients have the real time, unless it says otherwise; the engine has the one that net/fake_clock.py gives it.
"""

import pytest
from net import kernel
from net.clients import DAY_S, GATEWAY, PORT, YEAR_S, KeyClient, became, knock, now_us, write_store
from net.fake_clock import FakeClock
from net.marks import one_firewall

from knocklet.wire.otp_ports import SLOT_S
from knocklet.wire.spa_packet import CLOSE

SSH = 1
ISSUED_DAYS = 10  # ago


def policy(config, client):
    """Her key was made ten days ago by the true time."""
    issued = now_us() // 1_000_000 - ISSUED_DAYS * DAY_S
    config["clients"] = {"anna": client.entry("ssh", issued=issued, kinds=["spa", "otp"])}
    return config


@pytest.fixture
def config(config, anna):
    config["id"] = GATEWAY
    return policy(config, anna)


@pytest.fixture
def engine(engine):
    write_store(engine.state_dir)
    return engine


@pytest.fixture
def behind(engine):
    """The engine starts with a clock that is a year behind, and nobody vouches for it."""
    clock = FakeClock(engine, -YEAR_S)
    engine.start()
    assert engine.told("clock_trusted", "clock_untrusted") == ["clock_untrusted"]
    return clock


def fence(lab, dut):
    """Another event: all that came before it is heard."""
    dut.ask("close", all=True)
    lab.knock(["7000/tcp", "9100/udp", "8000/tcp"])
    dut.expect_event("opened", client="front")
    dut.ask("close", all=True)


def trust_told(lab, dut):
    """All events about trust, in order."""
    fence(lab, dut)
    return dut.told("clock_trusted", "clock_untrusted")


def knock_one_time(lab, dut, client, clock=None):
    """Does her one-time sequence of now open? By this clock, or by ours."""
    lab.knock(client.steps(SSH, (clock.now_us() if clock else now_us()) // (SLOT_S * 1_000_000)))
    opened = client.name in [grant["client"] for grant in dut.ask("grants")["grants"]]
    dut.ask("close", all=True)
    return opened


def test_a_year_behind_then_set_by_ntp(lab, engine, behind, anna):
    """Honest knocks open before and after; what was used before is used; otp waits for the clock."""
    packets = [anna.packet(SSH) for _ in range(3)]
    assert [knock(lab, engine, packet) for packet in packets] == 3 * ["accepted"]
    assert knock(lab, engine, packets[1]) == "replayed"
    assert knock(lab, engine, anna.packet(SSH, CLOSE)) == "accepted"
    assert not knock_one_time(lab, engine, anna)
    assert "not trusted" in engine.ask("status")["keys"]["clock"]

    behind.set(0)
    behind.ntp()
    engine.expect_event("clock_trusted")
    assert engine.ask("status")["keys"]["clock"] == "trusted"
    for packet in packets:
        assert knock(lab, engine, packet) == "replayed"
    assert kernel.entries(lab) == {}
    assert knock(lab, engine, anna.packet(SSH)) == "accepted"
    engine.ask("close", all=True)
    assert knock_one_time(lab, engine, anna)
    assert trust_told(lab, engine) == ["clock_untrusted", "clock_trusted"]


@one_firewall
def test_nobody_has_to_wake_it(lab, engine, behind):
    """The flag is seen within five seconds."""
    behind.ntp(wake=False)
    engine.expect_event("clock_trusted", timeout=6)


@one_firewall
def test_set_by_somebody(lab, engine, anna):
    """A minute in sum is borne; more ends the trust, until NTP says something. Grants do not notice any of it."""
    clock = FakeClock(engine)
    engine.trust_clock()
    engine.start()
    used = anna.packet(SSH)
    assert knock(lab, engine, used) == "accepted"
    for offset_s in (50, 20, -50):
        clock.set(offset_s)
        assert engine.ask("status")["keys"]["clock"] == "trusted"
    assert knock(lab, engine, anna.packet(SSH)) == "accepted"
    for offset_s in (-70, YEAR_S, 20 * YEAR_S, -YEAR_S, -56 * YEAR_S):
        clock.set(offset_s)
        assert engine.ask("status")["keys"]["clock"] != "trusted"
        assert 25 <= kernel.entries(lab)[SSH, lab.client.ip4] <= 30
        assert engine.ask("grants")["grants"][0]["left_s"] >= 25
        assert knock(lab, engine, anna.packet(SSH)) == "accepted", "by the order of stamps"
        assert knock(lab, engine, used) == "replayed"
    engine.ask("close", all=True)
    assert not knock_one_time(lab, engine, anna)
    clock.set(0)
    clock.ntp()
    assert knock_one_time(lab, engine, anna)
    assert trust_told(lab, engine) == ["clock_trusted", "clock_untrusted", "clock_trusted"]


@one_firewall
@pytest.mark.parametrize("trusted", [True, False])
def test_stamps_from_far_ahead(lab, engine, anna, trusted):
    """Ten years: refused, and nothing is lost by it. Not yet a year, while nobody can know: accepted, and her key is dead."""
    clock = FakeClock(engine, 0 if trusted else -YEAR_S)
    engine.trust_clock(trusted)
    engine.start()

    def far_ahead(days):
        return anna.packet(SSH, at_us=now_us() + days * DAY_S * 1_000_000)

    assert became(engine, lambda: lab.datagram(far_ahead(3650), PORT)) == ({} if trusted else {"too_far_ahead": 1})
    assert knock(lab, engine, anna.packet(SSH)) == "accepted"
    assert became(engine, lambda: lab.datagram(far_ahead(300), PORT)) == ({} if trusted else {"accepted": 1})
    honest = "accepted" if trusted else "replayed"
    assert knock(lab, engine, anna.packet(SSH)) == honest
    clock.set(0)
    clock.ntp()
    assert knock(lab, engine, anna.packet(SSH)) == honest
    engine.restart()
    assert knock(lab, engine, anna.packet(SSH)) == honest


@one_firewall
def test_a_fresh_key_helps(lab, engine, behind, config, anna):
    """One whose clock was 300 days ahead when the gateway could not know."""
    assert knock(lab, engine, anna.packet(SSH, at_us=now_us() + 300 * DAY_S * 1_000_000)) == "accepted"
    assert knock(lab, engine, anna.packet(SSH)) == "replayed"
    engine.ask("close", all=True)
    again = KeyClient("anna")
    engine.write_config(policy(config, again))
    engine.reload()
    assert knock(lab, engine, again.packet(SSH)) == "accepted"
    assert knock(lab, engine, anna.packet(SSH)) == "unknown_tag"
    behind.set(0)
    behind.ntp()
    assert knock(lab, engine, again.packet(SSH)) == "accepted"


@one_firewall
def test_older_than_the_key(lab, engine, behind, config, anna):
    """What is stamped before `issued` was made with another one's key, or by a clock that was wrong."""
    issued_us = config["clients"]["anna"]["issued"] * 1_000_000
    assert knock(lab, engine, anna.packet(SSH, at_us=issued_us)) == "replayed"
    assert knock(lab, engine, anna.packet(SSH, at_us=issued_us + 1)) == "accepted"


@one_firewall
def test_a_new_store_waits_for_the_clock(lab, engine, behind, anna):
    """Nobody knows what was used before: nothing opens until the clock is trusted, and then nothing older than that moment;
    of one-time sequences none whose slot could have been used before. Said once, when it begins."""
    engine.kill()
    for name in ("replay.a", "replay.b"):
        (engine.state_dir / name).unlink()
    behind.set(-YEAR_S)
    engine.start()
    early = anna.packet(SSH)
    assert knock(lab, engine, early) == "clock_not_trusted"
    behind.set(SLOT_S + 1 - now_us() // 1_000_000 % SLOT_S)  # a slot has just begun
    behind.ntp()
    assert knock(lab, engine, early) == "replayed"
    assert knock(lab, engine, anna.packet(SSH, at_us=behind.now_us())) == "accepted"

    def next_slot():
        """Half a minute passes. Is it one whose sequence opens?"""
        behind.set(behind.offset_s + SLOT_S)
        behind.ntp()
        return knock_one_time(lab, engine, anna, behind)

    engine.ask("close", all=True)
    assert not knock_one_time(lab, engine, anna, behind)
    assert [next_slot() for _ in range(3)] == [False, True, True]
    assert engine.told("store_failed") == ["store_failed"]


@one_firewall
def test_a_battery_clock(lab, engine, anna):
    """The board vouches for it: nobody is waited for, and being set does not matter."""
    clock = FakeClock(engine)
    engine.options = ["--clock", "battery"]
    engine.start()
    assert knock(lab, engine, anna.packet(SSH)) == "accepted"
    clock.set(YEAR_S)
    assert engine.ask("status")["keys"]["clock"] == "trusted"
    assert became(engine, lambda: lab.datagram(anna.packet(SSH), PORT)) == {}
    later_us = clock.now_us()
    assert knock(lab, engine, anna.packet(SSH, at_us=later_us)) == "accepted"
    assert trust_told(lab, engine) == ["clock_trusted"]
