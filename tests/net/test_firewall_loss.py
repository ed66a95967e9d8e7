"""Somebody takes our rules or sets away. In zone "accept" that opens the protected ports: they have to close again."""

import os
import signal
import time

import pytest
from net import kernel
from net.missing import without

from lab.waiting import wait_until

SSH, IDLE, ONCE = 1, 2, 3
TTL_S = 60
SOON_S = 2

# command, does it take rules away, does it take grants away
LOSSES = {
    "ipset": {
        "iptables": ("iptables -F", True, False),
        "ip6tables": ("ip6tables -F", True, False),
        "the jump": ("iptables -D INPUT -j KNOCKLET_IN", True, False),
        "a chain": ("iptables -F KNOCKLET_IN_WAN", True, False),
        "all of nf_tables": ("nft flush ruleset", True, False),
        "rules and sets": ("nft flush ruleset; until ipset destroy 2>/dev/null; do :; done", True, True),
        "entries": ("ipset flush", False, True),
    },
    "nft": {
        "all of nf_tables": ("nft flush ruleset", True, True),
        "the table": ("nft delete table inet knocklet", True, True),
        "rules": ("nft flush table inet knocklet", True, False),
        "a chain": ("nft flush chain inet knocklet input", True, False),
        "entries": (
            "for set in $(nft list sets | sed -n 's/.*set \\(knocklet_[a-z0-9_]*\\) .*/\\1/p'); do"
            " nft flush set inet knocklet $set; done",
            False,
            True,
        ),
    },
}
CASES = [pytest.param(kind, *loss, id=f"{kind}-{name}") for kind in LOSSES for name, loss in LOSSES[kind].items()]


@pytest.fixture
def zone():
    return "accept"


@pytest.fixture
def config(config):
    config["services"] = {
        "ssh": {"index": SSH, "port": 22, "ttl": TTL_S},
        "idle": {"index": IDLE, "port": 23, "idle": 30, "max": 60},
        "once": {"index": ONCE, "port": 24, "ttl": 30, "one_shot": True},
    }
    config["sequences"] = {
        "ssh": {"steps": ["7000/udp"], "open": ["ssh"]},
        "others": {"steps": ["7200/udp"], "open": ["idle", "once"]},
    }
    return config


def take(lab, dut, command):
    """The engine sees it done, not half of it."""
    os.kill(dut.process.pid, signal.SIGSTOP)
    lab.gateway.run(["sh", "-c", command])
    os.kill(dut.process.pid, signal.SIGCONT)


def closed_to_all_others(lab):
    """Within two seconds, over IPv4 and IPv6."""
    for address in (lab.gateway.ip4, lab.gateway.ip6):
        wait_until(lambda to=address: lab.tcp_open(to, 22, from_=lab.attacker) == "refused", "the port closed", SOON_S)


@pytest.mark.parametrize("firewall, command, rules, entries", CASES, indirect=["firewall"])
def test_loss(lab, dut, command, rules, entries):
    """First with nobody in, then with a grant of each kind."""
    if rules:
        take(lab, dut, command)
        dut.expect_event("firewall_changed", timeout=SOON_S)
        closed_to_all_others(lab)

    lab.knock(["7000/udp", "7200/udp"])
    dut.expect_event("opened", service="ssh")
    opened = time.monotonic()
    dut.expect_event("opened", service="once")
    if entries:
        time.sleep(1.1)  # what remains now differs from a new life
    before = kernel.entries(lab)
    assert set(before) == {(index, lab.client.ip4) for index in (SSH, IDLE, ONCE)}
    take(lab, dut, command)
    if rules:
        dut.expect_event("firewall_changed", timeout=SOON_S)
    if not entries:
        closed_to_all_others(lab)
        assert set(kernel.entries(lab)) == set(before)
        assert dut.ctl("status")["grants"] == 3
    else:
        assert dut.expect_event("closed", service="idle")["reason"] == "firewall"
        if rules:
            assert dut.expect_event("closed", service="once")["reason"] == "firewall"
        else:
            dut.expect_event("used", service="once")  # an entry that is gone looks used up, whoever took it
        closed_to_all_others(lab)
        assert [grant["service"] for grant in dut.ctl("grants")["grants"]] == ["ssh"]
        wait_until(lambda: set(kernel.entries(lab)) == {(SSH, lab.client.ip4)}, "what is left of ssh's time", SOON_S)
    elapsed_s = time.monotonic() - opened
    left_s = kernel.entries(lab)[SSH, lab.client.ip4]  # whole seconds, rounded down
    assert TTL_S - 3 * elapsed_s - 2 < left_s <= TTL_S - elapsed_s
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"


@pytest.mark.parametrize(
    "firewall, command",
    [("ipset", "iptables -F KNOCKLET_IN_WAN"), ("nft", "nft flush chain inet knocklet input")],
    indirect=["firewall"],
)
def test_busy(lab, dut, command):
    """Knocks that come all the time do not keep the engine from noticing, and what they open is open."""
    lab.knock(["7000/udp"])
    dut.expect_event("opened")
    take(lab, dut, command)
    deadline = time.monotonic() + SOON_S
    while lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker) == "open":
        lab.knock(["7000/udp"])
        assert time.monotonic() < deadline
    dut.expect_event("firewall_changed")
    lab.knock(["7000/udp"])
    dut.expect_event("renewed")
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"


def test_while_nothing_is_forwarded(lab, engine, config):
    """A service behind the gateway wants forwarding; when that was turned off meanwhile, the doors are shut all the same."""
    config["services"]["camera"] = {"index": 9, "port": 8080, "to": "192.168.1.50:80"}
    engine.write_config(config)
    engine.start()
    try:
        lab.gateway.sysctl(ipv4__ip_forward=0)
        take(lab, engine, "nft flush ruleset")
        engine.expect_event("firewall_changed", timeout=SOON_S)
        closed_to_all_others(lab)
    finally:
        lab.gateway.sysctl(ipv4__ip_forward=1)


TOOLS = [("ipset", "iptables-restore", "iptables -F; ip6tables -F"), ("nft", "nft", "nft flush ruleset")]


@pytest.mark.parametrize("firewall, tool, command", TOOLS, indirect=["firewall"])
def test_tried_again(lab, dut, tool, command):
    """What the rules are restored with is away as well, as while packages are upgraded: tried until it is back."""
    with without(dut.process, tool):
        take(lab, dut, command)
        wait_until(lambda: dut.ctl("status")["counts"]["firewall_failed"], "a failure", 2 * SOON_S)
        assert lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker) == "open"
    dut.expect_event("firewall_changed", timeout=2 * SOON_S)
    closed_to_all_others(lab)


@pytest.fixture
def legacy(lab):
    """The gateway's own firewall is of iptables-legacy, as OpenWrt's fw3: the kernel tells nobody of changes."""
    tools = ("iptables-legacy", "ip6tables-legacy")
    for tool in tools:
        lab.gateway.run([tool, *"-A OUTPUT -m comment --comment theirs".split()])
    yield
    for tool in tools:
        for table in ("filter", "nat"):
            lab.gateway.run([tool, "-t", table, "-F"])
            lab.gateway.run([tool, "-t", table, "-X"])


@pytest.mark.parametrize("firewall", ["ipset"], indirect=True)
def test_legacy(lab, legacy, dut):
    """Nobody in, then somebody: what is not announced is looked for."""
    assert "iptables-legacy" not in lab.gateway.run(["nft", "list", "tables"]).stdout
    assert lab.gateway.run(["iptables-legacy-save"]).stdout.count("KNOCKLET") > 3
    for _ in range(2):
        take(lab, dut, "iptables-legacy -F; ip6tables-legacy -F")
        assert lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker) == "open"
        dut.expect_event("firewall_changed", timeout=2 * SOON_S)
        closed_to_all_others(lab)
        lab.knock(["7000/udp"])
        dut.expect_event("opened")
        assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
        dut.ctl("close", "--all")
