"""The files of a mosquitto (2.0 to 2.1) whose users can only do what is theirs."""

import base64
import hashlib
import os

from knocklet.wire.topics import BASE, DISCOVERY, EVENT, HOME_ASSISTANT, PLAIN_VERBS, REQUEST, RESPONSE, RETAINED, STATUS

ADMIN, HASS = "admin", "homeassistant"   # gateways cannot have these names
_ITERATIONS = 101   # mosquitto's own; passwords are 192 random bits, more would only slow a router down
_SALT_BYTES = 12   # the only length that 2.0 takes

_CONFIGURATION = """\
# For {place}/: include this from mosquitto.conf, or put it into conf.d/.
# TLS only, nobody without a password, and each user bound to what the file acl says.
listener {port}
cafile {place}/ca.crt
certfile {place}/server.crt
keyfile {place}/server.key
allow_anonymous false
password_file {place}/passwd
acl_file {place}/acl
# What a collector that is away has coming is kept, also over a restart of the broker.
persistence true
autosave_interval 60
max_queued_messages 100000
max_inflight_messages 2000
# A gateway's largest has 66 KiB; one that was taken over shall not have the broker keep larger ones.
message_size_limit 131072
"""
_SAID = (STATUS, *RETAINED, EVENT, RESPONSE + "#")   # below a gateway's topic: all that it says


def configuration(place: str, port: int) -> bytes:
    """mosquitto.conf for files that lie in the directory `place`."""
    return _CONFIGURATION.format(place=place, port=port).encode()


def acl() -> bytes:
    """%u stands for a whole topic level: that is why user, client id and topic level of a gateway are one name."""
    lines = [
        "# A gateway: what it says and what it is asked; below its own name, too, nothing else.",
        *(f"pattern write {BASE}%u/{below}" for below in _SAID),
        f"pattern read {BASE}%u/set",
        f"pattern read {BASE}%u/{REQUEST}#",
        f"pattern write {HOME_ASSISTANT}{DISCOVERY % '%u'}",
        f"pattern read {HOME_ASSISTANT}/status",
        "",
        "# Home Assistant: reads, and may close; nothing that opens can be asked without a key anyway.",
        f"user {HASS}",
        f"topic readwrite {HOME_ASSISTANT}/#",
        *(f"topic read {BASE}+/{below}" for below in _SAID),
        *(f"topic write {BASE}+/{REQUEST}{verb}" for verb in PLAIN_VERBS),
        "",
        f"user {ADMIN}",
        f"topic readwrite {BASE}#",
        f"topic readwrite {HOME_ASSISTANT}/#",
    ]
    return "\n".join(lines).encode() + b"\n"


def password_line(user: str, password: str) -> str:
    """As mosquitto_passwd writes it: PBKDF2 with SHA-512."""
    salt = os.urandom(_SALT_BYTES)
    made = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"{user}:$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(made).decode()}"


def has_password(line: str, password: str) -> bool:
    """Is this the line of that password?"""
    try:
        kind, iterations, salt, made = line.split(":", 1)[1].split("$")[1:]
        again = hashlib.pbkdf2_hmac("sha512", password.encode(), base64.b64decode(salt), int(iterations))
        return kind == "7" and again == base64.b64decode(made)
    except (IndexError, ValueError):
        return False
