"""What the tests of the host tool share: the command in this process, the lab, and a look at the gateway's wire."""

import socket

import pytest
from host.bare_router import BareRouter, board_folder
from host.fake_gateway import KEY, FakeGateway
from host.real_broker import RealBroker
from host.sealed_gateway import SealedGateway
from typer.testing import CliRunner

from knocklet_tool import board_folder as boards
from knocklet_tool.channel_ssh import VARIABLE
from knocklet_tool.main import app
from lab import Lab
from lab.wire import Wire


@pytest.fixture
def knocklet(monkeypatch):
    """`knocklet("knock", "::1", "7000")`: click's Result with exit_code, stdout, stderr. Plain text 80 columns wide."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words):
        result = CliRunner().invoke(app, [str(word) for word in words], prog_name="knocklet")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def no_sockets(monkeypatch):
    """A test that opens a socket or asks the resolver all the same fails."""

    def refuse(*arguments, **options):
        raise AssertionError("this test may not use the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def names(monkeypatch):
    """Host names of this test: names["home.example.net"] = [address, ...]; all others are unknown. Addresses stay."""
    known = {}
    resolver = socket.getaddrinfo

    def look_up(host, port, *arguments, **options):
        if host in known:
            return [found for address in known[host] for found in resolver(address, port, *arguments, **options)]
        return resolver(host, port, *arguments, **options | {"flags": socket.AI_NUMERICHOST})

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.fixture
def lab(request):
    """A lab that drops; @pytest.mark.parametrize("lab", ["reject"], indirect=True) for another zone."""
    with Lab(zone=getattr(request, "param", "drop")) as made:
        yield made


@pytest.fixture
def knock(lab, knocklet):
    """`knocklet knock` on the lab's client."""

    def run(*words):
        with lab.client.inside():
            return knocklet("knock", *words)

    return run


@pytest.fixture
def wire(lab):
    with Wire(lab.gateway, "wan0") as opened:
        yield opened


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home: the tool's settings, secrets and history are this test's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


@pytest.fixture
def gateways(home, monkeypatch):
    """A workspace without files: its folder."""
    folder = home / "gateways"
    folder.mkdir()
    monkeypatch.setenv("KNOCKLET_WORKSPACE", str(folder))
    return folder


@pytest.fixture
def router(home, monkeypatch):
    """What ssh gets to: a router as it comes, and a repository with the one board that it is."""
    made = BareRouter(home / "router")
    monkeypatch.setenv(VARIABLE, str(made.ssh))
    monkeypatch.setattr(boards, "ROOT", board_folder(home / "repository"))
    return made


@pytest.fixture
def owner(gateways, knocklet):
    """A workspace with the gateway home, which has a service and a client."""
    for words in (
        ("init", "--gateway", "home", "--host", "home.example.net", "--interface", "wan0"),
        ("gateway", "add", "home"),
        ("client", "add", "anna", "--gateway", "home", "--open", "ssh"),
    ):
        assert knocklet(*words).exit_code == 0, words
    return gateways


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """A running mosquitto with users for the gateways home and attic."""
    with RealBroker(tmp_path_factory.mktemp("broker")) as running:
        yield running


_LAST = "knocklet/last"


@pytest.fixture
def clean(broker):
    """The broker without anything retained."""
    yield broker
    with broker.link("admin") as admin:
        admin.must_subscribe(["knocklet/#", "homeassistant/#"])
        admin.must_publish(_LAST, b"all that is retained came before")
        topics = []
        while _LAST not in topics:
            messages = admin.receive(10)
            assert messages, "the broker does not send what it was sent"
            topics = [message.topic for message in messages]
            for message in messages:
                if message.payload and message.retained:
                    admin.must_publish(message.topic, b"", retain=True)


@pytest.fixture
def known(home, clean, knocklet):
    """A home that knows the gateway home, with FakeGateway's key, and the broker. Returns the broker."""
    (home / "key").write_bytes(KEY)
    assert knocklet("gateway", "add", "home", "--key-file", home / "key").exit_code == 0
    use_broker(knocklet, clean)
    return clean


@pytest.fixture
def gateway(known):
    with FakeGateway(known) as made:
        yield made


SERVICES = {"ssh": {"index": 1, "port": 22}, "camera": {"index": 2, "port": 8080}}
STEPS = ["23171/tcp", "41822/udp", "30955/tcp", "52040/tcp"]
CONFIG = {
    "id": "home", "interfaces": ["wan0"], "services": SERVICES,
    "sequences": {"family": {"steps": STEPS, "open": ["camera", "ssh"]}},
}  # fmt: skip
FILE = """\
id = "{name}"
host = "198.51.100.1"
groups = ["all-of-them", "{name}-only"]
interfaces = ["wan0"]

[services.ssh]
index = 1
port = 22

[services.camera]
index = 2
port = 8080

[sequences.family]
steps = ["23171/tcp", "41822/udp", "30955/tcp", "52040/tcp"]
open = ["camera", "ssh"]
"""


@pytest.fixture
def file_of(gateways):
    """`file_of("home", "port = 8080", "port = 8081")`: the gateway's file, with that changed."""

    def write(name="home", old="", new=""):
        text = FILE.format(name=name)
        assert old in text
        (gateways / f"{name}.toml").write_text(text.replace(old, new))

    write()
    return write


MOVED = "port = 8080", "port = 8081"


@pytest.fixture
def moved(file_of):
    """The camera's port changes."""
    file_of("home", *MOVED)


@pytest.fixture
def sealed_home(known):
    """The gateway home, with a configuration that lies there as a file."""
    with SealedGateway(known, CONFIG) as running:
        yield running


def use_broker(knocklet, broker, user="admin"):
    words = ["--port", broker.port, "--ca", broker.files / "ca.crt", "--user", user]
    done = knocklet("broker", "use", "localhost", *words, "--password-file", broker.password_file(user))
    assert done.exit_code == 0, done.stderr
