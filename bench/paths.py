"""Where things are in the repository."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = ROOT / "build" / "firmware"
MICROPYTHON = {bits: ROOT / "build" / "micropython" / str(bits) / "micropython" for bits in (64, 32)}
RESULTS = ROOT / "build" / "bench.json"
