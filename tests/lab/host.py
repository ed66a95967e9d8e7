"""One host of the lab: a network namespace, and ways to do something in it."""

import ctypes
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

NETNS_DIR = Path("/run/netns")  # where ip(8) keeps the names
_TIMEOUT_S = 120
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_COUNTERS = "rx_bytes rx_packets rx_errors rx_dropped 4 5 6 7 tx_bytes tx_packets tx_errors tx_dropped".split()

_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """The lab could not be made, or a command in it failed: one line."""


def run(command, check=True, **options):
    """Run to the end, output as text. Returns CompletedProcess; raises LabError with its error output if it fails.

    Words of the command may be bytes. What should have ended and does not, is ended after a while (TimeoutExpired).
    """
    options = {"capture_output": True, "text": True, "timeout": _TIMEOUT_S, **options}
    words = [word if isinstance(word, bytes) else str(word) for word in command]
    done = subprocess.run(words, check=False, **options)
    if check and done.returncode:
        said = " ".join(str(done.stderr or done.stdout or "").split())
        raise LabError(f"{' '.join(map(str, words))}: exit {done.returncode}: {said}")
    return done


class Host:
    """A namespace with its addresses. `ip4`, `ip6`: text; `mac`: 6 bytes of its first interface."""

    def __init__(self, netns, ip4, ip6, mac):
        self.netns = netns
        self.ip4 = ip4
        self.ip6 = ip6
        self.mac = mac
        self.started = []  # what popen() started

    def run(self, command, check=True, **options):
        """As run() above, in this namespace."""
        return run(["ip", "netns", "exec", self.netns, *command], check, **options)

    def popen(self, command, **options):
        """Start in this namespace and go on. Its pid is the command's own. The end of the lab ends it."""
        process = subprocess.Popen(["ip", "netns", "exec", self.netns, *map(str, command)], **options)
        self.started.append(process)
        return process

    def end_processes(self, keep=()):
        """kill -9 what popen() started, and wait for the end of it."""
        for process in [process for process in self.started if process not in keep]:
            process.kill()
            process.wait()
            self.started.remove(process)

    @contextmanager
    def inside(self):
        """This thread is in the namespace meanwhile: sockets made here stay in it. Takes microseconds.

        /sys shows the old namespace all the same; /proc/net is the main thread's, /proc/thread-self/net ours.
        """
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            there = os.open(NETNS_DIR / self.netns, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _setns(there)
                yield
            finally:
                os.close(there)
                _setns(home)
        finally:
            os.close(home)

    def ip(self, *lines):
        """Run lines of ip(8) here, all in one process: `host.ip("link set eth0 up", "addr add ...")`."""
        run(["ip", "-netns", self.netns, "-batch", "-"], input="\n".join(lines) + "\n")

    def sysctl(self, **values):
        """Set kernel parameters below net here, dots written as two underscores: sysctl(ipv4__ip_forward=1)."""
        with self.inside():
            for name, value in values.items():
                Path("/proc/sys/net", *name.split("__")).write_text(f"{value}\n")

    def interfaces(self):
        """Interface name -> what the kernel counted on it since it was made: {"tx_packets": 7, "rx_packets": ...}."""
        with self.inside():
            lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
        rows = (line.partition(":") for line in lines[2:])
        return {name.strip(): dict(zip(_COUNTERS, map(int, numbers.split()))) for name, _, numbers in rows}

    def counters(self, interface):
        """The counters of one interface. KeyError: there is no such interface."""
        return self.interfaces()[interface]


def _setns(descriptor):
    if _libc.setns(descriptor, _CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")
