"""`knocklet lint`: each weak choice is told with its line, and nothing is told of a good file; secrets never."""

import json

import pytest

from knocklet_tool import clients, gateway_file, store_files
from knocklet_tool.client_secrets import new_client
from knocklet_tool.sequence_rules import weaknesses
from knocklet_tool.traffic_ports import traffic_at

pytestmark = pytest.mark.usefixtures("no_sockets")

GOOD = """\
id = "home"
host = "home.example.net"
interfaces = ["wan0"]

[services.ssh]
index = 1
port = 22
approval = true

[services.camera]
index = 2
port = 8080
to = "192.168.1.50:80"

[sequences.front]
open = ["ssh"]

[clients.anna]
open = ["ssh", "camera"]

[clients.bert]
open = ["ssh"]
kinds = ["fwknop"]
"""
STEPS = ["40001/tcp", "50002/udp", "30003/tcp", "34004/tcp"]


@pytest.fixture
def good(gateways):
    (gateways / "home.toml").write_text(GOOD)
    with store_files.edit() as files:
        files.steps["home"] = {"front": STEPS}
    with clients.edit() as store:
        store.add(new_client("anna", "home", ("ssh", "camera"), ("spa",), "packet"))
        store.add(new_client("bert", "home", ("ssh",), ("fwknop",), "packet"))
    return gateways / "home.toml"


def told(knocklet, path):
    """[(line, rest of it)]"""
    result = knocklet("lint")
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    lines = [line for line in result.stdout.splitlines() if not line.endswith(": nothing to warn of")]
    assert all(line.startswith(f"{path}:") for line in lines)
    found = [line.removeprefix(f"{path}:").split(": ", 1) for line in lines]
    return [(int(number), rest) for number, rest in found]


def test_nothing_to_warn_of(good, knocklet):
    result = knocklet("lint", "home", "--strict")
    assert (result.exit_code, result.stdout) == (0, f"{good}: nothing to warn of\n")
    assert json.loads(knocklet("lint", "--json").stdout) == {"warnings": []}


@pytest.mark.parametrize(
    "old, new, line, text",
    [
        ("port = 22", "port = 22\nttl = 3601", 8, "services.ssh.ttl: 3601 s: open for long after it was needed"),
        ("port = 22", "port = 22\nidle = 3601\nmax = 7200", 8, "services.ssh.idle: 3601 s: open for long"),
        ("approval = true", "", 16, "sequences.front.open: whoever has seen it once can open ssh: nothing else is asked"),
        ('open = ["ssh", "camera"]', 'open = ["ssh"]', 10, "services.camera: nobody can open it; knocklet client add"),
        ('interfaces = ["wan0"]', 'interfaces = ["wan0"]\ndecoys = 0', 4, "decoys: 0: a sweep of all ports can do an"),
        ("[clients.bert]", "[clients.carl]", 21, "clients.carl: its secret is not here; knocklet client rotate carl"),
        ('["ssh"]\n\n', f'["ssh"]\nsteps = {STEPS!r}\n\n', 17, "sequences.front.steps: whoever can read this file, or"),
    ],
)
def test_each_warning(good, knocklet, old, new, line, text):
    assert old in GOOD
    good.write_text(GOOD.replace(old, new, 1))
    found = told(knocklet, good)
    assert [number for number, _ in found] == [line] and found[0][1].startswith(text), found
    assert "; " in found[0][1]   # what to do
    assert knocklet("lint", "--strict").exit_code == 1
    warning = json.loads(knocklet("lint", "--json").stdout)["warnings"][0]
    assert (warning["gateway"], warning["file"], warning["line"]) == ("home", str(good), line)
    assert text.startswith(warning["key"] + ": ") and warning["weak"] and warning["do"]


@pytest.mark.parametrize("limit", ["ttl = 3600", "idle = 3600\nmax = 86400"])
def test_an_hour_is_not_too_long(good, knocklet, limit):
    good.write_text(GOOD.replace("port = 22", "port = 22\n" + limit))
    assert told(knocklet, good) == []


@pytest.mark.parametrize(
    "steps, number, why",
    [
        ("7000 9000", None, "2 of 4 steps or more"),
        ("40001 30002 50003", None, "3 of 4 steps or more"),
        ("20011 23172 41825 52040", None, "only go one way"),
        ("52040 41825 23172 20011", None, "only go one way"),
        ("40000 41000 42000 43000", None, "equally far apart"),
        ("47000 45000 49000 46000", None, "a sweep of every 1000th port"),
        ("40010 30030 50020 20000", None, "a sweep of every 10th port"),
        ("40001 40502 40203 40904", None, "within 1000"),
        ("40001 23 50003 24004", 1, "real traffic goes to this port: a well-known port"),
        ("40001 30002 51820/udp 24004", 2, "real traffic goes to this port: WireGuard"),
        ("40001 30002 17000/udp 44004", 2, "real traffic goes to this port: RTP"),
        ("40001 8081 50003 24004", 1, "real traffic goes to this port: an alternate of http"),
        ("40001 12345 50003 24004", 1, "everybody's first guess"),
    ],
)
def test_weak_steps(good, knocklet, steps, number, why):
    """In the file each with its line; of secret ones, that they are weak and no more."""
    listed = ",\n".join(f'"{step}"' for step in steps.split())
    text = GOOD.replace('["ssh"]\n\n', f'["ssh"]\nsteps = [\n{listed}]\n\n', 1)
    good.write_text(text)
    line = 17 if number is None else 18 + number
    found = [(each, rest) for each, rest in told(knocklet, good) if why in rest]
    assert [each for each, _ in found] == [line], told(knocklet, good)
    good.write_text(GOOD)
    with store_files.edit() as files:
        files.steps["home"] = {"front": steps.split()}
    found = told(knocklet, good)
    weak = "sequences.front: its secret steps are easy to sweep or to guess"
    assert found == [(15, f"{weak}; knocklet sequence new home front makes better ones")]
    good.write_text(GOOD.replace('[sequences.front]\nopen', "[sequences.front]\nclose"))   # who closes does no harm
    assert told(knocklet, good) == []


def test_good_steps_have_no_weakness():
    assert list(weaknesses([(6, 40001), (17, 50002), (6, 30003), (6, 34004)])) == []
    assert list(weaknesses([(6, 23171), (17, 41822), (6, 30955), (6, 52040)])) == []


def test_traffic_is_of_a_protocol():
    assert traffic_at(17, 51820) and not traffic_at(6, 51820)
    assert traffic_at(6, 1) and traffic_at(17, 1023) and not traffic_at(6, 1024)


@pytest.mark.parametrize("longer, warned", [(STEPS + ["20005/tcp"], True), (STEPS, True), (["40001/udp", *STEPS[1:]], False)])
def test_a_sequence_that_begins_another(good, knocklet, longer, warned):
    good.write_text(GOOD + '\n[sequences.side]\nclose = ["ssh"]\n')
    with store_files.edit() as files:
        files.steps["home"]["side"] = longer
    found = [rest for number, rest in told(knocklet, good) if number == 15]
    assert found == ["sequences.front: who knocks side does this one on the way; "
                     "knocklet sequence new home front makes another beginning"] * warned   # fmt: skip


def test_steps_that_are_nowhere(good, knocklet):
    good.write_text(GOOD + '\n[sequences.side]\nclose = ["ssh"]\n')
    assert told(knocklet, good) == [
        (25, "sequences.side: its steps are neither here nor among the secrets; knocklet sequence new home side makes some")
    ]


def test_a_key_that_is_revoked(good, knocklet):
    """As when an older file comes back from git."""
    for client in clients.load().clients["home"].values():
        fingerprint = next(iter(client.fingerprints().values()))
        good.write_text(GOOD + f'\n[revoked]\nx = "{fingerprint}"\n')
        line = 18 if client.name == "anna" else 21
        what = "its key is revoked: it opens nothing; knocklet client rotate"
        assert told(knocklet, good) == [(line, f"clients.{client.name}: {what} {client.name} makes another")]


def test_locked_out(good, knocklet):
    """Nobody can open anything; or there is nothing to open."""
    good.write_text(GOOD[: GOOD.index("[sequences.front]")])
    found = told(knocklet, good)
    assert [number for number, _ in found] == [5, 10]
    assert all("nobody can open it, or any other service: you are locked out" in rest for _, rest in found)
    good.write_text(GOOD[: GOOD.index("[services.ssh]")])
    assert told(knocklet, good) == [
        (1, "services: there are none: nothing is hidden; knocklet service add NAME --port PORT --gateway home")
    ]


@pytest.fixture
def pushed(good, monkeypatch):
    """What is in the file now was pushed."""
    last = gateway_file.load("home").plaintext()
    monkeypatch.setattr("knocklet_tool.config_history.last", lambda name: last if name == "home" else None)
    return good


@pytest.mark.parametrize(
    "old, new, line, text",
    [
        ("wan0", "wan1", 3, "interfaces: was wan0 at the last push: knocks count there alone, and a wrong name locks you out"),
        ('interfaces = ["wan0"]', "", 1, "interfaces: was wan0 at the last push"),
        ('"wan0"]', '"wan0"]\nspa_port = 6000', 4, "spa_port: was another at the last push"),
        ('"wan0"]', '"wan0"]\nfwknop_port = 6000', 4, "fwknop_port: was another at the last push"),
        ('"wan0"]', '"wan0"]\notp.count = 8', 4, "otp.count: was another at the last push"),
        ("index = 2", "index = 3", 11, "services.camera.index: was another at the last push"),
    ],
)
def test_against_the_last_push(pushed, knocklet, old, new, line, text):
    assert told(knocklet, pushed) == []
    pushed.write_text(GOOD.replace(old, new))
    found = told(knocklet, pushed)
    assert [number for number, _ in found] == [line] and found[0][1].startswith(text), found


def test_the_last_who_can_open_ssh(pushed, knocklet):
    """Taken out, without the right, or with another secret: as long as one is left, nothing is said."""
    why = "services.ssh: nobody who could open ssh at the last push still can, with what they have: anna, bert, front"
    assert knocklet("client", "revoke", "bert").exit_code == 0
    assert knocklet("client", "rotate", "anna").exit_code == 0
    assert told(knocklet, pushed) == []
    assert knocklet("sequence", "new", "home", "front").exit_code == 0
    found = told(knocklet, pushed)
    assert [number for number, _ in found] == [5] and found[0][1].startswith(why), found
    pushed.write_text(GOOD.replace('[sequences.front]\nopen = ["ssh"]', '[sequences.front]\nopen = ["camera"]')
                      .replace('"ssh", "camera"', '"camera"'))   # bert's secret is gone   # fmt: skip
    assert why in [rest.partition(";")[0] for _, rest in told(knocklet, pushed)]


def test_several_files(good, gateways, knocklet):
    text = GOOD.replace('"home"', '"attic"').replace("port = 22", "port = 22\nttl = 7200")
    (gateways / "attic.toml").write_text(text.replace('"wan0"]', '"wan0"]\ngroups = ["far"]'))
    assert knocklet("lint").stdout.splitlines()[-1] == f"{good}: nothing to warn of"
    both, far = knocklet("lint").stdout, knocklet("lint", "--group", "far").stdout
    assert "attic.toml:9: services.ssh.ttl: 7200 s" in both and both.startswith(far)
    assert knocklet("lint", "home").stdout == f"{good}: nothing to warn of\n"
