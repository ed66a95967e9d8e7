"""A gateway that takes sealed messages: a reading of the protocol of its own, as simple as can be, on a connection of its own.

What it says may be held back, changed, or said again: `saying` gets each answer and tells what leaves instead.
"""

import hashlib
import hmac
import json
import struct
import threading
import time
from base64 import b64encode

from host import fake_gateway

from lab.waiting import wait_until

CONFIG, COMMAND, ANSWER = 1, 2, 3
KEY = bytes(range(32))
HEADER = ">4sB3x16sQQQII16s"


def hkdf(key, name, info):
    salt = b"knocklet1" + hashlib.sha256(b"knocklet id" + name.encode()).digest()[:16]
    prk = hmac.digest(salt, key, "sha256")
    return hmac.digest(prk, info + b"\1", "sha256")


def crypted(key, name, iv, text):
    """XOR with the keystream: the way in and the way out."""
    enc = hkdf(key, name, b"env enc v1")
    blocks = (hmac.digest(enc, b"ks1" + iv + struct.pack(">I", number), "sha256") for number in range(len(text) // 32 + 1))
    return bytes(one ^ other for one, other in zip(text, b"".join(blocks)))


def mac(key, name, start):
    return hmac.digest(hkdf(key, name, b"env mac v1"), start, "sha256")


def seal(key, name, kind, version, text):
    iv = hashlib.sha256(text + b"iv").digest()[:16]
    gateway_id = hashlib.sha256(b"knocklet id" + name.encode()).digest()[:16]
    start = struct.pack(HEADER, b"KLE1", kind, gateway_id, version, 0, 0, 0, len(text), iv) + crypted(key, name, iv, text)
    return start + mac(key, name, start)


def opened(message, key=KEY, name="home"):
    """{"kind", "version", "not_before", "expires", "confirm_s", "text"}; None for what is not from the key's owner."""
    magic, kind, gateway_id, version, not_before, expires, confirm_s, count, iv = struct.unpack_from(HEADER, message)
    body, end = message[72:-32], message[-32:]
    if magic != b"KLE1" or gateway_id != hashlib.sha256(b"knocklet id" + name.encode()).digest()[:16] or count != len(body):
        return None
    if not hmac.compare_digest(mac(key, name, message[:-32]), end):
        return None
    found = {"kind": kind, "version": version, "not_before": not_before, "expires": expires, "confirm_s": confirm_s}
    return found | {"text": crypted(key, name, iv, body)}


class SealedGateway:
    """`came`: (topic below, what was opened) of each message that was taken; `dropped`: how many were not. `text`, `version`:
    in force; `trial`: (version, text) or None. `data`: verb -> data of its answer. `refuses`: verb, or "set" -> why.
    """

    def __init__(self, broker, config, name="home", key=KEY):
        self.name, self.key = name, key
        self.text, self.version = json.dumps(config).encode(), 0
        self.trial = None
        self.came, self.said, self.dropped = [], [], 0
        self.data, self.refuses = {}, {}
        self.saying = lambda below, payload: [(below, payload)]
        self.reports = True   # says which configuration it has
        self.boot = 0
        self._broker = broker
        self._highest = {CONFIG: 0, COMMAND: 0}
        self._seqs = {}
        self._thread = None
        self._link = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Online. A restart ends a trial."""
        self.boot += 1
        self.trial = None
        self._ends, up = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(up,))
        self._thread.start()
        wait_until(up.is_set, "the gateway is online", timeout_s=20, interval_s=0.01)
        return self

    def stop(self):
        if self._thread:
            self._ends.set()
            self._thread.join(30)
            self._thread = None

    def later(self, do):
        """On the connection's own thread."""
        self._later.append(do)

    def config_is(self, text, version):
        """By another computer's hand."""
        self.text, self.version, self._highest[CONFIG] = text, version, version
        self.later(self._report)

    def _run(self, up):
        self._later = []
        try:
            with self._broker.link(self.name) as self._link:
                self._link.must_subscribe([f"knocklet/{self.name}/set", f"knocklet/{self.name}/request/#"], retained=False)
                self._report()
                self._publish("status", b"online", True)
                up.set()
                while not self._ends.is_set():
                    for message in self._link.receive(0.05):
                        self._take(message.topic.split("/", 2)[2], message.payload)
                    while self._later:
                        self._later.pop(0)()
                self._publish("status", b"offline", True)
        except Exception:   # the broker went: as a gateway that lost its line
            if not up.is_set():
                raise

    def _publish(self, below, payload, retain=False):
        assert self._link.publish(f"knocklet/{self.name}/{below}", payload, retain) < 0x80

    def payload(self, below, **fields):
        seq = self._seqs[below, self.boot] = self._seqs.get((below, self.boot), 0) + 1
        return fake_gateway.sealed(below, self.boot, seq, self.key, self.name, ts=int(time.time()), **fields)

    def _report(self):
        if self.reports:
            fields = self._in_force("version")
            self._publish("config", self.payload("config", **fields, services=[], clients=[], revoked=0), True)

    def _in_force(self, name):
        """name: of the field with the version."""
        version, text = self.trial or (self.version, self.text)
        return {name: f"{version:016x}", "sha256": hashlib.sha256(text).hexdigest(), "trial": self.trial is not None}

    def _take(self, below, message):
        found = opened(message, self.key, self.name) if message[:4] == b"KLE1" else None
        kind = CONFIG if below == "set" else COMMAND
        if not found or found["kind"] != kind or found["version"] <= self._highest[kind] or found["expires"] < time.time():
            self.dropped += 1
            return
        self._highest[kind] = found["version"]
        self.came.append((below, found))
        if kind == CONFIG:
            self._answer("set", f"{found['version']:016x}", found, self._config(found))
        else:
            request = found["request"] = json.loads(found["text"])
            assert found["version"] <= found["expires"] * 1_000_000 <= found["version"] + 120_000_000
            self._answer(request["verb"], request["transaction"], found, self._command(request, found))
        self._report()

    def _config(self, found):
        if "set" in self.refuses:
            return None
        if found["confirm_s"]:
            self.trial = found["version"], found["text"]
        else:
            self.trial, self.version, self.text = None, found["version"], found["text"]
        return {"trial": self.trial is not None, "confirm_s": found["confirm_s"], "warnings": self.data.get("warnings", [])}

    def _command(self, request, found):
        verb = request["verb"]
        if verb in self.refuses:
            return None
        if verb == "confirm":
            if not self.trial or f"{self.trial[0]:016x}" != request["version"]:
                return None
            (self.version, self.text), self.trial = self.trial, None
            return {"config": request["version"]}
        if verb == "rollback":
            self.trial = None
        if verb == "pull" and "pull" not in self.data:
            text = self.trial[1] if self.trial else self.text
            return {"config": b64encode(seal(self.key, self.name, ANSWER, found["version"], text)).decode()}
        if verb == "selftest" and verb not in self.data:
            return {"checks": {"clock": "ok"}, **self._in_force("config")}
        return self.data.get(verb, {})

    def _answer(self, verb, transaction, found, data):
        fields = {"transaction": transaction, "version": f"{found['version']:016x}", "data": data or {}}
        fields |= {"status": "ok", "error": ""} if data is not None else {"status": "error", "error": self._why(verb)}
        below = "response/" + verb
        self.said.append((below, self.payload(below, **fields)))
        for below, payload in self.saying(*self.said[-1]):
            self._publish(below, payload)

    def _why(self, verb):
        return self.refuses.get(verb, "nothing is on trial")

    def commands(self):
        """The verbs that were taken, in order; "set" for a configuration. Left out is what only asks how it does."""
        return [verb for verb in self.verbs() if verb != "selftest"]

    def verbs(self):
        """All of them."""
        return [found["request"]["verb"] if "request" in found else below for below, found in self.came]

    def sent(self, verb):
        """The last one of this verb, opened."""
        return next(found for below, found in reversed(self.came) if below.rpartition("/")[2] == verb)
