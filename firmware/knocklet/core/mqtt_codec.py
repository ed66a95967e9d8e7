"""MQTT 3.1.1 packets: those that a gateway sends as bytes, those that it receives out of any pieces of a stream.

    u8 type << 4 | flags, remaining length (7 bits a byte, low ones first, at most 4 bytes), then the type's own

Texts have a 16-bit length in front, integers are big endian. QoS is 0 or 1: we never ask for 2. What a broker sends is
checked as soon as it can be: a packet that is too long or wrong ends it before anything of it is kept. Source: the OASIS
standard "MQTT Version 3.1.1"; the numbers in brackets are its statements.
"""

from struct import pack

from ..wire.sealed import LIMIT_BYTES as SEALED_BYTES

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGRESP = 1, 2, 3, 4, 8, 9, 13
LIMIT_BYTES = SEALED_BYTES + 256  # of what follows the remaining length of a packet to us: a sealed message and its topic
_SUBACK_BYTES = 64
REFUSED = 0x80  # in a SUBACK
_RETAIN, _QOS, _DUP = 0x01, 0x06, 0x08
_QOS_1 = 0x02
_CLEAN_SESSION, _WILL, _WILL_QOS_1, _WILL_RETAIN, _PASSWORD, _USER = 0x02, 0x04, 0x08, 0x20, 0x40, 0x80
_LEVEL = 4  # of the protocol: 3.1.1
# Type -> (flags, shortest and longest that may follow the remaining length); PUBLISH has flags of its own.
_RECEIVED = {
    CONNACK: (0, 2, 2),
    PUBLISH: (None, 3, LIMIT_BYTES),
    PUBACK: (0, 2, 2),
    SUBACK: (0, 3, _SUBACK_BYTES),
    PINGRESP: (0, 0, 0),
}
PING = b"\xc0\0"


class MqttError(ValueError):
    """What arrived is not MQTT as a broker may send it to us."""


def _packet(first, *parts):
    body = b"".join(parts)
    size = len(body)
    length = bytearray()
    while True:
        length.append(size & 127 | (128 if size > 127 else 0))
        size >>= 7
        if not size:
            return bytes([first]) + length + body


def _text(text):
    data = text if isinstance(text, bytes) else text.encode()
    return pack(">H", len(data)) + data


def connect(client_id, password, keep_alive_s, will_topic, will_payload):
    """CONNECT with clean session, a retained will of QoS 1, and as user name the client id. password: None for neither."""
    flags = _CLEAN_SESSION | _WILL | _WILL_QOS_1 | _WILL_RETAIN
    parts = [_text(client_id), _text(will_topic), _text(will_payload)]
    if password is not None:
        flags |= _USER | _PASSWORD
        parts += [_text(client_id), _text(password)]
    return _packet(CONNECT << 4, _text("MQTT"), bytes([_LEVEL, flags]), pack(">H", keep_alive_s), *parts)


def publish(topic, payload, packet_id, retain):
    """PUBLISH of QoS 1."""
    return _packet(PUBLISH << 4 | _QOS_1 | (_RETAIN if retain else 0), _text(topic), pack(">H", packet_id), payload)


def puback(packet_id):
    return _packet(PUBACK << 4, pack(">H", packet_id))


def subscribe(packet_id, filters):
    """SUBSCRIBE to topic filters (texts) with QoS 1."""
    return _packet(SUBSCRIBE << 4 | 2, pack(">H", packet_id), *[_text(text) + b"\1" for text in filters])


class Decoder:
    """feed() it what has arrived, then take packets until there is none. It keeps less than one packet besides what was fed.

    After an MqttError nothing more can come of the stream: packet() raises it again.
    """

    def __init__(self):
        self._data = b""

    def feed(self, data):
        self._data += data

    def packet(self):
        """The next one, None when bytes of it are missing. Topics and payloads are bytes. Raises MqttError.

        (CONNACK, session present, return code)  (PUBLISH, topic, payload, retained, packet id; 0 with QoS 0)
        (PUBACK, packet id)  (SUBACK, packet id, return codes)  (PINGRESP,)
        """
        data = self._data
        if not data:
            return None
        kind, flags = data[0] >> 4, data[0] & 15
        if kind not in _RECEIVED:
            raise MqttError("packet type %d" % kind)
        allowed, shortest, longest = _RECEIVED[kind]
        if allowed is not None and flags != allowed:
            raise MqttError("packet type %d with flags %d" % (kind, flags))
        if kind == PUBLISH and (flags & _QOS > _QOS_1 or flags & (_QOS | _DUP) == _DUP):  # [MQTT-3.3.1-2, 3.3.1-4]
            raise MqttError("PUBLISH with flags %d" % flags)
        length, at = _remaining_length(data)
        if not at:
            return None
        if not shortest <= length <= longest:
            raise MqttError("packet type %d of %d bytes" % (kind, length))
        if len(data) < at + length:
            return None
        self._data = data[at + length :]
        try:
            return _READ[kind](data[at : at + length], flags)
        except MqttError:
            self._data = data
            raise


def _remaining_length(data):
    """(remaining length, where what follows it begins), (0, 0) when bytes of it are missing. Raises MqttError."""
    length = 0
    for i in range(1, min(5, len(data))):
        length |= (data[i] & 127) << 7 * (i - 1)
        if data[i] < 128:
            return length, i + 1
        if i == 4:
            raise MqttError("remaining length of more than 4 bytes")
    return 0, 0


def _packet_id(body, at=0):
    found = body[at] << 8 | body[at + 1]
    if not found:  # [MQTT-2.3.1-1]
        raise MqttError("packet id 0")
    return found


def _connack(body, _flags):
    present, code = body[0], body[1]
    if present > 1 or code > 5 or present and code:  # [MQTT-3.2.2-4]
        raise MqttError("CONNACK %d, %d" % (present, code))
    return CONNACK, present, code


def _publish(body, flags):
    end = 2 + (body[0] << 8 | body[1])
    payload_at = end + (2 if flags & _QOS else 0)
    if payload_at > len(body):
        raise MqttError("PUBLISH that ends in its topic")
    topic = body[2:end]
    if not topic or any(sign in topic for sign in (b"\0", b"+", b"#")):  # [MQTT-4.7.3-1, 4.7.3-2, 3.3.2-2]
        raise MqttError("PUBLISH without a proper topic")
    packet_id = _packet_id(body, end) if flags & _QOS else 0
    return PUBLISH, topic, body[payload_at:], bool(flags & _RETAIN), packet_id


def _puback(body, _flags):
    return PUBACK, _packet_id(body)


def _suback(body, _flags):
    if any(code > 2 and code != REFUSED for code in body[2:]):  # [MQTT-3.9.3-2]
        raise MqttError("SUBACK with unknown return code")
    return SUBACK, _packet_id(body), body[2:]


def _pingresp(_body, _flags):
    return (PINGRESP,)


_READ = {CONNACK: _connack, PUBLISH: _publish, PUBACK: _puback, SUBACK: _suback, PINGRESP: _pingresp}
