"""The firewall's rules and grants against a real kernel: each claim is proved with packets. Network: firewall_net.py.

The three kinds: nft, ipset with iptables-nft, ipset with iptables-legacy.
"""

import copy
import time

import pytest
from net import firewall_net
from net.firewall_net import ASIDE, ATTACKER, ATTACKER6, CAMERA, CAMERA6, CLIENT, CLIENT6, GATEWAY, GATEWAY6, HEAT, SOURCES

KINDS = ("nft", "ipset-nft", "ipset-legacy")
CONFIG = {
    "interfaces": ["wan0"],
    "zone": "drop",
    "services": {
        "ssh": {"index": 1, "port": 22, "ttl": 60},
        "camera": {"index": 2, "port": 8080, "to": CAMERA + ":80", "to6": f"[{CAMERA6}]:80", "ttl": 60},
        "once": {"index": 3, "port": 8443, "to": HEAT + ":443", "ttl": 60, "one_shot": True},
        "admin": {"index": 4, "port": 8888, "ttl": 60, "cut": True},
        "vpn": {"index": 5, "port": 5182, "protocol": "udp", "ttl": 60},
    },
}


@pytest.fixture(scope="module")
def net():
    with firewall_net.made() as made:
        yield made


class Lab:
    """One gateway, freshly booted, with the driver running in it."""

    def __init__(self, net, kind):
        self.net = net
        self.kind = kind
        self.driver = net.driver()
        self.wan = net.hosts["wan"]
        self.driver.forget_connections()
        if kind == "ipset-legacy":  # a rule in force decides which iptables it is
            net.run("iptables-legacy -A OUTPUT -m comment --comment somebody")

    def install(self, config=CONFIG, **changes):
        config = copy.deepcopy(config)
        config["firewall"] = "nft" if self.kind == "nft" else "ipset"
        config.update(changes)
        return self.driver.install(config=config)

    def restart(self, bits="64", wrapper=""):
        """kill -9 of the process, and a new one."""
        self.driver.kill()
        self.driver = self.net.driver(bits, wrapper)

    def probe(self, to, port, source=CLIENT, protocol="tcp", **more):
        return self.wan.probe(protocol=protocol, source=source, to=to, port=port, **more)


@pytest.fixture
def start(net):
    """start(kind) gives a Lab; everything it did is taken back."""
    labs = []

    def start(kind):
        labs.append(Lab(net, kind))
        return labs[-1]

    net.clean()
    yield start
    for lab in labs:
        lab.driver.kill()
    net.clean()


@pytest.fixture(params=["nft", "ipset-nft", pytest.param("ipset-legacy", marks=pytest.mark.long)])
def lab(request, start):
    """The two iptables differ little: most is proved of the old one only in `make test-long`."""
    return start(request.param)


@pytest.fixture(params=KINDS)
def every_lab(request, start):
    return start(request.param)


def raw(lab, source, to, protocol, ports, flags):
    """What comes back for one bare packet to each port."""
    return lab.wan.answers_raw(interface="eth0", source=source, to=to, protocol=protocol, ports=ports, flags=flags)


def only(name, **changes):
    """A configuration with one service."""
    config = copy.deepcopy(CONFIG)
    config["services"] = {name: {**config["services"][name], **changes}}
    if "idle" in changes:
        config["services"][name].pop("ttl", None)
    return config


# The basic promise


def test_service_on_the_gateway(every_lab):
    lab = every_lab
    for client, _, gateway in SOURCES.values():
        assert lab.probe(gateway, 22, client) == "open"
    lab.install()
    for client, attacker, gateway in SOURCES.values():
        assert lab.probe(gateway, 22, client) == "silent"
        lab.driver.add(name="ssh", address=client, left=2)
        assert lab.probe(gateway, 22, client) == "open"
        assert lab.probe(gateway, 22, attacker) == "silent"
        assert lab.probe(gateway, 222, attacker) == "open", "a port that nobody protects"
        assert lab.probe(gateway, 8888, client) == "silent", "another service"
    time.sleep(1.6)
    for client, _, gateway in SOURCES.values():
        assert lab.probe(gateway, 22, client) == "silent", "the kernel ended it"
        lab.driver.add(name="ssh", address=client, left=60)
        assert lab.probe(gateway, 22, client) == "open"
        lab.driver.remove(name="ssh", address=client)
        lab.driver.remove(name="ssh", address=client)
        assert lab.probe(gateway, 22, client) == "silent"


@pytest.mark.parametrize("family", [4, 6])
def test_udp_service(lab, family):
    client, attacker, gateway = SOURCES[family]
    lab.install()
    assert lab.probe(gateway, 5182, client, "udp") == "silent"
    lab.driver.add(name="vpn", address=client, left=60)
    assert lab.probe(gateway, 5182, client, "udp") == "open"
    assert lab.probe(gateway, 5182, attacker, "udp") == "silent"
    assert lab.probe(gateway, 5353, attacker, "udp") == "open"


def test_only_the_configured_interfaces(lab):
    lab.install()
    lan = lab.net.hosts["lan"]
    for to, port, protocol in (("192.168.1.1", 22, "tcp"), (GATEWAY, 22, "tcp"), ("192.168.1.1", 5182, "udp")):
        assert lan.probe(protocol=protocol, source=CAMERA, to=to, port=port) == "open"
    assert lan.probe(protocol="tcp", source=CAMERA6, to="fd00:1::1", port=22) == "open"
    lab.install(interfaces=["lan0", "wan0"])
    assert lan.probe(protocol="tcp", source=CAMERA, to="192.168.1.1", port=22) == "silent"
    assert lab.probe(GATEWAY, 22) == "silent"


def test_what_the_gateway_itself_opens_still_works(lab):
    lab.install()
    gateway = lab.net.hosts["gateway"]
    for protocol in ("tcp", "udp"):
        assert gateway.probe(protocol=protocol, source=GATEWAY, to=CLIENT, port=9) == "open"


# Devices behind the gateway


def test_device_by_the_gateways_address(every_lab):
    lab = every_lab
    lab.install()
    assert lab.probe(GATEWAY, 8080) == "silent"
    lab.driver.add(name="camera", address=CLIENT, left=60)
    assert lab.probe(GATEWAY, 8080) == "open"
    assert lab.probe(GATEWAY, 8080, ATTACKER) == "silent"
    assert lab.probe("192.168.1.1", 8080) == "open", "another address of the gateway's own"
    lab.driver.remove(name="camera", address=CLIENT)
    assert lab.probe(GATEWAY, 8080) == "silent"


def test_device_by_its_own_address(lab):
    assert lab.probe(CAMERA, 80, ATTACKER) == "open"
    lab.install()
    assert lab.probe(CAMERA, 80, ATTACKER) == "silent"
    assert lab.probe(CAMERA, 81, ATTACKER) == "open", "a port that nobody protects"
    lab.driver.add(name="camera", address=CLIENT, left=60)
    assert lab.probe(CAMERA, 80, CLIENT) == "open"
    assert lab.probe(CAMERA, 80, ATTACKER) == "silent"
    assert lab.probe(HEAT, 8080, CLIENT) == "refused", "not the gateway's address: nothing leads it on"


def test_device_over_ipv6(lab):
    assert lab.probe(CAMERA6, 80, ATTACKER6) == "open"
    lab.install()
    assert lab.probe(CAMERA6, 80, CLIENT6) == "silent"
    assert lab.probe(CAMERA6, 81, ATTACKER6) == "open"
    lab.driver.add(name="camera", address=CLIENT6, left=60)
    assert lab.probe(CAMERA6, 80, CLIENT6) == "open"
    assert lab.probe(CAMERA6, 80, ATTACKER6) == "silent"
    assert lab.probe(GATEWAY6, 8080, CLIENT6) == "silent"


def test_device_without_a_way_back_needs_masquerade(lab):
    there = only("camera", to=ASIDE + ":80")
    lab.install(there)
    lab.driver.add(name="camera", address=CLIENT, left=60)
    assert lab.probe(GATEWAY, 8080) == "silent"
    there["services"]["camera"]["masquerade"] = True
    lab.install(there)
    lab.driver.add(name="camera", address=CLIENT, left=60)
    assert lab.probe(GATEWAY, 8080) == "open"
    assert lab.probe(GATEWAY, 8080, ATTACKER) == "silent"


def test_device_on_the_same_wire(lab):
    """One interface is both sides, as on a Pi beside the router."""
    config = only("camera", masquerade=True)
    config["interfaces"] = ["lan0"]
    lab.net.run("ip addr add 192.168.1.99/24 dev eth0", "lan")
    lab.install(config)
    lab.driver.add(name="camera", address=HEAT, left=60)
    lan = lab.net.hosts["lan"]
    try:
        assert lan.probe(protocol="tcp", source=HEAT, to="192.168.1.1", port=8080) == "open"
        assert lan.probe(protocol="tcp", source="192.168.1.99", to="192.168.1.1", port=8080) == "silent"
    finally:
        lab.net.run("ip addr del 192.168.1.99/24 dev eth0", "lan")


@pytest.mark.parametrize("kind", KINDS[1:])
def test_device_where_iptables_drops_everything(start, kind):
    """Not even replies are let through by anybody else."""
    lab = start(kind)
    tool = "iptables-legacy" if kind == "ipset-legacy" else "iptables"
    lab.net.run(f"{tool} -P INPUT DROP; {tool} -P FORWARD DROP; ip6{tool[2:]} -P FORWARD DROP")
    lab.install()
    assert lab.driver.choose(config={**CONFIG, "firewall": "auto"})[0] == "ipset"
    for name, to, port, source in (
        ("camera", GATEWAY, 8080, CLIENT), ("camera", CAMERA6, 80, CLIENT6), ("ssh", GATEWAY, 22, CLIENT),
        ("once", GATEWAY, 8443, CLIENT), ("admin", GATEWAY, 8888, CLIENT),
    ):  # fmt: skip
        assert lab.probe(to, port, source) == "silent"
        lab.driver.install()
        lab.driver.add(name=name, address=source, left=60)
        assert lab.probe(to, port, source) == "open", name


FW4 = """
table inet fw4 {
  chain input {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    ct mark and 0x4b000000 == 0x4b000000 accept
    iifname lan0 accept
    meta l4proto { icmp, ipv6-icmp } accept
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    ct mark and 0x4b000000 == 0x4b000000 accept
  }
}
"""


def test_another_firewall_accepts_the_mark(start):
    """As OpenWrt's fw4 with our include; auto takes nft there."""
    lab = start("nft")
    lab.net.run(f"echo '{FW4}' | nft -f -")
    assert lab.driver.choose(config={**CONFIG, "firewall": "auto"}) == [
        "nft", "OpenWrt's firewall (table inet fw4) is in force",
    ]  # fmt: skip
    lab.install()
    for name, to, port, source, attacker in (
        ("ssh", GATEWAY, 22, CLIENT, ATTACKER), ("ssh", GATEWAY6, 22, CLIENT6, ATTACKER6),
        ("camera", GATEWAY, 8080, CLIENT, ATTACKER), ("camera", CAMERA6, 80, CLIENT6, ATTACKER6),
        ("once", GATEWAY, 8443, CLIENT, ATTACKER), ("admin", GATEWAY, 8888, CLIENT, ATTACKER),
    ):  # fmt: skip
        assert lab.probe(to, port, source) == "silent", name
        lab.driver.add(name=name, address=source, left=60)
        assert lab.probe(to, port, source) == "open", name
        assert lab.probe(to, port, attacker) == "silent", name
    # A grant for the gateway's ssh is none for the ssh of everybody behind it.
    lab.net.hosts["lan"].listen(protocol="tcp", address="::", port=22)
    assert lab.probe(CAMERA6, 22, CLIENT6) == "silent"
    # Grants survive what `fw4 restart` does, and a flush of it does not open anything.
    lab.net.run(f"nft delete table inet fw4; echo '{FW4}' | nft -f -")
    assert lab.probe(GATEWAY, 22) == "open"
    lab.net.run("nft delete table inet fw4")
    assert lab.probe(GATEWAY, 22, ATTACKER) == "silent"


def test_the_mark_of_somebody_else_opens_nothing(start):
    lab = start("nft")
    lab.net.run(f"echo '{FW4}' | nft -f -")
    lab.net.run("nft add table inet other; nft add chain inet other pre '{ type filter hook prerouting priority -150; }';"
                "nft add rule inet other pre ct mark set 0xffffffff")  # fmt: skip
    assert lab.probe(GATEWAY, 22, ATTACKER) == "open"
    lab.install()
    for to, port, source in (
        (GATEWAY, 22, ATTACKER), (GATEWAY6, 22, ATTACKER6), (CAMERA6, 80, ATTACKER6), (GATEWAY, 8080, ATTACKER),
        (GATEWAY, 8443, ATTACKER),
    ):  # fmt: skip
        assert lab.probe(to, port, source) == "silent", (to, port)
    lab.net.run("nft delete table inet knocklet")
    assert lab.probe(GATEWAY, 22, ATTACKER) == "open", "it would have"


# A closed protected port looks as every other


PROBES = (
    # protocol, our ports, TCP flags: SYN, ACK, FIN+PSH+URG
    ("tcp", (22, 8080, 8888), 0x02),
    ("tcp", (22, 8080, 8888), 0x10),
    ("tcp", (22,), 0x29),
    ("udp", (5182,), 0),
)


@pytest.mark.parametrize("family", [4, 6])
def test_answers_as_another_port_that_is_rejected(lab, family):
    """Compared header by header with what the zone's own firewall answers for port 7."""
    lab.install(zone="reject")
    if lab.kind == "nft":
        lab.net.run("nft add table inet zone; nft add chain inet zone input '{ type filter hook input priority 0; }';"
                    "nft add rule inet zone input tcp dport 7 reject with tcp reset;"
                    "nft add rule inet zone input udp dport 7 reject")  # fmt: skip
    else:
        tool = ("iptables" if family == 4 else "ip6tables") + ("-legacy" if lab.kind == "ipset-legacy" else "")
        lab.net.run(f"{tool} -A INPUT -p tcp --dport 7 -j REJECT --reject-with tcp-reset;"
                    f"{tool} -A INPUT -p udp --dport 7 -j REJECT")  # fmt: skip
    same_answers(lab, family)


@pytest.mark.parametrize("family", [4, 6])
def test_answers_as_the_kernel_for_a_closed_port(lab, family):
    """Compared header by header with what the kernel itself answers for port 7, where nobody listens.

    One difference is known: on IPv6 the kernel's own reset has a flow label and a firewall's has none, unless the gateway
    makes none (net.ipv6.auto_flowlabels = 0).
    """
    lab.install(zone="accept")
    lab.net.run("sysctl -qw net.ipv6.auto_flowlabels=0")
    try:
        same_answers(lab, family)
    finally:
        lab.net.run("sysctl -qw net.ipv6.auto_flowlabels=1")


def same_answers(lab, family):
    _, attacker, gateway = SOURCES[family]
    lab.probe(gateway, 7, attacker)  # each knows the other's link address
    for protocol, ours, flags in PROBES:
        ports = [*ours, 7]
        found = raw(lab, attacker, gateway, protocol, ports, flags)
        assert found["7"] is not None
        assert {found[str(port)] for port in ports} == {found["7"]}, (protocol, flags)


@pytest.mark.parametrize("zone", ["reject", "accept"])
def test_answers_for_a_device(lab, zone):
    lab.install(zone=zone)
    assert lab.probe(CAMERA, 80, ATTACKER) == "refused"
    assert lab.probe(CAMERA6, 80, ATTACKER6) == "refused"
    lab.driver.add(name="camera", address=CLIENT, left=60)
    assert lab.probe(GATEWAY, 8080) == "open"


def test_a_zone_that_drops_answers_nothing(lab):
    lab.install()
    for protocol, ports, flags in (("tcp", [22, 8080, 8443, 8888], 0x02), ("tcp", [22], 0x10), ("udp", [5182], 0)):
        found = raw(lab, ATTACKER, GATEWAY, protocol, ports, flags)
        assert set(found.values()) == {None}


# Connections that are going


def test_established_connections_may_finish(lab):
    lab.install()
    lab.driver.add(name="ssh", address=CLIENT, left=60)
    lab.driver.add(name="camera", address=CLIENT, left=60)
    lab.driver.add(name="camera", address=CLIENT6, left=60)
    places = {"ssh": (CLIENT, GATEWAY, 22), "camera": (CLIENT, GATEWAY, 8080), "camera6": (CLIENT6, CAMERA6, 80)}
    for name, (source, to, port) in places.items():
        assert lab.wan.connect(name=name, protocol="tcp", source=source, to=to, port=port) == "open"
    for name, (source, _, _) in places.items():
        lab.driver.remove(name=name[:6], address=source)
    for name, (source, to, port) in places.items():
        assert lab.wan.talk(name=name) == "echo", name
        assert lab.probe(to, port, source) == "silent", name
        lab.wan.close(name=name)


@pytest.mark.parametrize("zone", ["drop", "reject"])
def test_cut_wants_the_entry_for_every_packet(lab, zone):
    lab.install(zone=zone)
    lab.driver.add(name="admin", address=CLIENT, left=1)
    assert lab.wan.connect(name="a", protocol="tcp", source=CLIENT, to=GATEWAY, port=8888) == "open"
    assert lab.wan.talk(name="a") == "echo"
    time.sleep(1.2)
    assert lab.wan.talk(name="a") in ("silent", "reset")
    lab.wan.close(name="a")


@pytest.mark.parametrize("family", [4, 6])
def test_the_first_rules_lock_nobody_out(lab, family):
    """A machine without a firewall tracks no connections; the owner's is open, and the owner speaks first."""
    client, attacker, gateway = SOURCES[family]
    assert lab.wan.connect(name="owner", protocol="tcp", source=client, to=gateway, port=22) == "open"
    assert lab.wan.connect(name="to be cut", protocol="tcp", source=client, to=gateway, port=8888) == "open"
    lab.install()
    assert lab.wan.talk(name="owner") == "echo"
    assert lab.wan.talk(name="to be cut") == "silent"
    assert lab.probe(gateway, 22, client) == "silent"
    lab.install()
    assert lab.wan.talk(name="owner") == "echo"
    lab.wan.close(name="owner")
    lab.wan.close(name="to be cut")


PLACES = (
    ("ssh", "tcp", CLIENT, GATEWAY, 22, "drop"),
    ("ssh", "tcp", CLIENT6, GATEWAY6, 22, "drop"),
    ("camera", "tcp", CLIENT, GATEWAY, 8080, "drop"),
    ("camera", "tcp", CLIENT6, CAMERA6, 80, "drop"),
    ("vpn", "udp", CLIENT, GATEWAY, 5182, "drop"),
    ("ssh", "tcp", CLIENT, GATEWAY, 22, "reject"),
)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place[0] + place[2][:3] + place[5])
def test_the_owner_cuts_a_connection(lab, place):
    """Also when the server goes on speaking: what the kernel then takes up again must not let the client in."""
    name, protocol, source, to, port, zone = place
    lab.install(zone=zone)
    lab.driver.add(name=name, address=source, left=60)
    for kept in ("quiet", "stream"):
        assert lab.wan.connect(name=kept, protocol=protocol, source=source, to=to, port=port) == "open"
    assert lab.wan.talk(name="stream", text="stream") == "echo"
    assert lab.wan.hears(name="stream")
    lab.driver.remove(name=name, address=source)
    assert lab.wan.talk(name="quiet") == "echo", "only removed: may finish"
    assert lab.driver.cut(name=name, address=source) >= 2  # more: last packets of an earlier test's connections
    time.sleep(0.3)
    for kept in ("quiet", "stream"):
        for _ in range(2):
            assert lab.wan.talk(name=kept, text="are you there") in ("silent", "reset"), kept
        lab.wan.close(name=kept)
    assert lab.driver.cut(name=name, address=ATTACKER) == 0


def test_cutting_spares_the_others(lab):
    lab.install()
    for source in (CLIENT, ATTACKER):
        lab.driver.add(name="ssh", address=source, left=60)
        lab.driver.add(name="camera", address=source, left=60)
        assert lab.wan.connect(name="ssh" + source, protocol="tcp", source=source, to=GATEWAY, port=22) == "open"
        assert lab.wan.connect(name="camera" + source, protocol="tcp", source=source, to=GATEWAY, port=8080) == "open"
    for source in (CLIENT, ATTACKER):
        lab.driver.remove(name="ssh", address=source)
    assert lab.driver.cut(name="ssh", address=CLIENT) >= 1
    assert lab.wan.talk(name="ssh" + CLIENT) == "silent"
    for kept in ("camera" + CLIENT, "ssh" + ATTACKER, "camera" + ATTACKER):
        assert lab.wan.talk(name=kept) == "echo", kept
    for kept in ("ssh", "camera"):
        for source in (CLIENT, ATTACKER):
            lab.wan.close(name=kept + source)


def test_cutting_many(lab):
    """More than one pass of the search."""
    lab.install()
    lab.driver.add(name="ssh", address=CLIENT, left=60)
    names = [f"c{i}" for i in range(300)]
    for name in names:
        assert lab.wan.connect(name=name, protocol="tcp", source=CLIENT, to=GATEWAY, port=22) == "open"
    lab.driver.remove(name="ssh", address=CLIENT)
    assert lab.driver.cut(name="ssh", address=CLIENT) >= 300
    assert lab.wan.talk(name="c0") == "silent"
    for name in names:
        lab.wan.close(name=name)


# What a service can have


def test_idle_and_max(every_lab):
    """A service on the gateway and one on a device behind it, at once."""
    lab = every_lab
    config = only("camera", idle=2, max=4)
    config["services"]["ssh"] = {"index": 1, "port": 22, "idle": 2, "max": 4}
    ports = {"ssh": 22, "camera": 8080}
    lab.install(config)
    for name, port in ports.items():
        lab.driver.add(name=name, address=CLIENT, left=2, longest=4)
        assert lab.wan.connect(name=name, protocol="tcp", source=CLIENT, to=GATEWAY, port=port) == "open"
    started = time.monotonic()
    lab.driver.kill()  # all that follows is the kernel's doing
    while (passed := time.monotonic() - started) < 4.3:
        for name, port in ports.items():
            assert lab.wan.talk(name=name) == "echo"
            if 2.6 < passed < 3.4:
                assert lab.probe(GATEWAY, port) == "open", "renewed by its own traffic, past the first two seconds"
        time.sleep(0.3)
    for name, port in ports.items():
        assert lab.probe(GATEWAY, port) == "silent", "max holds with nobody alive"
        lab.wan.close(name=name)
    lab.restart()
    lab.install(config)
    assert lab.driver.entries() == []


def test_idle_ends_without_traffic(lab):
    lab.install(only("camera", idle=2, max=60))
    lab.driver.add(name="camera", address=CLIENT, left=2, longest=60)
    assert lab.wan.connect(name="a", protocol="tcp", source=CLIENT, to=GATEWAY, port=8080) == "open"
    time.sleep(2.3)
    assert lab.driver.entries() == []
    # Neither a stranger's bare packets nor those of a connection whose grant ended make it live again.
    raw(lab, CLIENT, GATEWAY, "tcp", [8080], 0x10)
    assert lab.wan.talk(name="a") == "echo", "it may finish"
    assert lab.driver.entries() == []
    assert lab.probe(GATEWAY, 8080) == "silent"
    lab.wan.close(name="a")


def test_idle_is_not_renewed_by_bare_packets(lab):
    """Sent by somebody in the client's name. The client's host answers them with resets, which must not renew either."""
    lab.install(only("ssh", idle=3, max=60))
    lab.driver.add(name="ssh", address=CLIENT, left=3, longest=60)
    time.sleep(1.5)
    for flags in (0x02, 0x10, 0x10, 0x29):
        raw(lab, CLIENT, GATEWAY, "tcp", [22], flags)
    assert [entry[2] <= 1500 for entry in lab.driver.entries()] == [True]


def test_renewing_an_idle_entry(lab):
    lab.install(only("ssh", idle=3, max=60))
    for known in (False, False, True, True):
        lab.driver.add(name="ssh", address=CLIENT, left=3, longest=60, known=known)
        ((_, _, left_ms, longest_ms),) = lab.driver.entries()
        assert 1900 <= left_ms <= 3000 and 58_000 <= longest_ms <= 60_000
        time.sleep(0.1)
    lab.driver.add(name="ssh", address=CLIENT, left=1, longest=60, known=True)
    time.sleep(1.2)
    assert lab.driver.entries() == []
    lab.driver.add(name="ssh", address=CLIENT, left=3, longest=60, known=True)
    assert lab.probe(GATEWAY, 22) == "open"
    lab.driver.remove(name="ssh", address=CLIENT)
    assert lab.probe(GATEWAY, 22) == "silent"


@pytest.mark.parametrize("service", ["gateway", "device", "device6"])
def test_one_shot(every_lab, service):
    lab = every_lab
    config = only("once")
    source, to, port = CLIENT, GATEWAY, 8443
    if service == "gateway":
        config["services"]["once"] = {"index": 3, "port": 22, "one_shot": True}
        port = 22
    elif service == "device6":
        config["services"]["once"]["to6"] = f"[{CAMERA6}]:443"
        source, to, port = CLIENT6, CAMERA6, 443
    lab.install(config)
    for _ in range(2):
        lab.driver.add(name="once", address=source, left=60)
        assert lab.wan.connect(name="a", protocol="tcp", source=source, to=to, port=port) == "open"
        assert lab.driver.entries() == []
        assert lab.probe(to, port, source) == "silent", "the second connection"
        assert lab.wan.talk(name="a") == "echo"
        lab.wan.close(name="a")


def test_one_shot_survives_a_lost_first_packet(lab):
    lab.install()
    lab.driver.add(name="once", address=CLIENT, left=60)
    lab.net.run("nft add table ip lose; nft add chain ip lose in '{ type filter hook input priority 0; }';"
                "nft add rule ip lose in tcp dport 443 'tcp flags & (syn|ack) == syn' drop", "lan")  # fmt: skip
    lab.wan.start("connect", name="a", protocol="tcp", source=CLIENT, to=GATEWAY, port=8443, wait=3.0)
    time.sleep(0.5)
    assert lab.driver.entries() == [], "used up by the first packet"
    lab.net.run("nft delete table ip lose", "lan")
    assert lab.wan.result() == "open"
    assert lab.probe(GATEWAY, 8443) == "silent"
    lab.wan.close(name="a")


def test_two_services_lead_to_one_place(lab):
    config = only("camera")
    config["services"]["guest"] = {"index": 9, "port": 8081, "to": CAMERA + ":80", "one_shot": True}
    lab.install(config)
    lab.driver.add(name="guest", address=ATTACKER, left=60)
    lab.driver.add(name="camera", address=CLIENT, left=60)
    assert lab.probe(GATEWAY, 8080, ATTACKER) == "silent"
    assert lab.probe(GATEWAY, 8081, CLIENT) == "silent"
    assert lab.probe(GATEWAY, 8081, ATTACKER) == "open"
    assert lab.probe(GATEWAY, 8081, ATTACKER) == "silent"
    for _ in range(2):
        assert lab.probe(GATEWAY, 8080, CLIENT) == "open"


# Crash-only


def ends(lab):
    return {(name, address): (left_ms, longest_ms) for name, address, left_ms, longest_ms in lab.driver.entries()}


def test_installing_again_keeps_every_entry_and_its_end(every_lab):
    lab = every_lab
    config = copy.deepcopy(CONFIG)
    config["services"]["web"] = {"index": 7, "port": 222, "idle": 30, "max": 60}
    lab.install(config)
    lab.driver.add(name="ssh", address=CLIENT, left=20)
    lab.driver.add(name="camera", address=CLIENT6, left=30)
    lab.driver.add(name="web", address=CLIENT, left=30, longest=50)
    before, at = ends(lab), time.monotonic()
    time.sleep(1)
    for bits in ("64", "32", "64"):
        lab.restart(bits)
        lab.install(config)
        after, passed = ends(lab), 1000 * (time.monotonic() - at)
        assert set(after) == set(before)
        for key, lefts in before.items():
            for was, now in zip(lefts, after[key], strict=True):
                assert was - passed - 1100 <= now <= max(0, was - passed + 1100), (key, was, now)
        assert lab.probe(GATEWAY, 22) == "open"
        assert lab.probe(GATEWAY, 22, ATTACKER) == "silent"


def test_never_open_to_all_while_installing(every_lab):
    lab = every_lab
    lab.install()
    lab.driver.add(name="ssh", address=CLIENT, left=60)
    lab.wan.start("hammer", protocol="tcp", source=ATTACKER, to=GATEWAY, port=22, seconds=1.5)
    config = copy.deepcopy(CONFIG)
    for count in range(8):
        config["services"]["extra"] = {"index": 9, "port": 300 + count}
        lab.install(config)
    counts = lab.wan.result()
    assert set(counts) == {"silent"} and counts["silent"] > 30
    assert lab.probe(GATEWAY, 22) == "open"


def test_a_service_that_is_gone_or_another_one(lab):
    lab.install()
    lab.driver.add(name="ssh", address=CLIENT, left=60)
    lab.driver.add(name="camera", address=CLIENT, left=60)
    config = copy.deepcopy(CONFIG)
    del config["services"]["camera"]
    config["services"]["ssh"]["port"] = 222  # the same index and name
    lab.install(config)
    assert lab.driver.entries() == []
    assert lab.probe(GATEWAY, 222) == "silent", "the old entry is none for the new port"
    assert lab.probe(GATEWAY, 22) == "open", "not protected any more"
    assert lab.probe(CAMERA, 80) == "open"
    names = lab.net.run("ipset list -n; nft list sets | grep knocklet_ || true")
    assert names.count("knocklet_") == 7


def test_uninstall_leaves_nothing(every_lab):
    lab = every_lab
    lab.install()
    lab.driver.add(name="ssh", address=CLIENT, left=60)
    lab.driver.uninstall()
    left = lab.net.run("nft list ruleset; iptables-legacy-save; ip6tables-legacy-save; ipset list -n")
    assert "nocklet" not in left.lower()
    assert lab.probe(GATEWAY, 22, ATTACKER) == "open"


OTHER_KINDS = [("nft", "ipset-nft"), ("ipset-nft", "nft"), ("ipset-legacy", "nft"), ("nft", "ipset-legacy")]


@pytest.mark.parametrize("kinds", OTHER_KINDS)
def test_the_other_kind_left_its_rules(start, kinds):
    """A configuration that now says nft where an engine before had ipset, and the other way round."""
    lab = start(kinds[0])
    lab.install()
    lab.restart()
    lab.kind = kinds[1]
    if lab.kind == "ipset-legacy":
        lab.net.run("iptables-legacy -A OUTPUT -m comment --comment somebody")
    lab.install()
    lab.driver.add(name="ssh", address=CLIENT, left=60)
    assert lab.probe(GATEWAY, 22) == "open"
    assert lab.probe(GATEWAY, 22, ATTACKER) == "silent"


FLUSHES = {
    "nft": (
        "nft flush ruleset",
        "nft delete table inet knocklet",
        "nft flush chain inet knocklet door_1",
        "nft flush table inet knocklet",
    ),
    "ipset-nft": (
        "nft flush ruleset",
        "iptables -F",
        "iptables -D INPUT -j KNOCKLET_IN",
        "ip6tables -F KNOCKLET_IN_WAN",
        "iptables -t nat -F",
    ),
    "ipset-legacy": (
        "iptables-legacy -F",
        "iptables-legacy -D INPUT -j KNOCKLET_IN",
        "ip6tables-legacy -F KNOCKLET_FWD_WAN",
        "iptables-legacy -t nat -F KNOCKLET_DNAT",
    ),
}


def test_somebody_flushes(every_lab):
    lab = every_lab
    lab.install()
    assert lab.driver.woken() is False
    for command in FLUSHES[lab.kind]:
        lab.driver.add(name="ssh", address=CLIENT, left=60)
        lab.driver.entries()
        lab.net.run(command)
        assert lab.driver.woken() is (lab.kind != "ipset-legacy"), command
        with pytest.raises(firewall_net.Refused) as refused:
            lab.driver.entries()
        assert refused.value.kind == "Missing", command
        lab.driver.install()
        lab.driver.entries()
        lab.driver.woken()
        assert lab.probe(GATEWAY, 22, ATTACKER) == "silent"
        lab.driver.add(name="ssh", address=CLIENT, left=60, known=True)
        assert lab.probe(GATEWAY, 22) == "open"


def test_a_flushed_set_shows(lab):
    lab.install()
    lab.driver.add(name="ssh", address=CLIENT, left=60)
    lab.driver.woken()
    name = [word for word in lab.net.run("ipset list -n; nft list sets").split() if word.startswith("knocklet_1_4")][0]
    lab.net.run(f"nft flush set inet knocklet {name}" if lab.kind == "nft" else f"ipset flush {name}")
    assert lab.driver.woken() is (lab.kind == "nft")
    assert lab.driver.entries() == []
    assert lab.probe(GATEWAY, 22) == "silent"


def test_what_others_do_is_not_ours(lab):
    """Their rules do not make ours missing; only changes that could be a deletion wake us."""
    lab.install()
    lab.driver.add(name="ssh", address=CLIENT, left=60)
    assert lab.driver.woken() is False
    lab.driver.add(name="ssh", address=CLIENT, left=60, known=True)
    lab.driver.remove(name="ssh", address=CLIENT)
    assert lab.driver.woken() is False, "our own entries"
    lab.net.run("nft add table inet other; nft add set inet other s '{ type ipv4_addr; }'")
    assert lab.driver.woken() is True
    lab.net.run("nft add element inet other s '{ 192.0.2.1, 192.0.2.2 }'; nft delete element inet other s '{ 192.0.2.1 }'")
    assert lab.driver.woken() is False, "their entries"
    tool = "iptables-legacy" if lab.kind == "ipset-legacy" else "iptables"
    lab.net.run(f"{tool} -A INPUT -s 192.0.2.7 -j DROP; {tool} -I INPUT 1 -s 192.0.2.8 -j DROP")
    lab.driver.entries()
    lab.driver.install()
    rules = lab.net.run(f"{tool} -S INPUT").split("\n")[1:]
    if lab.kind != "nft":
        assert rules[0] == "-A INPUT -j KNOCKLET_IN", "first again"
    assert len([rule for rule in rules if "192.0.2." in rule]) == 2


# What the kernel says


def test_full_missing_and_too_short(lab):
    lab.install()
    lab.driver.woken()
    with pytest.raises(firewall_net.Refused) as refused:
        lab.driver.fill(name="ssh", count=1500)
    assert refused.value.kind == "Full"
    assert len(lab.driver.entries()) in range(1024, 1026)
    for left in (0, -1):
        with pytest.raises(firewall_net.Refused, match="less than a second"):
            lab.driver.add(name="admin", address=CLIENT, left=left)
    lab.net.clean()
    time.sleep(0.1)  # nf_tables lets go of an ipset a moment later
    lab.net.run("ipset destroy")
    for known in (False, True):
        with pytest.raises(firewall_net.Refused) as refused:
            lab.driver.add(name="admin", address=CLIENT, left=60, known=known)
        assert refused.value.kind == "Missing"


@pytest.mark.parametrize("known", [False, True])
def test_renewing(lab, known):
    """Whatever the caller believes, the end is the new one, later or earlier."""
    lab.install()
    for left in (5, 60, 20):
        lab.driver.add(name="ssh", address=CLIENT, left=left, known=known)
        ((_, _, left_ms, _),) = lab.driver.entries()
        assert 1000 * left - 1100 <= left_ms <= 1000 * left


def test_an_entry_is_quick(lab):
    """Not a measurement: something is wrong when it takes longer than this."""
    lab.install()
    assert lab.driver.microseconds(name="ssh", count=200) < 200


# What is missing is told in one line


def refusal(lab, **changes):
    with pytest.raises(firewall_net.Refused) as refused:
        lab.install(**changes)
    assert refused.value.kind == "FirewallError"
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_forwarding_is_off(lab):
    lab.net.forward(False)
    text = refusal(lab)
    assert text == "services.camera: leads to another device, but the kernel does not forward: set net.ipv4.ip_forward = 1"
    lab.install(only("ssh"))
    assert lab.probe(GATEWAY, 22) == "silent"


def test_without_the_right_to(lab):
    lab.restart(wrapper="setpriv --bounding-set=-net_admin")
    assert "CAP_NET_ADMIN" in refusal(lab)


def test_tools_are_missing(lab, tmp_path):
    (tmp_path / "sh").symlink_to("/bin/sh")
    lab.driver.path(path=str(tmp_path))
    text = refusal(lab)
    assert text in (
        "nft: not found: install the package nftables",
        "iptables-restore: not found: install the package iptables",
    )
    with pytest.raises(firewall_net.Refused, match="no firewall can be used: nft: not found.*; iptables-restore: not found"):
        lab.driver.choose(config={**CONFIG, "firewall": "auto"})


def test_a_tool_fails(every_lab, tmp_path):
    """IPv6 rules are refused: IPv4's are not changed either."""
    lab = every_lab
    lab.install(only("ssh"))
    lab.driver.add(name="ssh", address=CLIENT, left=60)
    tools = ("nft",) if lab.kind == "nft" else ("ip6tables-restore", "ip6tables-legacy-restore", "ip6tables-nft-restore")
    for tool in tools:
        (tmp_path / tool).write_text("#!/bin/sh\necho \"$0: Couldn't load match \\`set':No such file\" >&2\nexit 1\n")
        (tmp_path / tool).chmod(0o755)
    lab.driver.path(path=f"{tmp_path}:$PATH")
    text = refusal(lab)
    assert "Couldn't load match" in text and (lab.kind == "nft" or "xt_set" in text)
    assert lab.probe(GATEWAY, 8888) == "open", "not protected by the rules that are in force"
    assert lab.probe(GATEWAY, 22) == "open"
    assert lab.probe(GATEWAY, 22, ATTACKER) == "silent"
    assert lab.probe(GATEWAY6, 22, ATTACKER6) == "silent"


# Which one


def test_auto(start):
    lab = start("nft")
    config = {**CONFIG, "firewall": "auto"}
    assert lab.driver.choose(config=config) == ["nft", "no other firewall is in force and nft works"]
    lab.driver.install()
    assert lab.driver.choose(config=config)[0] == "nft", "our own rules do not count as somebody else's"
    lab.net.run("iptables -A INPUT -s 192.0.2.7 -j DROP")
    assert lab.driver.choose(config=config) == ["ipset", "rules of iptables-nft are in force"]
    lab.net.run("iptables -F; iptables-legacy -P FORWARD DROP")
    assert lab.driver.choose(config=config) == ["ipset", "rules of iptables-legacy are in force"]
    lab.driver.install()
    lab.net.run("iptables-legacy -P FORWARD ACCEPT")
    assert lab.driver.choose(config=config)[0] == "ipset", "a restart finds its own rules again"
