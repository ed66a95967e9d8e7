"""The main job in a lab of namespaces (tests/lab/lab.py draws it): a camera's page, hidden, opened by a knock, hidden again; by
each kind of knock in turn, all of it seen over MQTT by its owner, who shuts the door from there; and protects a second device.

Run it by `sudo make demo`. It fails, with one line and exit code 1, if anything does not happen as it should.
"""

import argparse
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "firmware")]
from net.clients import write_store  # noqa: E402

from lab import Lab, LabError  # noqa: E402  (only after the path is set)
from lab.browser import Browser  # noqa: E402
from lab.owner import NAME, Owner  # noqa: E402
from lab.page import PAGE  # noqa: E402
from lab.private import write_private  # noqa: E402
from lab.visitor import KNOCKLET, Visitor  # noqa: E402
from lab.wire import Wire  # noqa: E402
from lab.zone import FIREWALLS, ZONES  # noqa: E402

MICROPYTHON = ROOT / "build" / "micropython" / "64" / "micropython"
ENGINE = ROOT / "build" / "firmware" / "knocklet_engine.py"
STEPS = ["23171", "41822/udp", "30955", "52040"]
KNOCK_OPTIONS = ["--quiet"]
TTL_S = 6
LATE_S = 2.0  # a grant may end so much later than it says, at most; earlier by half a second
SEEN_S = 10.0  # for an event to be at the owner's
SPA_PORT = 62201
HEATING = "192.168.1.60"
TRIAL_S = 30
PASSPHRASE = "a phone is easily lost"
TITLE = "Camera 1: admin"
CONFIG = {
    "id": NAME,
    "interfaces": ["wan0"],
    "services": {
        "ssh": {"index": 1, "port": 22},
        "camera": {"index": 2, "port": 8080, "to": "192.168.1.50:80", "to6": "[fd00:1::50]:80", "ttl": TTL_S},
    },
    "sequences": {"family": {"steps": [step if "/" in step else step + "/tcp" for step in STEPS], "open": ["camera"]}},
}
CLIENTS = {"anna": ["spa", "otp"], "phone": ["fwknop"], "tablet": ["otp"]}  # name -> kinds
OPENS = "camera"  # what all of them may open
ANSWERS = {"open": "OPEN", "refused": "refused", "silent": "no answer"}


class Failed(Exception):
    """Something did not happen: one line."""


class Printed:
    """A process, and what it prints, line by line. `what`: for people."""

    def __init__(self, what, process):
        self._what = what
        self._process = process
        self._lines = queue.Queue()
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()

    def _read(self, output):
        with output:
            for line in output:
                self._lines.put(line.strip())
        self._lines.put(None)

    def wait_for(self, wanted, timeout_s=5.0):
        """The first line that comes with `wanted` in it."""
        last, deadline = "nothing", time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left)
            except queue.Empty:
                break
            if line is None:
                raise Failed(f"{self._what} ended with exit {self._process.wait()}, its last line was: {last}")
            if wanted in line:
                return line
            last = line
        raise Failed(f"{self._what} did not say {wanted} within {timeout_s:g} s, its last line was: {last}")


PIPED = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


class Demo:
    def __init__(self, lab, begin):
        self._lab = lab
        self._begin = begin
        self._closed = "silent" if lab.zone == "drop" else "refused"
        self._page = (lab.gateway.ip4, 8080)
        self._owner = self._anna = self._watch = None
        self._opened = 0
        self._heating = (lab.gateway.ip4, 8443)
        self._files = lab.directory / "gateways"

    def say(self, text):
        print(f"{time.monotonic() - self._begin:5.1f} s  {text}", flush=True)

    def run(self):
        self.set_up()
        print("\nBefore a knock, seen from outside:")
        for who in (self._lab.client, self._lab.attacker):
            self.expect_closed(who, "the camera's page", *self._page)
        self.expect_closed(self._lab.client, "the camera itself", self._lab.camera.ip4, 80)
        self.expect_closed(self._lab.client, "the gateway's SSH", self._lab.gateway.ip4, 22)
        self.signed()
        self.fwknop()
        self.one_time()
        if shutil.which("chromium"):
            self.page()
        else:
            print("\nThere is no Chromium here to open the page that knocks: apt install chromium")
        self.fixed()
        self.configure()
        self.break_it()
        self.history()

    # The kinds of knock

    def signed(self):
        lab = self._lab
        print(f"\n{lab.client.ip4} knocks with one signed packet:")
        with Wire(lab.gateway, "wan0") as wire:
            knocked = time.monotonic()
            self.knock(["knock", NAME, "camera", *KNOCK_OPTIONS])
            heard = [packet.payload for packet in wire.packets() if packet.step == f"{SPA_PORT}/udp"]
        self.seen("opened")
        self.expect_page(lab.client)
        self.expect_closed(lab.attacker, "the camera's page", *self._page)
        self.expect_closed(lab.client, "the gateway's SSH", lab.gateway.ip4, 22)

        print(f"\n{lab.attacker.ip4} has seen the packet, and sends it again:")
        if not heard:
            raise Failed("the packet was not seen on its way")
        lab.datagram(heard[-1], SPA_PORT, from_=lab.attacker)
        self.seen("replayed")
        self.expect_closed(lab.attacker, "the camera's page", *self._page)

        print(f"\nThe grant lives {TTL_S} seconds:")
        self.expect_end(knocked)
        self.seen("expired")
        self.expect_closed(lab.client, "the camera's page", *self._page)

    def fwknop(self):
        print("\nThe same by fwknop, with a client's keys in its file:")
        self.say(f"$ fwknop -n {NAME}")
        self._anna.run(["fwknop", "-n", NAME])
        self.open_and_shut()

    def one_time(self):
        print("\nThe same by Debian's knock, with ports that open once:")
        self.say(f"$ knocklet otp {NAME} camera")
        line = self._anna.knocklet("otp", NAME, "camera").stdout.partition("#")[0].strip()
        self.say(f"  {line}")
        words = line.split()
        self.say("$ " + " ".join([words[0], "-d 100", *words[1:]]))
        self._anna.run([words[0], "-d", "100", *words[1:]])
        self.open_and_shut()
        self._anna.run([words[0], "-d", "100", *words[1:]])
        self.say("  the same ports again: they are used up")
        self.expect_closed(self._lab.client, "the camera's page", *self._page)

    def page(self):
        print("\nThe same by a page in Chromium, from a file, unlocked by a passphrase:")
        home = self._anna.home
        passphrase, page = home / "passphrase", home / "home.html"
        passphrase.write_text(PASSPHRASE)
        words = ["client", "page", "tablet", "--output", page, "--passphrase-file", passphrase]
        self._owner.knocklet(*words)
        self.say("$ knocklet client page tablet --output home.html")
        with Browser(self._lab.client, home) as browser:
            browser.open(page)
            browser.click("#passphrase")
            browser.type(PASSPHRASE)
            browser.click("#unlock button")
            browser.wait_for("document.querySelector('#services button') != null")
            self.say(f"  unlocked; it has a button: {browser.value('document.querySelector(`#services button`).innerText')}")
            browser.click("#services button")
            browser.wait_for(f"document.title == {json.dumps(TITLE)}")
            self.say(f"  knocked six ports, and opened {browser.value('location.href')}: {TITLE}")
        self.open_and_shut()

    def fixed(self):
        print("\nAnd by a fixed sequence, which whoever sees it can copy:")
        self.knock(["knock", self._lab.gateway.ip4, *STEPS, "--then", "8080/tcp", *KNOCK_OPTIONS])
        self.open_and_shut()

    # The configuration

    def configure(self):
        lab = self._lab
        print("\nThe owner protects a second device, the heating controller, from the sofa:")
        config, clients = lab.directory / "etc" / "config.json", lab.directory / "etc" / "clients.json"
        self._owner.knocklet("init", self._files, "--from", config, "--clients", clients, "--host", lab.gateway.ip4)
        self.say(f"$ knocklet init gateways --from config.json --clients clients.json --host {lab.gateway.ip4}")
        self.expect_closed(lab.attacker, "the heating", *self._heating)
        self.owner(["service", "add", "heating", "--port", "8443", "--to", f"{HEATING}:443", "--ttl", str(TTL_S)])
        self.owner(["client", "add", "ben", "--open", "heating"])
        self.owner(["push", NAME, "--yes"])
        self.seen("config_trial")
        self.seen("config_applied")
        ben = Visitor(lab, lab.attacker, "ben")
        ben.knocklet("client", "import", "-", input=self._piped("client", "export", "ben").decode())
        self.say(f"{lab.attacker.ip4} has got ben's key, and knocks:")
        self.knock(["knock", NAME, "heating", *KNOCK_OPTIONS], ben)
        self.seen("opened")
        self.expect_closed(lab.attacker, "the camera's page", *self._page)
        self.expect_closed(lab.client, "the heating", *self._heating)

    def break_it(self):
        print("\nA bad change: knocks are listened for where none come from. Nobody confirms it:")
        file = self._files / f"{NAME}.toml"
        good = file.read_text()
        file.write_text(good.replace('"wan0"', '"lan0"'))
        self.say('$ edit home.toml: interfaces = ["lan0"]')
        self.owner(["push", NAME, "--yes", "--no-confirm", "--confirm-s", str(TRIAL_S)])
        self.seen("config_trial")
        done = self._anna.knocklet("knock", NAME, "camera", *KNOCK_OPTIONS, check=False)
        if not done.returncode:
            raise Failed("a knock opened what should listen elsewhere")
        self.say("$ knocklet knock home camera: no answer")
        self.say(f"  ... {TRIAL_S} seconds of trial are over:")
        self.seen("config_rolled_back", TRIAL_S + SEEN_S)
        file.write_text(good)
        self.knock(["knock", NAME, "camera", *KNOCK_OPTIONS])
        self.open_and_shut()

    def owner(self, command):
        """What the owner types, and what he reads."""
        self.say(f"$ knocklet {' '.join(command)}")
        process = self._owner.knocklet_process(*command, **PIPED)
        said = process.communicate()[0].splitlines()
        if process.returncode:
            raise Failed(f"knocklet {' '.join(command)}: exit {process.returncode}: {' '.join(said)}")
        for line in said:
            self.say(f"  {line.rstrip()}")

    # The parts

    def set_up(self):
        lab = self._lab
        self.say(f"The lab is up: a gateway, a camera behind it, two computers outside. Zone {lab.zone}.")
        etc, run_dir = lab.directory / "etc", lab.directory / "run"
        etc.mkdir(mode=0o700)
        self._owner = owner = Owner(lab, etc, run_dir)
        owner.set_up()
        self.say(f"The owner's broker runs, with TLS: mosquitto on {lab.mgmt.ip4}.")
        write_private(etc / "config.json", json.dumps({**CONFIG, "zone": lab.zone, "firewall": lab.firewall}))
        owner.knocklet("gateway", "describe", NAME, etc / "config.json", "--host", lab.gateway.ip4)
        for name, kinds in CLIENTS.items():
            words = ["client", "add", name, "--open", OPENS, *[word for kind in kinds for word in ("--kind", kind)]]
            owner.knocklet(*words)
            self.say("$ knocklet " + " ".join(map(str, words)))
        write_private(etc / "clients.json", self._piped("client", "file"))
        self._anna = Visitor(lab, lab.client, "anna")
        self._anna.knocklet("client", "import", "-", input=self._piped("client", "export", "anna").decode())
        write_private(self._anna.home / ".fwknoprc", self._piped("client", "fwknoprc", "phone"))

        self._watch = Printed("knocklet watch", owner.knocklet_process("watch", NAME, **PIPED))
        self._watch.wait_for("Listening", SEEN_S)
        write_store(etc / "state")  # as of a gateway that was in use before: a new one takes one-time ports after a minute
        run_dir.mkdir(mode=0o700)
        (run_dir / "ntp").touch()  # the gateway's clock has been set
        command = [MICROPYTHON, ENGINE, "--config", etc / "config.json", "--run-dir", run_dir, "--agent-user", "nobody"]
        ready = Printed("the engine", lab.gateway.popen(command, **PIPED)).wait_for("ready")
        self.say(f"The engine runs under MicroPython: {ready.partition('ready, ')[2]}.")
        owner.start_agent()
        self.seen("started")

    def _piped(self, *words):
        """What a command of the owner writes into a pipe: a secret."""
        process = self._owner.knocklet_process(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.communicate()
        if process.returncode:
            raise Failed(f"knocklet {' '.join(words)}: exit {process.returncode}: {err.decode().strip()}")
        return out

    def open_and_shut(self):
        """The page is there; the owner shuts it from afar."""
        self.seen("opened")
        self.expect_page(self._lab.client)
        self.say(f"$ knocklet close {NAME} camera")
        self.say(f"  {self._owner.knocklet('close', NAME, 'camera').stdout.strip()}")
        self.seen("closed")
        self.expect_closed(self._lab.client, "the camera's page", *self._page)

    def history(self):
        print("\nThe history, from the owner's disk:")
        self.say(f"$ knocklet log {NAME}")
        history = self._owner.knocklet("log", NAME).stdout.splitlines()
        for line in history:
            self.say(f"  {line}")
        if sum("opened" in line for line in history) != self._opened:
            raise Failed("the history is not what happened")

    def seen(self, event_type, timeout_s=SEEN_S):
        """The event, as `knocklet watch` prints it."""
        line = self._watch.wait_for(f"{NAME}  {event_type} ", timeout_s)
        self._opened += event_type == "opened"
        self.say(f"  knocklet watch:  {' '.join(line.split()[2:])}")

    def knock(self, command, who=None):
        """Tell what the knocklet command says of it. who: else anna."""
        self.say(f"$ knocklet {' '.join(command)}")
        done = (who or self._anna).knocklet(*command, check=False)
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())
            raise Failed(f"the knock did not open the page: exit {done.returncode}: {said}")
        for line in done.stdout.splitlines():
            self.say(f"  {line.strip()}")

    def expect_closed(self, who, what, address, port):
        answer = self._lab.tcp_open(address, port, from_=who)
        self.say(f"  {who.ip4:<14} -> {what:<17}  {address}:{port:<5}  {ANSWERS[answer]}")
        if answer != self._closed:
            raise Failed(f"{what} at {address}:{port} answers {answer} to {who.ip4}, not {self._closed}")

    def expect_page(self, who):
        address, port = self._page
        try:
            page = self._lab.http(address, port, from_=who)
        except OSError as error:
            raise Failed(f"the camera's page did not come through the gateway: {error}") from error
        self.say(f"  {who.ip4:<14} -> the camera's page  {address}:{port:<5}  {page.strip()}")
        if page != PAGE:
            raise Failed("that is not the camera's page")

    def expect_end(self, knocked):
        """Wait for the port to close to the client; it must do so when the grant ends. Each try takes milliseconds."""
        while self._lab.tcp_open(*self._page, timeout_s=0.2) == "open":
            if time.monotonic() - knocked > TTL_S + LATE_S:
                raise Failed(f"the page was still open {TTL_S + LATE_S:g} s after the knock")
            time.sleep(0.05)
        lived = time.monotonic() - knocked
        if lived < TTL_S - 0.5:
            raise Failed(f"the page closed after {lived:.1f} s already")
        self.say(f"  {self._lab.client.ip4:<14} -> the camera's page has closed")


def main():
    parser = argparse.ArgumentParser(description="The main job of Knocklet, in a network made of namespaces.")
    parser.add_argument("--zone", choices=ZONES, default="drop", help="how the gateway answers on closed ports")
    parser.add_argument("--firewall", choices=FIREWALLS, default="ipset", help="where grants live")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("this needs root: sudo make demo", file=sys.stderr)
        return 2
    for part in (MICROPYTHON, ENGINE, KNOCKLET):
        if not part.exists():
            print(f"{part.relative_to(ROOT)} is missing: make demo sets it up", file=sys.stderr)
            return 2
    begin = time.monotonic()
    try:
        with Lab(zone=options.zone, firewall=options.firewall) as lab:
            Demo(lab, begin).run()
    except (Failed, LabError) as error:
        print(f"demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo stopped", file=sys.stderr)
        return 130
    print(f"\nAll as it should be, in {time.monotonic() - begin:.0f} seconds. Nothing of it is left on this machine.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
