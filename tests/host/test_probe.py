"""Does the service answer after the knock? A plain stand-in opens the lab's gateway, or nobody does."""

import json
import socket
import threading
import time

import pytest

STEPS = ["7001/tcp", "7002/udp", "7003/tcp"]
SYN = 0x02


@pytest.fixture
def door(lab, wire):
    """`with door(knocks=2):` opens the gateway's port 22 when the last step has come for the second time.

    wait_s: pause before each of the commands, which open one family each.
    """

    class Door:
        def __init__(self, knocks, commands=("iptables",), wait_s=0.0):
            self.knocks = knocks
            self.commands = commands
            self.wait_s = wait_s
            self.packets = []
            self.done = threading.Event()
            self.thread = threading.Thread(target=self.watch)

        def __enter__(self):
            wire.packets()
            self.thread.start()
            return self

        def __exit__(self, *_):
            self.done.set()
            self.thread.join()
            self.packets += wire.packets()

        def watch(self):
            while not self.done.is_set():
                self.packets += wire.packets(wait_s=0.01)
                if [packet.step for packet in self.packets].count(STEPS[-1]) == self.knocks:
                    for command in self.commands:
                        time.sleep(self.wait_s)
                        lab.gateway.run([command, "-I", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT"])
                    return

    return Door


def test_opens_at_the_first_knock(lab, knock, door):
    with door(knocks=1) as opened:
        result = knock(lab.gateway.ip4, *STEPS, "--then", "22")
    assert result.exit_code == 0
    words = result.stdout.split()
    assert result.stdout == f"22/tcp answers at {lab.gateway.ip4}, {words[4]} ms after the last step\n"
    assert 0 < float(words[4]) < 900   # no waiting for the kernel to repeat a SYN
    assert result.stderr == "A fixed sequence hides a port; whoever sees it on the way can copy it.\n"
    tries = [packet for packet in opened.packets if packet.port == 22 and packet.flags == SYN]
    assert len({packet.source_port for packet in tries}) == len(tries) >= 2   # a source port each
    assert {packet.step for packet in opened.packets} == {*STEPS, "22/tcp"}


@pytest.mark.parametrize("lab", ["drop", "reject"], indirect=True)   # the kernel repeats no refused SYN, we do
def test_a_door_that_takes_its_time(lab, knock, door):
    with door(knocks=1, wait_s=1.1):
        result = knock(lab.gateway.ip4, *STEPS, "--then", "22", "--tries", 1, "--json")
    assert 1100 < json.loads(result.stdout)["addresses"][0]["answer_ms"] < 2500


def test_opens_at_the_second_knock(lab, knock, door):
    with door(knocks=2) as opened:
        result = knock(lab.gateway.ip4, *STEPS, "--then", "22", "--wait", "0.9", "--delay", 20)
    assert result.exit_code == 0
    assert result.stdout.endswith(" ms after the last step of knock 2\n")
    assert result.stderr.startswith("No answer yet; knocking again (2 of 3).\n")
    steps = [packet for packet in opened.packets if packet.port != 22]
    assert [packet.step for packet in steps] == STEPS * 2
    assert 1.0 <= steps[3].time - steps[2].time < 1.3   # whatever --wait is: late packets of the first knock


def test_stays_closed(lab, wire, knock):
    wire.packets()
    begun = time.monotonic()
    result = knock(lab.gateway.ip4, *STEPS, "--then", "22", "--wait", "1.1", "--tries", 2, "--delay", 0)
    assert 2.2 < time.monotonic() - begun < 2.6
    assert (result.exit_code, result.stdout) == (1, f"22/tcp stayed silent at {lab.gateway.ip4}\n")
    assert "Knocked 2 times without an answer." in result.stderr
    assert [packet.step for packet in wire.packets() if packet.port != 22] == STEPS * 2


@pytest.mark.parametrize("lab", ["reject"], indirect=True)
@pytest.mark.parametrize("family", ["ip4", "ip6"])
@pytest.mark.parametrize("service", ["22/tcp", "53/udp"])
def test_refused(lab, knock, family, service):
    gateway = getattr(lab.gateway, family)
    result = knock(gateway, "7001", "--then", service, "--tries", 1, "--wait", 0.2)
    assert (result.exit_code, result.stdout) == (1, f"{service} refused at {gateway}\n")


@pytest.mark.parametrize("lab", ["reject"], indirect=True)
def test_refused_at_first(lab, knock, door):
    with door(knocks=1):
        result = knock(lab.gateway.ip4, *STEPS, "--then", "22", "--tries", 1)
    assert result.exit_code == 0, result.stdout


def test_host_that_is_not_there(lab, knock):
    result = knock("198.51.100.99", "7001", "--then", "22", "--tries", 1, "--wait", 5)   # nobody answers ARP
    assert (result.exit_code, result.stdout) == (1, "22/tcp is not reachable at 198.51.100.99\n")


@pytest.mark.parametrize("lab", ["accept"], indirect=True)
@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_answers_at_once(lab, wire, knock, family):
    gateway = getattr(lab.gateway, family)
    wire.packets()
    begun = time.monotonic()
    result = knock(gateway, "7001", "--then", "22")
    assert time.monotonic() - begun < 0.3
    assert result.exit_code == 0, result.stdout
    assert len([packet for packet in wire.packets() if packet.port == 22 and packet.flags == SYN]) == 1


def test_one_family_opens(lab, knock, door, names):
    names["home.example.net"] = [lab.gateway.ip6, lab.gateway.ip4]
    begun = time.monotonic()
    with door(knocks=2):   # both addresses have had the last step
        result = knock("home.example.net", *STEPS, "--then", "22", "--wait", 5)
    assert time.monotonic() - begun < 2.5   # it does not wait 5 s for the other
    assert result.exit_code == 0
    silent, answers = result.stdout.splitlines()
    assert silent == f"22/tcp stayed silent at {lab.gateway.ip6}"
    assert answers.startswith(f"22/tcp answers at {lab.gateway.ip4}, ")
    assert result.stderr.startswith("Connect over IPv4: IPv6 did not open.\n")


def test_both_families_open(lab, knock, door, names):
    names["home.example.net"] = [lab.gateway.ip6, lab.gateway.ip4]
    with door(knocks=2, commands=("iptables", "ip6tables"), wait_s=0.1):   # one a little later
        result = knock("home.example.net", *STEPS, "--then", "22", "--wait", 5, "--json")
    report = json.loads(result.stdout)
    assert [address["state"] for address in report["addresses"]] == ["open", "open"]
    assert result.exit_code == 0


@pytest.fixture
def echo(lab):
    """A UDP service on the client's own loopback address: answers each datagram."""
    with lab.client.inside():
        service = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    service.bind(("127.0.0.1", 5353))

    def answer():
        while (asked := service.recvfrom(9))[0] != b"end":
            service.sendto(b"!", asked[1])

    thread = threading.Thread(target=answer)
    thread.start()
    yield
    service.sendto(b"end", service.getsockname())
    thread.join()
    service.close()


def test_udp_service_that_answers(lab, knock, echo):
    result = knock("127.0.0.1", "7001", "--then", "5353/udp")
    assert result.exit_code == 0
    assert result.stdout.startswith("5353/udp answers at 127.0.0.1, ")


def test_udp_service_that_says_nothing(lab, wire, knock):
    wire.packets()
    result = knock(lab.gateway.ip4, "7001", "--then", "51820/udp", "--tries", 1, "--wait", 0.1)
    assert (result.exit_code, result.stdout) == (1, f"51820/udp stayed silent at {lab.gateway.ip4}\n")
    assert "A UDP service may be open and say nothing to a stranger's byte." in result.stderr
    tries = [packet for packet in wire.packets() if packet.step == "51820/udp"]
    assert tries and {packet.payload for packet in tries} == {b"\0"}
    assert len({packet.source_port for packet in tries}) == len(tries)


@pytest.mark.parametrize("lab", ["accept"], indirect=True)
def test_json(lab, knock):
    result = knock(lab.gateway.ip4, *STEPS, "--then", "22", "--json")
    report = json.loads(result.stdout, parse_constant=pytest.fail)
    assert result.stdout.count("\n") == 1 and result.stderr == ""
    ms = report["addresses"][0].pop("answer_ms")
    assert 0 < ms < 1000
    assert report == {
        "host": lab.gateway.ip4,
        "steps": STEPS,
        "then": "22/tcp",
        "tries": 1,
        "answered": True,
        "addresses": [{"address": lab.gateway.ip4, "knocked": True, "state": "open", "error": None}],
    }
