"""Over ssh: the system's own, so that its configuration, keys and agent count. One connection: a password is asked once.

Dropbear has no sftp: files go through a shell's standard input.
"""

import os
import resource
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from .channel import LIMIT_S, OUTPUT_BYTES, Channel, Done, too_long, too_much
from .errors import InputError, NetworkError
from .ssh_target import ALLOWED, is_target

VARIABLE = "KNOCKLET_SSH"   # another program, or options: "ssh -F FILE"
_CONNECT_S, _ALIVE_S, _ALIVES = 15, 5, 3
_ASK_S = 300.0   # a password, or whether a new host's key is right
_FAILED = 255   # of ssh itself


class SshChannel(Channel):
    """target: as ssh takes it, root@192.168.1.1 or ssh://root@192.168.1.1:2222. as_root: by sudo, where the user is not root
    and may do that without a password, as on Raspberry Pi OS. Raises InputError, NetworkError.
    """

    def __init__(self, target: str, as_root: bool = False) -> None:
        self.where = check_target(target)
        self._as_root = as_root
        self._shell = "sh"
        self._folder = tempfile.TemporaryDirectory(prefix="knocklet-", ignore_cleanup_errors=True)   # 0700
        control = f"ControlPath={Path(self._folder.name) / 's'}"
        self._ssh = [*shlex.split(os.environ.get(VARIABLE, "ssh")), "-o", control]
        self._options = ["-T", "-o", "ControlMaster=no", "-o", "BatchMode=yes", "-o", "ClearAllForwardings=yes", target]

    def __enter__(self) -> Channel:
        alive = ["-o", f"ServerAliveInterval={_ALIVE_S}", "-o", f"ServerAliveCountMax={_ALIVES}"]
        # It may write a known_hosts of any size: what the other side says is held back by the level, not by a limit of files.
        alive += ["-o", "LogLevel=ERROR"]
        words = [*self._ssh, "-M", "-N", "-f", "-o", f"ConnectTimeout={_CONNECT_S}", *alive, "-o", "ClearAllForwardings=yes"]
        with tempfile.TemporaryFile() as said:   # no pipe: what goes on in the background would hold it open
            code = self._call([*words, self.where], b"", _ASK_S, subprocess.DEVNULL, said)
            if code:
                self._folder.cleanup()
                raise NetworkError(f"{self.where}: {_last(said) or f'ssh ended with {code}'}")
        if self._as_root and self.run('[ "$(id -u)" = 0 ] || sudo -n id -u 2>/dev/null').text == "0\n":
            self._shell = 'sudo -n env SSH_CONNECTION="$SSH_CONNECTION" sh'
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self._ssh, "-O", "exit", self.where], capture_output=True, timeout=LIMIT_S, check=False)
        self._folder.cleanup()

    def run(self, script: str, data: bytes = b"", limit_s: float = LIMIT_S) -> Done:
        sent = script.encode()
        # Not as a command: dropbear takes no long one. dd reads this and not a byte more. root's own shell may be any.
        # 255, with which opkg ends, would be ssh's own.
        ends = "code=$?; exit $((code == 255 ? 254 : code))"
        command = f"exec {self._shell} -c 'script=$(dd bs=1 count={len(sent)} 2>/dev/null) || exit; (eval \"$script\"); {ends}'"
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
            code = self._call([*self._ssh, *self._options, command], sent + data, limit_s, out, said, _small_files)
            if code == _FAILED:
                raise NetworkError(f"{self.where}: {_last(said) or 'the connection ended'}")
            if out.seek(0, os.SEEK_END) > OUTPUT_BYTES:
                raise too_much(self.where)
            out.seek(0)
            return Done(code, out.read())

    def _call(
        self,
        words: list[str],
        data: bytes,
        limit_s: float,
        out: int | IO[bytes],
        said: IO[bytes],
        before: Callable[[], None] | None = None,
    ) -> int:
        try:
            code = subprocess.run(
                words, input=data, stdout=out, stderr=said, timeout=limit_s, check=False, preexec_fn=before
            ).returncode
        except subprocess.TimeoutExpired:
            raise too_long(self.where, limit_s) from None
        except OSError as error:
            raise InputError(f"{words[0]}: {error.strerror}; allowed: the program ssh (apt install openssh-client)") from None
        if code == -signal.SIGXFSZ:
            raise too_much(self.where)
        return code


def check_target(target: str) -> str:
    """Raises InputError."""
    if not is_target(target):
        raise InputError(f"--to {target[:60]!r}: allowed: {ALLOWED}")
    return target


def _small_files() -> None:
    """What the other side says lands in a file: it may not fill the disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * OUTPUT_BYTES, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def _last(said: IO[bytes]) -> str:
    said.seek(0)
    lines = [line.strip() for line in said.read(OUTPUT_BYTES).decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""
