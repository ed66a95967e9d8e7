"""The text of a new gateway's file: every key with what it means, those that nothing was said of as comments.

Values and names have been checked before: what is written here needs no escapes but those of tomlkit.
"""

from typing import Any

import tomlkit

_KEYS = (
    ("ssh", "root@192.168.1.1", "how ssh reaches it from inside, for `knocklet provision`; not sent"),
    ("groups", [], "names for `knocklet push --group`; not sent"),
    ("interfaces", ["eth0"], "where knocks come from; without it, where the gateway's own settings say"),
    ("zone", "drop", "how other closed ports there answer: drop, reject or accept"),
    ("firewall", "auto", "auto, ipset or nft"),
    ("decoys", 64, "how many ports end a sweep's attempt, 0-256"),
    ("spa_port", 62201, "UDP, for signed packets"),
    ("fwknop_port", 62201, "UDP, for fwknop's"),
)
_SERVICE = {"ssh": {"index": 1, "port": 22}}
_HEAD = """\
# The gateway {name}: what it hides, and who may open it. This file is the source; knocklet push {name} carries it over.
# No secret is in it: it may go into git. knocklet lint {name} tells what is weak.

id = {id}   # a part of every key: it stays
host = {host}   # its name or address, as it is reached from outside; not sent
"""
_TABLES = """
# Below, a table each:
#   [services.NAME]   index (1-255, its number for ever), port, and if wanted protocol ("tcp", "udp"), to ("192.168.1.50:80"),
#                     to6 ("[fd00::50]:80"), masquerade ("auto", true, false), ttl (seconds, 30) or idle with max, one_shot,
#                     cut, approval (true, false). knocklet service add writes one.
#   [sequences.NAME]  fixed ports: open or close (names of services), and window (seconds, 10). The steps are among your
#                     secrets: knocklet sequence new {name} NAME --open SERVICE.
#   [clients.NAME]    who has a key: open (names of services), kinds (of "spa", "otp", "fwknop"), source ("packet", "stated",
#                     "any"). The key is not here: knocklet client add NAME --gateway {name} --open SERVICE makes both.
#   [otp]             one-time ports: protocol, count (6), low (20000), high (59999), window (10).
#   [revoked]         keys that never count again. knocklet client revoke and rotate write it.
"""


def text(name: str, host: str, values: dict[str, Any]) -> str:
    """values: what is known already, by key; clients and sequences without their secrets."""
    values = {"services": _SERVICE} | values   # `id` is in the head
    parts = [_HEAD.format(name=name, id=_value(name), host=_value(host))]
    for key, usual, meaning in _KEYS:
        parts.append(f"{'' if key in values else '# '}{key} = {_value(values.get(key, usual))}   # {meaning}\n")
    parts.append(_TABLES.format(name=name))
    if "otp" in values:
        parts.append("\n" + _table("otp", values["otp"]))
    for group in ("services", "sequences", "clients"):
        parts += ["\n" + _table(f"{group}.{each}", fields) for each, fields in values.get(group, {}).items()]
    if values.get("revoked"):
        parts.append("\n" + _table("revoked", values["revoked"]))
    return "".join(parts)


def _table(path: str, fields: dict[str, Any]) -> str:
    return f"[{path}]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in fields.items())


def _value(value: Any) -> str:
    return tomlkit.item(value).as_string()
