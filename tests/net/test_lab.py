"""The lab itself: what is open, refused and silent before any engine, and that nothing of it stays."""

import contextlib
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab import Lab, LabError, leftovers
from lab.host import NETNS_DIR
from lab.page import PAGE
from lab.waiting import sleeps, wait_until

TESTS = Path(__file__).resolve().parent.parent
CLOSED = 9  # nobody listens there
MARK_ALL = """table inet marks {
  chain prerouting { type filter hook prerouting priority mangle; ct mark set 0x4b000000; }
}
"""
ANSWER = {"drop": "silent", "reject": "refused", "accept": "refused"}  # of a closed port


@pytest.fixture(scope="module", params=["ipset", "nft"])
def firewall(request):
    return request.param


@pytest.fixture(scope="module", params=["drop", "reject", "accept"])
def lab(request, firewall):
    with Lab(zone=request.param, firewall=firewall) as lab:
        yield lab


@pytest.mark.parametrize("who", ["client", "attacker"])
@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_from_outside(lab, who, family):
    """The page and SSH are closed like any other port. With zone accept both are open: no firewall, no Knocklet yet."""
    outsider, answer = getattr(lab, who), ANSWER[lab.zone]
    gateway, camera = getattr(lab.gateway, family), getattr(lab.camera, family)
    listening = "open" if lab.zone == "accept" else answer
    expected = {
        (lab.tcp_open, gateway, 22): listening,
        (lab.tcp_open, camera, 80): listening,
        (lab.tcp_open, gateway, CLOSED): answer,
        (lab.tcp_open, camera, CLOSED): answer,
        (lab.udp_open, gateway, CLOSED): answer,
        (lab.udp_open, camera, CLOSED): answer,
    }
    with ThreadPoolExecutor() as pool:  # each waits for silence
        tries = {case: pool.submit(*case, from_=outsider) for case in expected}
        assert {case: tried.result() for case, tried in tries.items()} == expected


@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_from_inside(lab, family):
    """The LAN and mgmt see the page and SSH, and the LAN gets out."""
    camera, client = getattr(lab.camera, family), getattr(lab.client, family)
    assert lab.http(camera, from_=lab.gateway) == PAGE
    assert lab.http(camera, from_=lab.mgmt) == PAGE
    assert lab.tcp_open(getattr(lab.gateway, family), 22, from_=lab.camera) == "open"
    with lab.client.inside():
        listener = socket.create_server((client, 5000), family=socket.AF_INET6 if ":" in client else socket.AF_INET)
    with listener:
        assert lab.tcp_open(client, 5000, from_=lab.camera) == "open"


def test_ssh_greets(lab):
    with lab.camera.inside():
        connection = socket.create_connection(("192.168.1.1", 22), timeout=2)
    with connection:
        assert connection.recv(100).startswith(b"SSH-2.0-dropbear")


def test_counts_what_leaves(lab):
    """Exactly one answer per probe where the zone answers, and nothing at all where it drops."""
    before = lab.sent_to_wan()
    for _ in range(10):
        lab.tcp_open(lab.gateway.ip4, CLOSED, timeout_s=0.01)
        lab.tcp_open(lab.gateway.ip6, CLOSED, timeout_s=0.01)
    assert lab.sent_to_wan() - before == (0 if lab.zone == "drop" else 20)


def test_knock_arrives_in_order(lab):
    """TCP steps as one SYN each, UDP steps as one datagram, from the address asked for."""
    with lab.gateway.inside():
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
    with tap:
        tap.bind(("wan0", 0x0003))
        tap.settimeout(2)
        source = lab.add_address(lab.client, "198.51.100.77")
        lab.knock(["7000/tcp", "9100/udp", "8000/tcp"], source=source)
        seen = []
        while len(seen) < 3:
            packet, (_, _, kind, *_) = tap.recvfrom(2048)
            if kind == socket.PACKET_HOST and packet[12:16] == socket.inet_aton(source):
                seen.append((packet[9], int.from_bytes(packet[22:24], "big")))
        assert seen == [(6, 7000), (17, 9100), (6, 8000)]


def test_cable_pulled_and_plugged(lab):
    lab.gateway.run(["ip", "link", "delete", "wan0"])
    assert lab.tcp_open(lab.gateway.ip4, CLOSED) == "silent"
    lab.plug_wan()
    lab.wait_until_quiet()
    for address in (lab.gateway.ip4, lab.gateway.ip6):
        assert lab.tcp_open(address, CLOSED) == ANSWER[lab.zone]


def test_nft_zone_admits_marked_connections():
    """As OpenWrt's fw4 does with Knocklet's include."""
    with Lab(zone="drop", firewall="nft") as lab:
        assert lab.tcp_open(lab.gateway.ip4, 22) == "silent"
        lab.gateway.run(["nft", "-f", "-"], input=MARK_ALL)
        assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
        assert lab.http(lab.camera.ip6) == PAGE


def test_reset():
    """What a test did to a lab is gone for the next one."""
    with Lab(zone="reject") as lab:
        source = lab.add_address(lab.client, "198.51.100.77")
        lab.serve(lab.gateway, 8888)
        lab.gateway.run(["iptables", "-I", "INPUT", "-j", "ACCEPT"])
        lab.gateway.run(["ip", "link", "set", "wan0", "down"])
        lab.gateway.run(["ip", "link", "set", "wan0", "name", "wan7"])
        lab.reset()
        assert "wan7" not in lab.gateway.interfaces()
        assert lab.tcp_open(lab.gateway.ip4, 22) == lab.tcp_open(lab.gateway.ip6, 22) == "refused"
        assert lab.tcp_open("::1", 8888, from_=lab.gateway) == "refused"
        assert lab.tcp_open("::1", 22, from_=lab.gateway) == "open"
        with pytest.raises(OSError, match="assign requested address"):
            lab.tcp_open(lab.gateway.ip4, 22, source=source)


def test_several_at_once():
    with Lab() as one, Lab(zone="reject") as other:
        assert one.tcp_open(one.gateway.ip4, 22) == "silent"
        assert other.tcp_open(other.gateway.ip4, 22) == "refused"


def test_unknown_zone():
    with pytest.raises(LabError, match="zone rejekt: allowed: drop, reject, accept"):
        Lab(zone="rejekt")


def test_failed_command_is_one_line(lab):
    with pytest.raises(LabError, match="exit 1: .*nosuch"):
        lab.gateway.run(["ip", "link", "show", "nosuch"])


# Nothing stays.

OWNER = """
import time
from lab import Lab
with Lab() as lab:
    lab.client.popen(["sleep", "1000"])
    print(lab.prefix, flush=True)
    {}
"""


def names(prefix):
    return [path.name for folder in (NETNS_DIR, leftovers.RUN_DIR) for path in folder.glob(prefix + "*")]


def three_processes(prefix):
    """dropbear, the camera and sleep, once all have started."""
    wait_until(lambda: len(leftovers.processes(prefix)) == 3, "dropbear, pages and sleep")
    return leftovers.processes(prefix)


def living(pids):
    """Those that have not ended; a zombie has."""
    return [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()]


@contextlib.contextmanager
def owner(body):
    """Another process with a lab: gives (process, prefix, pids in the lab)."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER.format(body)], cwd=TESTS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            prefix = process.stdout.readline().strip()
            assert prefix.startswith("knocklet-lab-")
            yield process, prefix, three_processes(prefix) if "sleep" in body else []
        finally:
            process.kill()


def test_nothing_stays():
    with Lab() as lab:
        lab.client.popen(["sleep", "1000"])
        pids = three_processes(lab.prefix)
        assert len(names(lab.prefix)) == 7  # six namespaces, one directory
    assert names(lab.prefix) == [] and living(pids) == []


def test_nothing_stays_of_a_lab_that_fails_to_start(monkeypatch):
    monkeypatch.setattr(Lab, "plug_wan", lambda self: self.gateway.run(["false"]))
    lab = Lab()
    with pytest.raises(LabError, match="false: exit 1"), lab:
        pass
    assert names(lab.prefix) == []


def test_nothing_stays_after_an_exception():
    with owner("raise ValueError('on purpose')") as (process, prefix, _):
        assert "on purpose" in process.communicate(timeout=10)[1]
    assert names(prefix) == []


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_nothing_stays_after_a_signal(signum):
    with owner("time.sleep(1000)") as (process, prefix, pids):
        wait_until(lambda: sleeps(process.pid), "the owner sleeps")
        process.send_signal(signum)
        assert process.wait(timeout=10) != 0
    assert names(prefix) == [] and living(pids) == []


def test_next_start_removes_what_a_killed_owner_left():
    with owner("time.sleep(1000)") as (process, prefix, pids):
        process.kill()
        process.wait(timeout=10)
        assert len(names(prefix)) == 7 and living(pids) == pids
        with Lab() as lab:
            assert names(prefix) == [] and living(pids) == []
            assert lab.tcp_open("192.168.1.1", 22, from_=lab.camera) == "open"


def test_next_start_leaves_living_owners_alone():
    with owner("time.sleep(1000)") as (_, prefix, pids):
        with Lab():
            pass
        assert len(names(prefix)) == 7 and living(pids) == pids
