"""All that a message which must do nothing could have changed: what is in force, who is in, what lies in the files."""

from net import kernel

from knocklet.core.replay_records import merge

_MOVES = ("uptime_s", "wakeups", "heap_alloc_bytes", "heap_free_bytes", "sealed_dropped", "agent", "packets", "attempts")
_STORE = ("replay.a", "replay.b")


def state(lab, dut):
    """To be compared with itself, later: the engine's answers, the kernel's sets, each file byte for byte."""
    status = dut.ask("status")
    status["keys"].pop("mac_checks_per_s")  # measured at each start
    files = {path.name: path.read_bytes() for path in dut.config_path.parent.rglob("*") if path.is_file()}
    return {
        "status": {key: value for key, value in status.items() if key not in _MOVES},
        "grants": sorted((one["service"], one["client"], one["source"]) for one in dut.ask("grants")["grants"]),
        "kernel": sorted(kernel.entries(lab)),
        "files": {name: data for name, data in files.items() if name not in _STORE},
        "store": merge(*[files.get(name, b"") for name in _STORE]),
    }
