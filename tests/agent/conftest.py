"""The agent between a fake engine and a real broker, all on loopback:

    engine (this process) <- AF_UNIX -> agent (MicroPython, user nobody) <- TCP or TLS -> mosquitto <- paho (`watcher`)
"""

import shutil
import tempfile
from pathlib import Path

import pytest

from agent.agent_process import Agent
from agent.certificates import Authority
from agent.fake_engine import Engine
from agent.mosquitto import Mosquitto
from agent.watcher import Watcher


@pytest.fixture
def directory():
    """Below /tmp: the agent's user has to get there, and a socket's path is short."""
    yield from _folder()


@pytest.fixture(scope="module")
def authority():
    for path in _folder():
        yield Authority(path)


@pytest.fixture(scope="module")
def stranger():
    """Another CA."""
    for path in _folder():
        yield Authority(path, "another")


@pytest.fixture
def engine(directory):
    made = Engine(directory / "run").start()
    yield made
    made.stop()


@pytest.fixture
def agent(directory, request):
    made = Agent(directory, getattr(request, "param", 64))
    yield made
    made.stop()


@pytest.fixture
def broker(directory):
    made = Mosquitto(directory).start()
    yield made
    made.stop()


@pytest.fixture
def watcher(broker):
    with Watcher(broker.port) as made:
        yield made


def _folder():
    path = Path(tempfile.mkdtemp(prefix="knocklet-agent-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)
