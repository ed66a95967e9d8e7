"""A router without OpenWrt: a root directory with busybox, MicroPython and nft, the board's files as a package puts them there,
and stand-ins for procd, UCI and netifd that write down what the init script asks for.

    router = Router(tmp_path)
    router.netifd("wan", device="eth1", l3_device="pppoe-wan")     # what netifd tells of an interface
    router.uci(enabled="1")
    router.init("start").instances["engine"].command
"""

import functools
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOARD = ROOT / "boards" / "openwrt"
STAND_IN = Path(__file__).with_name("stand_in")
MICROPYTHON = ROOT / "build" / "micropython"
UID = 977   # of the user that the package makes
_LIBRARY = re.compile(r"(/\S+) \(0x")
# A root directory of its own, and of the system only what programs need. MicroPython may be a file that starts it elsewhere.
_INSIDE = f"""
mount --bind /proc "$1/proc"
mount --bind {MICROPYTHON} "$1{MICROPYTHON}"
for name in null urandom; do mount --bind /dev/$name "$1/dev/$name"; done
exec chroot "$@"
"""


@functools.cache
def _libraries(path):
    """Of a program; of one that is none, or has them all inside, none."""
    return _LIBRARY.findall(subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout)


class Router:
    """`place`: its root directory. package, micropython: are they installed; user: has the package made its user."""

    def __init__(self, place, package=True, micropython=True, user=True):
        self.place = place
        folders = ("bin", "dev", "proc", "tmp/netifd", "var/run", "etc", "sbin", "lib/functions", "usr/bin")
        for folder in (*folders, str(MICROPYTHON)[1:]):
            (place / folder).mkdir(parents=True)
        for name in ("null", "urandom"):
            (place / "dev" / name).touch()
        if package:
            shutil.copytree(BOARD / "files", place, dirs_exist_ok=True)
            shutil.copytree(ROOT / "build" / "firmware", place / "usr" / "lib" / "knocklet")
            (place / "usr" / "bin" / "knockletctl").symlink_to("../lib/knocklet/start.sh")
            (place / "etc" / "knocklet").mkdir(mode=0o700)
        shutil.copy(STAND_IN / "rc.common", place / "etc")
        for name in ("functions.sh", "jshn.py"):
            shutil.copy(STAND_IN / name, place / "lib")
        shutil.copy(STAND_IN / "network.sh", place / "lib" / "functions")
        users = ["root:x:0:0::/root:/bin/sh", f"knocklet:x:{UID}:{UID}::/var/run/knocklet:/bin/false"]
        groups = ["root:x:0:", f"knocklet:x:{UID}:"]
        for name, lines in (("passwd", users), ("group", groups)):
            (place / "etc" / name).write_text("".join(line + "\n" for line in (lines if user else lines[:1])))
        self.program(shutil.which("busybox"))
        self.run("/bin/busybox", "--install", "-s", "/bin")
        if micropython:
            self.program(MICROPYTHON / "64" / "micropython")
        for name in ("log", "running"):
            (place / "tmp" / name).touch()
        self.firewall("drop")

    def program(self, path):
        """A program of this system, with its libraries where it looks for them."""
        to = self.place / "bin" / Path(path).name
        to.unlink(missing_ok=True)  # it may be a link to busybox
        shutil.copy(path, to)
        for library in _libraries(path):
            to = self.place / library[1:]
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, to)

    def script(self, name, text):
        path = self.place / "bin" / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def inside(self, *command):
        """A command line that runs `command` in this root directory."""
        return ["unshare", "--mount", "sh", "-ec", _INSIDE, "sh", self.place, *command]

    def run(self, *command):
        words = [str(word) for word in self.inside("/bin/busybox", "env", "-i", "PATH=/sbin:/usr/sbin:/bin:/usr/bin", *command)]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    def init(self, *words):
        """Run the init script as a person does. What it asked for then, as Calls; its exit code and words are there too."""
        calls = self.place / "tmp" / "calls"
        calls.unlink(missing_ok=True)
        ran = self.run("/etc/init.d/knocklet", *words)
        return Calls(calls.read_text().splitlines() if calls.exists() else [], ran)

    def log(self):
        """The lines that were logged since the last call."""
        path = self.place / "tmp" / "log"
        lines = path.read_text().splitlines()
        path.write_text("")
        return lines

    # What the router's owner has set up

    def write(self, path, text, mode=0o600):
        to = self.place / path.lstrip("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(text)
        to.chmod(mode)

    def netifd(self, interface, **told):
        """device: what it is on; l3_device: what has its addresses, while it is up. Nothing: there is no such interface."""
        text = "".join(f"{name}={value}\n" for name, value in told.items())
        (self.place / "tmp" / "netifd" / interface).write_text(text)

    def uci(self, broker=None, interface=("wan", "wan6"), **options):
        """/etc/config/knocklet."""
        lines = ["config gateway 'main'", *(f"\toption {name} '{value}'" for name, value in options.items())]
        lines += [f"\tlist interface '{name}'" for name in interface]
        lines += ["config broker 'broker'", *(f"\toption {name} '{value}'" for name, value in (broker or {}).items())]
        self.write("/etc/config/knocklet", "\n".join(lines) + "\n")

    def firewall(self, wan):
        """What /etc/config/firewall says of what comes in from WAN."""
        lan = "config zone\n\toption name lan\n\tlist network lan\n\toption input ACCEPT\n"
        networks = "".join(f"\tlist network {name}\n" for name in ("wan", "wan6"))
        self.write("/etc/config/firewall", f"{lan}config zone\n\toption name outside\n{networks}\toption input {wan.upper()}\n")

    def running(self, *instances):
        """What procd says."""
        self.write("/tmp/running", "".join(f"knocklet {name}\n" for name in instances))


class Instance:
    """One of procd's: params: name -> list of words."""

    def __init__(self):
        self.params = {}
        self.jail = None

    @property
    def command(self):
        return self.params["command"]

    @property
    def environment(self):
        return dict(word.split("=", 1) for word in self.params.get("env", ()))


class Calls:
    """What an init script asked of procd. told: False when it ended before procd was told anything."""

    def __init__(self, lines, ran):
        self.code, self.output, self.errors = ran.returncode, ran.stdout, ran.stderr
        self.instances = {}
        self.reload_triggers = []
        self.interface_triggers = []   # (event, interface, command...)
        self.told = self.killed = False
        current = None
        for line in lines:
            call, *words = line.split("\x1f")[:-1]
            if call == "open_instance":
                current = self.instances[words[0]] = Instance()
            elif call == "set_param":
                current.params[words[0]] = words[1:]
            elif call == "add_jail":
                current.jail = words
            elif call == "close_instance":
                current = None
            elif call == "add_reload_trigger":
                self.reload_triggers += words
            elif call == "add_interface_trigger":
                self.interface_triggers.append(tuple(words))
            elif call == "kill":
                self.killed = True
            elif call == "close_service":
                self.told = True
        assert current is None, "an instance was not closed"
