"""The fuzzers, each on MicroPython of 64 and of 32 bits; KNOCKLET_FUZZ_INPUTS says how many inputs, both together."""

import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
INTERPRETERS = HERE.parents[1] / "build" / "micropython"
INPUTS = int(os.environ.get("KNOCKLET_FUZZ_INPUTS", "1000000"))


FEW = INPUTS * 3 // 10  # where one costs much: it is encrypted, or long
FILES = INPUTS // 50  # where one costs most: configurations are read, and files are written


@pytest.mark.parametrize(
    ("fuzzer", "bits", "seed", "inputs"),
    [
        ("fuzz_packet.py", 64, 20640, INPUTS // 2),
        ("fuzz_packet.py", 32, 20320, INPUTS // 2),
        ("fuzz_mqtt_codec.py", 64, 30640, FEW // 2),
        ("fuzz_mqtt_codec.py", 32, 30320, FEW // 2),
        pytest.param("fuzz_mqtt_codec.py", 64, 30641, INPUTS, marks=pytest.mark.long),
        pytest.param("fuzz_mqtt_codec.py", 32, 30321, INPUTS, marks=pytest.mark.long),
        ("fuzz_fwknop.py", 64, 40640, FEW // 4),
        ("fuzz_fwknop.py", 32, 40320, FEW // 4),
        ("fuzz_spa.py", 64, 50640, FEW // 2),
        ("fuzz_spa.py", 32, 50320, FEW // 2),
        ("fuzz_sealed.py", 64, 60640, FEW // 2),
        ("fuzz_sealed.py", 32, 60320, FEW // 2),
        ("fuzz_orders.py", 64, 70640, FILES // 2),
        ("fuzz_orders.py", 32, 70320, FILES // 2),
        pytest.param("fuzz_fwknop.py", 64, 40641, 5 * FEW, marks=pytest.mark.long),
        pytest.param("fuzz_fwknop.py", 32, 40321, 5 * FEW, marks=pytest.mark.long),
        pytest.param("fuzz_spa.py", 64, 50641, 5 * FEW, marks=pytest.mark.long),
        pytest.param("fuzz_spa.py", 32, 50321, 5 * FEW, marks=pytest.mark.long),
        pytest.param("fuzz_sealed.py", 64, 60641, 2 * INPUTS, marks=pytest.mark.long),
        pytest.param("fuzz_sealed.py", 32, 60321, 2 * INPUTS, marks=pytest.mark.long),
        pytest.param("fuzz_orders.py", 64, 70641, 5 * FILES, marks=pytest.mark.long),
        pytest.param("fuzz_orders.py", 32, 70321, 5 * FILES, marks=pytest.mark.long),
    ],
)
def test_fuzz(fuzzer, bits, seed, inputs):
    interpreter = INTERPRETERS / str(bits) / "micropython"
    assert interpreter.exists(), f"no {bits}-bit MicroPython here: make setup says why"
    run = subprocess.run([interpreter, HERE / fuzzer, str(inputs), str(seed)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith(f"{inputs} inputs of seed {seed}")
