"""Every unit test file again, on MicroPython of 64 and of 32 bits: what the engine runs on."""

import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
INTERPRETERS = HERE.parents[1] / "build" / "micropython"
FILES = [path.name for path in sorted(HERE.glob("test_*.py")) if path != pathlib.Path(__file__)]


def test_there_are_unit_tests():
    assert FILES


@pytest.mark.parametrize("bits", [64, 32])
@pytest.mark.parametrize("name", FILES)
def test_on_micropython(name, bits):
    interpreter = INTERPRETERS / str(bits) / "micropython"
    assert interpreter.exists(), f"no {bits}-bit MicroPython here: make setup says why"
    # The heap is larger than a gateway's: tests make tables by the dozen. What fits a gateway, tests/alloc says.
    command = [interpreter, "-X", "heapsize=8m", HERE / "run.py", HERE / name]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    ended_well = run.returncode == 0 and run.stdout.endswith(" passed, 0 failed\n")
    assert ended_well, run.stdout + run.stderr
