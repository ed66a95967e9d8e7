"""What these tests have in common: a gateway with one way in, and the holder of its key.

    engine (gateway) <-- AF_UNIX SOCK_SEQPACKET --> the holder of the gateway's key, or an attacker
"""

import pytest
from net.clients import write_store
from net.fake_clock import QuickTime
from net.holder import KEY, NAME, Holder
from net.trials import FRONT


@pytest.fixture
def config(config):
    config["id"] = NAME
    config["decoys"] = 0
    config["sequences"] = {"front": {"steps": FRONT, "open": ["ssh"]}}
    return config


@pytest.fixture
def engine(engine):
    """Of a gateway that was in use before, and whose clock is not trusted."""
    engine.write_key(KEY)
    write_store(engine.state_dir)
    return engine


@pytest.fixture
def holder(engine):
    engine.start()
    with Holder(engine) as holder:
        yield holder


@pytest.fixture
def quick(engine):
    """Its trials of 30 s take a second and a half."""
    QuickTime(engine, 20)
