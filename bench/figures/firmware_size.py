"""How much a gateway has to store: all files of build/firmware/. A kB is 1024 bytes, as in the other figures from /proc."""

from ..figure import at_most
from ..paths import FIRMWARE

NAMES = ("firmware_kb",)


def measure():
    size = sum(path.stat().st_size for path in FIRMWARE.rglob("*") if path.is_file())
    return [at_most(NAMES[0], round(size / 1024, 2), "kB", 120)]
