"""The configuration, its slots, floors and revoked keys against a plain model, on real files: whatever the owner, time, a
firewall that refuses and restarts do, what is in force and what is kept is what the model says; no floor goes down, no revoked
key comes back.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from common.gateway import CONFIG_FILE, Gateway, changed
from knocklet.core.errors import KnockletError
from knocklet.edge.replay_store import ReplayStore
from knocklet.wire.keys import ClientKeys
from knocklet.wire.sealed import CONFIG

KEYS = {"anna": "%064x" % 0xA, "bob": "%064x" % 0xB, "carol": "%064x" % 0xC}
FINGERPRINTS = {name: ClientKeys(bytes.fromhex(KEYS[name]), "home").fingerprint for name in KEYS}


class Wanted:
    """A configuration: its zone, clients, and whose keys it revokes."""

    def __init__(self, zone, clients, revoked=""):
        self.zone, self.clients, self.revoked = zone, set(clients.split()), set(revoked.split())
        self.values = changed(
            CONFIG_FILE,
            zone=zone,
            clients={name: {"key": KEYS[name], "open": ["ssh"]} for name in self.clients},
            revoked=sorted(FINGERPRINTS[name].hex() for name in self.revoked),
        )

    def __repr__(self):
        return f"({self.zone}: {' '.join(sorted(self.clients))}; revoked {' '.join(sorted(self.revoked))})"


WANTED = [
    Wanted("drop", "anna bob"), Wanted("drop", "anna bob carol"), Wanted("reject", "anna bob carol"), Wanted("drop", "bob"),
    Wanted("drop", ""), Wanted("drop", "anna bob", "anna"), Wanted("reject", "bob carol", "bob"), Wanted("accept", "carol"),
]  # fmt: skip

FAILS = (None, None, None, None, KnockletError("no sets"), OSError(12, "full"), MemoryError())
# "set" and "confirm" often: most of what matters happens in a trial.
NAMES = ("set", "set", "set", "confirm", "confirm", "again", "roll_back", "wait", "restart", "reload", "revoke", "write")
moves = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.sampled_from(WANTED), st.sampled_from((30, 60, 0)), st.sampled_from(FAILS),
        st.sampled_from((999, 1000, 29_999, 30_000, 60_000)), st.integers(0, 11),
    ),
    min_size=20,
    max_size=40,
)  # fmt: skip


class Model:
    """kept: what a restart finds; trial: what is tried, or None; `gone`: it was to end, and is to be confirmed no more."""

    def __init__(self):
        self.file = self.kept = WANTED[0]
        self.version = 0  # of what is kept
        self.trial, self.trial_version, self.end_ms, self.gone = None, 0, 0, False
        self.floor = 0
        self.seen = 0  # version of the last one that was looked at in this start: each is once
        self.revoked = set()
        self.now_ms = 0

    def in_force(self):
        one = self.trial or self.kept
        return self.trial_version if self.trial else self.version, bool(self.trial), one.zone, one.clients - self.revoked

    def takes(self, new, version, confirm_s, fails):
        """Returns whether it is put into force."""
        kept = self.kept if self.version else self.file  # also where nobody has reloaded it
        less = new.zone == kept.zone and new.clients <= kept.clients
        if version <= max(self.floor, self.seen, self.in_force()[0]):
            return False
        self.seen = version
        if not confirm_s and not less:
            return False
        self.floor = version
        self.revoked |= new.revoked
        if fails:
            if isinstance(fails, MemoryError):
                self.restores()
            return False
        self.trial, self.trial_version, self.end_ms, self.gone = new, version, self.now_ms + 1000 * confirm_s, False
        if not confirm_s:
            self.confirms(version)
        return True

    def knows(self, name):
        """In what is in force, or in what a trial would end in."""
        kept = self.kept if self.version else self.file
        back = kept.clients - kept.revoked if self.trial else set()
        return name in (self.in_force()[3] | back) - self.revoked

    def confirms(self, version):
        if not self.trial or self.gone or version != self.trial_version:
            return False
        self.kept, self.version, self.trial = self.trial, version, None
        return True

    def ends(self, fails):
        if self.trial and fails:
            self.gone = True
        elif self.trial:
            self.restores()

    def restores(self):
        """What is kept is in force."""
        self.trial = None
        self.kept = self.kept if self.version else self.file
        self.revoked |= self.kept.revoked


def make_store(folder):
    store = ReplayStore(folder + "/state", folder)
    store.set_floor(1)  # as an engine does when the clock is trusted
    return store


class Both:
    def __init__(self):
        self.model = Model()
        self.messages = []  # every configuration that was sealed, with what it is
        self.gateway = Gateway(WANTED[0].values, make_store)

    def obeyed(self, message):
        self.gateway.changes = 0
        answer = self.gateway.orders.obey(message)
        return answer is not None and answer[1]["status"] == "ok"

    def set(self, new, confirm_s, fails):
        message = self.gateway.config(new.values, confirm_s)
        self.messages.append((message, new, confirm_s, self.gateway.version))
        self._set(message, new, confirm_s, self.gateway.version, fails)

    def again(self, number):
        """One that was sent before."""
        if self.messages:
            message, new, confirm_s, version = self.messages[number % len(self.messages)]
            self._set(message, new, confirm_s, version, None)

    def _set(self, message, new, confirm_s, version, fails):
        self.gateway.refuses = fails
        assert self.obeyed(message) == self.model.takes(new, version, confirm_s, fails)
        self.gateway.refuses = None

    def confirm(self, other):
        version = self.gateway.configuration.version + other
        answer = self.gateway.do("confirm", version="%016x" % max(version, 0))
        assert (answer["status"] == "ok") == self.model.confirms(version)

    def roll_back(self, fails):
        fails = None if isinstance(fails, MemoryError) else fails
        self.gateway.refuses = fails
        expected = bool(self.model.trial and not fails)
        assert (self.gateway.do("rollback")["status"] == "ok") == expected
        self.model.ends(fails)
        self.gateway.refuses = None

    def wait(self, ms, fails):
        self.gateway.refuses = fails
        self.gateway.wait(ms)
        self.model.now_ms += ms
        if self.model.trial and self.model.now_ms >= self.model.end_ms:
            self.model.ends(fails)
            self.model.end_ms = self.model.now_ms + 1000
        self.gateway.refuses = None

    def restart(self):
        self.gateway.start()
        self.model.seen = 0
        self.model.restores()

    def reload(self, from_file, fails):
        fails = None if isinstance(fails, MemoryError) else fails  # the engine ends by it
        self.gateway.refuses = fails
        try:
            self.gateway.apply(from_file)
        except (KnockletError, OSError):
            assert fails
        else:
            assert not fails
            if from_file:
                self.model.version = 0
            self.model.restores()
        self.gateway.refuses = None

    def revoke(self, name):
        known = self.model.knows(name)
        assert (self.gateway.do("revoke", client=name)["status"] == "ok") == known
        if known:
            self.model.revoked.add(name)

    def write(self, new):
        """Into the file; that is looked at with the next start or reload."""
        self.gateway.write_config(new.values)
        self.model.file = new

    def check(self):
        gateway, model = self.gateway, self.model
        configuration = gateway.configuration
        found = configuration.version, configuration.trial, gateway.policy.zone, set(gateway.names()[1])
        assert found == model.in_force()
        assert gateway.floors.last(CONFIG) == model.floor
        assert {name for name in KEYS if gateway.clients.store.last(FINGERPRINTS[name], 0) == 1 << 62} == model.revoked
        assert not model.revoked & found[3]


@settings(max_examples=20, deadline=None)
@given(moves)
def test_configuration_does_as_the_model(moves):
    both = Both()
    try:
        for move, new, confirm_s, fails, wait_ms, number in moves:
            before = both.model.floor, set(both.model.revoked)
            arguments = {
                "set": (new, confirm_s, fails), "confirm": ((0, 0, 0, 1, -1)[number % 5],), "again": (number,),
                "roll_back": (fails,), "wait": (wait_ms, fails), "restart": (), "reload": (number % 2, fails),
                "revoke": (sorted(KEYS)[number % 3],), "write": (new,),
            }[move]  # fmt: skip
            getattr(both, move)(*arguments)
            both.check()
            assert both.model.floor >= before[0] and both.model.revoked >= before[1]
        both.restart()
        both.check()
    finally:
        both.gateway.end()
