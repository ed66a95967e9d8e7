"""The lab with a real gateway: an arm64 board, booted in QEMU, where otherwise the gateway's namespace is.

    with BoardLab() as lab:
        board = Board(lab, disk, initrd)
        board.power_on()
        board.expect_exact(READY)
        lab.tcp_open(lab.gateway.ip4, 22)      # all of the lab's probes; lab.gateway says where the board is, and runs nothing

Its three network cards are taps: eth0 on the bridge outside, eth1 to mgmt, eth2 to the LAN with the camera. Whoever has the key
that was put on its disk is root by SSH from mgmt.
"""

import contextlib
import fcntl
import os
import re
import struct
import subprocess
import threading
import time
from pathlib import Path

from . import wiring
from .host import LabError
from .lab import Lab
from .waiting import wait_until

_KERNEL = Path(__file__).resolve().parent.parent.parent / "build" / "boards" / "qemu_arm64" / "kernel"
_MAC = "02:00:00:00:01:{:02x}"  # of eth1 and eth2; eth0 has the lab's gateway's
_MGMT, _LAN = "203.0.113.1", "192.168.1.1"  # the board's addresses there, as in boards/qemu_arm64/system/etc/network
_TUNSETIFF = 0x400454CA  # linux/if_tun.h
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
# notests: the kernel would try its ciphers for half a second. panic=-1: a kernel that fails is a board that is off.
_KERNEL_LINE = "console=ttyAMA0 quiet cma=0 cryptomgr.notests panic=-1"
# What the board writes this kernel has at once, and kill -9 does not take it: to flush it to our disk too proves nothing.
_CACHE = "unsafe"
_OFF_S = 20


class BoardLab(Lab):
    """`key`: file with the key of who is root on the board; its other half is authorized_key()."""

    def _start(self):
        self.directory.mkdir(mode=0o700)
        wiring.make(self.hosts)
        self._tap(self.wan, "gateway", "link set gateway master bridge")
        for host, via4 in ((self.mgmt, _MGMT), (self.camera, _LAN)):
            host.ip("link delete eth0")
            addresses = {self.mgmt: [self.mgmt.ip4], self.camera: [self.camera.ip4, "192.168.1.60"]}[host]
            self._tap(host, "eth0", *(f"address add {address}/24 dev eth0" for address in addresses))
            host.ip(f"route replace default via {via4}")
        self.serve(self.camera, 80, 443)
        self.key = self.directory / "id"
        self.mgmt.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key])

    def _tap(self, host, name, *lines):
        host.ip(f"tuntap add dev {name} mode tap", f"link set {name} up", *lines)

    def authorized_key(self):
        return self.key.with_suffix(".pub").read_text().strip()


def _attach(host, name):
    """A file descriptor of the host's tap."""
    with host.inside():
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(tap, _TUNSETIFF, struct.pack("@16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return tap


class Board:
    """One board with its disk. `said`: all that its console ever said, as bytes. `listener`: called with each piece of that."""

    def __init__(self, lab, disk, initrd, memory_mb=64):
        self.lab = lab
        self.disk = disk
        self.process = None
        self.said = b""
        self.listener = None
        self._initrd = initrd
        self._memory_mb = memory_mb
        self._reader = None
        self._heard = threading.Condition()
        self._from = 0  # what was said before is not expected any more

    def power_on(self, console=None):
        """console: a QEMU character device for it instead of ours, "pty" for instance; then its lines are not heard here."""
        host, lab = self.lab.wan, self.lab
        taps = [_attach(lab.wan, "gateway"), _attach(lab.mgmt, "eth0"), _attach(lab.camera, "eth0")]
        macs = [lab.gateway.mac.hex(":"), _MAC.format(1), _MAC.format(2)]
        cards = [
            word
            for tap, mac in zip(taps, macs)
            for word in ("-netdev", f"tap,id=n{tap},fd={tap}", "-device", f"virtio-net-pci,netdev=n{tap},mac={mac},romfile=")
        ]
        self._from = len(self.said)
        try:
            self.process = host.popen(
                [
                    "qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-m", self._memory_mb, "-nodefaults",
                    "-no-reboot", "-display", "none", "-serial", console or "stdio", "-kernel", _KERNEL,
                    "-initrd", self._initrd, "-append", _KERNEL_LINE,
                    "-drive", f"file={self.disk},if=virtio,format=raw,cache={_CACHE}", *cards,
                ],
                pass_fds=taps,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        finally:
            for tap in taps:
                os.close(tap)
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, output):
        with output:
            while piece := os.read(output.fileno(), 65536):
                with self._heard:
                    self.said += piece
                    self._heard.notify_all()
                if self.listener:
                    self.listener(piece)
        with self._heard:
            self._heard.notify_all()

    @contextlib.contextmanager
    def on(self, until):
        """On as long as the block lasts, from when the console has said `until`."""
        self.power_on()
        try:
            self.expect(until, timeout_s=60)
            yield self
        finally:
            self.power_cut()

    def power_cut(self):
        """kill -9: what the board had not written to its disk is lost."""
        if self.process:
            self.process.kill()
            self._ended()

    def power_off(self):
        """All is written first."""
        with contextlib.suppress(LabError):  # the connection is cut before it is answered
            self.ssh("sync; poweroff -f")
        self.process.wait(_OFF_S)
        self._ended()

    def _ended(self):
        self.process.wait()
        self._reader.join()
        self.process.stdin.close()
        self.lab.wan.started.remove(self.process)
        self.process = None

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def expect(self, pattern, timeout_s=30):
        """Wait until the console says it (a regular expression of bytes), behind what was found last. Returns the match."""
        deadline = time.monotonic() + timeout_s
        with self._heard:
            while not (found := re.compile(pattern).search(self.said, self._from)):
                ended = self.process is None or self.process.poll() is not None
                if ended or not self._heard.wait(min(1, max(0, deadline - time.monotonic()))) and time.monotonic() > deadline:
                    why = "the board is off" if ended else f"not within {timeout_s} s"
                    raise LabError(f"the console did not say {pattern!r}, {why}: {self.said[-1000:].decode(errors='replace')}")
            self._from = found.end()
        return found

    def ssh_command(self, *words):
        """To run on mgmt."""
        options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR",
                   "ControlMaster=auto", "ControlPersist=yes", f"ControlPath={self.lab.directory}/ssh", "ConnectTimeout=10",
                   "ServerAliveInterval=2", "ServerAliveCountMax=3")  # fmt: skip
        given = [word for option in options for word in ("-o", option)]
        return ["ssh", "-i", self.lab.key, *given, f"root@{_MGMT}", *words]

    def wait_for_ssh(self):
        """After power-on: its network may answer later than its console."""
        wait_until(lambda: self.ssh("true", check=False).returncode == 0, "ssh answers", timeout_s=60, interval_s=0.1)

    def ssh(self, command, check=True, **options):
        """Run a line of shell on the board. LabError with what it said when it fails."""
        return self.lab.mgmt.run(self.ssh_command(command), check, stdin=subprocess.DEVNULL, **options)

    def put(self, path, content, mode=0o600):
        """A file (bytes) on the board."""
        line = f"umask 077; cat >{path}.new && chmod {mode:o} {path}.new && mv {path}.new {path}"
        self.lab.mgmt.run(self.ssh_command(line), input=content, text=False)
