"""A knock from a computer that ssh reaches: closed before, open after; and what is told when it is not so. All on loopback."""

import socket
import threading

import pytest
from host.spa_gateway import Knock

from knocklet_tool import clients, knock_from, workspace
from knocklet_tool.channel_ssh import VARIABLE
from knocklet_tool.errors import InputError, NetworkError, RefusedError
from knocklet_tool.output import Output
from knocklet_tool.provision_report import DoneReport

SSH = """\
#!/bin/sh
echo "$*" >>"{calls}"
for word; do command=$word; done
case " $* " in *" -N "* | *" -O "*) exit 0 ;; esac
exec /bin/sh -c "$command"
"""


class Gateway:
    """On loopback: `knocks` that came. From packet number `opens` on it has the port open."""

    def __init__(self, opens=1):
        self.opens = opens
        self.knocks = []
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.door = socket.socket()
        for each in (self._udp, self.door):
            each.bind(("127.0.0.1", 0))
        self.spa_port, self.port = self._udp.getsockname()[1], self.door.getsockname()[1]
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self):
        self._keys = clients.load().client("anna").keys()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._udp.sendto(b"", self._udp.getsockname())
        self._thread.join(10)
        self._udp.close()
        self.door.close()

    def _listen(self):
        while packet := self._udp.recv(2048):
            self.knocks.append(Knock(self._keys, packet, "::ffff:127.0.0.1"))
            if len(self.knocks) == self.opens:
                self.door.listen()


@pytest.fixture
def gateway(gateways, home, knocklet, monkeypatch):
    (home / "ssh").write_text(SSH.format(calls=home / "calls"))
    (home / "ssh").chmod(0o755)
    monkeypatch.setenv(VARIABLE, str(home / "ssh"))
    made = Gateway()
    (gateways / "home.toml").write_text(
        f'id = "home"\nhost = "127.0.0.1"\nspa_port = {made.spa_port}\n[services.web]\nindex = 3\nport = {made.port}\n'
    )
    assert knocklet("client", "add", "anna", "--gateway", "home", "--open", "web").exit_code == 0
    with made:
        yield made


def knock(report):
    return knock_from.knock_from(report, workspace.the_file("home"), "anna@vps", Output(quiet=True))


@pytest.fixture
def report():
    return DoneReport("home", [], [])


def test_closed_before_and_open_after(gateway, report, home):
    assert knock(report) is True
    assert report.proved == ["from anna@vps web was closed, and open after a knock of anna"] and report.warnings == []
    (sent,) = gateway.knocks
    assert (sent.op, sent.flags, sent.service) == (1, 1, 3)
    assert clients.load().client("anna").key.hex() not in (home / "calls").read_text()   # nor any packet: it goes by itself


def test_a_packet_that_is_lost_is_followed_by_others(gateway, report, monkeypatch):
    monkeypatch.setattr(knock_from, "_PROGRAM", knock_from._PROGRAM.replace("+ 3", "+ 0.1"))
    gateway.opens = 2
    assert knock(report) is True
    stamps = [each.stamp_us for each in gateway.knocks]
    assert len(stamps) == 2 and stamps[0] < stamps[1]


def test_one_that_does_not_open(gateway, report, monkeypatch):
    monkeypatch.setattr(knock_from, "_PROGRAM", knock_from._PROGRAM.replace("+ 3", "+ 0.1"))
    gateway.opens = 0
    assert knock(report) is False and report.proved == []
    asked = "is 127.0.0.1 the gateway, and its clock trusted?"
    assert report.warnings == [f"web does not answer anna@vps after anna's knock; {asked}"]


def test_what_was_open_before_proves_nothing(gateway, report):
    gateway.door.listen()
    assert knock(report) is False
    assert report.warnings == ["web answers anna@vps without a knock, or after an earlier one"]


@pytest.mark.parametrize("text, error, line", [
    ("import sys; sys.exit('no route')", RefusedError, "by python3: exit 1: no route"),
    ("print('open sesame now')", InputError, "it says 'open sesame now'; allowed: what was asked"),
    ("print('x' * 70000)", NetworkError, "it says more than 65536 bytes"),
])  # fmt: skip
def test_a_computer_that_says_something_else(gateway, report, monkeypatch, text, error, line):
    monkeypatch.setattr(knock_from, "_PROGRAM", text)
    with pytest.raises(error, match=line):
        knock(report)


@pytest.mark.parametrize("old, new", [
    ("port =", "one_shot = true\nport ="), ("port =", "approval = true\nport ="), ("port =", 'protocol = "udp"\nport ='),
    ('open = ["web"]', 'open = ["web"]\nkinds = ["otp"]'), ('open = ["web"]', 'open = ["web"]\nsource = "stated"'),
])  # fmt: skip
def test_nobody_who_can_try(gateway, gateways, report, old, new):
    path = gateways / "home.toml"
    head, _, tail = path.read_text().partition("[services")
    tail = "\n".join(line for line in tail.splitlines() if not line.startswith(("kinds", "source")))
    assert old in tail
    path.write_text(head + "[services" + tail.replace(old, new))
    with pytest.raises(InputError, match="nobody with signed knocks"):
        knock(report)
    assert gateway.knocks == []
