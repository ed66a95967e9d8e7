"""Nobody can tell a protected port, a step or a decoy from any other closed port of its zone: not nmap, not byte by byte.

Two differences on a zone that accepts are known, and in no packet here. A reset that the firewall sends has flow label 0 in
IPv6 and type of service 0; the kernel's own has a flow label at random and the type of service of what it answers.
"""

import contextlib
import itertools
import struct
import xml.etree.ElementTree as xml

import pytest
from net import frames

from lab.packets import ACK, FIN, PSH, RST, SYN, packet

URG = 32
PROTECTED = {"tcp": [22, 8080, 8443, 8888], "udp": [5182]}
STEPS = ["7000/tcp", "7002/tcp", "7101/udp", "7103/udp"]
DECOYS = [7001, 7102]  # the only ports between two steps each
OTHERS = [9, 443, 5000, 12345, 40000]
PORTS = {
    protocol: [*PROTECTED[protocol], *(int(step[:4]) for step in STEPS if step.endswith(protocol)), *DECOYS, *OTHERS]
    for protocol in ("tcp", "udp")
}
ZONES = ["drop", "reject", "accept"]
ANSWERS = {  # protocol, state, reason and hops left, as nmap sees them
    "drop": {("tcp", "filtered", "no-response", "0"), ("udp", "open|filtered", "no-response", "0")},
    "reject": {("tcp", "closed", "reset", "64"), ("udp", "closed", "port-unreach", "64")},
}
ANSWERS["accept"] = ANSWERS["reject"]
FAMILIES = ["ip4", "ip6"]


@pytest.fixture
def config(config):
    config["services"]["vpn"] = {"index": 5, "protocol": "udp", "port": PROTECTED["udp"][0]}
    config["sequences"] = {"front": {"steps": STEPS, "open": list(config["services"])}}
    return config


@pytest.fixture(autouse=True)
def unlimited(lab):
    """ICMP without the kernel's limit of one a second: the same for all ports, but it would take minutes."""
    limits = {"ipv4__icmp_ratelimit": 1000, "ipv6__icmp__ratelimit": 1000}
    lab.gateway.sysctl(**dict.fromkeys(limits, 0))
    yield
    lab.gateway.sysctl(**limits)


def seen_by_nmap(lab, to, tcp, udp):
    """{(protocol, state, reason, hops left)} of all the ports."""
    ports = ",".join([f"T:{port}" for port in tcp] + [f"U:{port}" for port in udp])
    scans = ["-sS", *(["-sU"] if udp else []), *(["-6"] if ":" in to else [])]
    quick = ["-r", "-T5", "--max-retries", "1", "--initial-rtt-timeout", "50ms", "--max-rtt-timeout", "50ms"]
    # In ascending order: at random, now and then the scan itself would do the sequence.
    quick += ["--min-rate", "200"]
    root = xml.fromstring(lab.attacker.run(["nmap", *scans, "-p", ports, "-n", "-Pn", "-d", *quick, "-oX", "-", to]).stdout)
    states = [(port.get("protocol"), port.find("state")) for port in root.iter("port")]
    assert len(states) == len(tcp) + len(udp)  # with -d it lists them one by one
    return {(protocol, *(state.get(key) for key in ("state", "reason", "reason_ttl"))) for protocol, state in states}


@pytest.mark.parametrize("zone", ZONES, indirect=True)
def test_nmap(lab, dut, zone):
    """Before a knock, and while somebody else is in."""
    for granted in (False, True):
        for family in FAMILIES:
            gateway = getattr(lab.gateway, family)
            if granted:
                lab.knock(STEPS, gateway)
                dut.expect_event("opened", service="vpn")
                if family == "ip4":
                    assert lab.tcp_open(gateway, 22) == "open"
            assert seen_by_nmap(lab, gateway, PORTS["tcp"], PORTS["udp"]) == ANSWERS[zone], (family, granted)


@pytest.mark.parametrize("zone", ["drop", "reject"], indirect=True)
def test_nmap_of_a_device(lab, dut, zone):
    """By its own address. On a zone that accepts it would answer itself but for what is protected: README says so."""
    expected = {answer for answer in ANSWERS[zone] if answer[0] == "tcp"}
    for family in FAMILIES:
        assert seen_by_nmap(lab, getattr(lab.camera, family), [80, 81, 443, 9, 7000], []) == expected, family


# Byte by byte

PROBES = {
    "SYN": {},
    "SYN that wants ECN": {"flags": SYN | 0xC0},
    "SYN with data": {"payload": b"GET / HTTP/1.0\r\n\r\n"},
    "ACK": {"flags": ACK},
    "SYN and ACK": {"flags": SYN | ACK},
    "FIN": {"flags": FIN},
    "nothing set": {"flags": 0},
    "all set": {"flags": FIN | PSH | URG},
    "UDP": {"protocol": "udp"},
    "UDP with data": {"protocol": "udp", "payload": b"knock" * 4},
    "large UDP": {"protocol": "udp", "payload": bytes(1200)},
}
UNANSWERED = {
    "RST": {"flags": RST},
    "bad checksum": {"good_checksum": False},
    "bad UDP checksum": {"protocol": "udp", "good_checksum": False},
}


def answer(wait, wire, made, source_port, to, tries):
    """What comes back from `to` for one packet, without what differs by nature; b"" if nothing does.

    A second try can be needed: the kernel keeps a thousand ICMP messages a second as a limit for all of its namespaces.
    """
    number = struct.pack(">H", source_port)
    for timeout_s in tries:
        wire.send(made)
        with contextlib.suppress(TimeoutError):
            return plain(wait(lambda heard: frames.source_of(heard) == to and number in heard, timeout_s))
    return b""


def plain(heard):
    """Zeros for ports and checksums, also of a packet that an ICMP message quotes, and for what the kernel counts or draws."""
    ipv4 = heard[0] >> 4 == 4
    header, is_tcp = (20, heard[9] == 6) if ipv4 else (40, heard[6] == 6)
    hidden = [*range(10, 12)] if ipv4 else [*range(1, 4)]  # header checksum; flow label
    if is_tcp:
        hidden += [*range(header, header + 4), header + 16, header + 17]
    else:
        quoted = 2 * header + 8
        hidden += [header + 2, header + 3, *range(quoted, quoted + 4), quoted + 6, quoted + 7]
        if ipv4:
            assert heard[4:6] != b"\0\0"  # it counts
            hidden += [4, 5]
    return bytes(0 if at in hidden else byte for at, byte in enumerate(heard))


@pytest.fixture
def answers(lab):
    """A function (family, probe, tries: seconds of each) -> {answer: ports} of protected ports, steps, decoys and others."""
    with frames.listening(lab.attacker) as wait, lab.generator() as wire:
        source_ports = itertools.count(41000)

        def ask(family, probe, tries):
            source, to = getattr(lab.attacker, family), getattr(lab.gateway, family)
            found = {}
            for port, source_port in zip(PORTS[probe.get("protocol", "tcp")], source_ports):
                made = packet(source, to, port, source_port=source_port, **probe)
                found.setdefault(answer(wait, wire, made, source_port, to, tries), []).append(port)
            return found

        yield ask


@pytest.mark.parametrize("zone", ["reject", "accept"], indirect=True)
def test_every_byte(dut, answers):
    for family, (name, probe) in itertools.product(FAMILIES, PROBES.items()):
        found = answers(family, probe, tries=(0.1, 0.5, 2))
        assert len(found) == 1 and b"" not in found, (family, name, {said.hex(): ports for said, ports in found.items()})
    for family, (name, probe) in itertools.product(FAMILIES, UNANSWERED.items()):
        assert list(answers(family, probe, tries=(0.02,))) == [b""], (family, name)
