"""One MQTT session with a broker, from CONNECT on: bytes in, time in; bytes out, what happened, and when to look again.

It gives up, by raising SessionError, when
  - the broker has not taken us in HELLO_MS after the connection attempt began, or does not answer the subscription for as long,
  - nothing complete has come from it for 1.5 times the keep-alive: when we are silent we ask for a sign of life (PINGREQ),
  - it has acknowledged nothing for that time while it owes us acknowledgements,
  - a packet of ours has not been taken by the network in WRITE_MS, however slowly it trickles out,
  - what it sends is not MQTT.
At most IN_FLIGHT publishes wait for their acknowledgement, so what is kept here has a bound.
"""

from ..wire import topics
from . import mqtt_codec as codec
from .clock import age
from .mqtt_codec import MqttError

KEEP_ALIVE_MS = 60_000
SILENCE_MS = KEEP_ALIVE_MS * 3 // 2
HELLO_MS = 10_000
WRITE_MS = 10_000
IN_FLIGHT = 8
_ANSWERS_BYTES = 4096  # of acknowledgements that the broker does not take: it is asked for no more messages then
_PACKET_IDS = 65535
_SUBSCRIBE_ID = _PACKET_IDS  # publishes count on below it
_REFUSALS = (
    "", "it does not speak MQTT 3.1.1", "it refuses our client id", "it is not available", "it refuses user name or password",
    "it does not allow us in",
)  # fmt: skip

# What receive() tells of.
CONNECTED, MESSAGE, ACKNOWLEDGED, REFUSED = 1, 2, 3, 4


class SessionError(Exception):
    """Why the session is over, for a log line."""


class Session:
    """name: the gateway's, client id and user name; filters: what to subscribe to, texts; now_ms: the attempt's begin."""

    def __init__(self, name, password, filters, now_ms):
        self.connected = False
        self._filters = filters
        self._decoder = codec.Decoder()
        self._out = [codec.connect(name, password, KEEP_ALIVE_MS // 1000, topics.topic(name, topics.STATUS), topics.OFFLINE)]
        self._out_at = 0  # how much of the first one has gone
        self._out_since_ms = -1  # since when it has been trying to go; -1: the connection is not there yet
        self._answers = 0  # bytes of acknowledgements in _out
        self._in_flight = {}  # packet id -> token
        self._packet_id = 0
        self._asked_ms = now_ms  # the begin, then the subscription; -1: answered
        self._received_ms = now_ms  # the last packet from the broker
        self._sent_ms = now_ms  # the last whole packet of ours that went
        self._acknowledged_ms = now_ms  # the last acknowledgement, or the first publish that waits for one
        self._pinged = False

    def room(self):
        """How many publishes it takes now."""
        return IN_FLIGHT - len(self._in_flight) if self.connected else 0

    def publish(self, topic, payload, retain, token, now_ms):
        """Send one with QoS 1; receive() gives (ACKNOWLEDGED, token). Only when there is room."""
        if not self._in_flight:
            self._acknowledged_ms = now_ms
        self._packet_id = self._packet_id % (_SUBSCRIBE_ID - 1) + 1
        while self._packet_id in self._in_flight:
            self._packet_id = self._packet_id % (_SUBSCRIBE_ID - 1) + 1
        self._in_flight[self._packet_id] = token
        self._send(codec.publish(topic, payload, self._packet_id, retain), now_ms)

    def _send(self, data, now_ms):
        if not self._out:
            self._out_since_ms = now_ms
        self._out.append(data)

    def opened(self, now_ms):
        """The connection is there: what waits may go."""
        self._out_since_ms = now_ms

    def waiting(self):
        """The bytes that are to go next, empty for none."""
        return memoryview(self._out[0])[self._out_at :] if self._out else b""

    def sent(self, count, now_ms):
        """So many of them have gone."""
        self._out_at += count
        if self._out_at == len(self._out[0]):
            gone = self._out.pop(0)
            if gone[0] >> 4 == codec.PUBACK:
                self._answers -= len(gone)
            self._out_at = 0
            self._out_since_ms = now_ms
            self._sent_ms = now_ms

    def hungry(self):
        """May more be received? Not while the broker leaves our acknowledgements lying."""
        return self._answers < _ANSWERS_BYTES

    def receive(self, data, now_ms):
        """What these bytes complete, one by one. Raises SessionError.

        (CONNECTED,)  (MESSAGE, topic, payload, retained)  (ACKNOWLEDGED, token)  (REFUSED, topic filters)
        """
        self._decoder.feed(data)
        while True:
            try:
                packet = self._decoder.packet()
            except MqttError as error:
                raise SessionError("it sends what is not MQTT: %s" % error)
            if packet is None:
                return
            self._received_ms = now_ms
            happened = self._handle(packet, now_ms)
            if happened:
                yield happened

    def _handle(self, packet, now_ms):
        kind = packet[0]
        if kind == codec.CONNACK:
            return self._taken_in(packet[2], now_ms)
        if not self.connected:  # [MQTT-3.2.0-1]
            raise SessionError("it sends packet type %d before CONNACK" % kind)
        if kind == codec.PUBLISH:
            _, topic, payload, retained, packet_id = packet
            if packet_id:
                answer = codec.puback(packet_id)
                self._answers += len(answer)
                self._send(answer, now_ms)
            return MESSAGE, topic, payload, retained
        if kind == codec.PUBACK:
            if packet[1] not in self._in_flight:
                raise SessionError("it acknowledges what was not sent")
            self._acknowledged_ms = now_ms
            return ACKNOWLEDGED, self._in_flight.pop(packet[1])
        if kind == codec.SUBACK:
            return self._subscribed(packet[1], packet[2])
        if not self._pinged:
            raise SessionError("it answers a ping that was not sent")
        self._pinged = False
        return None

    def _taken_in(self, code, now_ms):
        if self.connected:
            raise SessionError("it sends a second CONNACK")
        if code:
            raise SessionError(_REFUSALS[code])
        self.connected = True
        self._asked_ms = now_ms
        self._send(codec.subscribe(_SUBSCRIBE_ID, self._filters), now_ms)
        return (CONNECTED,)

    def _subscribed(self, packet_id, codes):
        if packet_id != _SUBSCRIBE_ID or self._asked_ms < 0 or len(codes) != len(self._filters):
            raise SessionError("its SUBACK answers no SUBSCRIBE")
        self._asked_ms = -1
        refused = [text for text, code in zip(self._filters, codes) if code == codec.REFUSED]
        return (REFUSED, refused) if refused else None

    def tick(self, now_ms):
        """Send a ping when it is time, give up when a deadline has passed. The wait to the next call in ms.
        Raises SessionError."""
        wait_ms = SILENCE_MS
        if self.connected and not self._pinged:
            wait_ms = KEEP_ALIVE_MS - age(now_ms, self._sent_ms)
            if wait_ms <= 0:
                wait_ms = SILENCE_MS
                self._pinged = True
                self._send(codec.PING, now_ms)
        if self._asked_ms >= 0:
            what = "its SUBACK" if self.connected else "its CONNACK"
            wait_ms = min(wait_ms, _left(now_ms, self._asked_ms, HELLO_MS, what + " does not come"))
        if self._out and self._out_since_ms >= 0:
            wait_ms = min(wait_ms, _left(now_ms, self._out_since_ms, WRITE_MS, "it does not take what is sent"))
        if self.connected:
            wait_ms = min(wait_ms, _left(now_ms, self._received_ms, SILENCE_MS, "it is silent"))
        if self._in_flight:
            wait_ms = min(wait_ms, _left(now_ms, self._acknowledged_ms, SILENCE_MS, "it acknowledges nothing"))
        return wait_ms


def _left(now_ms, since_ms, limit_ms, why):
    """Milliseconds until `limit_ms` after `since_ms`. Raises SessionError when it has passed."""
    left_ms = limit_ms - age(now_ms, since_ms)
    if left_ms <= 0:
        raise SessionError(why)
    return left_ms
