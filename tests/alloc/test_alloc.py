"""What alloc_core.py measured, on MicroPython of 64 and of 32 bits."""

import functools
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
INTERPRETERS = HERE.parents[1] / "build" / "micropython"
OUTCOMES = {
    "other_port", "step_alone", "step_repeated", "decoy", "resting", "table_full",
    "step_out_of_turn", "decoy_ended", "sweep", "step_started", "step_advanced", "complete",
}  # fmt: skip
PARTS = (
    "Packet.parse", "OwnAddresses.has", "clock.left", "Attempts.select", "Attempts.place", "Attempts.end_all",
    "Events.noise", "Fwknop.looks_right", "Gate.look", "Gate.spend", "Matcher.knock", "Knocks._swept", "Knocks.rings_ready",
)  # fmt: skip


@functools.cache
def measured(bits):
    """{case: "ok" or what it took}."""
    interpreter = INTERPRETERS / str(bits) / "micropython"
    assert interpreter.exists(), f"no {bits}-bit MicroPython here: make setup says why"
    run = subprocess.run([interpreter, HERE / "alloc_core.py"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return dict(line.split(": ", 1) for line in run.stdout.replace("canary: ", "canary ").splitlines())


@pytest.mark.parametrize("bits", [64, 32])
@pytest.mark.parametrize("part", PARTS)
def test_allocates_nothing(part, bits):
    cases = {name: result for name, result in measured(bits).items() if name.startswith(part)}
    assert cases
    assert {name: result for name, result in cases.items() if result != "ok"} == {}


@pytest.mark.parametrize("bits", [64, 32])
def test_nothing_is_left_out(bits):
    """Every case belongs to a part above, and the matcher went through every outcome it has."""
    others = [name for name in measured(bits) if not name.startswith(PARTS)]
    assert others == ["canary a list", "canary a frame", "canary a large integer", "outcomes"]
    assert set(measured(bits)["outcomes"].split()) == OUTCOMES


@pytest.mark.parametrize("bits", [64, 32])
def test_the_measure_sees(bits):
    """What is kept, what raises under a locked heap, and what is taken and given back at once."""
    results = measured(bits)
    for name in ("canary a list", "canary a large integer"):
        assert "kept 0" not in results[name]
        assert "raised" in results[name]
    assert results["canary a frame"].startswith("took ")
    assert results["canary a frame"].endswith("kept 0")
