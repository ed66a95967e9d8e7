"""The package at work on a Raspberry Pi that is a lab's gateway: Debian 13's own systemd, no firewall but ours, knocks from
outside, and the owner's broker and `knocklet` behind it.

One machine, booted once; each test finds the engine running, and the door shut.
"""

import json
import re
from pathlib import Path

import pytest
from raspberry_pi.conftest import install
from raspberry_pi.machine import ROOT, Machine

from lab import Lab
from lab.owner import Owner
from lab.waiting import wait_until
from lab.wiring import default_routes

ENGINE, AGENT = "knocklet-engine.service", "knocklet-agent.service"
STEPS = ["7000/tcp", "9100/udp", "8000/tcp"]
CONFIG = {
    "id": "home",
    "zone": "accept",
    "services": {
        "ssh": {"index": 1, "port": 22, "ttl": 300},
        "camera": {"index": 2, "port": 8080, "to": "192.168.1.50:80"},
    },
    "sequences": {
        "front": {"steps": STEPS, "open": ["ssh"]},
        "picture": {"steps": ["7100/tcp", "7200/tcp"], "open": ["camera"]},
    },
}
_RIGHTS = 1 << 12 | 1 << 13  # CAP_NET_ADMIN, CAP_NET_RAW (linux/capability.h)


@pytest.fixture(scope="module")
def lab():
    with Lab(zone="accept", firewall="nft") as made:
        yield made


@pytest.fixture(scope="module")
def pi(lab, package):
    with Machine(lab.gateway.netns) as made:
        made.boot()
        install(made.run, made, package)
        yield made


@pytest.fixture(scope="module")
def owner(lab, pi):
    """With a key and agent.json on the Pi; broker and `knocklet collect` run."""
    made = Owner(lab, pi.path("/etc/knocklet"), Path("/run/knocklet"))
    made.set_up()
    made.start_collector()
    return made


@pytest.fixture
def working(lab, pi, owner):
    """The Pi with its engine and agent, enabled and running."""
    write_config(pi, CONFIG)
    pi.run(["systemctl", "enable", "--now", ENGINE, AGENT])
    knockletctl(pi, "close", "--all")
    return pi


def write_config(pi, config):
    pi.put("/etc/knocklet/config.json", json.dumps(config))


def knockletctl(pi, *words):
    return json.loads(pi.run(["knockletctl", "--json", *words]).stdout)


def pid(pi, unit):
    return int(pi.show(unit, "MainPID"))


def grants(pi):
    return [(grant["service"], grant["source"]) for grant in knockletctl(pi, "grants")["grants"]]


def knock(lab, pi):
    lab.knock(STEPS)
    wait_until(lambda: ("ssh", lab.client.ip4) in grants(pi), "the grant")


def door(lab, host=None):
    return lab.tcp_open(lab.gateway.ip4, 22, from_=host or lab.client)


def rules_of(pi):
    """Ours, without what is in the sets."""
    return pi.run(["nft", "--stateless", "--terse", "list", "table", "inet", "knocklet"], check=False).stdout


def wait_until_back(pi, rules, address=""):
    """Until the rules are as they were, and this address in a set. Others may take them away twice: stop and start are two."""
    table = ["nft", "list", "table", "inet", "knocklet"]
    wait_until(lambda: rules_of(pi) == rules and address in pi.run(table, check=False).stdout, "the rules are back", 10)


def status_of(pi, unit):
    """Lines of /proc/PID/status as the machine shows them."""
    lines = pi.run(["cat", f"/proc/{pid(pi, unit)}/status"]).stdout.splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_unconfigured_it_waits_without_a_fuss(lab, pi):
    pi.run(["systemctl", "start", ENGINE, AGENT])
    for unit in (ENGINE, AGENT):
        assert pi.show(unit, "ActiveState", "ConditionResult") == ["inactive", "no"]
    assert pi.run(["systemctl", "--failed", "--quiet"]).stdout == ""
    assert rules_of(pi) == ""


def test_knock_opens_and_the_owner_hears_of_it(lab, working, owner):
    assert door(lab) == "refused"  # as every closed port of a Pi
    owner.wait_until_online()
    knock(lab, working)
    assert (door(lab), door(lab, lab.attacker)) == ("open", "refused")
    wait_until(lambda: "opened" in [event["event_type"] for event in owner.log()], "it is told", 20)
    # found by the default route, and remembered
    assert working.path("/etc/knocklet/interfaces").read_text() == "wan0\n"


def test_a_knock_leads_on_to_a_device(lab, working):
    """The kernel forwards, as is asked of it where nothing of it can be changed."""
    assert lab.tcp_open(lab.gateway.ip4, 8080) == "refused"
    lab.knock(CONFIG["sequences"]["picture"]["steps"])
    wait_until(lambda: grants(working), "the grant")
    assert (lab.tcp_open(lab.gateway.ip4, 8080), lab.tcp_open(lab.gateway.ip4, 8080, from_=lab.attacker)) == ("open", "refused")


def test_the_engine_has_two_rights_and_the_agent_none(working, owner):
    owner.wait_until_online()
    engine, agent = status_of(working, ENGINE), status_of(working, AGENT)
    for name in ("CapPrm", "CapEff", "CapBnd"):
        assert (int(engine[name], 16), int(agent[name], 16)) == (_RIGHTS, 0)
    user = working.run(["id", "-u", "knocklet"]).stdout.strip()
    assert (engine["Uid"].split(), agent["Uid"].split()) == (["0"] * 4, [user] * 4)
    for status in (engine, agent):
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    found = working.run(["stat", "-c", "%a %U %G", "/run/knocklet", "/run/knocklet-agent"]).stdout.split("\n")
    assert found[:2] == ["700 root root", "2750 root knocklet"]


@pytest.mark.parametrize("act", (["systemctl", "restart", "nftables"], ["nft", "flush", "ruleset"]), ids=" ".join)
def test_other_rules_are_loaded_and_grants_live_on(lab, working, act):
    knock(lab, working)
    before = rules_of(working)
    assert before
    working.run(act)
    wait_until_back(working, before, lab.client.ip4)
    assert (door(lab), door(lab, lab.attacker)) == ("open", "refused")
    assert grants(working) == [("ssh", lab.client.ip4)]


def test_stopped_nftables_leaves_our_ports_shut(lab, working):
    before = rules_of(working)
    assert before
    working.run(["systemctl", "start", "nftables"])
    working.run(["systemctl", "stop", "nftables"])
    wait_until_back(working, before)
    assert door(lab) == "refused"
    assert working.show(ENGINE, "ActiveState") == "active"


def test_a_killed_engine_comes_back_and_grants_live_on(lab, working):
    knock(lab, working)
    old = pid(working, ENGINE)
    working.run(["systemctl", "kill", "--kill-whom=main", "--signal=KILL", ENGINE])
    assert (door(lab), door(lab, lab.attacker)) == ("open", "refused")  # whether it runs or not
    wait_until(lambda: pid(working, ENGINE) not in (0, old), "another engine", 20)
    wait_until(lambda: working.show(ENGINE, "ActiveState") == "active", "it protects", 20)
    assert grants(working) == [("ssh", lab.client.ip4)]
    assert working.run(["wc", "-l", "/run/knocklet/starts"]).stdout.split()[0] == "2"  # a crash counts
    working.run(["systemctl", "restart", ENGINE])
    assert working.run(["wc", "-l", "/run/knocklet/starts"]).stdout.split()[0] == "1"  # what was wanted does not


def test_it_never_gives_up(lab, working):
    write_config(working, {**CONFIG, "zone": "none"})
    working.run(["systemctl", "restart", ENGINE], check=False)
    wait_until(lambda: int(working.show(ENGINE, "NRestarts")) >= 1, "it is tried again", 30)
    assert working.show(ENGINE, "StartLimitIntervalUSec") == "0"  # for ever
    assert "zone: found 'none'" in working.journal(ENGINE)
    assert door(lab) == "refused"  # the rules are still there
    write_config(working, CONFIG)
    wait_until(lambda: working.show(ENGINE, "ActiveState") == "active", "it works again by itself", 60)
    knock(lab, working)


def test_an_agent_with_another_broker_is_for_its_own_file_only(working, owner):
    """The copy that it gets of agent.json is no other user's."""
    folder = working.run(["sh", "-c", f"tr '\\0' '\\n' </proc/{pid(working, AGENT)}/cmdline | tail -n 1"]).stdout.strip()
    assert folder == f"/run/credentials/{AGENT}/agent.json"
    assert working.run(["setpriv", "--reuid=65534", "--clear-groups", "cat", folder], check=False).returncode != 0
    assert "password" in working.run(["setpriv", "--reuid=knocklet", "--clear-groups", "cat", folder]).stdout


def test_default_route_by_another_interface(lab, working):
    """The new one is protected, and the old one still is."""
    assert lab.tcp_open("203.0.113.1", 22, from_=lab.mgmt) == "open"
    default_routes(lab.gateway, lab.mgmt.ip4, lab.mgmt.ip6)
    try:
        working.run(["/etc/network/if-up.d/knocklet"])
        wait_until(lambda: len(knockletctl_or_none(working) or ()) == 2, "both are watched", 20)
        assert lab.tcp_open("203.0.113.1", 22, from_=lab.mgmt) == "refused"
        assert door(lab) == "refused"
        old = pid(working, ENGINE)
        working.run(["/usr/lib/NetworkManager/dispatcher.d/30-knocklet", "wan0", "up"])
        assert pid(working, ENGINE) == old  # nothing new
    finally:
        default_routes(lab.gateway, lab.wan.ip4, lab.wan.ip6)
        working.run(["rm", "/etc/knocklet/interfaces"])
        working.run(["systemctl", "restart", ENGINE])
    assert lab.tcp_open("203.0.113.1", 22, from_=lab.mgmt) == "open"


def test_the_newest_interface_is_never_the_one_left_out(lab, working):
    """Eight are as many as the engine takes; tethered telephones make new names each time."""
    names = [f"enx{number}" for number in range(8)]
    working.put("/etc/knocklet/interfaces", "\n".join(names) + "\n")
    working.run(["systemctl", "restart", ENGINE])
    watched = {each["name"] for each in knockletctl(working, "status")["interfaces"]}
    assert watched == {"wan0", *names[:7]}
    assert "enx7 is left out" in working.journal(ENGINE)
    working.put("/etc/knocklet/interfaces", "wan0\n")
    working.run(["systemctl", "restart", ENGINE])


def test_what_was_confirmed_is_shut_after_a_power_cut(working):
    """The rules to close with are those of now as soon as the slot of what was confirmed is written."""
    for _ in range(8):  # as an engine that ends again and again has it started
        working.run(["systemctl", "restart", "knocklet-closed.path"])
    services = CONFIG["services"] | {"late": {"index": 3, "port": 4711}}
    write_config(working, CONFIG | {"services": services})
    knockletctl(working, "reload")
    closed = working.path("/etc/knocklet/closed.nft")
    assert "4711" not in closed.read_text()
    working.put("/etc/knocklet/state/config.sealed.new", b"")
    working.run(["mv", "/etc/knocklet/state/config.sealed.new", "/etc/knocklet/state/config.sealed"])
    wait_until(lambda: "4711" in closed.read_text(), "the rules are kept")
    working.run(["rm", "/etc/knocklet/state/config.sealed"])


def test_no_default_route_and_none_remembered(lab, working):
    """As after the first boot of a new image: it says what is missing, and works as soon as there is one."""
    lab.gateway.ip("route delete default", "route delete ::/0")
    try:
        working.run(["rm", "/etc/knocklet/interfaces"])
        working.run(["systemctl", "restart", ENGINE], check=False)
        assert "interfaces: found nothing" in working.journal(ENGINE)
    finally:
        default_routes(lab.gateway, lab.wan.ip4, lab.wan.ip6)
    wait_until(lambda: working.show(ENGINE, "ActiveState") == "active", "it works by itself", 60)
    knock(lab, working)
    assert (door(lab), door(lab, lab.attacker)) == ("open", "refused")


def knockletctl_or_none(pi):
    """The interfaces, if the engine answers."""
    done = pi.run(["knockletctl", "--json", "status"], check=False)
    return json.loads(done.stdout)["interfaces"] if not done.returncode else None


def test_what_the_owner_names_counts(lab, working):
    settings = working.path("/etc/default/knocklet")
    before = settings.read_text()
    settings.write_text(before.replace("INTERFACES=\n", "INTERFACES=wan0,mgmt0,wlan9\n"))
    try:
        working.run(["systemctl", "restart", ENGINE])
        assert lab.tcp_open("203.0.113.1", 22, from_=lab.mgmt) == "refused"
    finally:
        settings.write_text(before)
        working.run(["systemctl", "restart", ENGINE])


def test_nftables_rules_of_the_owners_that_drop(lab, working):
    """docs/raspberry_pi.md: with its line, what ours lets in they let in too."""
    path = working.path("/etc/nftables.conf")
    before = path.read_text()
    (line,) = re.findall(r"^ +(ct mark .* accept)$", (ROOT / "docs" / "raspberry_pi.md").read_text(), re.MULTILINE)
    rules = ["type filter hook input priority filter; policy drop;", line, "iifname != wan0 accept"]
    text = "flush ruleset\ntable inet own {\nchain input {\n" + "\n".join(rules) + "\n}\n}\n"
    working.put("/etc/nftables.conf", text, 0o755)
    write_config(working, {**CONFIG, "zone": "drop"})
    try:
        working.run(["systemctl", "restart", "nftables", ENGINE])
        assert (door(lab), door(lab, lab.attacker)) == ("silent", "silent")
        knock(lab, working)
        assert (door(lab), door(lab, lab.attacker)) == ("open", "silent")
        ours = rules_of(working)
        working.run(["systemctl", "restart", "nftables"])
        wait_until_back(working, ours, lab.client.ip4)
        assert (door(lab), door(lab, lab.attacker)) == ("open", "silent")
    finally:
        path.write_text(before)
        working.run(["systemctl", "restart", "nftables"])
        write_config(working, CONFIG)
        working.run(["systemctl", "restart", ENGINE])


@pytest.mark.parametrize("tool", ["iptables-nft", "iptables-legacy"])
def test_a_pi_with_iptables(lab, working, tool):
    """The sandbox leaves room for what iptables does."""
    for name in ("iptables", "ip6tables"):
        working.run(["update-alternatives", "--set", name, f"/usr/sbin/{tool.replace('iptables', name)}"])
    working.run([tool, "-A", "INPUT", "-p", "tcp", "--dport", "9", "-j", "DROP"])
    try:
        working.run(["systemctl", "restart", ENGINE])
        assert "rules of %s are in force" % tool in knockletctl(working, "status")["firewall_why"]
        assert door(lab) == "refused"
        knock(lab, working)
        assert door(lab) == "open"
        times = knockletctl(working, "status")["counts"]["restored"]
        working.run([tool, "-F"])
        wait_until(lambda: knockletctl(working, "status")["counts"]["restored"] > times, "the rules are back")
        assert (door(lab), door(lab, lab.attacker)) == ("open", "refused")
    finally:
        working.run(["systemctl", "stop", ENGINE])
        working.run([tool, "-F", "INPUT"])
        working.run(["/usr/lib/knocklet/start.sh", "engine", "--uninstall"])


def test_reboot(lab, working, owner):
    """Shut before the network comes, without a default route to tell by; and it works again."""
    knock(lab, working)
    working.shut_down()
    lab.reset()  # what a kernel that starts anew knows
    lab.gateway.ip("route delete default", "route delete ::/0")
    owner.start_broker()
    owner.start_collector()
    working.boot()
    default_routes(lab.gateway, lab.wan.ip4, lab.wan.ip6)
    assert working.show(ENGINE, "ActiveState") == working.show(AGENT, "ActiveState") == "active"
    ready = int(working.show(ENGINE, "ActiveEnterTimestampMonotonic"))
    assert 0 < ready <= int(working.show("network-pre.target", "ActiveEnterTimestampMonotonic"))
    assert door(lab) == "refused" and grants(working) == []
    knock(lab, working)
    assert door(lab) == "open"
    owner.wait_until_online()


@pytest.mark.parametrize("away", ["/usr/bin/micropython", "/etc/knocklet/config.json"])
def test_rebooted_without_what_it_needs_it_is_shut(lab, working, away):
    """A package taken off, a mistake in the configuration: what was protected stays so, and it comes back by itself."""
    path = working.path(away)
    there = path.read_bytes()
    mode = path.stat().st_mode
    working.power_off()
    working.put(away, "{", mode)
    lab.reset()
    working.boot()
    assert working.show(ENGINE, "ActiveState") == "activating"  # again and again
    assert (door(lab), door(lab, lab.attacker)) == ("refused", "refused")
    working.put(away, there, mode)
    wait_until(lambda: working.show(ENGINE, "ActiveState") == "active", "it works again by itself", 60)
    knock(lab, working)
    assert (door(lab), door(lab, lab.attacker)) == ("open", "refused")


def test_an_upgrade_at_work(lab, working, newer_package):
    knock(lab, working)
    old = pid(working, ENGINE), pid(working, AGENT)
    install(working.run, working, newer_package)
    new = pid(working, ENGINE), pid(working, AGENT)
    assert 0 not in new and not set(old) & set(new)
    assert grants(working) == [("ssh", lab.client.ip4)]
    assert (door(lab), door(lab, lab.attacker)) == ("open", "refused")


def test_removed_while_it_works(lab, working):
    """Last: nothing of it runs, and every port is as it was."""
    assert door(lab, lab.attacker) == "refused"
    working.run(["dpkg", "--purge", "knocklet"])
    assert door(lab, lab.attacker) == "open"
    assert rules_of(working) == ""
    assert "micropython" not in working.run(["sh", "-c", "cat /proc/[0-9]*/comm"]).stdout
    left = working.run(["sh", "-c", "ls -d /run/knocklet* /etc/knocklet* /usr/lib/knocklet*"], check=False)
    assert left.stdout == ""
    assert working.run(["systemctl", "list-units", "--all", "knocklet*", "--quiet"]).stdout == ""
