"""What a gateway said, from bytes to something that can be believed: verified, parsed, each once, gaps told. No MQTT here.

A verdict for each message:

    NEW        from the gateway, not seen before; an event may come with what is missing before it
    REPEATED   seen before: same boot, same seq
    STALE      somebody played it again: of a retained topic, older than the newest known; an event of a boot so old that
               what was seen of it is not remembered
    FORGED     the mac is not right for this gateway and topic
    ODD        from the gateway, but not as reports are
"""

import hmac
import math
from bisect import bisect_right, insort
from dataclasses import dataclass, field
from typing import Any

import ujson

from knocklet.wire.report import split_mac
from knocklet.wire.topics import BASE, EVENT, RESPONSE, RETAINED

NEW, REPEATED, STALE, FORGED, ODD = "new", "repeated", "stale", "forged", "odd"
BOOTS = 16   # the newest of a gateway, of which is remembered what was seen: no gateway delivers older ones
_LARGEST = 2**53   # boot, seq: what every reader of JSON can hold
_DEEPEST = 6
_RANGES = 1000   # of unseen seqs, of one boot: a gateway that loses more than that has other problems

Range = tuple[int, int]   # first, last


@dataclass(slots=True)
class Report:
    """`below`: the topic below the gateway's. `body`: the JSON text without its mac. `missing`: seqs before it."""

    gateway: str
    below: str
    verdict: str
    boot: int = 0
    seq: int = 0
    ts: int = 0
    fields: dict[str, Any] = field(default_factory=dict)
    body: str = ""
    missing: list[Range] = field(default_factory=list)


@dataclass(slots=True)
class Seen:
    """The seqs of one boot: all from 1 to `highest` but those in `unseen`, in order."""

    highest: int = 0
    unseen: list[Range] = field(default_factory=list)

    def take(self, seq: int) -> bool:
        """False when it was seen."""
        if seq > self.highest:
            if seq > self.highest + 1:
                self.unseen.append((self.highest + 1, seq - 1))
                del self.unseen[:-_RANGES]
            self.highest = seq
            return True
        place = bisect_right(self.unseen, (seq, _LARGEST)) - 1
        if place < 0 or seq > self.unseen[place][1]:
            return False
        first, last = self.unseen[place]
        self.unseen[place : place + 1] = [part for part in ((first, seq - 1), (seq + 1, last)) if part[0] <= part[1]]
        return True


class Intake:
    """`keys`: event keys by gateway. `seen`: {(gateway, boot): Seen}, `newest`: {(gateway, topic below): (boot, seq)}, as
    they were when last stored.
    """

    def __init__(
        self,
        keys: dict[str, bytes],
        seen: dict[tuple[str, int], Seen] | None = None,
        newest: dict[tuple[str, str], Range] | None = None,
    ) -> None:
        self._keys = keys
        self._seen = seen or {}
        self.newest = newest or {}
        self._boots: dict[str, list[int]] = {gateway: [] for gateway in keys}   # of `seen`, the oldest first
        for gateway, boot in sorted(self._seen):
            self._boots[gateway].append(boot)

    def take(self, topic: str, payload: bytes) -> Report:
        """Raises KeyError for a topic that is none of these gateways' with a mac."""
        name, below = split(topic)
        key = self._keys[name]
        if below != EVENT and below not in RETAINED and not below.startswith(RESPONSE):
            raise KeyError(topic)
        body = verified(key, below, payload)
        if body is None:
            return Report(name, below, FORGED)
        try:
            fields = _parse(body)
            boot, seq, ts = fields.pop("boot"), fields.pop("seq"), fields.pop("ts")
            if not (_is_count(boot) and _is_count(seq) and type(ts) is int and 0 <= ts < _LARGEST):
                raise ValueError("boot, seq, ts")
            if below == EVENT and type(fields["event_type"]) is not str:
                raise ValueError("event_type")
            text = body.decode()
        except (KeyError, ValueError):
            return Report(name, below, ODD)
        report = Report(name, below, NEW, boot, seq, ts, fields, text)
        if below == EVENT:
            self._event(report)
        elif below in RETAINED:
            self._retained(report)
        return report

    def _event(self, report: Report) -> None:
        place = report.gateway, report.boot
        boots = self._boots[report.gateway]
        seen = self._seen.get(place)
        if seen is None:
            if len(boots) >= BOOTS and report.boot < boots[0]:
                report.verdict = STALE
                return
            seen = self._seen[place] = Seen()
            # Of the first boot we ever hear of, and of ones before those we know, nobody promised us the beginning.
            expected = 1 if boots and report.boot > boots[-1] else report.seq
            insort(boots, report.boot)
            if len(boots) > BOOTS:
                del self._seen[report.gateway, boots.pop(0)]
        else:
            expected = seen.highest + 1
        if expected < report.seq:
            report.missing = [(expected, report.seq - 1)]
        if not seen.take(report.seq):
            report.verdict = REPEATED

    def _retained(self, report: Report) -> None:
        place, now = (report.gateway, report.below), (report.boot, report.seq)
        if now < self.newest.get(place, (0, 0)):
            report.verdict = STALE
        else:
            self.newest[place] = now


def split(topic: str) -> tuple[str, str]:
    """(gateway, topic below it). Raises KeyError."""
    if not topic.startswith(BASE):
        raise KeyError(topic)
    name, _, below = topic[len(BASE) :].partition("/")
    return name, below


def verified(key: bytes, below: str, payload: bytes) -> bytes | None:
    """As knocklet.wire.report.verified, 30 times as fast with the interpreter's own HMAC; None for what is not right."""
    try:
        start, digits = split_mac(payload)
    except ValueError:
        return None
    mac = hmac.digest(key, b"%s\0%s" % (below.encode(), start), "sha256").hex().encode()
    return start + b"}" if hmac.compare_digest(mac, digits) else None


def _parse(body: bytes) -> dict[str, Any]:
    fields = ujson.loads(body)
    if type(fields) is not dict:
        raise ValueError("no object")
    for value in fields.values():
        if type(value) not in (str, int, bool):
            _check(value, _DEEPEST)
    return fields


def _check(value: Any, deep: int) -> None:
    """ujson takes NaN, and structures as deep as the stack."""
    if type(value) is float and not math.isfinite(value) or deep == 0:
        raise ValueError("no JSON of ours")
    if type(value) in (list, dict):
        for inner in value.values() if type(value) is dict else value:
            _check(inner, deep - 1)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value < _LARGEST
