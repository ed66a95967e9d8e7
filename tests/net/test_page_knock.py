"""A real browser opens the page that `knocklet client page` has written, and knocks with it at the engine.

    client: Chromium, home.html from a file --SYNs to six ports--> gateway: engine, otp, nft --> camera's page, in Chromium
"""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from knocklet.core.replay_records import BYTES, FLOOR_KEY, RECORD_BYTES, record
from knocklet.wire.keys import otp_key
from knocklet.wire.otp_ports import SLOT_S, otp_ports
from lab.browser import Browser
from lab.packets import SYN
from lab.waiting import wait_until
from lab.wire import Wire

KNOCKLET = Path(__file__).parents[2] / ".venv" / "bin" / "knocklet"
PASSPHRASE = "four words for a phone"
SERVICES = {
    "ssh": {"index": 1, "port": 22, "ttl": 30},
    "camera": {"index": 2, "port": 8080, "to": "192.168.1.50:80", "ttl": 30},
}
NAME, ELSEWHERE = "home.example.net", "elsewhere.example.net"
HOSTS = {"home": NAME, "home6": "2001:db8:1::1"}   # pages
STATE = "document.getElementById('page').dataset.state"
# Everything that the page says, in order, and what its policy has forbidden.
RECORD = """
const said = [], forbidden = [];
addEventListener("securitypolicyviolation", (event) => forbidden.push(event.violatedDirective));
addEventListener("DOMContentLoaded", () => {
  const status = document.getElementById("status");
  if (status) new MutationObserver(() => said.push(status.textContent)).observe(status, { childList: true });
});
"""


@pytest.fixture(params=["nft"])
def firewall(request):
    return request.param


@pytest.fixture
def config(zone, firewall):
    return {"id": "home", "interfaces": ["wan0"], "zone": zone, "firewall": firewall, "services": SERVICES}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """As an owner makes them: the pages, clients.json for the gateway, and the client as `client export` has it."""
    directory = tmp_path_factory.mktemp("owner")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}

    def knocklet(*words, **options):
        subprocess.run([KNOCKLET, *words], check=True, cwd=directory, env=environment | {"HOME": directory}, **options)

    (directory / "config.json").write_text(json.dumps({"id": "home", "services": SERVICES}))
    (directory / "passphrase").write_text(PASSPHRASE + "\n")
    knocklet("gateway", "describe", "home", "config.json", "--host", HOSTS["home"])
    knocklet("client", "add", "phone", "--open", "ssh", "--open", "camera", "--kind", "otp")
    for name, host in HOSTS.items():
        words = ["--host", host, "--output", f"{name}.html", "--passphrase-file", "passphrase"]
        knocklet("client", "page", "phone", *words)
    for name, words in {"clients.json": ["file"], "client.json": ["export", "phone"]}.items():
        with open(directory / name, "wb") as file:
            knocklet("client", *words, stdout=file)
    return directory


@pytest.fixture(scope="module")
def browser(labs, tmp_path_factory):
    lab = labs("drop", "nft")
    names = {NAME: lab.gateway.ip4, ELSEWHERE: lab.attacker.ip4}
    with Browser(lab.client, tmp_path_factory.mktemp("browser"), names) as browser:
        yield browser


@pytest.fixture
def dut(engine, files):
    """The engine, with this client, on a gateway whose clock NTP has set."""
    shutil.copy(files / "clients.json", engine.config_path.parent)
    os.chmod(engine.config_path.with_name("clients.json"), 0o600)
    engine.run_dir.mkdir(mode=0o700)
    (engine.run_dir / "ntp").touch()
    # What was used is known: nothing. A gateway without these files takes no slot that may have been used before it started.
    (state := engine.config_path.with_name("state")).mkdir(mode=0o700)
    for copy in ("replay.a", "replay.b"):
        (state / copy).write_bytes(record(FLOOR_KEY, 0) + bytes(BYTES - RECORD_BYTES))
    engine.start()
    return engine


@pytest.fixture
def wire(lab):
    with Wire(lab.gateway, "wan0") as wire:
        yield wire


@pytest.fixture
def phone(browser, files, wire):
    return Phone(browser, files, wire)


class Phone:
    """The browser with the page, and the client's key to know better. `slot`: of its clock, which stands still."""

    def __init__(self, browser, files, wire):
        self.browser = browser
        self._files = files
        self._wire = wire
        self.slot = 0
        self._key = otp_key(bytes.fromhex(json.loads((files / "client.json").read_text())["client"]["key"]), "home")

    def open(self, name="home", ahead_s=0, passphrase=PASSPHRASE, before=""):
        now = int(time.time()) + ahead_s
        self.slot = now // SLOT_S
        self.browser.open(self._files / f"{name}.html", f"Date.now = () => {now}000; {RECORD} {before}")
        self._wire.packets()   # those of the page before
        self.browser.type(passphrase)
        self.browser.click("#unlock button")
        self.browser.wait_for(f"!['locked', 'unlocking'].includes({STATE}) || said.length > 1")

    def knock(self, service):
        """Tap the service's button; returns when the page says how it went, or has gone."""
        self.browser.click(f"#services li:nth-child({1 + list(SERVICES).index(service)}) button")
        self.browser.wait_for(f"document.getElementById('page') == null || {STATE} != 'knocking'")

    def ports(self, service, slot):
        return otp_ports(self._key, SERVICES[service]["index"], slot)

    @property
    def state(self):
        return self.browser.value(STATE)

    @property
    def said(self):
        return self.browser.value("said")


def steps(packets):
    """The one-time ports among them in the order in which they first came; the kernel repeats what nobody answers."""
    return list(dict.fromkeys(packet.port for packet in packets if packet.protocol == "tcp" and packet.port >= 20000))


def test_a_knock_opens_a_service(lab, dut, wire, phone):
    phone.open()
    assert phone.said == ["Unlocking", f"Knocks at {NAME}."]
    assert lab.tcp_open(lab.gateway.ip4, 22) == "silent"
    phone.knock("ssh")
    opened = dut.expect_event("opened")
    assert (opened["service"], opened["client"], opened["source"]) == ("ssh", "phone", lab.client.ip4)
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    assert steps(wire.packets()) == phone.ports("ssh", phone.slot)
    assert phone.state == "unclear"
    assert phone.said[2:8] == [f"Step {step} of 6" for step in range(1, 7)]
    assert "ssh should be open now" in phone.said[8]
    assert phone.browser.value("document.getElementById('link').href") == f"ssh://{NAME}"


def test_the_browser_goes_to_a_page_that_answers(lab, dut, wire, phone):
    phone.open()
    phone.browser.click("#services li:nth-child(2) button")
    phone.browser.wait_for("document.title == 'Camera 1: admin'")
    assert phone.browser.value("location.href") == f"http://{NAME}:8080/"
    assert steps(wire.packets()) == phone.ports("camera", phone.slot)
    assert dut.expect_event("opened")["service"] == "camera"


def test_a_slot_opens_once(lab, dut, wire, phone):
    phone.open()
    phone.knock("ssh")
    dut.expect_event("opened")
    dut.ctl("close", "ssh")
    # Nobody has answered the SYNs: the kernel sends them all again, after seven seconds undisturbed and in the right order.
    wait_until(lambda: dut.ctl("status")["packets"].get("otp_used"), "the same knock comes again", timeout_s=30)
    assert dut.ctl("grants")["grants"] == []

    phone.knock("ssh")   # with the next slot
    dut.expect_event("opened")
    assert set(phone.ports("ssh", phone.slot + 1)) <= set(steps(wire.packets()))
    phone.knock("ssh")
    assert phone.state == "ready" and phone.said[-1].startswith("Each knock works once: ssh again in ")


def test_ipv6(lab, dut, wire, phone):
    phone.open("home6")
    phone.knock("ssh")
    assert dut.expect_event("opened")["source"] == lab.client.ip6
    assert steps(wire.packets()) == phone.ports("ssh", phone.slot)


def test_a_name_with_addresses_of_both_kinds(lab, dut, phone):
    """A browser knocks at both, IPv6 first. The camera is behind IPv4 alone: that this came first takes nothing away."""
    knock = [f"{port}/tcp" for port in phone.ports("camera", int(time.time()) // SLOT_S)]
    lab.knock(knock, to=lab.gateway.ip6)
    wait_until(lambda: dut.ctl("status")["packets"].get("not_allowed"), "the engine has seen it")
    lab.knock(knock, to=lab.gateway.ip4)
    assert dut.expect_event("opened")["source"] == lab.client.ip4


def test_a_clock_that_is_a_minute_ahead(lab, dut, wire, phone):
    """Two slots ahead of the gateway's: what helps is the slot before."""
    phone.open(ahead_s=2 * SLOT_S)
    phone.browser.click("#services li:nth-child(2) button")
    phone.browser.wait_for("document.title == 'Camera 1: admin'")
    dut.expect_event("opened")


def test_a_clock_that_is_wrong(lab, dut, wire, phone):
    phone.open(ahead_s=-10 * SLOT_S)
    phone.knock("camera")
    assert phone.state == "silent"
    assert phone.said[-1].startswith("Knocked, but camera does not answer. This device's clock says ")
    tried = [phone.ports("camera", slot) for slot in (phone.slot, phone.slot + 1, phone.slot - 1)]
    assert steps(wire.packets()) == sum(tried, [])
    assert dut.ctl("grants")["grants"] == []


def test_a_wrong_passphrase_sends_nothing(lab, wire, phone):
    phone.open(passphrase=PASSPHRASE.replace("four", "five"))
    assert phone.state == "locked"
    assert phone.said == ["Unlocking", "That is not the passphrase. Nothing was sent."]
    assert phone.browser.value("document.querySelectorAll('#services button').length") == 0
    assert [packet.step for packet in wire.packets(0.3) if packet.flags == SYN] == []


def test_it_locks_when_it_is_left_alone(lab, phone):
    hurry = "const later = setTimeout; setTimeout = (act, wait_ms) => later(act, wait_ms >= 60000 ? wait_ms / 3000 : wait_ms);"
    phone.open(before=hurry)
    phone.browser.wait_for(f"{STATE} == 'locked'")
    assert phone.said[-1] == "Locked again."
    assert phone.browser.value("document.querySelectorAll('#services button').length") == 0
    assert phone.browser.value("document.getElementById('passphrase').value") == ""


def test_offline_it_sends_nothing(lab, wire, phone):
    phone.open(before="Object.defineProperty(Navigator.prototype, 'onLine', {get: () => false});")
    phone.knock("ssh")
    assert phone.said[-1] == "This device is offline. Nothing was sent."
    assert [packet.step for packet in wire.packets(0.3) if packet.flags == SYN] == []


def test_the_page_can_reach_its_gateway_alone(lab, wire, phone):
    phone.open()
    for host in (lab.attacker.ip4, ELSEWHERE):
        phone.browser.value(f"forbidden.length = 0, fetch('http://{host}:23456/', {{mode: 'no-cors'}}).catch(() => 1)")
        phone.browser.wait_for("forbidden.join() == 'connect-src'")
    # What somebody might put in does not run.
    insert = "document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=said.push(1)>')"
    script = "document.body.appendChild(Object.assign(document.createElement('script'), {text: 'said.push(1)'}))"
    phone.browser.value(f"forbidden.length = 0, {insert}, {script}, 1")
    phone.browser.wait_for("forbidden.sort().join() == 'img-src,script-src-attr,script-src-elem'")
    assert 1 not in phone.said
