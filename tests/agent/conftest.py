"""The agent between a fake engine and a real broker, all on loopback:

    engine (this process) <- AF_UNIX -> agent (MicroPython, user nobody) <- TCP or TLS -> mosquitto <- paho (`watcher`)
"""

import sys
import tempfile
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

sys.path.insert(0, str(Path(__file__).parent))   # parts.py, scripted_broker.py

from parts import NAME, Agent, Authority, Engine, Mosquitto, open_folder, remove, until


@pytest.fixture
def directory():
    """Below /tmp: the agent's user has to get there, and a socket's path is short."""
    path = Path(tempfile.mkdtemp(prefix="knocklet-agent-", dir="/tmp"))
    yield open_folder(path)
    remove(path)


@pytest.fixture(scope="module")
def authority():
    path = Path(tempfile.mkdtemp(prefix="knocklet-ca-", dir="/tmp"))
    yield Authority(open_folder(path))
    remove(path)


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


class Watcher:
    """Everything that a broker hands out. `messages`: (topic, payload, retained) in order."""

    def __init__(self, port, ca=None, topic="#"):
        self.messages = []
        self._ready = False
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        if ca:
            self.client.tls_set(ca_certs=str(ca))
        self.client.on_message = lambda _c, _u, m: self.messages.append((m.topic, m.payload, m.retain))
        self.client.on_connect = lambda c, *_: c.subscribe(topic, 1)
        self.client.on_subscribe = self._subscribed
        self.client.connect("127.0.0.1", port)

    def _subscribed(self, *_):
        self._ready = True

    def __enter__(self):
        self.client.loop_start()
        until(lambda: self._ready, "the watcher is subscribed")
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()

    def payloads(self, below):
        """Of one topic of the gateway's."""
        return [payload for topic, payload, _ in list(self.messages) if topic == f"knocklet/{NAME}/{below}"]

    def send(self, below, payload=b"{}", retain=False):
        self.client.publish(f"knocklet/{NAME}/{below}", payload, 1, retain).wait_for_publish(10)
