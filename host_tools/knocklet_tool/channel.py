"""A way to a gateway's root shell: run something there, put a file there. The ways are channel_ssh.py and channel_serial.py.

Nothing secret is in a script: what it starts is seen in process lists there. What is secret goes through a file's own `data`.
"""

import shlex
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from .errors import NetworkError, RefusedError

LIMIT_S = 60.0
LONG_S = 600.0   # what a package manager may take
OUTPUT_BYTES = 65_536   # of one script; more is an error
PRIVATE = "/var/run/knocklet-install"   # root's alone: in /tmp anybody may lie in wait for a name

# A file that lies at .new already may be somebody else's, or open: it is not written into.
_PUT = """\
umask 077; mkdir -p {folder} || exit
set -- $(ls -ldn {folder}/.)
case "$1 $3" in
  d????[!w]??[!w]*" 0") ;;
  *) echo "its folder is $1 of user $3; allowed: root's, for nobody else to write"; exit 1 ;;
esac
rm -f {new} && set -C && cat >{new} && [ "$(wc -c <{new})" -eq {size} ] ||
    {{ rm -f {new}; echo "{size} bytes did not fit"; exit 1; }}
chmod {mode:o} {new} && mv -f {new} {there}
"""


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


class Channel(ABC):
    """A context: open from `with` to its end."""

    where: str   # as a person calls it

    @abstractmethod
    def run(self, script: str, data: bytes = b"", limit_s: float = LIMIT_S) -> Done:
        """`script` by the shell there, with `data` as its standard input. Raises NetworkError."""

    @abstractmethod
    def __enter__(self) -> "Channel": ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...

    def must(self, what: str, script: str, data: bytes = b"", limit_s: float = LIMIT_S) -> Done:
        """As run(), its errors among the output. Raises RefusedError with the last line when the exit code is not 0."""
        done = self.run(f"exec 2>&1\n{script}", data, limit_s)
        if done.code:
            raise RefusedError(f"{self.where}: {what}: exit {done.code}: {done.last_line}")
        return done

    def put(self, path: str, data: bytes, mode: int) -> None:
        """The file is there whole or as before, and nobody else can read or change it meanwhile. In a folder of root's that
        nobody else may write in. Raises NetworkError, RefusedError.
        """
        folder, new, there = map(shlex.quote, (path.rpartition("/")[0], path + ".new", path))
        self.must(path, _PUT.format(folder=folder, new=new, there=there, size=len(data), mode=mode), data)


def too_long(where: str, limit_s: float) -> NetworkError:
    return NetworkError(f"{where}: no answer within {limit_s:.0f} s")


def too_much(where: str) -> NetworkError:
    return NetworkError(f"{where}: it says more than {OUTPUT_BYTES} bytes; allowed: what it was asked for")
