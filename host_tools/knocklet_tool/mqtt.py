"""One connection to the broker. The only file that knows paho; MQTT 5, since 3.1.1 acknowledges what it then throws away.

There is no thread: the caller waits in receive(), publish() and subscribe(), and what comes meanwhile is kept in order.
"""

import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from .errors import BrokerError
from .settings import Broker

_CONNECT_S = 10.0   # for the whole of TCP, TLS and CONNECT each
_ANSWER_S = 10.0
_KEEPALIVE_S = 30
_PACKET_BYTES = 128 * 1024   # told to the broker; a gateway's own limit is 66 KiB
_UNACKNOWLEDGED = 2000   # what we take in before anything is acknowledged, so also what waits in memory
_MOST_WAITING = 10_000   # messages that the caller has not taken yet
NO_SUBSCRIBERS = 0x10   # of PUBACK
_FAILURE = 0x80   # reason codes from here on
_NEVER = (0x84, 0x86, 0x87, 0x8C)   # protocol version, user or password, not authorized, method: trying again is no use


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    payload: bytes
    retained: bool
    number: int   # of the acknowledgement; 0: needs none
    link: int   # the connection that it came on


class _Client(paho.Client):
    """paho, but no packet is taken in that is longer than what we told the broker; 256 MB it would be."""

    too_large = False

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > _PACKET_BYTES:
            self.too_large = True
            raise OSError("too large")
        return super()._sock_recv(bufsize)


class Link:
    """An open connection. `session_s`: the broker keeps our subscriptions and what comes meanwhile, under `client_id`, for
    so long; messages must then be acknowledged with ack(). Raises BrokerError.
    """

    _links = 0

    def __init__(self, broker: Broker, client_id: str = "", session_s: int = 0) -> None:
        Link._links += 1
        self._number = Link._links
        self._broker = broker
        self._arrived: list[Message] = []
        self._codes: dict[int, list[int]] = {}   # reason codes by packet id, of what we asked
        self._let_in: int | None = None
        self._gone: str | None = None
        self._by_hand = session_s > 0
        self._client = _Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id,
            protocol=paho.MQTTv5,
            manual_ack=self._by_hand,
            reconnect_on_failure=False,
        )
        self._client.connect_timeout = _CONNECT_S
        if broker.tls:
            self._client.tls_set_context(_tls(broker))
        if broker.user is not None:
            self._client.username_pw_set(broker.user, broker.password)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = lambda _client, _data, mid, code, _properties: self._codes.update({mid: [code.value]})
        self._client.on_subscribe = lambda _client, _data, mid, codes, _properties: self._codes.update(
            {mid: [code.value for code in codes]}
        )
        try:
            self._connect(session_s)
        except BaseException:
            self.close()   # no socket stays behind
            raise

    def _connect(self, session_s: int) -> None:
        properties = Properties(PacketTypes.CONNECT)
        properties.ReceiveMaximum = _UNACKNOWLEDGED
        properties.MaximumPacketSize = _PACKET_BYTES
        if session_s:
            properties.SessionExpiryInterval = session_s
        host, port = self._broker.host, self._broker.port
        try:
            self._client.connect(host, port, _KEEPALIVE_S, clean_start=not session_s, properties=properties)
        except ssl.SSLCertVerificationError as error:
            why = f"its certificate is not believed: {error.verify_message}"
            raise BrokerError(f"broker {self._broker}: {why}", again=False) from None
        except ssl.SSLError as error:
            raise BrokerError(f"broker {self._broker}: no TLS with it: {error.reason or 'it ended the connection'}") from None
        except TimeoutError:
            raise BrokerError(f"broker {self._broker}: no answer within {_CONNECT_S:g} s") from None
        except (OSError, ValueError) as error:   # ValueError: a name that cannot be one
            raise BrokerError(f"broker {self._broker}: {getattr(error, 'strerror', None) or 'no such host'}") from None
        self._wait(lambda: self._let_in is not None, _CONNECT_S, "it does not answer")
        if self._let_in:
            code = paho.ReasonCode(PacketTypes.CONNACK, identifier=self._let_in)
            raise BrokerError(f"broker {self._broker}: it does not let us in: {code}", again=self._let_in not in _NEVER)

    def __enter__(self) -> "Link":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """What was sent is sent; nothing more comes."""
        self._client.on_disconnect = None
        self._client.disconnect()
        # paho and we no longer hold each other: its descriptors are freed with us, not some time later.
        self._client.on_connect = self._client.on_message = self._client.on_publish = self._client.on_subscribe = None

    def subscribe(self, topics: Iterable[str], retained: bool = True) -> list[int]:
        """The broker's reason codes, one for each topic: 0x80 and above is a refusal. `retained`: also what it keeps."""
        handling = SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if retained else SubscribeOptions.RETAIN_DO_NOT_SEND
        options = SubscribeOptions(qos=1, retainHandling=handling)
        _, mid = self._client.subscribe([(topic, options) for topic in topics])
        return self._answer(mid)

    def must_subscribe(self, topics: Iterable[str], retained: bool = True) -> None:
        """As subscribe(); a refusal raises BrokerError."""
        topics = list(topics)
        for topic, code in zip(topics, self.subscribe(topics, retained)):
            if code >= _FAILURE:
                raise BrokerError(f"broker {self._broker}: {topic} may not be read by user {self._broker.user}", again=False)

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> int:
        """The broker's reason code: 0x80 and above is a refusal, NO_SUBSCRIBERS when nobody listens."""
        return self.sent(self.send(topic, payload, retain))

    def send(self, topic: str, payload: bytes, retain: bool = False) -> int:
        """As publish(), without waiting; the number is for sent()."""
        return self._client.publish(topic, payload, qos=1, retain=retain).mid

    def sent(self, number: int) -> int:
        """The broker's reason code for what send() sent."""
        return self._answer(number)[0]

    def must_publish(self, topic: str, payload: bytes, retain: bool = False) -> int:
        """As publish(); a refusal raises BrokerError."""
        code = self.publish(topic, payload, retain)
        if code >= _FAILURE:
            raise BrokerError(f"broker {self._broker}: {topic} may not be written by user {self._broker.user}", again=False)
        return code

    def receive(self, wait_s: float, limit: int = 1000) -> list[Message]:
        """What has come: waits for the first message at most wait_s, then takes what is there. Raises BrokerError."""
        end = time.monotonic() + wait_s
        while not self._arrived and (left := end - time.monotonic()) > 0:
            self._pump(left)
        seen = -1
        while seen < len(self._arrived) < limit:
            seen = len(self._arrived)
            self._pump(0)
        arrived, self._arrived = self._arrived[:limit], self._arrived[limit:]
        return arrived

    def ack(self, messages: Iterable[Message]) -> None:
        """Tell the broker that it may forget them. Those of an earlier connection come again and are not told."""
        for message in messages:
            if message.number and message.link == self._number:
                self._client.ack(message.number, 1)

    def _answer(self, mid: int | None) -> list[int]:
        self._wait(lambda: mid in self._codes, _ANSWER_S, "it does not answer")
        assert mid is not None
        return self._codes.pop(mid)

    def _wait(self, done: Callable[[], bool], seconds: float, otherwise: str) -> None:
        end = time.monotonic() + seconds
        while not done():
            if (left := end - time.monotonic()) <= 0:
                raise BrokerError(f"broker {self._broker}: {otherwise}")
            self._pump(left)

    def _pump(self, wait_s: float) -> None:
        try:
            failed = self._client.loop(min(wait_s, 1.0))
        except Exception as error:   # whatever paho stumbles over in packets that are none
            raise BrokerError(f"broker {self._broker}: what it sends is no MQTT ({type(error).__name__})") from None
        if self._client.too_large or len(self._arrived) > _MOST_WAITING:
            raise BrokerError(f"broker {self._broker}: it sends more than was asked for")
        if self._client._in_messages:   # paho keeps those of QoS 2, as many as come, until the broker releases them
            raise BrokerError(f"broker {self._broker}: it sends with QoS 2, which was not asked for")
        if self._gone is not None or failed and not self._let_in:
            raise BrokerError(f"broker {self._broker}: {self._gone or 'it ended the connection'}")

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        self._let_in = code.value

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if not self._let_in:   # else the reason is told already
            self._gone = f"the connection ended: {code}"

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""   # is no gateway's
        number = message.mid if self._by_hand and message.qos else 0
        self._arrived.append(Message(topic, bytes(message.payload), message.retain, number, self._number))


def _tls(broker: Broker) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=broker.ca)
    except (OSError, ssl.SSLError) as error:
        raise BrokerError(f"{broker.ca}: {error.strerror or 'no certificates in it'}", again=False) from None
