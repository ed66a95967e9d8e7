"""What a target is: one script, run once, that changes nothing; and what it says, checked, for the target may be anything."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field

from .board_folder import Board
from .channel import Channel
from .errors import RefusedError

MICROPYTHON = (1, 23)   # the oldest that will do
_LINES = 500
_TEXT = re.compile(r"[ -~]{0,200}")
_WORD = re.compile(r"[A-Za-z0-9_.:@+~-]{1,64}")
_NUMBER = re.compile(r"[0-9]{1,12}")
_VERSION = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})(\.[0-9]{1,3})?")
_SHA256 = re.compile(r"([0-9a-f]{64}) [ *](/etc/knocklet/[A-Za-z0-9_.-]{1,64})")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{0,60}")
_FILES = "config.json", "clients.json", "key", "agent.json", "installed"   # of which there is told whether they differ

# Every command may be missing, and every answer empty. $SSH_CONNECTION: client, its port, server, its port.
_SCRIPT = r"""
say() { printf '%s=%s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }
free() { set -- $(df -Pk "$1" 2>/dev/null | tail -n 1); echo "$4"; }
say begin 1
say uid "$(id -u)"
say release "$(sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\).*/\1/p' /etc/os-release 2>/dev/null | head -n 1)"
say machine "$(uname -m)"
say kernel "$(uname -r)"
for each in opkg apk dpkg apt-get; do has $each && say manager $each; done
for each in nft iptables ipset fw4; do has $each && say firewall $each; done
if has micropython; then
  micropython -c '@MICROPYTHON@' 2>/dev/null
fi
has opkg && say version "$(opkg status knocklet 2>/dev/null | sed -n 's/^Version: //p' | head -n 1)"
has apk && say version "$(apk list -I knocklet 2>/dev/null | sed -n 's/^knocklet-\([0-9][^ ]*\) .*/\1/p' | head -n 1)"
has dpkg && say version "$(dpkg-query -W -f '${Version}' knocklet 2>/dev/null)"
say flash_kb "$(free /usr/lib)"
say tmp_kb "$(free /var/run)"
say memory_kb "$(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo)"
say available_kb "$(sed -n 's/^MemAvailable: *\([0-9]*\).*/\1/p' /proc/meminfo)"
say time "$(date +%s)"
for each in /run/systemd/timesync/synchronized /var/run/knocklet/ntp; do [ -e $each ] && say ntp 1; done
for each in $(sed -n 's/^ *\([^: ]*\):.*/\1/p' /proc/net/dev); do say interface "$each"; done
for each in @FILES@; do sha256sum "/etc/knocklet/$each" 2>/dev/null | while read -r line; do say sha256 "$line"; done; done
[ -e /etc/knocklet/state/config.sealed ] && say pushed 1
for each in $(head -n 20 /etc/knocklet/installed 2>/dev/null); do say installed "$each"; done
for each in $(grep -lx -e down -e lowerlayerdown /sys/class/net/*/operstate 2>/dev/null); do
  each=${each%/*}
  say down "${each##*/}"
done
[ -e /usr/lib/knocklet ] && say there 1
set -- $SSH_CONNECTION
say ssh_port "$4"
case $1 in *%*) say ssh_interface "${1##*%}"; set -- ;; esac   # its own link
[ -n "$1" ] && say ssh_interface "$(ip route get "$1" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)"
@BOARDS@
say end 1
"""
_MICROPYTHON = """
import sys
print("micropython=%d.%d.%d" % tuple(sys.implementation[1][:3]))
for name in ("ffi", "tls"):
    try:
        __import__(name)
        print("module=" + name)
    except ImportError:
        pass
"""
_BOARD = """
if {test}; then
  say board {name}
  for each in $({interfaces}); do say knocks "$each"; done
  ({running}) >/dev/null 2>&1 && say running 1
fi
"""


@dataclass
class Facts:
    """`micropython`: its version, () when it is missing. `knocks`: the interfaces that the board says. `sha256`: by path.
    `installed`: packages that `provision` has noted there. `down`: interfaces without a line now.
    """

    uid: int = -1
    release: str = ""
    machine: str = ""
    kernel: str = ""
    managers: list[str] = field(default_factory=list)
    firewalls: list[str] = field(default_factory=list)
    micropython: tuple[int, ...] = ()
    modules: list[str] = field(default_factory=list)
    flash_kb: int | None = None
    tmp_kb: int | None = None
    memory_kb: int | None = None
    available_kb: int | None = None
    time: int = 0
    ntp: bool = False
    interfaces: list[str] = field(default_factory=list)
    knocks: list[str] = field(default_factory=list)
    boards: list[str] = field(default_factory=list)
    sha256: dict[str, str] = field(default_factory=dict)
    pushed: bool = False
    there: bool = False
    running: bool = False
    version: str = ""
    ssh_port: int = 0
    ssh_interface: str = ""
    installed: list[str] = field(default_factory=list)
    down: list[str] = field(default_factory=list)


def look(channel: Channel, boards: Iterable[Board], fixed: bool) -> Facts:
    """fixed: it is the one board there is, whatever the target says. Raises NetworkError, RefusedError."""
    parts = [_board(board, fixed) for board in boards]
    script = _SCRIPT.replace("@FILES@", " ".join(_FILES)).replace("@MICROPYTHON@", _MICROPYTHON)
    script = script.replace("@BOARDS@", "".join(parts))
    return read(channel.where, channel.run(script).text)


def _board(board: Board, fixed: bool) -> str:
    model = board.model
    test = f"grep -qF {shlex.quote(model.detect.text)} {shlex.quote(model.detect.file)} 2>/dev/null"
    return _BOARD.format(
        test="true" if fixed else test, name=shlex.quote(board.name), interfaces=model.engine.interfaces,
        running=model.service.running,
    )  # fmt: skip


def read(where: str, text: str) -> Facts:
    """Raises RefusedError for what is no answer to the script."""
    lines = [line.rstrip("\r") for line in text.splitlines()]
    if "begin=1" not in lines or "end=1" not in lines or len(lines) > _LINES:
        raise RefusedError(f"{where}: its shell does not run what it was sent; allowed: a POSIX shell, as root's on a router")
    facts = Facts()
    for line in lines[lines.index("begin=1"):]:
        key, separator, value = line.partition("=")
        if separator and value and _TEXT.fullmatch(value):
            _take(facts, key, value)
    return facts


def _take(facts: Facts, key: str, value: str) -> None:
    """What is not as it should be counts as not said."""
    lists = {"manager": facts.managers, "firewall": facts.firewalls, "module": facts.modules, "interface": facts.interfaces,
             "knocks": facts.knocks, "board": facts.boards, "down": facts.down}   # fmt: skip
    if key in lists:
        if _WORD.fullmatch(value) and value not in lists[key]:
            lists[key].append(value)
    elif key in ("uid", "flash_kb", "tmp_kb", "memory_kb", "available_kb", "time", "ssh_port"):
        if _NUMBER.fullmatch(value):
            setattr(facts, key, int(value))
    elif key in ("ntp", "pushed", "there", "running"):
        setattr(facts, key, value == "1")
    elif key in ("machine", "kernel", "version", "ssh_interface"):
        if _WORD.fullmatch(value):
            setattr(facts, key, value)
    elif key == "installed":
        if _PACKAGE.fullmatch(value) and value not in facts.installed:
            facts.installed.append(value)
    elif key == "release":
        facts.release = value
    elif key == "micropython" and (found := _VERSION.match(value)):
        facts.micropython = int(found[1]), int(found[2])
    elif key == "sha256" and (found := _SHA256.fullmatch(value)):
        facts.sha256[found[2]] = found[1]
