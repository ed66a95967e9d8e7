"""Reports: the JSON that a gateway sends over MQTT, and the mac at its end that no broker can make.

    {"event_type": "opened", ... "boot": 7, "seq": 12, "ts": 1790267147, "mac": "64 hex digits"}

mac = HMAC(event key, topic below knocklet/<id>/ || 0x00 || all bytes before `,"mac"`). `boot` counts starts of the gateway's
engine, `seq` what it made for this topic since then, from 1 without a gap; `ts` is in seconds since 1970, by its clock.
"""

from .hmac import equal, hmac

# Fixed from the first version on: Home Assistant warns of types that it was not told of.
EVENT_TYPES = (
    "opened", "renewed", "closed", "expired", "idle", "used", "refused", "replayed", "sweep", "flood", "request", "approved",
    "denied", "lapsed", "config_trial", "config_applied", "config_rolled_back", "clock_trusted", "clock_untrusted",
    "store_failed", "firewall_changed", "interface_up", "interface_down", "dropped", "started",
)  # fmt: skip
_MAC = b',"mac":"'
_MAC_AT = -(len(_MAC) + 64 + 2)  # from the end
_HEX = b"0123456789abcdef"


def seal(key, topic, body):
    """The payload for `topic` (text, below knocklet/<id>/). body: bytes of a JSON object with at least one key."""
    start = body[:-1]
    mac = hmac(key, topic.encode(), b"\0", start)
    return start + _MAC + "".join(["%02x" % byte for byte in mac]).encode() + b'"}'


def verified(key, topic, payload):
    """The JSON object in `payload` without its mac, as bytes. Raises ValueError when the mac is not right for this topic."""
    start, end = payload[:_MAC_AT], payload[_MAC_AT:]
    digits = end[len(_MAC) : -2]
    if end[: len(_MAC)] != _MAC or end[-2:] != b'"}' or any(digit not in _HEX for digit in digits):
        raise ValueError("no mac at the end")
    mac = bytes([int(digits[i : i + 2], 16) for i in range(0, 64, 2)])
    if not equal(mac, hmac(key, topic.encode(), b"\0", start)):
        raise ValueError("the mac is not the gateway's")
    return bytes(start) + b"}"
