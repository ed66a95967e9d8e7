"""The fuzzers, each on MicroPython of 64 and of 32 bits; KNOCKLET_FUZZ_INPUTS says how many inputs, both together."""

import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
INTERPRETERS = HERE.parents[1] / "build" / "micropython"
INPUTS = int(os.environ.get("KNOCKLET_FUZZ_INPUTS", "1000000"))


@pytest.mark.parametrize(
    ("fuzzer", "bits", "seed"),
    [
        ("fuzz_packet.py", 64, 20640),
        ("fuzz_packet.py", 32, 20320),
        ("fuzz_mqtt_codec.py", 64, 30640),
        ("fuzz_mqtt_codec.py", 32, 30320),
    ],
)
def test_fuzz(fuzzer, bits, seed):
    interpreter = INTERPRETERS / str(bits) / "micropython"
    assert interpreter.exists(), f"no {bits}-bit MicroPython here: make setup says why"
    run = subprocess.run(
        [interpreter, HERE / fuzzer, str(INPUTS // 2), str(seed)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith(f"{INPUTS // 2} inputs of seed {seed}")
