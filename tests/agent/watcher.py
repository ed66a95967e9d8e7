"""What somebody sees who listens to everything at a broker, and may send."""

import paho.mqtt.client as mqtt

from agent.agent_process import NAME
from agent.waiting import until


class Watcher:
    """Everything that a broker hands out. `messages`: (topic, payload, retained) in order."""

    def __init__(self, port):
        self.messages = []
        self._ready = False
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        self.client.on_message = lambda _c, _u, m: self.messages.append((m.topic, m.payload, m.retain))
        self.client.on_connect = lambda c, *_: c.subscribe("#", 1)
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
