"""How long it takes to pack the firmware for every board in every format: `knocklet board build`, once for each board. Done
again in another time zone and with another umask: it has to be the same byte for byte.
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from knocklet_tool import board_folder
from lab.visitor import KNOCKLET

from ..figure import Figure

NAMES = ("package_build_s",)
_LIMIT_S = 5


def measure():
    began = time.perf_counter()
    first = _packages("UTC", 0o022)
    took = time.perf_counter() - began
    same = first == _packages("Asia/Tokyo", 0o077)
    peers = {"packages": len(first), "largest, kB": round(max(map(len, first.values())) / 1024, 1), "same again": int(same)}
    return [Figure(NAMES[0], round(took, 2), "s", f"<= {_LIMIT_S}, identical twice", took <= _LIMIT_S and same, peers)]


def _packages(zone, umask):
    """{path: bytes} of all that was written."""
    with tempfile.TemporaryDirectory() as place:
        for board in board_folder.names():
            words = [KNOCKLET, "board", "build", board, "--output", f"{place}/{board}"]
            subprocess.run(words, env={**os.environ, "TZ": zone}, umask=umask, stdout=subprocess.DEVNULL, check=True)
        return {path.relative_to(place): path.read_bytes() for path in Path(place).glob("*/*")}
