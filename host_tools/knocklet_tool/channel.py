"""A way to a gateway's root shell: run something there, put a file there. The ways are channel_ssh.py and channel_serial.py.

Nothing secret is in a script: scripts are seen in process lists there. What is secret goes through a file's own `data`.
"""

import shlex
from dataclasses import dataclass, field

from .errors import NetworkError, RefusedError

LIMIT_S = 60.0
LONG_S = 600.0   # what a package manager may take
OUTPUT_BYTES = 65_536   # of one script; more is an error
SCRIPT_BYTES = 8_000   # of one script: dropbear takes no longer command


@dataclass(frozen=True)
class Done:
    """`out`: what the script wrote to its standard output."""

    code: int
    out: bytes = field(repr=False)

    @property
    def text(self) -> str:
        return self.out.decode(errors="replace")

    @property
    def last_line(self) -> str:
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return lines[-1][:200] if lines else "it says nothing"


class Channel:
    """A context: open from `with` to its end."""

    where: str   # as a person calls it

    def run(self, script: str, data: bytes = b"", limit_s: float = LIMIT_S) -> Done:
        """`script` by the shell there, with `data` as its standard input. Raises NetworkError."""
        raise NotImplementedError

    def __enter__(self) -> "Channel":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def must(self, what: str, script: str, data: bytes = b"", limit_s: float = LIMIT_S) -> Done:
        """As run(), its errors among the output. Raises RefusedError with the last line when the exit code is not 0."""
        done = self.run(f"exec 2>&1\n{script}", data, limit_s)
        if done.code:
            raise RefusedError(f"{self.where}: {what}: exit {done.code}: {done.last_line}")
        return done

    def put(self, path: str, data: bytes, mode: int) -> None:
        """The file is there whole or as before, and nobody else can read it meanwhile. Raises NetworkError, RefusedError."""
        there, new = shlex.quote(path), shlex.quote(path + ".new")
        self.must(
            path,
            f"umask 077; mkdir -p {shlex.quote(path.rpartition('/')[0])} && cat >{new} || exit\n"
            f'[ "$(wc -c <{new})" -eq {len(data)} ] || {{ rm -f {new}; echo "{len(data)} bytes did not fit"; exit 1; }}\n'
            f"chmod {mode:o} {new} && mv -f {new} {there}",
            data,
        )


def too_long(where: str, limit_s: float) -> NetworkError:
    return NetworkError(f"{where}: no answer within {limit_s:.0f} s")


def too_much(where: str) -> NetworkError:
    return NetworkError(f"{where}: it says more than {OUTPUT_BYTES} bytes; allowed: what it was asked for")
