"""`knocklet client page`: what lies in the page and what does not, and that its program computes as the gateway does."""

import base64
import getpass
import hashlib
import json
import os
import pathlib
import re
import stat
import subprocess
from html.parser import HTMLParser

import pytest
from host.process import Process

from common.vectors import vectors
from knocklet.wire.keys import otp_key
from knocklet_tool import clients, sealed_box

pytestmark = pytest.mark.usefixtures("home", "no_sockets")

ROOT = pathlib.Path(__file__).parents[2]
MODULES = ROOT / "build" / "page" / "modules"
PASSPHRASE = "four words of Änne"
OTP = {"protocol": "tcp", "count": 5, "low": 30000, "high": 49999}
SERVICES = {
    "ssh": {"index": 1, "port": 22},
    "camera": {"index": 2, "port": 8080, "to": "192.168.1.50:80"},
    "nas": {"index": 3, "port": 443},
    "heat": {"index": 4, "port": 8443, "one_shot": True},
    "call": {"index": 5, "port": 5060, "protocol": "udp"},
    "other": {"index": 6, "port": 9000},
}
WHERE = [  # host as described, and as it stands in links
    ("home.example.net", "home.example.net"), ("198.51.100.1", "198.51.100.1"), ("2001:db8::1", "[2001:db8::1]"),
    ("[2001:db8::1]", "[2001:db8::1]"), ("häuschen.example.net", "häuschen.example.net"),
]  # fmt: skip


@pytest.fixture
def made(home, knocklet):
    """made(host=..., otp=..., services=...): the client anna at the gateway home, and how her page is made."""

    def make(host="home.example.net", otp=OTP, services=SERVICES, kind="otp"):
        config = {"id": "home", "interfaces": ["wan0"], "otp": otp, "services": services}
        (home / "config.json").write_text(json.dumps(config))
        (home / "passphrase").write_text(PASSPHRASE + "\n")
        done = knocklet("gateway", "describe", "home", home / "config.json", "--host", host)
        assert done.exit_code == 0, done.stderr
        opens = [word for service in services for word in ("--open", service)]
        assert knocklet("client", "add", "anna", *opens, "--kind", kind, "--kind", "spa").exit_code == 0

        def page(*words, passphrase=home / "passphrase"):
            file = [] if passphrase is None else ["--passphrase-file", passphrase]
            return knocklet("client", "page", "anna", "--output", home / "page.html", *file, *words)

        return page

    return make


@pytest.fixture
def page(home, made):
    """The page as text."""
    assert made()().exit_code == 0
    return (home / "page.html").read_text()


def node(script, **values):
    """What a program prints for the page's modules, as data. Its `given` are the values."""
    imports = "".join(f"import * as {path.stem} from '{path}';" for path in MODULES.glob("*.mjs"))
    program = f"{imports} const given = JSON.parse(process.argv[1]); console.log(JSON.stringify(await ({script})));"
    words = ["node", "--input-type=module", "-e", program, json.dumps(values)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


UNSEAL = "sealed_box.unseal(Uint8Array.from(Buffer.from(given.box, 'base64')), given.passphrase, () => {})"


def unsealed(page, passphrase=PASSPHRASE):
    text = node(UNSEAL, box=Page(page).texts["sealed"], passphrase=passphrase)
    return None if text is None else json.loads(text)


class Page(HTMLParser):
    """`elements`: (tag, attributes); `texts`: of script and style elements, by their id or tag."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts = [], {}
        self._inside = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._inside = dict(attributes).get("id", tag) if tag in ("script", "style") else None

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside:
            self.texts[self._inside] = self.texts.get(self._inside, "") + data

    @property
    def policy(self):
        found, = (each["content"] for tag, each in self.elements if each.get("http-equiv") == "Content-Security-Policy")
        return dict(part.split(" ", 1) for part in found.split("; "))


def test_ports_as_the_gateway_has_them():
    cases = vectors("otp")
    keys = [otp_key(bytes.fromhex(case["client_key"]), case["id"]).hex() for case in cases]
    ports = """given.cases.map((each, i) => otp_ports.otpPorts(Uint8Array.from(Buffer.from(given.keys[i], "hex")), each.service,
        each.slot, {count: each.count, low: each.lo, high: each.hi}))"""
    assert node(ports, cases=cases, keys=keys) == [case["ports"] for case in cases]


@pytest.mark.parametrize("last, slots", [(0, [100, 101, 99]), (99, [100, 101]), (100, [101]), (101, []), (102, [])])
def test_slots_to_try(last, slots):
    assert node("knock.slotsToTry(100, given.last)", last=last) == slots


@pytest.mark.parametrize("text", ["", "x", "y" * 31, "z" * 32, "ä" * 500])
def test_what_is_sealed_comes_back(text):
    box = base64.b64encode(sealed_box.seal(text.encode(), PASSPHRASE, bytes(range(16)))).decode()
    assert node(UNSEAL, box=box, passphrase=PASSPHRASE) == text


def test_a_damaged_box_does_not_open():
    """One bit in each part of it. In the costs it makes another key."""
    box = sealed_box.seal(b"what is sealed", PASSPHRASE, bytes(range(16)))
    for at in (0, 5, 7, 23, 24, 38, 69):
        damaged = bytearray(box)
        damaged[at] ^= 1
        text = base64.b64encode(damaged).decode()
        assert node(UNSEAL, box=text, passphrase=PASSPHRASE) is None, at


def test_what_is_in_the_page(page):
    client = clients.load().client("anna")
    content = unsealed(page)
    assert content["host"] == "home.example.net"
    assert content["key"] == otp_key(client.key, "home").hex()
    assert content["otp"] == {"count": 5, "low": 30000, "high": 49999}
    assert content["services"] == [
        {"name": "ssh", "index": 1, "link": "ssh://home.example.net", "ask": False},
        {"name": "camera", "index": 2, "link": "http://home.example.net:8080/", "ask": True},
        {"name": "nas", "index": 3, "link": "https://home.example.net/", "ask": True},
        {"name": "heat", "index": 4, "link": "https://home.example.net:8443/", "ask": False},   # one-shot
        {"name": "call", "index": 5, "link": None, "ask": False},
        {"name": "other", "index": 6, "link": None, "ask": False},
    ]


def test_what_is_not(page):
    client = clients.load().client("anna")
    everything = page + base64.b64decode(Page(page).texts["sealed"]).decode("latin-1") + json.dumps(unsealed(page))
    for form in (client.key.hex(), base64.b64encode(client.key).decode(), client.key.decode("latin-1")):
        assert form not in everything
    one_time = otp_key(client.key, "home")
    for form in (one_time.hex(), base64.b64encode(one_time).decode(), PASSPHRASE, "camera", "8080"):
        assert form not in page
    assert not re.search("@[A-Z]+@", page)   # nothing is left to fill in


@pytest.mark.parametrize("passphrase", ["four words of Anne", PASSPHRASE.lower(), PASSPHRASE[:-1], ""])
def test_another_passphrase(page, passphrase):
    assert unsealed(page, passphrase) is None


def test_the_same_passphrase_from_another_keyboard(page):
    assert unsealed(page, "four words of A\u0308nne") == unsealed(page, f" {PASSPHRASE}  ") == unsealed(page)


def test_each_page_is_sealed_anew(home, made):
    page = made()
    texts = []
    for _ in range(2):
        assert page().exit_code == 0
        texts.append(Page((home / "page.html").read_text()).texts)
    boxes = [base64.b64decode(text["sealed"]) for text in texts]
    assert texts[0]["script"] == texts[1]["script"]
    assert boxes[0][8:24] != boxes[1][8:24] and boxes[0][24:40] != boxes[1][24:40]


def test_nothing_comes_from_elsewhere(page):
    parsed = Page(page)
    for tag, attributes in parsed.elements:
        for name, value in attributes.items():
            assert name not in ("src", "href", "srcset", "action", "data", "style") and not name.startswith("on"), (tag, name)
            assert "//" not in (value or "") or attributes.get("http-equiv"), (tag, name)
    assert not re.search(r"url\(|@import", parsed.texts["style"])
    script = re.sub(r"/\*.*?\*/|^\s*//.*?$", "", parsed.texts["script"], flags=re.DOTALL | re.MULTILINE)   # without comments
    assert not re.search(r"\bimport\b|XMLHttpRequest|WebSocket|crypto\.subtle|eval\(|innerHTML", script)
    labelled = {attributes.get("for") for tag, attributes in parsed.elements if tag == "label"}
    assert "passphrase" in labelled


@pytest.mark.parametrize("host, in_links", WHERE)
def test_the_policy(home, made, host, in_links):
    assert made(host)().exit_code == 0
    parsed = Page((home / "page.html").read_text())
    policy = parsed.policy
    for tag in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(parsed.texts[tag].encode()).digest()).decode()
        assert policy.pop(f"{tag}-src") == f"'sha256-{digest}'"
    # It can name names alone, in ASCII.
    named = host == "home.example.net"
    assert policy.pop("connect-src") == (f"http://{host}:*" if named else "http: https:")
    assert policy == {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}
    content = unsealed((home / "page.html").read_text())
    assert content["host"] == in_links and content["services"][1]["link"] == f"http://{in_links}:8080/"


def test_links_that_are_told(home, made):
    told = ["other=http://pad.example.net:8081/a?b", "ssh=homeassistant://navigate", "nas=https://pad.example.net/c"]
    page = made()
    assert page(*(word for link in told for word in ("--link", link))).exit_code == 0
    text = (home / "page.html").read_text()
    found = {service["name"]: (service["link"], service["ask"]) for service in unsealed(text)["services"]}
    assert found["other"] == ("http://pad.example.net:8081/a?b", True)
    assert found["ssh"] == ("homeassistant://navigate", False)
    reach = "http://home.example.net:* https://pad.example.net http://pad.example.net:8081"
    assert Page(text).policy["connect-src"] == reach
    assert page("--link", "other=http://192.0.2.1/").exit_code == 0
    assert Page((home / "page.html").read_text()).policy["connect-src"] == "http: https:"


def test_another_host_for_the_page(home, made):
    services = {**SERVICES, "pad": {"index": 7, "port": 8000, "to": "192.168.1.60:80", "to6": "[fd00::60]:80"}}
    page = made(services=services)
    assert "pad has" not in page("--host", "192.0.2.1").stderr
    result = page("--host", "v4.example.net")
    assert "knocks for anna at v4.example.net: ssh, camera, nas, heat, call, other, pad." in result.stderr
    assert "pad has an IPv6 address of its own: if v4.example.net has addresses of both kinds" in result.stderr
    assert "camera has" not in result.stderr
    assert unsealed((home / "page.html").read_text())["host"] == "v4.example.net"
    assert clients.load().gateway("home").host == "home.example.net"


def test_what_is_said_and_written(home, made):
    os.umask(old := os.umask(0))
    try:
        os.umask(0)
        result = made()()
    finally:
        os.umask(old)
    assert (result.exit_code, result.stdout) == (0, "")
    assert PASSPHRASE not in result.stderr
    assert stat.S_IMODE((home / "page.html").stat().st_mode) == 0o600


MISTAKES = (
    (["--output", "{home}/none/page.html"], "{home}/none/page.html: No such file or directory"),
    (["--host", "http://home"], "'http://home' is no host"),
    (["--link", "ssh"], "--link 'ssh': allowed: ssh= and a link such as https://home.example.net/"),
    (["--link", "smb=smb://home"], "--link 'smb=smb://home': allowed: SERVICE=URL, the service one of ssh, camera, "),
    (["--link", "ssh=javascript:alert(1)"], "--link 'ssh=javascript:alert(1)': allowed: ssh= and a link such as"),
    (["--link", "ssh=https://a b"], "--link 'ssh=https://a b': allowed"),
    (["--link", "ssh=https://a\x1b[2J\n"], r"--link 'ssh=https://a\x1b[2J\n': allowed"),
    (["--gateway", "attic"], "client 'anna' is not known at 'attic'"),
    (["--passphrase-file", "{home}/short"], "--passphrase-file {home}/short: 11 characters; allowed: 12-128 characters"),
    (["--passphrase-file", "{home}/spaces"], "--passphrase-file {home}/spaces: 0 characters; allowed: 12-128 characters"),
    (["--passphrase-file", "{home}/long"], "--passphrase-file {home}/long: 129 characters; allowed: 12-128 characters"),
    (["--passphrase-file", "{home}/lines"], "--passphrase-file {home}/lines: allowed: one line of text"),
    (["--passphrase-file", "{home}/none"], "--passphrase-file {home}/none: No such file or directory"),
)


@pytest.mark.parametrize("words, line", MISTAKES)
def test_mistakes(home, made, words, line):
    secrets = {"short": "eleven char", "spaces": " " * 20, "long": "x" * 129, "lines": "a secret of\ntwo lines"}
    for name, text in secrets.items():
        (home / name).write_text(text)
    result = made()(*(word.replace("{home}", str(home)) for word in words))
    refused(result, line.replace("{home}", str(home)))
    assert not any(text in result.stderr for text in secrets.values())
    assert not (home / "page.html").exists()


@pytest.mark.parametrize(
    "changes, line",
    [
        ({"kind": "fwknop"}, "client anna is not of kind otp; allowed: one that was made with --kind otp"),
        ({"otp": {**OTP, "protocol": "udp"}}, "the gateway's otp.protocol is udp; allowed for a page: tcp"),
        ({"otp": {**OTP, "low": 10080}}, "the gateway's otp.low is 10080; allowed for a page: 10081-65535"),
    ],
)
def test_what_no_page_can_do(home, made, changes, line):
    refused(made(**changes)(), line)
    assert not (home / "page.html").exists()


def refused(result, line):
    assert (result.exit_code, result.stdout) == (2, "")
    assert line in result.stderr
    assert result.stderr.count("\n") == 1 and result.stderr[:-1].isprintable()


class Keyboard:
    """A terminal with somebody at it, and the command there. `screen`: what it showed."""

    def __init__(self, home, *answers):
        seen, terminal = os.openpty()
        with Process(home, *"client page anna --output page.html".split(), terminal=terminal) as process:
            os.close(terminal)
            self.screen = ""
            for answer in answers:
                count = self.screen.count(": ")
                while self.screen.count(": ") == count:
                    self.screen += os.read(seen, 1000).decode()
                os.write(seen, answer.encode())
            self.exit_code = process.wait()
            self.said = process.stderr
        os.close(seen)


def test_it_asks_twice(home, made, monkeypatch):
    made()
    monkeypatch.chdir(home)
    done = Keyboard(home, PASSPHRASE + "\n", PASSPHRASE + "\n")
    assert done.exit_code == 0 and "Passphrase for the page: " in done.screen and "The same again: " in done.screen
    assert "four" not in done.screen + done.said
    assert unsealed((home / "page.html").read_text())["host"] == "home.example.net"


@pytest.mark.parametrize(
    "answers, line",
    [
        ([PASSPHRASE + "\n", PASSPHRASE + "n\n"], "the two passphrases are not the same; nothing was written"),
        (["eleven char\n"], "the passphrase: 11 characters; allowed: 12-128 characters"),
        (["\x04"], "no passphrase; nothing was written"),
    ],
)
def test_answers_that_do_not_do(home, made, monkeypatch, answers, line):
    made()
    monkeypatch.chdir(home)
    done = Keyboard(home, *answers)
    assert done.exit_code == 2 and line in done.said and "eleven" not in done.screen + done.said
    assert not (home / "page.html").exists()


def test_without_a_terminal_it_does_not_ask(made, monkeypatch):
    monkeypatch.setattr(getpass, "getpass", lambda *_: pytest.fail("asked"))
    refused(made()(passphrase=None), "no terminal to ask for the passphrase; --passphrase-file FILE reads it")


def test_a_checkout_without_the_page(home, made, monkeypatch):
    page = made()
    monkeypatch.setattr("knocklet_tool.client_page._TEMPLATE", home / "page.html.none")
    refused(page(), "page.html.none: No such file or directory; make build makes it")


def test_the_lock_file_names_no_place():
    packages = json.loads((ROOT / "host_tools" / "page" / "package-lock.json").read_text())["packages"]
    wanted = json.loads((ROOT / "host_tools" / "page" / "package.json").read_text())["devDependencies"]
    for name, package in packages.items():
        assert "resolved" not in package
        assert not name or package["integrity"].startswith("sha512-")
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
