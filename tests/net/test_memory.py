"""What engine and agent keep of the memory of a small board, with 64 services and 200 clients that came over MQTT.

Anonymous memory: what a system without swap cannot take back. What the libraries of this machine need is not counted.
"""

from pathlib import Path

import pytest
from net.big_config import big_config
from net.holder import Holder
from net.marks import one_firewall

from lab.owner import Owner
from lab.waiting import wait_until

BOTH_KB = 2048  # of a board with 64 MB, which is one of 32 bits
ENGINE_KB = {64: 1750, 32: 1400}  # reading such a configuration takes 1920 and 1500


@pytest.fixture
def config(config):
    config["id"] = "home"
    return config


def anonymous_kb(process):
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


@one_firewall
@pytest.mark.parametrize("bits", [64, 32], indirect=True)
def test_anonymous(lab, engine, config, bits):
    owner = Owner(lab, engine.config_path.parent, engine.run_dir)
    owner.set_up()
    engine.heap = "2M"
    engine.trust_clock()
    engine.start()
    with Holder(engine, (owner.etc / "key").read_bytes()) as holder:
        holder.kept(big_config() | {key: config[key] for key in ("zone", "firewall")})
    largest_kb = anonymous_kb(engine.process)
    wait_until(lambda: anonymous_kb(engine.process) < ENGINE_KB[bits], f"it gives back of {largest_kb} kB", timeout_s=10)
    if bits == 32:
        owner.start_agent(interpreter=engine.interpreter)
        owner.wait_until_online()
        assert anonymous_kb(engine.process) + anonymous_kb(owner.agent) < BOTH_KB
