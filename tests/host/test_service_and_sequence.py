"""`knocklet service` and `knocklet sequence`: what they write into a gateway's file, and what they refuse to."""

import json
import tomllib

import pytest

from knocklet.core import policy
from knocklet_tool import gateway_file, places, sequence, store_files
from knocklet_tool.sequence_rules import weaknesses

pytestmark = pytest.mark.usefixtures("no_sockets")

HOME = """\
id = "home"
host = "home.example.net"
interfaces = ["wan0"]   # a comment

[services.ssh]
index = 1
port = 22   # ssh's
"""


@pytest.fixture
def file(gateways):
    (gateways / "home.toml").write_text(HOME)
    return gateways / "home.toml"


def services():
    return json.loads(gateway_file.load("home").plaintext())["services"]


@pytest.mark.parametrize(
    "options, fields",
    [
        (["--port", "8080"], {"port": 8080}),
        (["--port", "53", "--protocol", "udp"], {"port": 53, "protocol": "udp"}),
        (["--port", "80", "--to", "192.168.1.50:80", "--ttl", "60"], {"port": 80, "to": "192.168.1.50:80", "ttl": 60}),
        (["--port", "80", "--to6", "[fd00::50]:80", "--idle", "60", "--max", "90"],
         {"port": 80, "to6": "[fd00::50]:80", "idle": 60, "max": 90}),
        (["--port", "80", "--one-shot"], {"port": 80, "one_shot": True}),
        (["--port", "80", "--cut", "--gateway", "home"], {"port": 80, "cut": True}),
        (["--port", "80", "--approval"], {"port": 80, "approval": True}),
    ],
)  # fmt: skip
def test_add(file, knocklet, options, fields):
    result = knocklet("service", "add", "web", *options)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.endswith("next: knocklet push home\n") and "web of home is number 2." in result.stderr
    assert services()["web"] == {"index": 2, **fields}
    assert file.read_text().startswith(HOME + "\n[services.web]\nindex = 2\n")


def test_an_index_is_never_given_out_again(file, knocklet):
    for name, port in (("a", 1001), ("b", 1002), ("c", 1003)):
        knocklet("service", "add", name, "--port", port)
    result = knocklet("service", "remove", "b")
    assert result.exit_code == 0 and result.stderr.endswith("next: knocklet push home\n")
    assert "retired = [3]\n" in file.read_text() and file.read_text().count("a comment") == 1
    assert knocklet("service", "remove", "c").exit_code == 0
    assert "retired = [3, 4]\n" in file.read_text()
    knocklet("service", "add", "b", "--port", 1002)
    assert {name: each["index"] for name, each in services().items()} == {"ssh": 1, "a": 2, "b": 5}
    file.write_text(file.read_text().replace("index = 1\n", "index = 9\n"))
    knocklet("service", "add", "d", "--port", 1004)
    assert services()["d"]["index"] == 1   # never used before
    every = ", ".join(str(index) for index in range(1, 256) if index not in (1, 2, 5, 9))
    file.write_text(file.read_text().replace("[3, 4]", f"[{every}]"))
    result = knocklet("service", "add", "e", "--port", 1005)
    assert result.exit_code == 2 and "all indexes from 1 to 255 were given out once" in result.stderr


def test_remove_takes_it_from_those_who_open_others_too(file, knocklet):
    knocklet("service", "add", "web", "--port", "80")
    knocklet("client", "add", "anna", "--open", "ssh", "--open", "web")
    knocklet("sequence", "new", "home", "front", "--open", "web", "--open", "ssh")
    knocklet("client", "add", "bert", "--open", "web")
    before = file.read_text()
    result = knocklet("service", "remove", "web")
    assert result.exit_code == 2 and "service web: clients.bert.open has nothing else; take that out first" in result.stderr
    assert file.read_text() == before
    knocklet("client", "revoke", "bert")
    assert knocklet("service", "remove", "web").exit_code == 0
    given = json.loads(gateway_file.load("home").plaintext())
    assert given["clients"]["anna"]["open"] == given["sequences"]["front"]["open"] == ["ssh"]
    assert list(given["services"]) == ["ssh"]
    result = knocklet("service", "remove", "web")
    assert result.exit_code == 2 and "home.toml: no service 'web'; there: ssh" in result.stderr


@pytest.mark.parametrize(
    "options, line",
    [
        (["ssh", "--port", "80"], "service ssh is in"),
        (["Web", "--port", "80"], "services.Web: found 'Web'; allowed: 1-32"),
        (["web", "--port", "22"], "services.web.port: found 22, which is ssh's; allowed: a port of its own"),
        (["web", "--port", "0"], "services.web.port: found 0; allowed: a whole number, 1-65535"),
        (["web", "--port", "80", "--protocol", "sctp"], "services.web.protocol: found 'sctp'; allowed: \"tcp\", \"udp\""),
        (["web", "--port", "80", "--to", "camera:80"], "services.web.to: found 'camera:80'; allowed: an IPv4 address and port"),
        (["web", "--port", "80", "--idle", "60"], "services.web.idle: found 60; allowed: 'idle' and 'max' together"),
        (["web", "--port", "80", "--max", "60"], "services.web.max: found nothing; allowed: 'idle' and 'max' together"),
        (["web", "--port", "80", "--ttl", "5", "--idle", "6", "--max", "7"], "services.web.ttl: found 5; allowed: either"),
        (["web", "--port", "80", "--one-shot", "--cut"], "services.web.one_shot: found true; allowed: 'one_shot' without"),
        (["web", "--port", "80", "--gateway", "attic"], "no file of gateway 'attic'; there: home"),
        (["web"], "Missing option '--port'"),
    ],
)
def test_mistakes(file, knocklet, options, line):
    result = knocklet("service", "add", *options)
    assert (result.exit_code, result.stdout) == (2, "") and line in result.stderr, result.stderr
    assert result.stderr.count("\n") == 1 and file.read_text() == HOME


def test_lists(file, gateways, knocklet):
    knocklet("service", "add", "camera", "--port", "8080", "--protocol", "udp", "--to", "192.168.1.50:80")
    assert knocklet("service", "list").stdout == (
        "home  camera  2  8080/udp  192.168.1.50:80\nhome  ssh     1  22/tcp    the gateway itself\n"
    )
    (gateways / "attic.toml").write_text(HOME.replace('"home"', '"attic"'))
    assert knocklet("service", "list").stdout.splitlines()[0] == "attic  ssh     1  22/tcp    the gateway itself"
    told = json.loads(knocklet("service", "list", "--gateway", "attic", "--json").stdout)
    assert told == {"services": [{"gateway": "attic", "name": "ssh", "index": 1, "port": 22}]}
    assert "which gateway? in the workspace: attic, home" in knocklet("service", "add", "x", "--port", "80").stderr


def test_a_new_sequence(file, knocklet):
    result = knocklet("sequence", "new", "home", "front", "--open", "ssh")
    assert result.exit_code == 0 and result.stderr.endswith("next: knocklet push home\n")
    assert file.read_text() == HOME + '\n[sequences.front]\nopen = ["ssh"]\n'
    steps = store_files.read().steps["home"]["front"]
    assert len(steps) == 4 and not any(step.partition("/")[0] in result.stderr + file.read_text() for step in steps)
    assert (places.config_dir() / "sequence-secrets.json").stat().st_mode & 0o777 == 0o600
    made = policy.load(gateway_file.load("home").plaintext()).sequences[0]
    assert (len(made.steps), made.opens, [service.name for service in made.services]) == (4, True, ["ssh"])
    assert knocklet("sequence", "list").stdout == "home  front  opens ssh  4 steps\n"
    result = knocklet("sequence", "list", "home", "--secret")
    assert result.stdout == f"home  front  opens ssh  {' '.join(steps)}\n"
    assert "whoever sees them can knock" in result.stderr
    assert "steps" not in json.loads(knocklet("sequence", "list", "--json").stdout)["sequences"][0]
    assert json.loads(knocklet("sequence", "list", "--json", "--secret").stdout)["sequences"][0]["steps"] == steps


def test_new_steps_for_a_sequence(file, knocklet):
    """Secret ones, or in the file, where they are no longer then."""
    knocklet("sequence", "new", "home", "front", "--close", "ssh", "--steps", "6")
    first = store_files.read().steps["home"]["front"]
    assert knocklet("sequence", "new", "home", "front").exit_code == 0
    assert (len(first), len(store_files.read().steps["home"]["front"])) == (6, 4)
    file.write_text(file.read_text() + 'steps = ["40001/tcp", "30002/tcp"]   # not secret\nwindow = 5\n')
    assert knocklet("sequence", "new", "home", "front").exit_code == 0
    assert tomllib.loads(file.read_text())["sequences"]["front"] == {"close": ["ssh"], "window": 5}
    result = knocklet("sequence", "new", "home", "front", "--open", "ssh")
    assert result.exit_code == 2 and "is in" in result.stderr and "it gets new steps" in result.stderr


@pytest.mark.parametrize(
    "words, line",
    [
        (["front"], "--open or --close: one of them"),
        (["front", "--open", "ssh", "--close", "ssh"], "--open or --close: one of them"),
        (["front", "--open", "telnet"], "sequences.front.open: found 'telnet'; allowed: names of services: ssh"),
        (["Front", "--open", "ssh"], "sequences.Front: found 'Front'; allowed: 1-32"),
        (["front", "--open", "ssh", "--steps", "3"], "--steps"),
    ],
)
def test_mistakes_with_a_sequence(file, knocklet, words, line):
    result = knocklet("sequence", "new", "home", *words)
    assert (result.exit_code, result.stdout) == (2, "") and line in result.stderr
    assert file.read_text() == HOME


def test_made_steps_are_good(file, knocklet, monkeypatch):
    """Of a poor source of chance the weak ones are thrown away; ports that are taken are not drawn."""
    drawn = [[1025, 2000, 3000, 4000], [40001, 8080, 30002, 50003], [40001, 40003, 30002, 50003], [40001, 30002, 50003, 20004]]

    class Poor:
        def sample(self, ports, count):
            assert 22 not in ports and 62201 not in ports and min(ports) == 1024 and max(ports) == 65534
            return drawn.pop(0)

    monkeypatch.setattr(sequence, "SystemRandom", Poor)
    knocklet("sequence", "new", "home", "front", "--open", "ssh")
    assert store_files.read().steps["home"]["front"] == ["40001/tcp", "30002/tcp", "50003/tcp", "20004/tcp"]
    assert drawn == []


def test_many_sequences(file, knocklet):
    """As many as a gateway takes, none with a port of another, none weak."""
    for number in range(16):
        assert knocklet("sequence", "new", "home", f"s{number}", "--open", "ssh").exit_code == 0
    made = policy.load(gateway_file.load("home").plaintext()).sequences
    ports = [port for each in made for _, port in each.steps]
    assert len(ports) == len(set(ports)) == 64
    assert not any(list(weaknesses(each.steps)) for each in made)
    before = file.read_text()
    result = knocklet("sequence", "new", "home", "more", "--open", "ssh")
    assert result.exit_code == 2
    assert "sequences: found a table with 17 entries; allowed: a table with at most 16" in result.stderr
    assert file.read_text() == before
