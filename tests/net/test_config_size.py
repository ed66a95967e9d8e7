"""A configuration of 64 services and 200 clients, over MQTT: taken where the heap has room, else refused in whole."""

import pytest
from net.big_config import big_config
from net.holder import KEY, Holder
from net.marks import one_firewall

STEPS = ["7000/tcp", "9100/udp", "8000/tcp"]


@pytest.fixture
def config(config):
    config["id"] = "home"
    return config


@pytest.fixture
def engine(engine):
    engine.write_key(KEY)
    engine.trust_clock()
    return engine


@pytest.fixture
def big(config):
    return big_config() | {key: config[key] for key in ("zone", "firewall")}


@pytest.mark.parametrize("bits", [64, 32], indirect=True)
def test_taken(lab, engine, big, bits):
    engine.heap = "" if bits == 64 else "2M"  # the interpreter's own of 32 bit is half of that of 64
    engine.start()
    with Holder(engine) as holder:
        for _ in range(3):
            version = holder.kept(big)
        engine.restart()
    status = engine.ctl("status")
    assert (status["services"], status["clients"]) == (64, 200) and status["config"].startswith(version)
    lab.knock(STEPS)
    engine.expect_event("opened", service="ssh")


@one_firewall
@pytest.mark.parametrize("bits", [32], indirect=True)
def test_no_room(lab, dut, big):
    """All is as it was, and works."""
    with Holder(dut) as holder:
        for _ in range(3):
            answer = holder.push(big)[1]
            assert answer["status"] == "error" and "needs more memory" in answer["error"]
        status = dut.ctl("status")
        assert (status["config"], status["services"], status["clients"]) == ("the file", 4, 0)
        lab.knock(STEPS)
        dut.expect_event("opened", service="ssh")
        assert holder.obeyed("close_all") == {"closed": 2}
