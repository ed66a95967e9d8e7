"""A Debian 13 as on a Raspberry Pi: its own dpkg, and, in a container, its own systemd. Root's files are a copy of one's own.

    machine.chroot(["dpkg", "-i", "/package.deb"])     nothing of it runs
    machine.boot()                                     its systemd is process 1; its network is the gateway's in a lab
    machine.run(["systemctl", "start", "knocklet-engine"])
"""

import contextlib
import itertools
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from lab.host import NETNS_DIR, LabError
from lab.host import run as run_here
from lab.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
_MADE = ROOT / "build" / "boards" / "raspberry_pi" / "root"  # by scripts/setup.sh
_START = Path(__file__).with_name("start_machine.sh")
_LEFT = Path("/run/systemd/nspawn/propagate")  # systemd-nspawn makes a folder here for each machine
_MEMORY = Path("/dev/shm")  # ten times as quick as a disk on which others work
_PREFIX = "knocklet-pi-"
_BOOT_S = 60
_number = itertools.count()


class Machine:
    """`root`: where its files lie on this machine; `netns`: of the network that it has when it is booted."""

    def __init__(self, netns=None):
        for left in _MEMORY.glob(_PREFIX + "*"):  # of tests that were killed
            if not Path("/proc", left.name.split("-")[2]).exists():
                shutil.rmtree(left, ignore_errors=True)
        self._name = f"{_PREFIX}{os.getpid()}-{next(_number)}"
        self.root = (_MEMORY if _MEMORY.is_dir() else Path(tempfile.gettempdir())) / self._name / "root"
        self.root.parent.mkdir()
        self.netns = netns
        self._container = None
        run_here(["cp", "-a", _MADE, self.root])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.power_off()
        shutil.rmtree(self.root.parent)

    def put(self, path, data, mode=0o600):
        """A file of root's on its disk. /run and /tmp are its own when it is booted: not there."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
        file.chmod(mode)

    def path(self, path):
        return self.root / path.lstrip("/")

    # Without its systemd

    def chroot(self, command, check=True, **options):
        """Run there and wait. Nothing else of it runs: as where an image is made."""
        inside = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--net", "--fork", f"--mount-proc={self.root}/proc"]
        return run_here([*inside, "chroot", self.root, *command], check, env=_ENVIRONMENT, **options)

    # With it

    def boot(self):
        """Power on, and wait until it is up."""
        assert self._container is None, "it is on"
        self._remove_groups()
        inside = ["nsenter", f"--net={NETNS_DIR / self.netns}", "unshare", "--mount", "--propagation", "private"]
        command = [*map(str, [*inside, _START, self._name, self.root])]
        with open(self.root.parent / "container.log", "ab") as log:
            options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "env": _ENVIRONMENT}
            self._container = subprocess.Popen(command, **options)
        wait_until(self._booted, "systemd is up", _BOOT_S, 0.02)

    def _booted(self):
        """Is systemd through with its first jobs, whatever became of them?"""
        assert self._container.poll() is None, (self.root.parent / "container.log").read_text()
        with contextlib.suppress(LabError):
            state = self.run(["systemctl", "is-system-running", "--wait"], check=False).stdout.strip()
            return state if state in ("running", "degraded") else None

    def run(self, command, check=True, **options):
        """Run on the booted machine and wait. LabError with what it said when it fails."""
        inside = ["nsenter", f"--target={self._process_1()}", "--all", "--root", "--wdns=/"]
        return run_here([*inside, "--", *command], check, env=_ENVIRONMENT, **options)

    def _process_1(self):
        pid = self._container.pid
        children = []
        with contextlib.suppress(OSError):  # it has ended
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if len(children) != 1:
            raise LabError("the container has no process 1 yet")
        return int(children[0])

    def shut_down(self):
        """As its owner does: everything is stopped in order, then it is off."""
        self.run(["systemctl", "poweroff"])
        self._container.wait(_BOOT_S)
        self._container = None

    def power_off(self):
        """Pull the plug: all that runs is gone at once."""
        if self._container:
            with contextlib.suppress(LabError, ProcessLookupError):
                os.kill(self._process_1(), 9)
            self._container.wait(_BOOT_S)
            self._container = None
        self._remove_groups()

    def _remove_groups(self):
        """The empty control groups that are left of it."""
        command = 'mountpoint -q /mnt || mount -t cgroup2 cgroup2 /mnt; find "/mnt/$1" -depth -type d -exec rmdir {} +'
        inside = ["unshare", "--mount", "--propagation", "private", "sh", "-c", command, "sh", self._name]
        run_here(inside, check=False)
        with contextlib.suppress(OSError):
            (_LEFT / self._name).rmdir()

    def journal(self, unit=None):
        """What it logged since it was booted last, as text."""
        return self.run(["journalctl", "--no-pager", "--output=cat", *(["--unit", unit] if unit else [])]).stdout

    def show(self, unit, *properties):
        """Properties of a unit, as texts in this order; one alone is no list."""
        lines = self.run(["systemctl", "show", unit, *(f"--property={name}" for name in properties)]).stdout.splitlines()
        found = dict(line.split("=", 1) for line in lines)
        values = [found[name] for name in properties]
        return values[0] if len(values) == 1 else values


def tree(root):
    """path -> kind, mode, owner, and contents or where it leads to. Without what apt and dpkg themselves keep."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            told = os.lstat(path)
            what = None
            if stat.S_ISREG(told.st_mode):
                with open(path, "rb") as file:
                    what = hash(file.read())
            elif stat.S_ISLNK(told.st_mode):
                what = os.readlink(path)
            found[path[len(str(root)) :]] = (told.st_mode, told.st_uid, told.st_gid, what)
    apart = "/var/lib/dpkg/", "/var/lib/apt/", "/var/cache/", "/var/log/", "/root/knocklet.deb"
    backups = "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/.pwd.lock"
    return {path: told for path, told in found.items() if not path.startswith(apart) and path not in backups}


_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
