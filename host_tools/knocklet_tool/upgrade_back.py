"""The way back from an upgrade: the package before lies on the gateway, and is installed again, also when nobody can say so.

Whoever takes the file of the timer first has the say: this computer, or the gateway itself when the time is over. All of it
lies in memory: a gateway that reboots meanwhile keeps the new version.
"""

import secrets

from .board_folder import Board
from .channel import LONG_S, PRIVATE, Channel
from .target_package import TargetPackage

_ARMED = f"{PRIVATE}/back."   # and a number: a timer of an upgrade before has no say
_SCRIPT, _SUMS, _TAKEN = f"{PRIVATE}/way.sh", f"{PRIVATE}/before.sums", f"{PRIVATE}/taken"
_TRIES, _PAUSE_S = 20, 30   # the package manager may be busy, for whatever reason

# It ends well when every file of the package before is there, whatever the package manager says; else the package stays.
_BACK = """\
there() {{ sha256sum -c {sums} >/dev/null 2>&1; }}
back() {{
  {install}
  there || {{ {reinstall}; }}
  there || {{ echo "not every file of the version before is there; its package is {file}"; return 1; }}
  {restart} || return
  rm -f {file} {sums} {script}
}}
"""
_TIMER = """\
trap '' HUP
{back}
left={after_s}
while [ $left -gt 0 ] && [ -e {armed} ]; do sleep 1; left=$((left-1)); done
mv {armed} {taken} || exit 0
n=0
until back; do
  n=$((n+1))
  [ $n -lt {tries} ] || break
  sleep {pause_s}
done
rm {taken}
rmdir {folder}
"""
_TAKE = """\
{back}
[ -e {file} ] || exit 0   # it has gone back
if rm {armed} 2>/dev/null || [ ! -e {taken} ]; then
  back || exit
  rmdir {folder} 2>/dev/null
else
  while [ -e {taken} ]; do sleep 1; done
  [ ! -e {file} ] || {{ echo "the gateway tried by itself, and could not"; exit 1; }}
fi
exit 0
"""


def pending(channel: Channel) -> bool:
    """Does the time of an upgrade before run still? Raises NetworkError."""
    return channel.run(f"ls {_ARMED}* {_TAKEN} 2>/dev/null | grep -q .").code == 0


def finish(channel: Channel) -> None:
    """What `pending` found: it stays as it is. Raises NetworkError, RefusedError: the time is over."""
    channel.must("it goes back already", f"rm {_ARMED}* && rm -rf {PRIVATE}")


class WayBack:
    """runs: the engine is to run then. `arm`: the command that starts its time; there is none where nothing is to run."""

    def __init__(self, board: Board, before: TargetPackage, runs: bool) -> None:
        self._before, self._runs = before, runs
        self._file = f"{PRIVATE}/before-{before.name}"
        self._armed = _ARMED + secrets.token_hex(4)
        self.arm = f": >{self._armed}; (exec sh {_SCRIPT}) </dev/null >/dev/null 2>&1 &" if runs else ""
        format_ = before.format
        self._back = _BACK.format(
            sums=_SUMS, file=self._file, script=_SCRIPT, install=format_.install.format(file=self._file),
            reinstall=(format_.reinstall or format_.install).format(file=self._file),
            restart=f"{{ {board.model.service.restart}; }}" if runs else ":",
        )  # fmt: skip

    def prepare(self, channel: Channel, after_s: int) -> None:
        """All that the way back needs is there. Raises NetworkError, RefusedError."""
        before = f"[ ! -e {_TAKEN} ] || {{ echo 'it goes back from an upgrade before: later again'; exit 1; }}; rm -f {_ARMED}*"
        channel.must("the way back", before)
        channel.put(self._file, self._before.data, 0o600)
        channel.put(_SUMS, self._before.sums, 0o600)
        timer = _TIMER.format(
            back=self._back, after_s=after_s, armed=self._armed, taken=_TAKEN, tries=_TRIES, pause_s=_PAUSE_S, folder=PRIVATE
        )
        channel.put(_SCRIPT, timer.encode(), 0o600)

    def take(self, channel: Channel) -> None:
        """Now, or as soon as the gateway has done it. Raises NetworkError, RefusedError: it is not as it was."""
        script = _TAKE.format(back=self._back, file=self._file, armed=self._armed, taken=_TAKEN, folder=PRIVATE)
        channel.must("the way back", script, limit_s=LONG_S)

    def give_up(self, channel: Channel) -> None:
        """It stays as it is. Raises NetworkError, RefusedError: the time is over, and it goes back."""
        mine = f"rm {self._armed} || exit; " if self._runs else ""
        script = f"{mine}rm -f {_SCRIPT} {_SUMS} {self._file}; rmdir {PRIVATE} 2>/dev/null; :"
        channel.must("it took too long, and goes back", script)
