"""The MQTT decoder's fuzzer, on MicroPython of 64 and of 32 bits; KNOCKLET_FUZZ_INPUTS says how many inputs, both together."""

import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
INTERPRETERS = HERE.parents[1] / "build" / "micropython"
INPUTS = int(os.environ.get("KNOCKLET_FUZZ_INPUTS", "1000000"))


@pytest.mark.parametrize(("bits", "seed"), [(64, 30640), (32, 30320)])
def test_fuzz_mqtt_codec(bits, seed):
    interpreter = INTERPRETERS / str(bits) / "micropython"
    assert interpreter.exists(), f"no {bits}-bit MicroPython here: make setup says why"
    run = subprocess.run(
        [interpreter, HERE / "fuzz_mqtt_codec.py", str(INPUTS // 2), str(seed)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith(f"{INPUTS // 2} inputs of seed {seed}")
