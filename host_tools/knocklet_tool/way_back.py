"""The way back from an upgrade: the package before lies on the gateway, and is installed again, also when nobody can say so.

Whoever removes the file of the timer first has the say: this computer, or the gateway itself when the time is over.
"""

from .board_folder import Board
from .channel import LONG_S, Channel
from .target_package import TargetPackage

_BACK_S = 120   # that it may take
_ARMED, _SCRIPT = "/tmp/knocklet.back", "/tmp/knocklet.back.sh"


class WayBack:
    def __init__(self, board: Board, before: TargetPackage) -> None:
        self._before = before
        self._file = f"/tmp/before-{before.name}"
        install, restart = before.format.install.format(file=self._file), board.model.service.restart
        self._back = f"{{ {install}; }} && {{ {restart}; }}; code=$?; rm -f {self._file}; (exit $code)"

    def prepare(self, channel: Channel, after_s: int) -> None:
        """The gateway goes back by itself after this time. Raises NetworkError, RefusedError."""
        channel.put(self._file, self._before.data, 0o600)
        script = f"sleep {after_s}; rm {_ARMED} || exit 0; rm -f {_SCRIPT}; {self._back}\n"
        channel.put(_SCRIPT, script.encode(), 0o600)
        channel.must("timer", f": >{_ARMED}; (trap '' HUP; exec sh {_SCRIPT}) </dev/null >/dev/null 2>&1 &")

    def take(self, channel: Channel) -> None:
        """Now, or as soon as the gateway has done it. Raises NetworkError, RefusedError."""
        waits = f"n=0; while [ -e {self._file} ] && [ $n -lt {_BACK_S} ]; do n=$((n+1)); sleep 1; done"
        script = f"if rm {_ARMED} 2>/dev/null; then rm -f {_SCRIPT}; {self._back}; else {waits}; fi"
        channel.must("the way back", script, limit_s=LONG_S)

    def give_up(self, channel: Channel) -> None:
        """It stays as it is. Raises NetworkError, RefusedError: the time is over, and it has gone back."""
        channel.must("it took too long, and went back", f"rm {_ARMED} && rm -f {_SCRIPT} {self._file}")
