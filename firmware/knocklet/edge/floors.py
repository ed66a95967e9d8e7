"""What outlives every configuration, and everything else but the board: in the replay store, where values only rise.

Under the gateway's own id lie the last version of each kind of sealed message that was taken, and of the commands that armed
and disarmed. A client's key is revoked by the highest stamp there is: no packet of it comes later, whatever it may open.
"""

from ..core.admission import STAMPS
from ..core.replay_records import HIGHEST
from ..wire.keys import FINGERPRINT_BYTES, gateway_id
from ..wire.sealed import COMMAND, CONFIG

_ARMED, _DISARMED = 3, 4  # beside CONFIG and COMMAND


class Floors:
    def __init__(self, clients, name):
        """clients: edge.client_knocks.ClientKnocks, which has the store; name: the gateway's."""
        self._clients = clients
        self._id = gateway_id(name)[:FINGERPRINT_BYTES]
        clients.keep_always([(self._id, what) for what in (CONFIG, COMMAND, _ARMED, _DISARMED)])

    def last(self, kind):
        """The version of the last message of this kind."""
        return self._clients.store.last(self._id, kind)

    def remember(self, kind, version, now_ms):
        """No message up to this version is taken again. Returns whether that is on storage."""
        return self._clients.stored(self._id, kind, version, now_ms)

    def next_version(self, now_us):
        """For an order that is given here."""
        return max(now_us, self.last(_ARMED) + 1, self.last(_DISARMED) + 1)

    def armed(self):
        return self.last(_ARMED) >= self.last(_DISARMED)

    def arm(self, armed, version, now_ms):
        """Returns whether it is on storage."""
        was_armed = self.armed()
        stored = self._clients.stored(self._id, _ARMED if armed else _DISARMED, version, now_ms)
        if armed and not stored and not was_armed:  # a restart must not arm either
            self._clients.stored(self._id, _DISARMED, self.next_version(version), now_ms)
        return stored


def revoke(clients, fingerprint, now_ms):
    """Returns whether it is on storage."""
    return clients.stored(fingerprint, STAMPS, HIGHEST, now_ms)


def is_revoked(store, fingerprint):
    return store.last(fingerprint, STAMPS) == HIGHEST
