"""How to get to a gateway's root shell: what --via and --to say, or the gateway's file."""

from typing import Annotated

import typer

from . import board_folder
from .channel import Channel
from .channel_serial import SerialChannel
from .channel_ssh import SshChannel
from .errors import InputError

SSH, SERIAL, IMAGE = "ssh", "serial", "image"
_BAUD = 115_200

Via = Annotated[str, typer.Option(metavar="WAY", help=f"How to get there: {SSH} or {SERIAL}; to provision also {IMAGE}.")]
To = Annotated[
    str | None,
    typer.Option(metavar="WHERE", help="root@192.168.1.1, /dev/ttyUSB0, or a folder; for ssh `ssh` of its file if not given."),
]
BoardOption = Annotated[str | None, typer.Option("--board", metavar="NAME", help="Take it for this board.")]
DryRun = Annotated[bool, typer.Option("--dry-run", metavar=" ", help="Show what would be done, and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", metavar=" ", help="Do not ask.")]


def channel(via: str, to: str | None, ssh: str, board: str | None) -> Channel:
    """Not yet open. ssh: of the gateway's file, "" for none. Raises InputError."""
    if via == SSH:
        if not (to or ssh):
            raise InputError("--to: where is it? root@192.168.1.1, or `ssh` in the gateway's file")
        return SshChannel(to or ssh, as_root=True)
    if via == SERIAL:
        if not to:
            raise InputError("--to: which serial port? /dev/ttyUSB0, say")
        return SerialChannel(to, board_folder.load(board).model.console.baud if board else _BAUD)
    raise InputError(f"--via {via[:20]!r}: allowed: {SSH}, {SERIAL}")
