"""The owner's side of a lab: a broker and the `knocklet` command on `mgmt`, and the agent on the gateway that reports there.

    mgmt: mosquitto (TLS, port 8883), configured by `knocklet broker setup`; knocklet with a home of its own
    gateway: /etc/knocklet is lab.directory/etc, where the engine's configuration lies
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

from .host import LabError
from .private import write_private
from .visitor import KNOCKLET, at_home
from .waiting import wait_until

_ROOT = Path(__file__).resolve().parent.parent.parent
_MICROPYTHON = _ROOT / "build" / "micropython" / "64" / "micropython"
_AGENT = _ROOT / "build" / "firmware" / "knocklet_agent.py"
NAME = "home"


class Owner:
    """`etc`: the gateway's /etc/knocklet. `agent`: its process, while it runs. `tls`: else agent and broker talk in plain."""

    def __init__(self, lab, etc, run_dir, tls=True):
        self.lab = lab
        self.etc = etc
        self.run_dir = run_dir
        self.agent = self.broker = self.collector = None
        self._tls = tls
        self._directory = lab.directory / "owner"
        shutil.rmtree(self._directory, ignore_errors=True)  # a lab is used for several tests
        self._directory.mkdir(mode=0o755)
        self.environment = at_home(self._directory)
        self._files = self._directory / "broker"

    def set_up(self):
        """Everything once, as README says: a key, the broker's files, and what goes to the gateway."""
        lab = self.lab
        self.knocklet("gateway", "add", NAME)
        self.knocklet("broker", "setup", self._files, "--host", lab.mgmt.ip4, "--place", self._files)
        self.knocklet("broker", "use", lab.mgmt.ip4, "--ca", self._files / "ca.crt",
                      "--password-file", self._files / "passwords" / "admin")  # fmt: skip
        key = self.knocklet_process("gateway", "key", NAME, stdout=subprocess.PIPE)
        write_private(self.etc / "key", key.communicate()[0])
        agent = json.loads((self._files / f"agent-{NAME}.json").read_text())
        if not self._tls:
            agent = {"broker": {"host": lab.mgmt.ip4, "tls": False}}
        write_private(self.etc / "agent.json", json.dumps(agent))
        for parent in list(self.run_dir.parents)[:-2]:  # the agent's user must get as far as <run_dir>-agent
            os.chmod(parent, parent.stat().st_mode | 0o011)
        self.start_broker()

    def password(self, user):
        return (self._files / "passwords" / user).read_text().strip()

    @property
    def ca(self):
        return self._files / "ca.crt"

    def start_broker(self):
        """mosquitto, with what it had stored."""
        store = self._directory / "store"
        store.mkdir(exist_ok=True)
        configuration = self._files / "mosquitto.conf"
        configuration.write_text(f"user root\npersistence_location {store}/\ninclude_dir {self._files}/conf.d\n")
        (self._files / "conf.d").mkdir(exist_ok=True)
        (self._files / "conf.d" / "knocklet.conf").write_bytes((self._files / "knocklet.conf").read_bytes())
        if not self._tls:
            configuration.write_text("user root\nlistener 1883\nallow_anonymous true\n")
        with open(self._directory / "mosquitto.log", "ab") as log:
            self.broker = self.lab.mgmt.popen(["mosquitto", "-c", configuration], stdout=log, stderr=log)
        port = 8883 if self._tls else 1883
        wait_until(lambda: self.lab.tcp_open(self.lab.mgmt.ip4, port, from_=self.lab.mgmt) == "open", "the broker listens")

    def stop_broker(self, wipe=False):
        """As a service manager does: it stores what it has. wipe: and then that is lost."""
        self.broker.terminate()
        self.broker.wait()
        self.lab.mgmt.started.remove(self.broker)
        if wipe:
            for path in (self._directory / "store").iterdir():
                path.unlink()

    def start_agent(self, user="nobody", wrapper=(), interpreter=_MICROPYTHON):
        options = ["--config", self.etc / "agent.json", "--run-dir", self.run_dir, "--user", user]
        command = [*wrapper, interpreter, _AGENT, *options]
        with open(self._directory / "agent.log", "ab") as log:
            self.agent = self.lab.gateway.popen(command, stdout=log, stderr=log)

    def kill_agent(self):
        self.agent.kill()
        self.agent.wait()
        self.lab.gateway.started.remove(self.agent)

    def agent_log(self):
        return (self._directory / "agent.log").read_text()

    def start_collector(self):
        """`knocklet collect`; a broker keeps events only for those who have asked before."""
        with open(self._directory / "collect.log", "ab") as log:
            self.collector = self.knocklet_process("collect", stdout=log, stderr=log)
        self.wait_until_collecting(1)

    def wait_until_collecting(self, times):
        """Until it has reached the broker for so many times in all."""
        log = self._directory / "collect.log"
        wait_until(lambda: log.read_text().count("Listening at") >= times, "knocklet collect listens", timeout_s=30)

    def wait_until_online(self):
        try:
            wait_until(lambda: (found := self.status())["status"] == "online" and found["state"], "it is online", timeout_s=30)
        except LabError as error:
            raise LabError(f"{error}: the agent said {self.agent_log()!r}, knocklet {self.status()}") from error

    def status(self):
        """What `knocklet status` tells of the gateway, as data."""
        return json.loads(self.knocklet("status", NAME, "--json", check=False).stdout)["gateways"][0]

    def log(self, *words):
        """The events of `knocklet log`, as data."""
        return [json.loads(line) for line in self.knocklet("log", NAME, "--json", *words).stdout.splitlines()]

    def knocklet_process(self, *words, **options):
        return self.lab.mgmt.popen([KNOCKLET, *words], env=self.environment, **options)

    def knocklet(self, *words, check=True):
        """Run the command on mgmt. Returns the CompletedProcess; LabError with its line when it fails."""
        return self.lab.mgmt.run([KNOCKLET, *words], env=self.environment, check=check)
