"""The agent, over TLS and in plain: how soon an event is at a subscriber, what it is woken for, and its memory.

    knock -> engine -> agent -> mosquitto (mgmt) -> subscriber (mgmt)

The time of an event begins before the knock's last packet is sent, which is earlier than the kernel's acknowledgement of the
entry: what is measured is more than what is asked.
"""

import json
import queue
import time
from contextlib import contextmanager

import paho.mqtt.client as mqtt

from lab.owner import NAME, Owner
from lab.waiting import wait_until

from ..figure import Figure, at_most
from ..outsider import Outsider
from ..peers.knocklet import Knocklet
from ..place import place
from ..process import memory_kb, sleeps
from ..race import median
from ..sample import knock

NAMES = ("event_ms_median", "agent_wakeups_per_s", "agent_rss_kb", "agent_anon_kb", "agent_anon_tls_kb")
_KNOCKS = 100
_STILL_S = 10
_SETTLE_S = 3  # after the last event: what is retained follows within a second
_EVENT_S = 5


def measure():
    times, woken, memory = {}, {}, {}
    for kind, tls in (("TLS", True), ("plain", False)):
        with watched(tls) as (engine, owner, events):
            times[kind] = sorted(_event_ms(engine, events) for _ in range(_KNOCKS))
            time.sleep(_SETTLE_S)
            before = sleeps(owner.agent.pid)
            time.sleep(_STILL_S)
            woken[kind] = (sleeps(owner.agent.pid) - before) / _STILL_S
            memory[kind] = memory_kb(owner.agent.pid)
    slowest = {"plain": round(median(times["plain"]), 3), "TLS longest": round(times["TLS"][-1], 3)}
    return [
        at_most(NAMES[0], round(median(times["TLS"]), 3), "ms", 10, slowest),
        at_most(NAMES[1], max(woken.values()), "1/s", 0, woken),
        Figure(NAMES[2], memory["TLS"]["Rss"], "kB", "told", True, {"plain": memory["plain"]["Rss"]}),
        at_most(NAMES[3], memory["plain"]["Anonymous"], "kB", 1023),
        at_most(NAMES[4], memory["TLS"]["Anonymous"], "kB", 2047),
    ]


@contextmanager
def watched(tls):
    """(engine, owner, queue of (time, event)): all of it runs."""
    with place("nft") as here:
        engine = Knocklet(here)
        owner = Owner(here.lab, here.directory, engine.run_dir, tls)
        owner.set_up()
        engine.id = NAME
        engine.trust_clock()
        engine.start()
        owner.start_agent()
        events = queue.SimpleQueue()
        with subscriber(owner, tls, events):
            wait_until(lambda: "connected" in owner.agent_log().replace("engine connected", ""), "the agent is at the broker")
            _event_ms(engine, events)  # the first one does not count
            yield engine, owner, events


@contextmanager
def subscriber(owner, tls, events, below="event"):
    """Puts (time, event) of what comes on a topic of the gateway into `events`; of several topics (time, topic)."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    if tls:
        client.tls_set(ca_certs=str(owner.ca))
        client.username_pw_set("admin", owner.password("admin"))
    what = (lambda found: json.loads(found.payload)) if below == "event" else (lambda found: found.topic)
    client.on_message = lambda *found: events.put((time.perf_counter_ns(), what(found[2])))
    subscribed = queue.SimpleQueue()
    client.on_subscribe = lambda *_: subscribed.put(True)
    with owner.lab.mgmt.inside():
        client.connect(owner.lab.mgmt.ip4, 8883 if tls else 1883)
    client.loop_start()
    client.subscribe(f"knocklet/{NAME}/{below}", 1)
    subscribed.get(timeout=_EVENT_S)
    try:
        yield
    finally:
        client.disconnect()
        client.loop_stop()


def _event_ms(engine, events):
    """Milliseconds from a knock's last packet to its event at the subscriber."""
    source = engine.place.source()
    with engine.place.client.inside(), Outsider(engine.place.gateway.ip4, source) as outsider:
        sent = knock(outsider, engine.packets(source), engine.GAP_S)
        arrived = _arrival(events, "opened", source)
    engine.end(source)
    _arrival(events, "closed", source)
    return (arrived - sent) / 1e6


def _arrival(events, event_type, source):
    while True:
        arrived, event = events.get(timeout=_EVENT_S)
        if (event["event_type"], event.get("source")) == (event_type, source):
            return arrived
