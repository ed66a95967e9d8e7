"""A configuration over MQTT: tried, kept, rolled back. The agent is played, so that nothing else is in the way.

    engine (gateway) <-- AF_UNIX SOCK_SEQPACKET --> the holder of the gateway's key
"""

import copy

import pytest
from net.holder import KEY, Holder

STEPS = ["7000/tcp", "9100/udp", "8000/tcp"]
OTHER_STEPS = ["7000/tcp", "9100/udp", "9300/tcp"]


@pytest.fixture
def config(config):
    config["id"] = "home"
    config["sequences"]["front"]["open"] = ["ssh"]
    return config


@pytest.fixture
def engine(engine):
    engine.write_key(KEY)
    engine.trust_clock()
    return engine


@pytest.fixture
def holder(dut):
    with Holder(dut) as holder:
        yield holder


@pytest.fixture
def changed(config):
    """With another way in."""
    changed = copy.deepcopy(config)
    changed["sequences"]["back"] = {"steps": OTHER_STEPS, "open": ["admin"]}
    return changed


def test_tried_and_kept(lab, dut, holder, changed):
    version, answer = holder.push(changed)
    assert answer["status"] == "ok" and answer["data"] == {"trial": True, "confirm_s": 30, "warnings": []}
    dut.expect_event("config_trial", version=version)
    lab.knock(OTHER_STEPS)
    dut.expect_event("opened", service="admin")
    assert holder.obeyed("confirm", version=version) == {"config": version}
    dut.expect_event("config_applied", version=version)
    assert holder.pulled() == changed
    dut.restart()
    lab.knock(OTHER_STEPS)
    dut.expect_event("opened", service="admin")
    assert dut.ctl("status")["config"].startswith(version)
