"""The main job in a lab of namespaces (tests/lab/lab.py draws it): a camera's page, hidden, opened by a knock, hidden again;
all of it seen over MQTT by its owner, who then shuts a door from there.

Run it by `sudo make demo`. It fails, with one line and exit code 1, if anything does not happen as it should.
"""

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from lab import Lab, LabError  # noqa: E402  (only after the path is set)
from lab.owner import NAME, Owner  # noqa: E402
from lab.page import PAGE  # noqa: E402
from lab.zone import FIREWALLS, ZONES  # noqa: E402

MICROPYTHON = ROOT / "build" / "micropython" / "64" / "micropython"
ENGINE = ROOT / "build" / "firmware" / "knocklet_engine.py"
KNOCKLET = ROOT / ".venv" / "bin" / "knocklet"
STEPS = ["23171", "41822/udp", "30955", "52040"]
KNOCK_OPTIONS = ["--then", "8080/tcp", "--quiet"]
TTL_S = 6
LATE_S = 2.0  # a grant may end so much later than it says, at most; earlier by half a second
SEEN_S = 10.0  # for an event to be at the owner's
CONFIG = {
    "id": NAME,
    "interfaces": ["wan0"],
    "services": {
        "ssh": {"index": 1, "port": 22},
        "camera": {"index": 2, "port": 8080, "to": "192.168.1.50:80", "to6": "[fd00:1::50]:80", "ttl": TTL_S},
    },
    "sequences": {"family": {"steps": [step if "/" in step else step + "/tcp" for step in STEPS], "open": ["camera"]}},
}
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


def start_engine(lab, etc, run_dir, config):
    path = etc / "config.json"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        json.dump(config, file)
    command = [MICROPYTHON, ENGINE, "--config", path, "--run-dir", run_dir, "--agent-user", "nobody"]
    return Printed("the engine", lab.gateway.popen(command, **PIPED))


class Demo:
    def __init__(self, lab, begin):
        self._lab = lab
        self._begin = begin
        self._closed = "silent" if lab.zone == "drop" else "refused"
        self._page = (lab.gateway.ip4, 8080)

    def say(self, text):
        print(f"{time.monotonic() - self._begin:5.1f} s  {text}", flush=True)

    def run(self):
        lab = self._lab
        self.say(f"The lab is up: a gateway, a camera behind it, two computers outside. Zone {lab.zone}.")
        etc, run_dir = lab.directory / "etc", lab.directory / "run"
        etc.mkdir(mode=0o700)
        owner = Owner(lab, etc, run_dir)
        owner.set_up()
        self.say(f"The owner's broker runs, with TLS: mosquitto on {lab.mgmt.ip4}.")
        watch = Printed("knocklet watch", owner.knocklet_process("watch", NAME, **PIPED))
        watch.wait_for("Listening", SEEN_S)
        engine = start_engine(lab, etc, run_dir, {**CONFIG, "zone": lab.zone, "firewall": lab.firewall})
        ready = engine.wait_for("ready")
        self.say(f"The engine runs under MicroPython: {ready.partition('ready, ')[2]}.")
        owner.start_agent()
        self.seen(watch, "started")

        print("\nBefore the knock, seen from outside:")
        for who in (lab.client, lab.attacker):
            self.expect_closed(who, "the camera's page", *self._page)
        self.expect_closed(lab.client, "the camera itself", lab.camera.ip4, 80)
        self.expect_closed(lab.client, "the gateway's SSH", lab.gateway.ip4, 22)

        print(f"\n{lab.client.ip4} knocks:")
        command = ["knock", lab.gateway.ip4, *STEPS, *KNOCK_OPTIONS]
        self.say(f"$ knocklet {' '.join(command)}")
        knocked = time.monotonic()
        for line in self.knock(command).splitlines():
            self.say(f"  {line.strip()}")
        opened = json.loads(engine.wait_for('"opened"'))
        self.say(f"The engine: {opened['service']} opened for {opened['source']}, who knocked '{opened['client']}'.")
        self.seen(watch, "opened")

        print("\nAfter the knock:")
        self.expect_page(lab.client)
        self.expect_closed(lab.attacker, "the camera's page", *self._page)
        self.expect_closed(lab.client, "the gateway's SSH", lab.gateway.ip4, 22)

        print(f"\nThe grant lives {TTL_S} seconds:")
        self.expect_end(knocked)
        ended = json.loads(engine.wait_for('"expired"'))
        self.say(f"The engine: {ended['service']} closed for {ended['source']}, reason {ended['reason']}.")
        self.seen(watch, "expired")
        self.expect_closed(lab.client, "the camera's page", *self._page)

        print("\nAnother knock, and the owner shuts the door over MQTT:")
        self.knock(command)
        self.expect_page(lab.client)
        self.seen(watch, "opened")
        self.say(f"$ knocklet close {NAME} camera")
        self.say(f"  {owner.knocklet('close', NAME, 'camera').stdout.strip()}")
        self.seen(watch, "closed")
        self.expect_closed(lab.client, "the camera's page", *self._page)

        print("\nThe history, from the owner's disk:")
        self.say(f"$ knocklet log {NAME}")
        history = owner.knocklet("log", NAME).stdout.splitlines()
        for line in history:
            self.say(f"  {line}")
        if sum("opened" in line for line in history) != 2:
            raise Failed("the history is not what happened")

    def seen(self, watch, event_type):
        """The event, as `knocklet watch` prints it."""
        line = watch.wait_for(f"{NAME}  {event_type} ", SEEN_S)
        self.say(f"  knocklet watch:  {' '.join(line.split()[2:])}")

    def knock(self, command):
        """What the knocklet command says."""
        done = self._lab.client.run([KNOCKLET, *command], check=False)
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())
            raise Failed(f"the knock did not open the page: exit {done.returncode}: {said}")
        return done.stdout

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
