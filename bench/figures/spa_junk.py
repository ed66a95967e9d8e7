"""Honest signed knocks while strangers send packets of the right port, length and slot from ever new addresses: with any tag,
with any tag while the gateway's clock is not trusted, and with the tag of a client who was overheard."""

import time

from net.clients import PORT

from knocklet.wire import spa_packet

from ..figure import Figure
from ..outsider import Outsider
from ..peers.fwknop import Fwknopd
from ..peers.knocklet_spa import SERVICE, KnockletSpa
from ..process import cpu_s
from ..race import candidates

NAMES = ("spa_junk_opened_of_20", "spa_junk_engine_cpu", "spa_junk_untrusted_opened_of_20", "spa_sniffed_tag_opened_of_20")
_KNOCKS = 20
_RATE, _UNTRUSTED_RATE, _FWKNOPD_RATE = 20_000, 5_000, 5_000
_SENDS_S = (0, 0.3, 0.9, 1.8)  # as knocklet knock does
_ANSWER_S = 0.25  # after each, at most
_CPU_LIMIT = 0.02
_OVERHEARD_LEAST = 16
_FWKNOP_BYTES = 225


class Trusted(KnockletSpa):
    CLIENTS = 2


class Untrusted(KnockletSpa):
    CLIENTS = 10
    TRUSTED = False


def measure():
    return [*_any_tag(), _untrusted(), _overheard()]


def _slot():
    return spa_packet.slot_bytes(time.time_ns() // 1000 // spa_packet.MINUTE_US)


def _any_tag():
    with candidates("ipset", Trusted, Fwknopd) as (engine, fwknopd):
        with _junk(engine, _RATE, _slot()) as flood:
            cpu, began = cpu_s(engine.pid), time.monotonic()
            opened = _opened(engine, [engine.clients[0]] * _KNOCKS)
            cpu = round((cpu_s(engine.pid) - cpu) / (time.monotonic() - began), 4)
            rate = round(flood.rate())
        with fwknopd.place.lab.flood(f"{PORT}/udp", _FWKNOPD_RATE, prefix=b"+" * _FWKNOP_BYTES, length=_FWKNOP_BYTES):
            theirs = _opened(fwknopd, [None] * _KNOCKS)
    peers = {f"fwknopd at {_FWKNOPD_RATE}": theirs, "packets/s": rate}
    good = opened == _KNOCKS and rate >= 0.95 * _RATE
    return [
        Figure(NAMES[0], opened, "", f"{_KNOCKS} at {_RATE} packets/s", good, peers),
        Figure(NAMES[1], cpu, "cores", f"<= {_CPU_LIMIT}", cpu <= _CPU_LIMIT, {"packets/s": rate}),
    ]


def _untrusted():
    with candidates("ipset", Untrusted) as (engine,), _junk(engine, _UNTRUSTED_RATE, _slot()) as flood:
        opened = _opened(engine, (engine.clients * 2)[:_KNOCKS])
        rate = round(flood.rate())
    good = opened == _KNOCKS and rate >= 0.95 * _UNTRUSTED_RATE
    target = f"{_KNOCKS} at {_UNTRUSTED_RATE} packets/s, {Untrusted.CLIENTS} clients"
    return Figure(NAMES[2], opened, "", target, good, {"packets/s": rate})


def _overheard():
    with candidates("ipset", Trusted) as (engine,):
        other, overheard = engine.clients
        slot = _slot()
        with _junk(engine, _RATE, slot + spa_packet.tag(overheard.keys, slot)) as flood:
            others = _opened(engine, [other] * _KNOCKS)
            own = _opened(engine, [overheard] * _KNOCKS)
            rate = round(flood.rate())
    good = others == _KNOCKS and own >= _OVERHEARD_LEAST and rate >= 0.95 * _RATE
    target = f"others {_KNOCKS}, overheard >= {_OVERHEARD_LEAST}, at {_RATE} packets/s"
    return Figure(NAMES[3], others, "", target, good, {"overheard": own, "packets/s": rate})


def _junk(engine, rate, prefix):
    # A hundredth more than asked for: the generator counts what it means to send.
    return engine.place.lab.flood(f"{PORT}/udp", rate + rate // 100, prefix=prefix, length=spa_packet.BYTES)


def _opened(candidate, clients):
    """How many of the knocks, one for each of `clients`, open the door. Each begins with proof that it is closed."""
    place, opened = candidate.place, 0
    for client in clients:
        source = place.source()
        with place.client.inside(), Outsider(place.gateway.ip4, source) as outsider:
            if outsider.is_open(candidate.DOOR):
                raise RuntimeError(f"{candidate.NAME}: the door was open before the knock")
            opened += _knock(candidate, client, outsider, source)
        if client:
            with place.client.inside(), Outsider(place.gateway.ip4, source) as outsider:
                outsider.send(PORT, client.packet(SERVICE, spa_packet.CLOSE))
    return opened


def _knock(candidate, client, outsider, source):
    began = time.monotonic()
    sends = _SENDS_S if client else (0,)  # fwknop's client sends once
    for after_s in sends:
        time.sleep(max(0.0, began + after_s - time.monotonic()))
        for port, payload in [(PORT, client.packet(SERVICE))] if client else candidate.packets(source):
            outsider.send(port, payload)
        until = time.monotonic() + (_ANSWER_S if client else 1.0)
        while time.monotonic() < until:
            if outsider.is_open(candidate.DOOR):
                return True
    return False
