"""A router as it comes, in a folder: busybox, and stand-ins for what it would fetch. All else that runs there is real.

    fake ssh      what it is told to run, it runs in the folder as its root; options are noted
    opkg          "installs" micropython-mbedtls, and a real .ipk by unpacking it: an older one or the same one only where it is
                  forced to, and without an error, as the real one; every call is noted in /calls. /broken: nothing works;
                  /needed: something needs MicroPython; /purges: with a package its settings go, as Debian's purge does it
    micropython   tells a version, has modules, and answers as the engine's status; /status there is what it says
    its service   /etc/init.d/knocklet of the test's board: runs when there is a configuration and the service was started
"""

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOARD = """\
title = "Router of the tests"
[detect]
file = "/etc/os-release"
text = 'ID="bare"'
[package]
private = ["/etc/knocklet/"]
config_files = ["/etc/default/knocklet"]
[package.ipk]
manager = "opkg"
depends = ["micropython-mbedtls"]
prepare = "opkg update"
install = "opkg install --force-downgrade {file}"
reinstall = "opkg install --force-reinstall {file}"
remove = "opkg remove knocklet"
[micropython]
package = "micropython-mbedtls"
[service]
enable = "/etc/init.d/knocklet enable"
disable = "/etc/init.d/knocklet disable"
start = "/etc/init.d/knocklet start"
stop = "/etc/init.d/knocklet stop"
restart = "/etc/init.d/knocklet restart"
running = "/etc/init.d/knocklet running"
[firewall]
backends = ["nft"]
zone = "drop"
[engine]
heap = "1M"
interfaces = "echo wan0"
[paths]
settings = "/etc/default/knocklet"
[console]
baud = 115200
how = "it is a folder"
"""
SERVICE = """\
#!/bin/sh
echo "service $1" >>/calls
case $1 in
  enable) : >/etc/enabled ;;
  disable) rm -f /etc/enabled ;;
  start | restart) [ ! -e /etc/knocklet/config.json ] || : >/var/run/engine ;;
  stop) rm -f /var/run/engine ;;
  running) [ -e /var/run/engine ] ;;
esac
"""
OPKG = """\
#!/bin/sh
echo "opkg $*" >>/calls
[ "$1" = status ] || [ ! -e /broken ] || { echo "opkg: $(cat /broken)" >&2; exit 9; }
remove() {
  [ ! -e /var/list ] || sort -r /var/list | while read -r path; do
    [ "$path" != "$1" ] || continue
    [ -d "/$path" ] && rmdir "/$path" 2>/dev/null || rm -f "/$path"
  done
  rm -f /var/list /var/version
}
unpack() {
  remove ./etc/default/knocklet
  [ ! -e /etc/default/knocklet ] || cp /etc/default/knocklet kept
  gzip -dc data.tar.gz | tar x -C / && gzip -dc data.tar.gz | tar t >/var/list && echo "$new" >/var/version || exit
  [ ! -e kept ] || cp kept /etc/default/knocklet
}
words=$*
while case $2 in --*) ;; *) false ;; esac; do one=$1; shift 2; set -- "$one" "$@"; done
case "$1 $2" in
  "update "*) ;;
  "install micropython-mbedtls") cp /micropython /usr/bin/micropython ;;
  "install "*)
    mkdir /tmp/ipk && cd /tmp/ipk && gzip -dc "$2" | tar x && gzip -dc control.tar.gz | tar x || exit
    new=$(sed -n 's/^Version: //p' control) old=$(cat /var/version 2>/dev/null)
    last=$(printf '%s\\n' "$new" "$old" | sort | tail -n 1)
    case "$([ "$new" = "$old" ] && echo same || { [ "$last" = "$new" ] && echo newer || echo older; }) $words" in
      newer* | same*--force-reinstall* | older*--force-downgrade*) unpack ;;
      same*) echo "Package knocklet ($new) installed in root is up to date." ;;
      *) echo "Not downgrading package knocklet on root from $old to $new." ;;
    esac
    cd / && rm -rf /tmp/ipk ;;
  "remove knocklet") remove; [ ! -e /purges ] || rm -rf /etc/knocklet ;;
  "remove micropython-mbedtls")
    [ ! -e /needed ] || { echo "Package micropython-mbedtls is depended upon by packages: $(cat /needed)"; exit 255; }
    rm /usr/bin/micropython ;;
  "status knocklet") [ ! -e /var/version ] || echo "Version: $(cat /var/version)" ;;
esac
"""
MICROPYTHON = """\
#!/bin/sh
case "$*" in
  *--uninstall*) echo "engine --uninstall" >>/calls ;;
  -c*) printf 'micropython=1.25.0\\nmodule=ffi\\nmodule=tls\\n' ;;
  *knockletctl*status) [ -e /var/run/engine ] && cat /status ;;
esac
"""
STATUS = {"version": "0.1.0", "firewall": "nft", "armed": True, "interfaces": [{"name": "wan0", "up": True}], "warnings": []}
_LIBRARY = re.compile(r"(/[^ ]+) \(0x")
SSH = """\
#!/bin/sh
echo "$*" >>"{calls}"
for word; do command=$word; done
case " $* " in *" -N "* | *" -O "*) exit 0 ;; esac
[ ! -e "{down}" ] || {{ echo "ssh: connect to host: No route to host" >&2; exit 255; }}
SSH_CONNECTION="192.168.1.2 50000 192.168.1.1 22" exec chroot "{root}" /bin/sh -c "$command"
"""


class BareRouter:
    """`root`: its folder. `ssh`: the program to reach it."""

    def __init__(self, folder):
        self.root = folder / "root"
        self.ssh = folder / "ssh"
        self.sent = folder / "ssh.calls"   # what stood on the command line of ssh
        self.down = folder / "down"
        for path in ("bin", "dev", "etc/init.d", "lib", "root", "tmp", "usr/bin", "usr/lib", "var/run"):
            (self.root / path).mkdir(parents=True)
        shutil.copy(_busybox(), self.root / "bin/busybox")
        for name in _said(_busybox(), "--list").split():
            if name not in ("busybox", "sh", "dpkg", "rpm", "ip"):
                (self.root / "bin" / name).symlink_to("busybox")
        # Debian's busybox as a shell would run its own programs for ours.
        for path in ("/bin/dash", *_LIBRARY.findall(_said("ldd", "/bin/dash"))):
            (self.root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, self.root / path[1:])
        (self.root / "bin/sh").symlink_to("dash")
        os.mknod(self.root / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        self.write("etc/os-release", 'ID="bare"\nPRETTY_NAME="Bare 1.0"\n')
        self.write("proc/meminfo", "MemTotal:  60000 kB\nMemAvailable:  30000 kB\n")
        self.write("proc/net/dev", "Inter-| Receive\n face |bytes\n    lo: 0 0\n  wan0: 12 0\n")
        self.write("bin/opkg", OPKG, 0o755)
        self.write("bin/ip", "#!/bin/sh\necho '192.168.1.2 dev lan0 src 192.168.1.1'\n", 0o755)
        self.write("micropython", MICROPYTHON, 0o755)
        self.write("status", json.dumps(STATUS))
        self.write("calls", "")
        for path in ("etc/init.d/boot", "usr/lib/os", "usr/bin/login", "etc/default/boot"):   # of the system's own
            self.write(path, "")
        self.ssh.write_text(SSH.format(calls=self.sent, root=self.root, down=self.down))
        self.ssh.chmod(0o755)

    def write(self, path, text, mode=0o644):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).unlink(missing_ok=True)   # else it would be written through a link
        (self.root / path).write_text(text)
        (self.root / path).chmod(mode)

    def remove(self, path):
        there = self.root / path
        there.rmdir() if there.is_dir() else there.unlink()

    def read(self, path):
        return (self.root / path).read_bytes()

    def calls(self):
        """What was called there since the last time; questions are left out."""
        lines = self.read("calls").decode().splitlines()
        self.write("calls", "")
        return [line for line in lines if line not in ("service running", "opkg status knocklet")]

    def left(self):
        """What lies where packages wait and ways back."""
        folder = self.root / "var/run/knocklet-install"
        return [*(self.root / "tmp").iterdir(), *([folder, *folder.iterdir()] if folder.exists() else [])]

    def snapshot(self):
        """Path -> mode and contents, of all but what only the stand-ins write."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if not name.startswith("bin/") and name != "calls":
                data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
                found[name] = (path.lstat().st_mode, data)
        return found


def board_folder(folder):
    """What stands for the repository: one board, and the firmware that was built."""
    board = folder / "boards/bare"
    (board / "files/etc/init.d").mkdir(parents=True)
    (board / "files/etc/default").mkdir()
    (board / "board.toml").write_text(BOARD)
    (board / "files/etc/default/knocklet").write_text("")
    (board / "files/etc/init.d/knocklet").write_text(SERVICE)
    (board / "files/etc/init.d/knocklet").chmod(0o755)
    (folder / "build").symlink_to(ROOT / "build")
    (folder / "LICENSE").symlink_to(ROOT / "LICENSE")
    return folder


def _busybox():
    return shutil.which("busybox")


def _said(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout
