"""Admission: an authentic request is fresh, may come from there, and asks for what the policy gives its client.

A stamp is used once: it must be later than the last one accepted of this client (as the replay store has it), than the issue
of its key and than the store's floor; and near the time of the gateway's clock, while that is trusted. While it is not, the
order of stamps is all there is to go by, and a stamp from the far future is refused, which would lock its client out.
"""

from ..wire.spa_packet import OPEN, RENEW
from . import verdict
from .token_bucket import TokenBucket

STAMPS = 0  # what the replay store keeps under the fingerprint: stamps; else the index of a service with otp
GRANTS_PER_CLIENT = 8
SPA_WINDOW_US = 60_000_000
FWKNOP_WINDOW_US = 120_000_000
_FAR_US = 400 * 86_400 * 1_000_000
_REPEAT_US = 2_000_000
_INTERVAL_MS, _AT_ONCE = 50, 5  # a client may be let in 20 times a second; of packets that are sent again none counts
_CONTENTS = 8  # of packets with one and the same stamp
_OPENED = 2 * GRANTS_PER_CLIENT  # of a client, the last ones: one packet for each family and grant


class Admission:
    """store: what has been used: last(fingerprint, what), floor_us (edge/replay_store.py); grants: core.grants.Grants."""

    def __init__(self, store, grants):
        self._store = store
        self._grants = grants
        self._buckets = {}  # fingerprint -> TokenBucket
        self._accepted = {}  # fingerprint -> (stamp_us, contents) of the last one accepted
        self._opened = {}  # fingerprint -> [((services' indexes, address), stamp_us)] of the last ones that opened

    def keep(self, fingerprints):
        """These clients are in the policy: forget the others."""
        for known in (self._buckets, self._accepted, self._opened):
            for fingerprint in list(known):
                if fingerprint not in fingerprints:
                    del known[fingerprint]

    def in_time(self, fingerprint, now_ms):
        """Has this client sent no more than it may?"""
        bucket = self._buckets.get(fingerprint)
        if bucket is None:
            bucket = self._buckets[fingerprint] = TokenBucket(_INTERVAL_MS, _AT_ONCE)
        return bucket.take(now_ms)

    def judge(self, fingerprint, request, sender, clock):
        """ACCEPTED, or why not. clock: (is it trusted, now in microseconds, how far a stamp may be from it)."""
        kind = self._fresh(fingerprint, request, clock)
        if kind != verdict.ACCEPTED:
            return kind
        if not _may_come_from(request, sender):
            return verdict.WRONG_SOURCE
        return self.allowed(request)

    def _fresh(self, fingerprint, request, clock):
        trusted, now_us, window_us = clock
        floor_us = self._store.floor_us
        if floor_us is None:  # what was used before is not known
            return verdict.CLOCK_NOT_TRUSTED
        stored_us = self._store.last(fingerprint, STAMPS)
        last_us = max(stored_us, request.client.issued_us, floor_us)
        if request.stamp_us < last_us or request.stamp_us == last_us and not self._is_other(fingerprint, request, stored_us):
            return verdict.REPLAYED
        if trusted:
            return verdict.ACCEPTED if abs(request.stamp_us - now_us) <= window_us else verdict.STALE
        return verdict.ACCEPTED if request.stamp_us - last_us <= _FAR_US else verdict.TOO_FAR_AHEAD

    def _is_other(self, fingerprint, request, stored_us):
        """Of a kind with stamps in seconds: is it another packet than those that were accepted of the same second?"""
        stamp_us, contents = self._accepted.get(fingerprint, (-1, ()))
        return (request.content is not None and stamp_us == request.stamp_us == stored_us
                and request.content not in contents and len(contents) < _CONTENTS)  # fmt: skip

    def allowed(self, request):
        """Does the policy give the client what it asks for? ACCEPTED, or why not."""
        if not request.services or any(service not in request.client.services for service in request.services):
            return verdict.NOT_ALLOWED
        if request.op == OPEN:
            name, held, new = request.client.name, 0, len(request.services)
            for grant in self._grants.live:
                if grant.client == name:
                    held += 1
                    new -= grant.address == request.address and grant.service in request.services
            if held + new > GRANTS_PER_CLIENT:
                return verdict.TOO_MANY_GRANTS
        return verdict.ACCEPTED

    def is_remembered(self, fingerprint, request):
        """Would the same packet be refused from now on?"""
        return request.stamp_us <= self._store.last(fingerprint, STAMPS)

    def accepted(self, fingerprint, request):
        """It is stored and will be done. Returns whether it is only a repeat of one before."""
        stamp_us, contents = self._accepted.get(fingerprint, (-1, ()))
        if stamp_us != request.stamp_us:
            contents = ()
        self._accepted[fingerprint] = (request.stamp_us, contents + (request.content,))
        return self._is_repeat(fingerprint, request)

    def not_opened(self, fingerprint):
        """What was accepted last did not open, as when others were at the firewall: the next one is no repeat of it."""
        self._opened[fingerprint].pop()

    def _is_repeat(self, fingerprint, request):
        """Was the same opened just before, by stamps? Packets for several services and addresses may come in turn."""
        wish = ([service.index for service in request.services], request.address)
        before = self._opened.get(fingerprint, ())
        opened = [one for one in before if one[0] != wish]
        stamps_us = [stamp_us for known, stamp_us in before if known == wish]
        if request.op == OPEN:
            opened.append((wish, request.stamp_us))
        if request.op != RENEW:
            self._opened[fingerprint] = opened[-_OPENED:]
        return request.op == OPEN and bool(stamps_us) and request.stamp_us - stamps_us[0] < _REPEAT_US


def _may_come_from(request, sender):
    """By the client's rule for sources. fwknop's clients state their own address where they could leave it to the packet."""
    rule = request.client.source
    if rule == "any":
        return True
    own = request.stated and request.address == sender
    return own if rule == "stated" else not request.stated or own and request.content is not None
