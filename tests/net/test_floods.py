"""Floods: what a stranger sends at any rate neither keeps an honest client out, nor costs memory, nor wakes the engine.

Yes or no, with wide margins, since other work may share the machine: the figures are in bench/.
"""

import contextlib
import itertools
import threading
import time

import pytest
from net import garbage, kernel
from net.marks import one_firewall

from lab import LabError
from lab.waiting import wait_until

STEPS = ["7000/tcp", "9100/udp", "8000/tcp", "9500/tcp"]
STEP_DELAY_MS = 100
ENTRIES = 16384  # of the engine's table of attempts
RSS_MARGIN_KB = 512
WATCH_S = 1  # how long to count wake-ups

EACH = pytest.mark.parametrize(("firewall", "family"), [("ipset", "ip4"), ("nft", "ip6")], indirect=["firewall"])


@pytest.fixture
def config(config):
    config["sequences"] = {"front": {"steps": STEPS, "open": ["ssh"]}}
    return config


def gets_in(lab, dut, times, tries, **options):
    """Is the client let in `times` times by at most `tries` knocks? Each time it is shown out again."""
    opened = 0
    for _ in range(tries):
        lab.knock(STEPS, **options)
        with contextlib.suppress(LabError):
            wait_until(lambda: kernel.entries(lab), "a grant", timeout_s=2)
            opened += 1
        dut.ctl("close", "--all")
        if opened == times:
            return True
    return False


@EACH
def test_spoofed_first_steps(lab, dut, family):
    """20,000 a second; the honest client leaves 100 ms between its steps."""
    gateway = getattr(lab.gateway, family)
    with lab.flood(STEPS[0], rate=20_000, to=gateway) as flood:
        time.sleep(0.5)
        rss_kb = kernel.status_of(dut.process, "VmRSS")
        assert gets_in(lab, dut, times=4, tries=12, to=gateway, delay_ms=STEP_DELAY_MS)
        assert flood.rate() > 15_000
        status = dut.ctl("status")
        kernel.has_not_grown(dut.process, rss_kb, RSS_MARGIN_KB)
    assert 1000 < status["attempts"] <= ENTRIES
    assert status["packets"]["step_started"] > 10_000


@one_firewall
@pytest.mark.parametrize("step", STEPS[:2])
def test_full_speed(lab, dut, step):
    """As fast as it goes: the engine answers meanwhile, and an honest client gets in as soon as it is over."""
    with lab.flood(step, rate=None):
        for _ in range(5):
            begin = time.monotonic()
            assert dut.ctl("status")["interfaces"][0]["up"] is True
            assert time.monotonic() - begin < 2
    assert gets_in(lab, dut, times=1, tries=3)


@contextlib.contextmanager
def sending(lab, packets):
    """These packets over and over; yields a function that tells how many went out so far."""
    stop, sent = threading.Event(), [0]

    def send():
        with lab.generator() as wire:
            for packet in itertools.cycle(packets):
                wire.send(packet)
                sent[0] += 1
                if stop.is_set():
                    return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield lambda: sent[0]
    finally:
        stop.set()
        thread.join()


@EACH
def test_garbage(lab, dut, family):
    """Malformed packets of every kind, as fast as they go."""
    kinds = garbage.kinds(getattr(lab.attacker, family), getattr(lab.gateway, family), getattr(lab.camera, family), seed=2)
    rss_kb = kernel.status_of(dut.process, "VmRSS")
    with sending(lab, [packet for made in kinds.values() for packet in made]) as sent:
        assert gets_in(lab, dut, times=2, tries=6, delay_ms=STEP_DELAY_MS)
        wait_until(lambda: sent() > 20_000, "20,000 packets")
    assert dut.process.poll() is None
    kernel.has_not_grown(dut.process, rss_kb, RSS_MARGIN_KB)
    assert gets_in(lab, dut, times=1, tries=3)


# Who wakes the engine


def wake_ups(dut):
    """(times that the engine went to sleep and was woken, ms that it worked) while WATCH_S passed."""
    time.sleep(0.3)  # what came before is over
    before, used_ms = kernel.status_of(dut.process, "voluntary_ctxt_switches"), kernel.cpu_ms(dut.process)
    time.sleep(WATCH_S)
    return kernel.status_of(dut.process, "voluntary_ctxt_switches") - before, kernel.cpu_ms(dut.process) - used_ms


def test_idle(dut):
    assert wake_ups(dut) == (0, 0)


@one_firewall
@pytest.mark.parametrize("step", ["9/tcp", "9/udp"])
def test_packets_outside_the_filter_wake_nobody(lab, dut, step):
    """Not a step, and below the ports where decoys lie."""
    with lab.flood(step, rate=None) as flood:
        assert wake_ups(dut) == (0, 0)
        assert flood.rate() > 15_000
    assert "other_port" not in dut.ctl("status")["packets"]


@one_firewall
def test_packets_of_a_step_do(lab, dut):
    """So these are counted rightly."""
    with lab.flood(STEPS[0], rate=1000):
        times, used_ms = wake_ups(dut)
    assert times > 100 and used_ms > 0


@one_firewall
def test_an_interface_that_is_down_wakes_nobody(lab, dut):
    lab.gateway.ip("link set wan0 down")
    dut.expect_event("interface_down")
    assert wake_ups(dut) == (0, 0)
    lab.set_up_wan()
    dut.expect_event("interface_up")
    assert gets_in(lab, dut, times=1, tries=3)
