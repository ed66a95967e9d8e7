"""What the engine and its agent say to each other: whole messages over one AF_UNIX SOCK_SEQPACKET connection.

    engine -> agent
      "H" version 1, name of the gateway                  hello, the first message
      "P" flags token(u32) length of topic(u8) topic payload      publish this below knocklet/<name>/
    agent -> engine
      "S"                                                 the broker has taken us in: everything retained, and what is not
                                                          acknowledged, again
      "A" token(u32)                                      the broker has acknowledged this one
      "R" length of verb(u8) verb payload                 a plain request came from the broker
      "M" sealed message                                  so did this: of whatever topic, what it is for is in it

Integers are big endian. Token 0 needs no acknowledgement. The engine never waits: what does not fit the socket's buffer is sent
when the agent has read. Either side ends the connection on a message that is none of these; the agent has no rights, and
whatever it sends costs the engine a bounded time.
"""

from struct import pack, unpack_from

from ..wire.sealed import BYTES as SEALED_BYTES
from ..wire.sealed import LIMIT_BYTES as SEALED_LIMIT_BYTES

VERSION = 1
LIMIT_BYTES = 65536  # of one message to the agent
REQUEST_BYTES = 1024  # of the payload of a request
HELLO, PUBLISH, START, ACKNOWLEDGE, REQUEST, SEALED = b"H", b"P", b"S", b"A", b"R", b"M"
RETAIN = 1  # flag of PUBLISH
TOKENS = 0x3FFFFFFF  # a small integer everywhere; they count on from 1
DIRECTORY, SOCKET = "-agent", "engine"  # where: the run directory's name and this, and the socket in it


def next_token(token):
    return token % TOKENS + 1


def hello(name):
    return HELLO + bytes([VERSION]) + name.encode()


def publish(flags, token, topic, payload):
    return PUBLISH + pack(">BIB", flags, token, len(topic)) + topic.encode() + payload


def acknowledge(token):
    return ACKNOWLEDGE + pack(">I", token)


def request(verb, payload):
    return REQUEST + bytes([len(verb)]) + verb.encode() + payload


def sealed(message):
    return SEALED + message


def parse(message):
    """(kind, fields of it ...) of a message. Raises ValueError for anything that is none.

    (HELLO, name)  (PUBLISH, flags, token, topic, payload)  (START,)  (ACKNOWLEDGE, token)  (REQUEST, verb, payload)
    (SEALED, message)
    """
    kind, size = message[:1], len(message)
    if kind == START and size == 1:
        return (START,)
    if kind == ACKNOWLEDGE and size == 5:
        return ACKNOWLEDGE, unpack_from(">I", message, 1)[0]
    if kind == HELLO and size > 2 and message[1] == VERSION:
        return HELLO, _text(message[2:])
    if kind == REQUEST and size >= 2 and 2 + message[1] <= size <= 2 + message[1] + REQUEST_BYTES:
        end = 2 + message[1]
        return REQUEST, _text(message[2:end]), message[end:]
    if kind == SEALED and 1 + SEALED_BYTES <= size <= 1 + SEALED_LIMIT_BYTES:
        return SEALED, message[1:]
    if kind == PUBLISH and size >= 7:
        flags, token, length = unpack_from(">BIB", message, 1)
        if 7 + length <= size and token <= TOKENS:
            return PUBLISH, flags, token, _text(message[7 : 7 + length]), message[7 + length :]
    raise ValueError("no message of %d bytes" % size)


def _text(data):
    """Topics and verbs are made of ASCII letters, digits and a few signs; anything else is no message."""
    if any(not 32 < byte < 127 for byte in data):
        raise ValueError("no text")
    return str(data, "ascii")
