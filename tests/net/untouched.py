"""All that a message which must do nothing could have changed: what is in force, who is in, what lies in the files."""

from net import kernel

from lab.waiting import wait_until

_MOVES = ("uptime_s", "wakeups", "heap_alloc_bytes", "heap_free_bytes", "sealed_refused", "agent", "packets", "attempts")


def state(lab, dut):
    """To be compared with itself, later: the engine's answers, the kernel's sets, each file byte for byte."""
    store = [dut.state_dir / name for name in ("replay.a", "replay.b")]
    wait_until(lambda: len({path.read_bytes() for path in store}) == 1, "both copies of the store are written")
    status = dut.ask("status")
    return {
        "status": {key: value for key, value in status.items() if key not in _MOVES},
        "grants": sorted((one["service"], one["client"], one["source"]) for one in dut.ask("grants")["grants"]),
        "kernel": sorted(kernel.entries(lab)),
        "files": {path.name: path.read_bytes() for path in dut.config_path.parent.rglob("*") if path.is_file()},
    }
