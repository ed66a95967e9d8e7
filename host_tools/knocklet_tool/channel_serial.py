"""Over a serial console where root has a shell, as routers have one: nothing there but the shell and what busybox always has.

A small script is typed in; it then takes what is to be run line by line, as text for printf, and answers each line with its
number. No line of it is typed into the shell itself, so none is in its history. What a script says comes back in hex, with
its sha256: what a message of the kernel has damaged is asked for again.
"""

import re
import secrets
import termios
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from .channel import LIMIT_S, OUTPUT_BYTES, PRIVATE, Channel, Done, too_long, too_much
from .errors import InputError, NetworkError

_LINE = 800   # characters: a terminal's line holds 4095
_TYPED = 160   # a busybox shell's own line 512
_WAIT_S = 5.0
_SHELL_S = 15.0
_TIMES = 6   # that each thing is tried
_BUFFER = 4 * OUTPUT_BYTES
# Others go as \ooo.
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789#&()*+,./:;<=>?[]^_`{|}~\"$")

# $1: the folder. $2: what marks an answer. Lines: a number and a part of a file; or a word.
_SERVER = r"""
cd "$1" || exit
say() { echo "@$2$1@"; }
quiet=$(cut -f 1 /proc/sys/kernel/printk 2>/dev/null)
trap 'end "$1"' EXIT
trap 'exit 1' HUP INT TERM
end() {
  [ -z "$quiet" ] || dmesg -n "$quiet" 2>/dev/null
  cd / && rm -rf "$1"
  rmdir "${1%/*}" 2>/dev/null
  stty echo 2>/dev/null
}
dmesg -n 1 2>/dev/null
n=0
: >part
say 0 "$2"
while read -r k l; do
  case $k in
    "$n") printf "$l" >>part; n=$((n+1)); say "$n" "$2" ;;
    script | data) mv part "$k"; : >part; n=0; say "$k:$(sha256sum <"$k" | cut -c 1-64)" "$2" ;;
    run) r=$l; sh ./script <data >out 2>/dev/null; echo $? >code; : >data; say "ran$r" "$2" ;;
    ran) say "ran$r" "$2" ;;
    out)
      size=$(wc -c <out)
      say "$(cat code):$((size)):$(sha256sum <out | cut -c 1-64)" "$2"
      [ "$size" -gt "$l" ] || { hexdump -v -e '1/1 "%02x"' out || od -An -v -tx1 out; } 2>/dev/null
      echo
      say end "$2" ;;
    part) say "$n" "$2" ;;
    stop) break ;;
  esac
done
trap - EXIT
end "$1"
say bye "$2"
"""


class _Silence(NetworkError):
    """It did not come in time."""


class SerialChannel(Channel):
    """port: /dev/ttyUSB0, or another that pyserial knows (socket://host:port). Raises InputError, NetworkError."""

    def __init__(self, port: str, baud: int) -> None:
        self.where = port
        self._baud = baud
        self._mark = secrets.token_hex(6)
        self._folder = f"{PRIVATE}/serial.{self._mark}"
        self._heard = b""   # and not yet looked at
        self._runs = 0
        self._before = b""   # what came before the answer that was awaited last
        self._serial: Any = None

    def __enter__(self) -> Channel:
        import serial  # only who comes this way needs it

        try:
            self._serial = serial.serial_for_url(self.where, self._baud, timeout=0.05, write_timeout=_WAIT_S)
        except (serial.SerialException, OSError, ValueError) as error:
            why = " ".join(str(error).split())[:200]
            raise InputError(f"--to {self.where}: {why}; allowed: a serial port that nobody else uses") from None
        try:
            self._find_shell()
            self._start_server()
        except BaseException:
            self._serial.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._write(b"stop\n")
            self._await(rb"bye", _WAIT_S)
        except NetworkError:
            pass   # it has gone
        self._serial.close()

    def run(self, script: str, data: bytes = b"", limit_s: float = LIMIT_S) -> Done:
        self._send("script", script.encode())
        self._send("data", data)
        self._runs += 1
        ran, end = b"ran%d" % self._runs, time.monotonic() + limit_s
        self._write(b"run %d\n" % self._runs)
        while True:
            try:
                self._await(ran, max(0.0, min(_WAIT_S, end - time.monotonic())))
                return self._output()
            except _Silence:
                if time.monotonic() >= end:
                    raise too_long(self.where, limit_s) from None
                self._write(b"ran\n")   # it may have been said, and lost

    def _find_shell(self) -> None:
        """Press Enter, and see whether a shell reckons for us. Raises NetworkError."""
        end, enter = time.monotonic() + _SHELL_S, b"\n"
        while time.monotonic() < end:
            self._write(enter)   # activates the console; then ends what runs there
            enter = b"\x03\n"
            self._listen(0.5)
            if re.search(rb"(login|[Pp]assword): *$", self._heard[-200:]):
                raise NetworkError(f"{self.where}: it asks who you are; log in there as root first, by a terminal program")
            self._write(f" echo @{self._mark}$((6*7))id$(id -u)@\n".encode())
            try:
                found = self._await(rb"42id(\d{1,10})", 2.0)
            except _Silence:
                continue
            if found[1] != b"0":
                raise NetworkError(f"{self.where}: a shell of user {int(found[1])}; allowed: root's")
            return
        raise NetworkError(f"{self.where}: no shell answers; is it the console, {self._baud} baud, and has it booted?")

    def _start_server(self) -> None:
        """Type it in, in lines that are no secret. Raises NetworkError."""
        # A run that broke off may have left one, and secrets in it.
        self._type(f"stty -echo 2>/dev/null; umask 077; rm -rf {PRIVATE}/serial.*; mkdir -p {self._folder}; cd {self._folder}")
        for number, line in enumerate(_lines(_SERVER.encode(), _TYPED)):
            self._type(f"printf '{line}' >{number:02}")
        self._type("cat [0-9]* >server; cd /")
        self._write(f" sh {self._folder}/server {self._folder} {self._mark}\n".encode())
        for _ in range(_TIMES):
            try:
                self._await(rb"0", _WAIT_S)
                return
            except _Silence:
                self._write(b"\npart\n")   # it may have been said, and lost
        raise too_long(self.where, _TIMES * _WAIT_S)

    def _type(self, line: str) -> None:
        """It may be typed twice, when the answer was lost."""
        for _ in range(_TIMES):
            self._write(f" {line}; echo @{self._mark}$?x$((6*7))@\n".encode())
            try:
                code = self._await(rb"(\d{1,10})x42", _WAIT_S)[1]
            except _Silence:
                continue
            if code == b"0":
                return
            raise NetworkError(f"{self.where}: no place for files in {PRIVATE} there")
        raise too_long(self.where, _TIMES * _WAIT_S)

    def _send(self, name: str, data: bytes) -> None:
        """A file for the server. Raises NetworkError."""
        digest = sha256(data).hexdigest().encode()
        for _ in range(_TIMES):
            for number, line in enumerate(_lines(data, _LINE)):
                self._line(number, line)
            self._write(f"{name}\n".encode())
            try:
                if self._await(name.encode() + rb":([0-9a-f]{64})", _WAIT_S)[1] == digest:
                    return
            except _Silence:
                pass
        raise NetworkError(f"{self.where}: the line is too bad: what was sent came damaged {_TIMES} times")

    def _line(self, number: int, line: str) -> None:
        """One line of it, again as long as its number does not come back."""
        for _ in range(_TIMES):
            self._write(f"{number} {line}\n".encode())
            try:
                self._await(b"%d" % (number + 1), _WAIT_S)
                return
            except _Silence:
                self._write(b"\npart\n")   # it says how far it is
            try:
                self._await(b"%d" % (number + 1), _WAIT_S)
                return
            except _Silence:
                pass
        raise too_long(self.where, _TIMES * _WAIT_S)

    def _output(self) -> Done:
        for _ in range(_TIMES):
            self._write(b"out %d\n" % OUTPUT_BYTES)
            try:
                code, size, digest = self._await(rb"(\d{1,10}):(\d{1,10}):([0-9a-f]{64})", _WAIT_S).groups()
                if int(size) > OUTPUT_BYTES:
                    raise too_much(self.where)
                self._await(rb"end", _WAIT_S, patient=True)
                data = bytes.fromhex("".join(self._before.decode().split()))
            except (ValueError, _Silence):
                continue
            if sha256(data).hexdigest().encode() == digest:
                return Done(int(code), data)
        raise NetworkError(f"{self.where}: the line is too bad: what it says came damaged {_TIMES} times")

    def _await(self, pattern: bytes, wait_s: float, patient: bool = False) -> re.Match[bytes]:
        """The next answer of this form; patient: as long as anything comes. Raises _Silence, NetworkError."""
        form = re.compile(b"@" + self._mark.encode() + pattern + b"@")
        end = time.monotonic() + wait_s
        while not (found := form.search(self._heard)):
            if len(self._heard) > _BUFFER:
                raise too_much(self.where)
            if (left := end - time.monotonic()) <= 0:
                raise _Silence(str(too_long(self.where, wait_s)))
            if self._read(left) and patient:
                end = time.monotonic() + wait_s
        self._before, self._heard = self._heard[: found.start()], self._heard[found.end() :]
        return found

    def _listen(self, wait_s: float) -> None:
        end = time.monotonic() + wait_s
        while (left := end - time.monotonic()) > 0 and len(self._heard) <= _BUFFER:
            self._read(left)

    def _read(self, wait_s: float) -> bool:
        """Did anything come?"""
        try:
            self._serial.timeout = wait_s
            data = self._serial.read(max(1, self._serial.in_waiting))
            self._heard += data
            return bool(data)
        except (OSError, termios.error) as error:   # pyserial's are of the first kind
            raise self._gone(error) from None

    def _write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
            self._serial.flush()
        except (OSError, termios.error) as error:
            raise self._gone(error) from None

    def _gone(self, error: Exception) -> NetworkError:
        return NetworkError(f"{self.where}: the line is gone: {' '.join(str(error).split())[:200]}")


def _lines(data: bytes, width: int) -> Iterator[str]:
    """As printf takes it: lines of at most this many signs, none with a quote, a space, or a dash in front."""
    line = ""
    for byte in data:
        sign = chr(byte) if byte in _PLAIN else f"\\{byte:03o}"
        if len(line) + len(sign) > width:
            yield line
            line = ""
        line += sign
    if line:
        yield line
