"""`firewall` = "auto": which kind it takes on which system, and that it says why."""

import pytest
from net.marks import one_firewall
from net.missing import command_without

NO_OTHER = "no other firewall is in force and nft works"


@pytest.fixture
def config(config):
    config["services"] = {"ssh": {"index": 1, "port": 22}}
    config["sequences"] = {"front": {"steps": ["7000/tcp", "9100/udp"], "open": ["ssh"]}}
    return config | {"firewall": "auto"}


def works(lab, engine, taken, why):
    """It says so when it is ready and when it is asked, and a knock opens."""
    engine.expect_exact(f"ready, firewall {taken} ({why})", timeout=10)
    status = engine.ctl("status")
    assert (status["firewall"], status["firewall_why"]) == (taken, why)
    assert lab.tcp_open(lab.gateway.ip4, 22, timeout_s=0.1) != "open"
    lab.knock(["7000/tcp", "9100/udp"])
    engine.expect_event("opened")
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"


@pytest.mark.parametrize("zone", ["drop", "reject"], indirect=True)
def test_the_labs_firewalls(lab, engine, firewall):
    """Rules of iptables in force: ipset. A table of nft that lets the mark in: nft."""
    engine.start(wait=False)
    works(lab, engine, firewall, {"ipset": "rules of iptables-nft are in force", "nft": NO_OTHER}[firewall])


@pytest.mark.parametrize("zone", ["accept"], indirect=True)
@one_firewall
class TestBareSystem:
    def test_nft_first(self, lab, engine):
        engine.start(wait=False)
        works(lab, engine, "nft", NO_OTHER)

    def test_without_nft(self, lab, engine):
        command = command_without(engine.command(), "nft")
        engine.command = lambda: command
        engine.start(wait=False)
        works(lab, engine, "ipset", "no nft here (nft: not found: install the package nftables)")

    def test_openwrt(self, lab, engine):
        """fw4's table, also when some rule of iptables is there."""
        lab.gateway.run(["nft", "add table inet fw4"])
        lab.gateway.run(["iptables", "-A", "OUTPUT", "-j", "ACCEPT"])
        engine.start(wait=False)
        works(lab, engine, "nft", "OpenWrt's firewall (table inet fw4) is in force")

    def test_a_policy_alone(self, lab, engine):
        """No rule, but iptables drops what comes in."""
        lab.gateway.run(["ip6tables", "-P", "INPUT", "DROP"])
        engine.start(wait=False)
        works(lab, engine, "ipset", "rules of iptables-nft are in force")

    def test_stays_with_its_own(self, lab, engine, config):
        """What it took once it takes again, though the rules that are in force now are its own."""
        for kind, why in (("nft", NO_OTHER), ("ipset", "rules of iptables-nft are in force")):
            engine.write_config(config | {"firewall": kind})
            engine.start()
            engine.kill()
            engine.write_config(config)
            engine.start(wait=False)
            works(lab, engine, kind, why)
            engine.ctl("close", "--all")
            engine.kill()
