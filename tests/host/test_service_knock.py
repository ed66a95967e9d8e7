"""`knocklet knock GATEWAY SERVICE`: the packets that arrive, when they stop, and what the command says."""

import json
from dataclasses import replace

import pytest
from host.spa_gateway import HOST, SpaGateway

from knocklet.wire import spa_packet
from knocklet.wire.addresses import parse_address
from knocklet_tool import clients

pytestmark = pytest.mark.usefixtures("home")

BOTH = ["127.0.0.1", "::1"]


@pytest.fixture
def at(home, knocklet, names):
    """`with at(...) as gateway:` a SpaGateway, whose name has both families."""
    names[HOST] = BOTH

    def make(**options):
        return SpaGateway(home, knocklet, **options)

    return make


def families(gateway):
    return [knock.family for knock in gateway.knocks]


def test_it_opens_with_the_first_packets(at, knocklet):
    with at(opens={4: 1, 6: 2}) as gateway:
        result = knocklet("knock", "home", "web")
    assert result.exit_code == 0, result.stderr
    assert families(gateway) == [4, 6]   # and no more
    for line, address in zip(result.stdout.splitlines(), BOTH):
        assert line.startswith(f"web answers at {address}, ") and line.endswith(" ms after the knock")
    assert result.stderr == ""
    one, other = gateway.knocks
    assert (one.op, one.service, one.ttl_s, one.flags, one.source) == (spa_packet.OPEN, 3, 0, 1, bytes(16))
    assert one.stamp_us < other.stamp_us and one.iv != other.iv


def test_four_packets_each_when_nobody_answers(at, knocklet):
    with at() as gateway:
        result = knocklet("knock", "home", "web", "--wait", 0.1)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == ["web refused at 127.0.0.1", "web refused at ::1"]
    assert result.stderr.startswith("Knocked 4 times without an answer. Does the gateway have this client")
    # In the opposite order each time: on different ways the second can overtake the first, which is then refused.
    assert families(gateway) == [4, 6, 6, 4, 4, 6, 6, 4]
    stamps = [knock.stamp_us for knock in gateway.knocks]
    assert stamps == sorted(set(stamps))
    assert len({knock.iv for knock in gateway.knocks}) == 8
    begun = stamps[0]
    assert stamps[2] - begun >= 299_000 and stamps[4] - begun >= 899_000 and stamps[6] - begun >= 1_799_000


def test_only_to_those_that_do_not_answer(at, knocklet):
    with at(opens={4: 1, 6: 3}) as gateway:
        result = knocklet("knock", "home", "web")
    assert result.exit_code == 0
    assert families(gateway) == [4, 6, 6]


def test_one_family_stays_closed(at, knocklet):
    with at(opens={4: 1}) as gateway:
        result = knocklet("knock", "home", "web", "--wait", 30)
    assert result.exit_code == 0
    assert families(gateway) == [4, 6, 6, 6, 6]
    assert "Connect over IPv4: IPv6 did not open." in result.stderr


@pytest.mark.parametrize("option, family", [("-4", 4), ("-6", 6)])
def test_one_family_wanted(at, knocklet, option, family):
    with at(opens={family: 1}) as gateway:
        assert knocklet("knock", "home", "web", option).exit_code == 0
    assert families(gateway) == [family]


def test_only_the_families_that_the_service_has(at, knocklet):
    with at(opens={4: 1}, to="192.168.1.50:80") as gateway:
        assert knocklet("knock", "home", "web").exit_code == 0
        one_line(knocklet("knock", "home", "web", "-6"), "web opens by spa over IPv4 only")
    assert families(gateway) == [4]


def test_a_device_with_an_address_of_its_own(at, knocklet):
    """It is knocked for at the gateway, and tried at the device."""
    with at(opens={6: 1}) as gateway:
        with clients.edit() as store:
            described = store.gateway("home")
            service = replace(described.service("web"), port=1, to6=("::1", gateway.port))
            store.gateways["home"] = replace(described, services={"web": service})
        result = knocklet("knock", "home", "web")
        assert result.stdout.startswith(f"web answers at [::1]:{gateway.port}, ")
    assert result.exit_code == 0 and families(gateway) == [6]


def test_a_one_shot_service_is_not_tried(at, knocklet):
    with at(opens={4: 1, 6: 1}, one_shot=True) as gateway:
        result = knocklet("knock", "home", "web")
    assert (result.exit_code, gateway.connections) == (0, 0)
    assert families(gateway) == [4, 6, 6, 4, 4, 6, 6, 4]
    assert result.stdout.splitlines() == [f"sent a signed knock to open web, 4 times, to {address}" for address in BOTH]
    assert result.stderr == "Not tried: the first connection to web uses the grant up.\n"


@pytest.mark.parametrize("words, op, ttl_s", [
    (["--close"], spa_packet.CLOSE, 0), (["--renew"], spa_packet.RENEW, 0), (["--renew", "--ttl", 90], spa_packet.RENEW, 90),
])  # fmt: skip
def test_close_and_renew_are_not_tried(at, knocklet, words, op, ttl_s):
    with at(opens={4: 1, 6: 1}) as gateway:
        result = knocklet("knock", "home", "web", *words)
    assert (result.exit_code, result.stderr, gateway.connections) == (0, "", 0)
    assert [(knock.op, knock.ttl_s) for knock in gateway.knocks] == [(op, ttl_s)] * 8


def test_ttl(at, knocklet):
    with at(opens={4: 1}) as gateway:
        assert knocklet("knock", "home", "web", "-4", "--ttl", 600).exit_code == 0
    assert [knock.ttl_s for knock in gateway.knocks] == [600]


def test_a_udp_service_is_not_tried(at, knocklet):
    with at(protocol="udp") as gateway:
        result = knocklet("knock", "home", "web", "-4")
    assert result.exit_code == 0 and len(gateway.knocks) == 4
    assert result.stderr == "Not tried: web is a UDP service, and may say nothing to a stranger.\n"


def test_stated_is_what_it_sends_from(at, knocklet):
    with at(opens={4: 1, 6: 2}, add=["--source", "stated"]) as gateway:
        assert knocklet("knock", "home", "web").exit_code == 0
    assert [(knock.flags, knock.source) for knock in gateway.knocks] == [
        (0, spa_packet.mapped(parse_address(address))) for address in BOTH
    ]


def test_stated_behind_nat(at, knocklet):
    """Only over the family of the address: it has to be the packet's own."""
    with at(add=["--source", "stated"]) as gateway:
        result = knocklet("knock", "home", "web", "--state", "192.0.2.7", "--wait", 0.1)
    assert result.exit_code == 1 and "Behind NAT the gateway sees another: --state ADDRESS." in result.stderr
    assert {(knock.family, knock.source) for knock in gateway.knocks} == {(4, spa_packet.mapped(bytes((192, 0, 2, 7))))}


def test_any_address(at, knocklet):
    with at(opens={4: 1, 6: 1}, add=["--source", "any"]) as gateway:
        result = knocklet("knock", "home", "web", "--state", "2001:db8::7")
        assert (result.exit_code, result.stderr) == (0, "Not tried: it opens for 2001:db8::7.\n")
        assert {(knock.family, knock.source) for knock in gateway.knocks} == {
            (family, parse_address("2001:db8::7")) for family in (4, 6)
        }
        assert knocklet("knock", "home", "web", "-4").exit_code == 0
    assert (gateway.knocks[-1].flags, gateway.knocks[-1].source) == (1, bytes(16))


def test_json_and_quiet(at, knocklet):
    with at(opens={4: 1}):
        result = knocklet("knock", "home", "web", "-4", "--json")
        report = json.loads(result.stdout, parse_constant=pytest.fail)
        assert knocklet("knock", "home", "web", "-4", "--quiet").stderr == ""
    assert result.stdout.count("\n") == 1 and result.stderr == ""
    assert 0 < report["addresses"][0].pop("answer_ms") < 3000
    assert report == {
        "gateway": "home", "service": "web", "client": "anna", "kind": "spa", "op": "open", "host": HOST, "tries": 1,
        "answered": True, "addresses": [{"address": "127.0.0.1", "knocked": True, "state": "open", "error": None}],
    }  # fmt: skip


def test_from_an_address_of_this_computer(at, knocklet):
    with at(opens={4: 1}) as gateway:
        assert knocklet("knock", "home", "web", "--source", "127.0.0.2").exit_code == 0
        result = knocklet("knock", "home", "web", "--source", "192.0.2.200")
        assert (result.exit_code, result.stdout) == (3, "")
        assert result.stderr == "knocklet: this computer has no address 192.0.2.200\n"
    assert families(gateway) == [4]


def test_several_clients(at, home, knocklet):
    with at(opens={4: 1}) as gateway:
        knocklet("client", "add", "bert", "--open", "web")
        one_line(knocklet("knock", "home", "web"), "which client? --client, one of anna, bert")
        assert knocklet("knock", "home", "web", "-4", "--client", "anna").exit_code == 0
        knocklet("client", "remove", "anna")
        knocklet("client", "remove", "bert")
        one_line(knocklet("knock", "home", "web"), "home has no client here; knocklet client add NAME --gateway home")
    assert families(gateway) == [4]


@pytest.mark.parametrize(
    "words, line",
    [
        (["attic", "web"], "gateway 'attic' is not described here; described: home; knocklet gateway describe"),
        (["home.example.net", "web"], "gateway 'home.example.net' is not described here"),
        (["home", "ssh"], "home has no service 'ssh'; it has: web"),
        (["home", "web", "ssh"], "step 1: port 'web': allowed: 1-65535"),
        (["home", "web", "--client", "bert"], "client 'bert' is not known at 'home'; known: anna"),
        (["home", "web", "--kind", "otp"], "--kind 'otp': client anna has spa"),
        (["home", "web", "--kind", "x\x1b[2J"], "--kind 'x\\x1b[2J': client anna has spa"),
        (["home", "web", "--state", "192.0.2.1"], "--state: client anna opens for where its packets come from"),
        (["home", "web", "--close", "--renew"], "--close: without --renew and --ttl"),
        (["home", "web", "--close", "--ttl", "5"], "--close: without --renew and --ttl"),
        (["home", "web", "--ttl", "0"], "--ttl"),
        (["home", "web", "--ttl", "4294967296"], "--ttl"),
        (["home", "web", "--then", "22"], "--then: for steps, not for a service"),
        (["home", "web", "--delay", "0", "--tries", "2"], "--delay, --tries: for steps, not for a service"),
        (["home", "7000", "--close"], "--close: for a service, not for steps"),
        (["home", "7000", "--client", "anna", "--kind", "spa"], "--client, --kind: for a service, not for steps"),
    ],
)
def test_mistakes(at, knocklet, words, line):
    with at() as gateway:
        one_line(knocklet("knock", *words), line)
    assert gateway.knocks == [] and not (gateway.home / "data" / "knocklet" / "last").exists()


def one_line(result, line):
    assert (result.exit_code, result.stdout) == (2, "")
    assert line in result.stderr, result.stderr
    assert result.stderr.count("\n") == 1 and result.stderr[:-1].isprintable()
