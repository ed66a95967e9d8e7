"""Taking it off again: nothing of ours is left in the firewall, and the engine must not run meanwhile."""

import json
import re

from lab.waiting import wait_until


def uninstall(lab, engine):
    return lab.gateway.run(engine.command("--uninstall"), check=False)


def test_nothing_is_left(lab, engine):
    engine.start()
    lab.knock(["7000/tcp", "9100/udp", "8000/tcp"])
    engine.expect_event("opened", service="ssh")
    refused = uninstall(lab, engine)
    assert refused.returncode == 3, "a running engine keeps its rules"
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    engine.kill()
    done = uninstall(lab, engine)
    assert done.returncode == 0, done.stderr
    for command in (["nft", "list", "ruleset"], ["iptables-save"], ["ip6tables-save"], ["ipset", "list", "-n"]):
        assert "knocklet" not in lab.gateway.run(command).stdout.lower()
    engine.start()
    lab.knock(["7000/tcp", "9100/udp", "8000/tcp"])
    engine.expect_event("opened", service="ssh")


def test_the_tools_of_the_other_kind_need_not_be_there(lab, engine):
    """OpenWrt has nft alone, older systems iptables alone."""
    engine.start()
    engine.kill()
    others = "/usr/sbin/nft" if lab.firewall == "ipset" else "/usr/sbin/xtables-nft-multi /usr/sbin/xtables-legacy-multi"
    hide = f'for tool in {others}; do mount --bind /dev/null $tool; done; exec "$@"'
    done = lab.gateway.run(["unshare", "--mount", "sh", "-ec", hide, "sh", *engine.command("--uninstall")], check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "knocklet" not in lab.gateway.run(["nft", "list", "ruleset"]).stdout.lower()


def test_a_firewall_with_other_letters_in_it(lab, engine):
    """A comment in Latin-1, an error in any language: read, not stumbled over."""
    if lab.firewall == "ipset":
        rule = ["-A", "INPUT", "-s", "10.9.9.9", "-m", "comment", "--comment", b"K\xfcche", "-j", "ACCEPT"]
        lab.gateway.run(["iptables", *rule])
    engine.start()
    assert engine.ctl("status")["firewall"] == lab.firewall


def test_an_entry_that_nobody_granted_goes(lab, dut):
    """As one that could not be taken away when its grant ended."""
    if lab.firewall == "nft":
        table = json.loads(lab.gateway.run(["nft", "-j", "list", "table", "inet", "knocklet"]).stdout)["nftables"]
        name = next(item["set"]["name"] for item in table if item.get("set", {}).get("name", "").startswith("knocklet_1_4_"))
        lab.gateway.run(["nft", "add", "element", "inet", "knocklet", name, "{ %s timeout 600s }" % lab.attacker.ip4])
    else:
        name = re.search(r"knocklet_1_4_\S+", lab.gateway.run(["ipset", "list", "-n"]).stdout)[0]
        lab.gateway.run(["ipset", "add", name, lab.attacker.ip4, "timeout", "600"])
    assert lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker) == "open"
    lab.knock(["7000/tcp", "9100/udp", "8000/tcp"])  # while somebody is in, the engine looks
    dut.expect_event("opened", service="ssh")
    wait_until(lambda: lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker) == "silent", "the entry taken away", 5)
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
