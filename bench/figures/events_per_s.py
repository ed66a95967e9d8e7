"""How many events a second `knocklet collect` takes in, verifies and stores.

    publisher (a process, events sealed before) -> mosquitto with TLS -> `knocklet collect` -> SQLite, then acknowledged

Counted from the moment the publisher may begin until the database holds the last event. Some numbers are left out on
purpose: all others must be stored, and exactly these be told as missing.
"""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

from host.fake_gateway import KEY, sealed
from host.real_broker import RealBroker

from knocklet_tool.mqtt import Link

from ..figure import Figure
from ..paths import ROOT

NAMES = ("events_per_s",)
_EVENTS = 60_000
_LEFT_OUT = range(10_000, _EVENTS, 10_000)
_TARGET = 5000
_LONGEST_S = 120
_IN_FLIGHT = 500


def measure():
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "key").write_bytes(KEY)
        place.joinpath("broker").mkdir()
        with RealBroker(place / "broker", ("home",)) as broker:
            stored, seconds, told = _collect(place, broker)
    sent = _EVENTS - len(_LEFT_OUT)
    missing = sum(f"number {seq})" in told for seq in _LEFT_OUT)
    value = round(stored / seconds)
    ok = value >= _TARGET and stored == sent and missing == len(_LEFT_OUT)
    peers = {"sent": sent, "stored": stored, "left out": len(_LEFT_OUT), "told as missing": missing}
    return [Figure(NAMES[0], value, "1/s", f">= {_TARGET}, none lost, gaps reported", ok, peers)]


def _collect(place, broker):
    """(events in the database, seconds it took, what collect told)."""
    environment = {
        **os.environ,
        "HOME": str(place),
        "XDG_CONFIG_HOME": str(place / "config"),
        "XDG_DATA_HOME": str(place / "data"),
        "PYTHONPATH": f"{ROOT / 'host_tools'}:{ROOT / 'firmware'}",
    }
    knocklet = [sys.executable, "-c", "from knocklet_tool.main import main; main()"]
    ca, password = broker.files / "ca.crt", broker.password_file("admin")
    for words in (
        ["gateway", "add", "home", "--key-file", place / "key"],
        ["broker", "use", "localhost", "--port", str(broker.port), "--ca", ca, "--password-file", password],
    ):
        subprocess.run([*knocklet, *words], env=environment, check=True, stderr=subprocess.DEVNULL)
    begin, ready = multiprocessing.Event(), multiprocessing.Event()
    publisher = multiprocessing.Process(target=_publish, args=(broker.as_user("home"), begin, ready))
    publisher.start()
    ready.wait(_LONGEST_S)
    with open(place / "told", "w") as file:
        collecting = subprocess.Popen([*knocklet, "collect"], env=environment, stdout=file, stderr=file)
    try:
        _wait(lambda: "Listening" in (place / "told").read_text())
        database = place / "data" / "knocklet" / "events.db"
        before = time.monotonic()
        begin.set()
        _wait(lambda: _last(database) == _EVENTS)
        seconds = time.monotonic() - before
    finally:
        collecting.send_signal(signal.SIGTERM)
        collecting.wait(20)
        publisher.join(20)
        publisher.kill()
    return _one(database, "SELECT count(*) FROM event"), seconds, (place / "told").read_text()


def _publish(broker, begin, ready):
    """All of them, at most _IN_FLIGHT not yet acknowledged."""
    payloads = [
        sealed("event", 1, seq, event_type="refused", source=f"198.51.100.{seq % 250}", reason="rate", untold=seq)
        for seq in range(1, _EVENTS + 1)
        if seq not in _LEFT_OUT
    ]
    with Link(broker) as link:
        ready.set()
        begin.wait(_LONGEST_S)
        waiting = deque()
        for payload in payloads:
            waiting.append(link.send("knocklet/home/event", payload))
            if len(waiting) == _IN_FLIGHT:
                link.sent(waiting.popleft())
        while waiting:
            link.sent(waiting.popleft())


def _wait(condition):
    end = time.monotonic() + _LONGEST_S
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)


def _last(database):
    return _one(database, "SELECT max(seq) FROM event")


def _one(database, query):
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as opened:
        return opened.execute(query).fetchone()[0]
