"""Debian's fwknop client, unchanged, against the engine: what it opens, and what no copy of its packets opens.

    client 198.51.100.2 --UDP 62201--> wan0 gateway            attacker 198.51.100.66 sends copies, from any address
"""

import shutil
import time

import pytest
from net import frames, kernel
from net.marks import one_firewall

from common import fwknop, packets
from common.packets import UDP
from lab import LabError
from lab.fwknop import FwknopClient

PORT = 62201
NAT = ("-A", "tcp/8080", "-N", "192.168.1.50:80")


@pytest.fixture
def digest(request):
    return getattr(request, "param", "sha256")


@pytest.fixture
def client(tmp_path, digest):
    return FwknopClient(tmp_path / "fwknop", digest)


@pytest.fixture
def source_rule(request):
    return getattr(request, "param", "any")


@pytest.fixture
def config(config, client, source_rule):
    config["id"] = "home"
    config["clients"] = {
        "oldphone": {
            "issued": 1_700_000_000,
            "kinds": ["fwknop"],
            "fwknop": client.keys,
            "source": source_rule,
            "open": ["ssh", "camera", "admin"],
        }
    }
    return config


@pytest.fixture
def engine(engine):
    engine.trust_clock()
    return engine


@pytest.fixture
def dut(dut):
    """Its store is new: what is stamped before its start, to the second, is refused."""
    next_second()
    return dut


def next_second():
    time.sleep(1.05 - time.time() % 1)  # time(2) of the client is up to a tick behind


def knock(lab, client, *words):
    """Run the client. Returns the payload that it sent, or with --test only made."""
    time.sleep(0.05)  # a client's rate: 20 a second
    lab.client.run(client.command(lab.gateway.ip4, *words))
    return client.packet()


def send(lab, payload, host=None, source=None):
    """A copy of a payload, or of each of a list, on the wire of a host (the attacker), from any address (text)."""
    host = host or lab.attacker
    payloads = payload if isinstance(payload, list) else [payload]
    made = [frames.ip(source or host.ip4, lab.gateway.ip4, packets.udp(PORT, payload), UDP) for payload in payloads]
    frames.send(host, lab.gateway, *made)


def seen(dut, *names):
    """How many packets of these verdicts there were; it has seen all that were sent before."""
    counts = dut.ctl("status")["packets"]
    return [counts.get(name, 0) for name in names]


def shut(lab, dut):
    dut.ctl("close", "--all")
    assert kernel.entries(lab) == {}


# What opens


def test_access(lab, dut, client):
    assert lab.tcp_open(lab.gateway.ip4, 22, timeout_s=0.1) == "silent"
    knock(lab, client, "-A", "tcp/22", "-s")
    event = dut.expect_event("opened", service="ssh", client="oldphone", source=lab.client.ip4)
    assert event["ends_s"] == 30
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    assert lab.tcp_open(lab.gateway.ip4, 22, from_=lab.attacker, timeout_s=0.1) == "silent"
    assert [(index, address) for index, address in kernel.entries(lab)] == [(1, lab.client.ip4)]


def test_access_by_nat(lab, dut, client):
    knock(lab, client, *NAT, "-a", lab.client.ip4)
    dut.expect_event("opened", service="camera", source=lab.client.ip4)
    assert "Camera" in lab.http(lab.gateway.ip4, 8080)
    assert lab.tcp_open(lab.gateway.ip4, 22, timeout_s=0.1) == "silent"


@one_firewall
def test_several_at_once(lab, dut, client):
    knock(lab, client, "-A", "tcp/22,tcp/8888", "-s", "-f", "7")
    assert [dut.expect_event("opened")["service"] for _ in range(2)] == ["ssh", "admin"]


@one_firewall
def test_timeout(lab, dut, client):
    """A shorter one is taken, a longer one is the service's own; by NAT too."""
    for words, ends_s in ((["-A", "tcp/22", "-f", "7"], 7), (["-A", "tcp/8888", "-f", "3600"], 60), ([*NAT, "-f", "9"], 9)):
        knock(lab, client, *words, "-s")
        assert dut.expect_event("opened")["ends_s"] == ends_s
    assert all(left_s <= ends_s for left_s, ends_s in zip(sorted(kernel.entries(lab).values()), (7, 9, 60)))


@one_firewall
@pytest.mark.parametrize("digest", ["sha1", "md5"], indirect=True)
@pytest.mark.parametrize("bits", [64, 32], indirect=True)
def test_other_digests(lab, dut, client, digest):
    knock(lab, client, "-A", "tcp/22", "-s", "-m", digest)
    dut.expect_event("opened", service="ssh", source=lab.client.ip4)


@one_firewall
def test_ipv6(lab, dut, client):
    """The client sends over IPv4 only, and the format holds no IPv6 address. What comes over IPv6 means its own source."""
    payload = knock(lab, client, "-A", "tcp/22", "-s", "--test")
    frames.send(lab.client, lab.gateway, frames.ip(lab.client.ip6, lab.gateway.ip6, packets.udp(PORT, payload), UDP))
    dut.expect_event("opened", service="ssh", source=lab.client.ip6)
    assert lab.tcp_open(lab.gateway.ip6, 22) == "open"
    assert lab.tcp_open(lab.gateway.ip4, 22, timeout_s=0.1) == "silent"


@one_firewall
def test_twice_in_one_second(lab, dut, client):
    """Stamps are whole seconds: packets of one second are told apart by their content, and each is used once."""
    keys = fwknop.client_keys(client.keys)
    stamp = int(time.time())
    made = []
    for number, door in enumerate((b"tcp/22", b"tcp/8888", b"tcp/8080")):
        text = fwknop.fields(1, b"0.0.0.0," + door, stamp=stamp)
        made.append(fwknop.packet(keys, fwknop.padded(fwknop.sealed(text)), bytes([number] * 8)))
    send(lab, [*made, made[0], made[2]], lab.client)  # five at once are the client's rate
    assert [dut.expect_event("opened")["service"] for _ in made] == ["ssh", "admin", "camera"]
    assert seen(dut, "accepted", "replayed") == [3, 2]


# Who may be opened for


SOURCES = [
    # rule, the client's words, opened for
    ("packet", "-s", "client"),
    ("packet", "-a client", "client"),  # its own: as good as none
    ("packet", "-a attacker", None),
    ("stated", "-s", None),
    ("stated", "-a client", "client"),
    ("stated", "-a attacker", None),
    ("any", "-s", "client"),
    ("any", "-a client", "client"),
    ("any", "-a attacker", "attacker"),
]


@one_firewall
@pytest.mark.parametrize(("source_rule", "words", "opened"), SOURCES, indirect=["source_rule"])
def test_sources(lab, dut, client, words, opened):
    words = [lab.hosts[word].ip4 if word in lab.hosts else word for word in words.split()]
    knock(lab, client, "-A", "tcp/22", *words)
    if opened:
        dut.expect_event("opened", service="ssh", source=lab.hosts[opened].ip4)
    else:
        event = dut.expect_event("refused", source=lab.client.ip4)
        assert (event["client"], event["reason"]) == ("oldphone", "wrong_source")
        assert kernel.entries(lab) == {}


@one_firewall
@pytest.mark.parametrize("source_rule", ["stated"], indirect=True)
def test_outrun(lab, dut, client):
    """Somebody on the way sends it first, from his own address: nothing, and the client's own packet still counts."""
    payload = knock(lab, client, "-A", "tcp/22", "-a", lab.client.ip4, "--test")
    send(lab, payload)
    dut.expect_event("refused", source=lab.attacker.ip4, reason="wrong_source")
    send(lab, payload, lab.client)
    dut.expect_event("opened", service="ssh", source=lab.client.ip4)


# What does not open


REFUSED = [
    ("-C reboot -s", "command"),
    ("-A tcp/23 -s", "not_allowed"),
    ("-A udp/22 -s", "not_allowed"),
    ("-A tcp/8443 -s", "not_allowed"),  # a service, not this client's
    ("-A tcp/22,tcp/8443 -s", "not_allowed"),
    ("-A tcp/8080 -s -N 192.168.1.60:443", "not_allowed"),
    ("-A tcp/8080 -s -N 192.168.1.50:443", "not_allowed"),
    ("-A tcp/8080 -s -N camera:80", "not_allowed"),
    ("-A tcp/22 -s -N 192.168.1.50:80", "not_allowed"),
    ("-A tcp/8080 -s --nat-local --nat-port 22", "not_allowed"),
    ("-A tcp/22 -a 127.0.0.1", "bad_source_field"),
    ("-A tcp/22 -a 224.0.0.1", "bad_source_field"),
    ("-A tcp/22 -s -m sha512", "bad_fields"),
    ("-A tcp/22 -s --time-offset-plus 125", "stale"),
]


@one_firewall
def test_refused(lab, dut, client):
    """Each for its reason, and the first of them is told to the owner; the one after them is served."""
    last = 0
    for words, reason in REFUSED:
        knock(lab, client, *words.split())
        last += 1
        assert seen(dut, reason) == [sum(other == reason for _, other in REFUSED[:last])], words
    assert dut.expect_event("refused")["reason"] == "command"
    assert kernel.entries(lab) == {}
    knock(lab, client, "-A", "tcp/22", "-s", "--time-offset-plus", "115")  # 120 s are allowed
    dut.expect_event("opened", service="ssh")


@one_firewall
def test_other_forms(lab, dut, client, tmp_path):
    """Of the packet of a stranger's key, without an HMAC, and of another encryption."""
    stranger = FwknopClient(tmp_path / "stranger")
    knock(lab, stranger, "-A", "tcp/22", "-s")
    assert seen(dut, "bad_mac") == [1]
    body = knock(lab, client, "-A", "tcp/22", "-s", "--test")[:-43]
    send(lab, body)
    assert seen(dut, "bad_mac") == [2]
    knock(lab, client, "-A", "tcp/22", "-s", "-M", "ctr")
    assert seen(dut, "bad_mac", "bad_fields", "accepted") == [2, 1, 0]
    assert kernel.entries(lab) == {}


@one_firewall
def test_changed_packets(lab, dut, client):
    """An unused packet with each of its bytes changed, with something at either end: nothing. As it was: it opens."""
    good = knock(lab, client, "-A", "tcp/22", "-s", "--test")
    changed = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(len(good))]
    changed += [good[:at] + (b"A" if good[at] != 65 else b"B") + good[at + 1 :] for at in range(len(good))]
    changed += [good + end for end in (b"=", b"==", b"\n", b"A", b"\0")] + [good[:-1], good[1:], good + good[:40]]
    changed += [start + good for start in (b"U2FsdGVkX1", b"hQ")]
    send(lab, changed)
    refused = seen(dut, "bad_mac", "unknown_tag", "over_budget")
    assert sum(refused) == len(changed) and kernel.entries(lab) == {}
    next_second()  # what was spent of the budget comes back
    send(lab, good, lab.client)
    dut.expect_event("opened", service="ssh", source=lab.client.ip4)


# Copies of what was used


def replay(lab, dut, payload, copies):
    """Send copies in all ways; none may open."""
    for host, source in ((lab.client, None), (lab.attacker, None), (lab.attacker, lab.client.ip4)):
        send(lab, payload, host, source)
    send(lab, [payload + b"=", payload + b"==", b"U2FsdGVkX1" + payload])  # what the real server once took for new
    assert kernel.entries(lab) == {}
    assert seen(dut, "replayed", "accepted") == copies


def test_replay(lab, dut, client):
    """At once, after a restart, and after kill -9 in the same second."""
    payload = knock(lab, client, "-A", "tcp/22", "-s")
    dut.expect_event("opened")
    send(lab, payload)
    assert dut.expect_event("replayed", source=lab.attacker.ip4)["client"] == "oldphone"
    shut(lab, dut)
    replay(lab, dut, payload, [4, 1])
    dut.process.terminate()
    dut.restart()
    replay(lab, dut, payload, [3, 0])
    next_second()  # what was used in this one is known to the second only
    payload = knock(lab, client, "-A", "tcp/22", "-s")
    dut.expect_event("opened")
    dut.kill()
    dut.start()
    shut(lab, dut)
    replay(lab, dut, payload, [3, 0])


@one_firewall
@pytest.mark.parametrize("source_rule", ["stated"], indirect=True)
def test_replay_of_a_stated_address(lab, dut, client):
    payload = knock(lab, client, "-A", "tcp/22", "-a", lab.client.ip4)
    dut.expect_event("opened")
    shut(lab, dut)
    replay(lab, dut, payload, [3, 1])


@one_firewall
@pytest.mark.parametrize("trusted", [True, False])
def test_replay_after_the_state_was_lost(lab, dut, client, trusted):
    """Nobody knows what was used: what is older than the start is refused, and without a trusted clock everything."""
    payload = knock(lab, client, "-A", "tcp/22", "-s")
    dut.expect_event("opened")
    shut(lab, dut)
    dut.kill()
    shutil.rmtree(dut.config_path.parent / "state")
    dut.trust_clock(trusted)
    dut.start()
    replay(lab, dut, payload, [3, 0] if trusted else [0, 0])
    next_second()
    knock(lab, client, "-A", "tcp/22", "-s")
    if trusted:
        dut.expect_event("opened", service="ssh")
    else:
        assert seen(dut, "clock_not_trusted") == [4]
        assert kernel.entries(lab) == {}


@one_firewall
def test_what_cannot_be_stored(lab, dut, client):
    """Its stamp is a whole second: a restart within it could not tell it from a new one. So it does not open."""
    state = dut.config_path.parent / "state"
    shutil.rmtree(state)
    state.write_bytes(b"")
    knock(lab, client, "-A", "tcp/22", "-s")
    assert dut.expect_event("refused")["reason"] == "not_stored"
    assert kernel.entries(lab) == {}
    state.unlink()
    next_second()
    knock(lab, client, "-A", "tcp/22", "-s")
    dut.expect_event("opened", service="ssh")


@one_firewall
def test_clock_not_trusted(lab, dut, client):
    """The order of stamps is what counts then."""
    dut.kill()
    dut.trust_clock(False)
    dut.start()
    used = knock(lab, client, "-A", "tcp/22", "-s", "--time-offset-plus", "1000")
    dut.expect_event("opened")
    shut(lab, dut)
    replay(lab, dut, used, [3, 1])
    knock(lab, client, "-A", "tcp/22", "-s", "--time-offset-plus", "900")
    knock(lab, client, "-A", "tcp/22", "-s")
    knock(lab, client, "-A", "tcp/22", "-s", "--time-offset-plus", "402days")
    assert seen(dut, "replayed", "too_far_ahead", "accepted") == [5, 1, 1]
    knock(lab, client, "-A", "tcp/22", "-s", "--time-offset-plus", "1100")
    dut.expect_event("opened")


# Nothing is said


@one_firewall
def test_silence(lab, dut, client):
    """Neither to a good packet nor to a bad one, on no port."""
    lab.wait_until_quiet()
    sent = lab.sent_to_wan()
    good = knock(lab, client, "-A", "tcp/22", "-s")
    dut.expect_event("opened")
    send(lab, [good, good[:-1], b"A" * 139, b"+" * 140, b"+" * 384, b"+" * 385, b"+" * 1400])
    assert seen(dut, "accepted", "replayed", "bad_mac", "wrong_length") == [1, 1, 3, 0]  # other lengths die in the kernel
    assert lab.sent_to_wan() == sent


# On a MicroPython that lacks what it needs


def bare(command, launcher):
    """The engine's command on a MicroPython without TLS."""
    return [launcher if str(word).endswith("knocklet_engine.py") else word for word in command]


@one_firewall
@pytest.mark.parametrize("digest", ["sha256", "sha1"], indirect=True)
def test_without_ciphers(lab, engine, client, config, digest):
    """It says so at --check, at the start and at a reload, and what was in force stays."""
    launcher = frames.__file__.replace("frames.py", "without_ciphers.py")
    missing = "AES, MD5" if digest == "sha256" else "AES, MD5, SHA-1"
    line = f"clients.oldphone.kinds: found fwknop, and this MicroPython has no {missing}; allowed: "
    command = bare(engine.command(), launcher)
    for words in (command, [*command, "--check"]):
        done = lab.gateway.run(words, check=False, timeout=10)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("knocklet-engine: " + line) and done.stderr.count("\n") == 1
    engine.write_config(config | {"clients": {}})
    engine.command = lambda *words: bare(type(engine).command(engine, *words), launcher)
    engine.start()
    engine.write_config(config)
    with pytest.raises(LabError, match="exit 2: knockletctl: clients.oldphone.kinds: found fwknop"):
        engine.reload()
    lab.knock(config["sequences"]["front"]["steps"])
    engine.expect_event("opened", service="ssh")
