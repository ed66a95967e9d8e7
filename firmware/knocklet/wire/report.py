"""Reports: the JSON that a gateway sends over MQTT, and the mac at its end that no broker can make.

    {"event_type": "opened", ... "boot": 7, "seq": 12, "ts": 1790267147, "mac": "64 hex digits"}

mac = HMAC(event key, topic below knocklet/<id>/ || 0x00 || all bytes before `,"mac"`). `boot` counts starts of the gateway's
engine, `seq` what it made for this topic since then, from 1 without a gap; `ts` is in seconds since 1970, by its clock.
"""

from .hmac import equal, hex_text, hmac

# Fixed from the first version on: Home Assistant warns of types that it was not told of.
EVENT_TYPES = (
    "opened", "renewed", "closed", "expired", "idle", "used", "refused", "replayed", "sweep", "flood", "request", "approved",
    "denied", "lapsed", "config_trial", "config_applied", "config_rolled_back", "clock_trusted", "clock_untrusted",
    "store_failed", "firewall_changed", "interface_up", "interface_down", "dropped", "started",
)  # fmt: skip
REQUEST_LAPSES_S = 60  # an event "request" waits so long for its answer
_MAC = b',"mac":"'
_MAC_AT = -(len(_MAC) + 64 + 2)  # from the end


def _mac(key, topic, start):
    return hex_text(hmac(key, topic.encode(), b"\0", start)).encode()


def seal(key, topic, body):
    """The payload for `topic` (text, below knocklet/<id>/). body: bytes of a JSON object with at least one key."""
    start = body[:-1]
    return start + _MAC + _mac(key, topic, start) + b'"}'


def split_mac(payload):
    """(what the mac is made of, the mac's 64 digits). Raises ValueError when there is none at the end."""
    start, end = payload[:_MAC_AT], payload[_MAC_AT:]
    if end[: len(_MAC)] != _MAC or end[-2:] != b'"}':
        raise ValueError("no mac at the end")
    return start, end[len(_MAC) : -2]


def verified(key, topic, payload):
    """The JSON object in `payload` without its mac, as bytes. Raises ValueError when the mac is not right for this topic."""
    start, digits = split_mac(payload)
    if not equal(digits, _mac(key, topic, start)):
        raise ValueError("the mac is not the gateway's")
    return bytes(start) + b"}"
