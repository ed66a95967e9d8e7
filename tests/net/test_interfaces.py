"""Interfaces come late, go down, are renamed, deleted, made anew, and change their addresses: the engine follows, asleep."""

import os
import signal
import threading
import time

import pexpect
import pytest
from net import frames, kernel

KNOCK = ["7000/tcp", "9100/udp", "8000/tcp"]
AGAIN_S = 2  # after so long knocks have to work again
WATCH_S = 0.5
BUSY_MS = WATCH_S * 1000 / 5  # a loop that spins uses nearly all of WATCH_S
WAKEUPS = 20  # most of them are for the two questions; a loop that spins does many thousands


@pytest.fixture
def config(config):
    config["services"] = {"ssh": {"index": 1, "port": 22, "ttl": 60}}
    config["sequences"] = {"front": {"steps": KNOCK, "open": ["ssh"]}}
    return config


def knock_by_hand(lab, to):
    """A knock at any address, whoever has it: nobody is asked for the way."""
    source = lab.client.ip6 if ":" in to else lab.client.ip4
    frames.send(lab.client, lab.gateway, *(frames.step(source, to, text) for text in KNOCK))


def works(lab, dut, *addresses):
    """A knock at each of these addresses opens, two seconds from now at the latest. Closed again afterwards."""
    deadline = time.monotonic() + AGAIN_S
    for to in addresses or (lab.gateway.ip4, lab.gateway.ip6):
        while True:
            knock_by_hand(lab, to)
            try:
                dut.expect_event("opened", timeout=0.2)
                break
            except pexpect.TIMEOUT:
                assert time.monotonic() < deadline, f"knocks at {to} are not heard"
        dut.ctl("close", "--all")


def sleeps(dut):
    """For half a second: no busy loop, by the processor's time and by the engine's own count."""
    wakeups, used_ms = dut.ctl("status")["wakeups"], kernel.cpu_ms(dut.process)
    time.sleep(WATCH_S)
    assert kernel.cpu_ms(dut.process) - used_ms < BUSY_MS
    assert dut.ctl("status")["wakeups"] - wakeups < WAKEUPS


def test_late(lab, engine):
    """The engine starts before there is such an interface."""
    lab.gateway.ip("link delete wan0")
    engine.start()
    assert engine.ctl("status")["interfaces"][0]["up"] is False
    sleeps(engine)
    lab.plug_wan()
    engine.expect_event("interface_up", timeout=AGAIN_S, interface="wan0")
    works(lab, engine)
    assert lab.tcp_open(lab.gateway.ip4, 22, timeout_s=0.1) == "silent"


def test_down_and_up(lab, dut):
    lab.gateway.ip("link set wan0 down")
    dut.expect_event("interface_down", timeout=AGAIN_S, interface="wan0")
    sleeps(dut)
    lab.set_up_wan()
    dut.expect_event("interface_up", timeout=AGAIN_S, interface="wan0")
    works(lab, dut)


def test_cable_pulled(lab, dut):
    """The interface stays up, its other end goes away and comes back."""
    lab.wan.ip("link set gateway down")
    dut.expect_event("interface_down", timeout=AGAIN_S, interface="wan0")
    sleeps(dut)
    lab.wan.ip("link set gateway up")
    dut.expect_event("interface_up", timeout=AGAIN_S, interface="wan0")
    works(lab, dut)


def test_renamed(lab, dut):
    """Under another name it is none of ours; under its own again, it is."""
    lab.gateway.ip("link set wan0 down", "link set wan0 name away0")
    lab.set_up_wan("away0")
    dut.expect_event("interface_down", timeout=AGAIN_S, interface="wan0")
    knock_by_hand(lab, lab.gateway.ip4)
    status = dut.ctl("status")
    assert (status["grants"], status["packets"]) == (0, {})
    sleeps(dut)
    lab.gateway.ip("link set away0 down", "link set away0 name wan0")
    lab.set_up_wan()
    dut.expect_event("interface_up", timeout=AGAIN_S, interface="wan0")
    works(lab, dut)


def test_made_anew(lab, dut):
    """Twice, with another one in between, and it is protected by the same rules as the first."""
    for _ in range(2):
        lab.gateway.ip("link delete wan0")
        dut.expect_event("interface_down", timeout=AGAIN_S, interface="wan0")
        sleeps(dut)
        lab.plug_wan()
        dut.expect_event("interface_up", timeout=AGAIN_S, interface="wan0")
        works(lab, dut)
    assert lab.tcp_open(lab.gateway.ip4, 22, timeout_s=0.1) == "silent"
    lab.knock(KNOCK)
    dut.expect_event("opened")
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"


def test_addresses_change(lab, dut):
    """Added, moved to the LAN, and taken away."""
    for new, old, length in (("198.51.100.9", lab.gateway.ip4, 24), ("2001:db8:1::9", lab.gateway.ip6, 64)):
        knock_by_hand(lab, new)
        assert dut.ctl("status")["grants"] == 0
        lab.gateway.ip(f"address add {new}/{length} dev wan0")
        works(lab, dut, new, old)
        lab.gateway.ip(f"address delete {new}/{length} dev wan0", f"address add {new}/{length} dev lan0")
        refused = dut.ctl("status")["packets"].get("not_ours", 0)
        knock_by_hand(lab, new)
        status = dut.ctl("status")
        assert (status["grants"], status["packets"]["not_ours"]) == (0, refused + 3)
        lab.gateway.ip(f"address delete {new}/{length} dev lan0")
        works(lab, dut, old)


def test_two_interfaces(lab, engine, config):
    """One of them may be down: the other one works on."""
    config["interfaces"] = ["wan0", "mgmt0"]
    engine.write_config(config)
    engine.start()
    assert lab.tcp_open("203.0.113.1", 22, from_=lab.mgmt, timeout_s=0.1) == "silent"
    works(lab, engine)
    lab.gateway.ip("link set wan0 down")
    engine.expect_event("interface_down", timeout=AGAIN_S, interface="wan0")
    sleeps(engine)
    lab.knock(KNOCK, "203.0.113.1", from_=lab.mgmt)
    engine.expect_event("opened", source=lab.mgmt.ip4)
    assert lab.tcp_open("203.0.113.1", 22, from_=lab.mgmt) == "open"
    engine.ctl("close", "--all")
    lab.set_up_wan()
    engine.expect_event("interface_up", timeout=AGAIN_S, interface="wan0")
    works(lab, engine)


def test_the_board_names_them(lab, engine, config):
    """The configuration does not: those of the command line count, also one that is not there yet."""
    del config["interfaces"]
    engine.write_config(config)
    engine.options = ["--interfaces", "ppp9,wan0"]
    assert lab.gateway.run(engine.command("--check")).stdout.endswith(": good\n")
    engine.start()
    assert [(each["name"], each["up"]) for each in engine.ctl("status")["interfaces"]] == [("ppp9", False), ("wan0", True)]
    assert lab.tcp_open(lab.gateway.ip4, 22, timeout_s=0.1) == "silent"
    works(lab, engine)
    assert engine.ctl("reload") == {"ok": True, "warnings": []}
    works(lab, engine)


@pytest.mark.parametrize("options, line", [
    ([], "interfaces: found nothing; allowed: names here, or as the engine's option --interfaces"),
    (["--interfaces", "wan0;reboot"], "--interfaces: found 'wan0;reboot'; allowed: interface names of 1-15 letters, digits, "
                                      "'-', '_', '.'"),
])  # fmt: skip
def test_nobody_names_any(lab, engine, config, options, line):
    del config["interfaces"]
    engine.write_config(config)
    for instead in ([], ["--check"]):
        ran = lab.gateway.run(engine.command(*options, *instead), check=False)
        assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", f"knocklet-engine: {line}\n")


def test_storm(lab, dut):
    """More changes at once than the kernel keeps for us, and more while the engine asks what there is now."""
    numbers = range(2000)
    storm = [f"address {do} 10.0.{n >> 8}.{n & 255}/32 dev mgmt0" for do in ("add", "delete") for n in numbers]
    os.kill(dut.process.pid, signal.SIGSTOP)
    lab.gateway.ip(*storm)
    lab.gateway.ip("link delete wan0")
    lab.plug_wan()
    more = threading.Thread(target=lab.gateway.ip, args=storm)
    more.start()
    os.kill(dut.process.pid, signal.SIGCONT)
    more.join()
    works(lab, dut)
