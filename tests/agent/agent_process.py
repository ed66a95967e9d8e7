"""The agent under MicroPython, as a process to look at."""

import json
import os
import subprocess
from pathlib import Path

from agent.waiting import PATIENCE_S, until

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build"
NAME = "attic"   # of the gateway
PASSWORD = "a-password-to-look-for"
USER = "nobody"
USER_ID = 65534


class Agent:
    """The agent under MicroPython. `quick`: from source, with short deadlines (quick_agent.py); else as a gateway gets it."""

    def __init__(self, directory, bits=64):
        self.directory = directory
        self.run_dir = directory / "run"
        self.config = {}
        self._log = directory / "agent.log"
        self._bits = bits
        self.process = None

    def configure(self, port, ca=None, **more):
        broker = {"host": "127.0.0.1", "port": port, "password": PASSWORD, "tls": ca is not None}
        if ca:
            broker["ca"] = str(ca)
        for key in ("host", "server_name", "password"):
            if key in more:
                broker[key] = more.pop(key)
        self.config = {"broker": broker, **more}
        return self

    def command(self, quick=False, user=USER):
        path = self.directory / "agent.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(self.config))
        interpreter = BUILD / "micropython" / str(self._bits) / "micropython"
        script = HERE / "quick_agent.py" if quick else BUILD / "firmware" / "knocklet_agent.py"
        return [interpreter, script, "--config", path, "--run-dir", self.run_dir, "--user", user]

    def start(self, quick=False):
        # The log is opened here: the agent's user could not. The groups are root's, to be given up.
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self.command(quick), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            extra_groups=[0, 4])  # fmt: skip
        return self

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def log(self):
        return self._log.read_text() if self._log.exists() else ""

    def expect_log(self, text, patience_s=PATIENCE_S):
        def found():
            assert self.process.poll() is None, f"the agent ended: {self.log()}"
            return text in self.log()

        try:
            until(found, f"the log says '{text}'", patience_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None

    def status(self):
        """/proc/PID/status as name -> text."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return {line.partition(":")[0]: line.partition(":")[2].strip() for line in lines}

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory_kb(self):
        """Anonymous resident memory."""
        return int(self.status()["RssAnon"].split()[0])

    def wakeups(self):
        """How often it has been put to sleep by itself."""
        return int(self.status()["voluntary_ctxt_switches"])
