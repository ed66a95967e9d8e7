"""Doors: a decided knock becomes a kernel entry and a grant, and every end of a grant is noticed and told.

The kernel's entry is made first and acknowledged, then the grant is remembered, then told. The entries end by
themselves; what is done here about ends is noticing them. Nothing here runs for a packet that completes no knock.
"""

from ..core.clock import after, left
from ..core.grants import Grants
from ..core.summary import REFUSED
from ..wire.addresses import family_of, format_address
from .cuts import Cuts
from .firewall import FirewallError, Missing

_CHECK_MS = 1000  # between two looks at the kernel's entries while one of them can end or vanish without notice
_SETTLE_MS = 50  # after a change of the firewall, before looking: a reload is many messages
_LAST_LOOK_MS = 500
_RETRY_MS = 1000  # after rules could not be restored: somebody else may just be at it
_LATE_MS = 1500  # an entry that vanished this long before its end was taken away: ipset counts whole seconds


class Doors:
    def __init__(self, loop, events, cut):
        """`cut(services, address)` ends established connections (conntrack.py)."""
        self.grants = Grants()
        self.firewall = None
        self.policy = None
        self.failing = False  # the firewall did not do what was asked of it last
        self.counts = {"opened": 0, "renewed": 0, "ended": 0, "refused": 0, "restored": 0, "firewall_failed": 0}
        self._loop = loop
        self._events = events
        self._cuts = Cuts(loop, cut)
        self._ends = loop.timer(self._end_due)
        self._looks = loop.timer(self._look)

    # Opening and closing

    def open(self, service, address, client, now_ms, wanted_s=0):
        """Open `service` for `address` (4 or 16 bytes), or renew; for wanted_s seconds at most, 0: as long as the service says.
        Returns True when the kernel has acknowledged."""
        grants = self.grants
        family = family_of(address)
        if family not in service.families:
            return self.refuse(now_ms, service, client, address, "no IPv%d address behind it" % family)
        if grants.full() and not grants.find(service, address, client):
            return self.refuse(now_ms, service, client, address, "the gateway is full")
        known = bool(grants.of_entry((service.index, address)))
        if known and service.one_shot:
            self._look(now_ms)  # a used one is told as used, not taken for a live one
        entry_s = self._entry_s(service, address, client, service.life_s(wanted_s), now_ms)
        try:
            try:
                self._add(service, address, entry_s, known)
            except Missing:
                self._restore(now_ms)
                self._add(service, address, entry_s, False)
        except FirewallError as error:
            return self.refuse(now_ms, service, client, address, str(error))
        grant, new = grants.put(service, address, client, now_ms, wanted_s)
        kind = "opened" if new else "renewed"
        self.counts[kind] += 1
        self._plan(now_ms)
        life_s, max_s = service.life_s(wanted_s)
        self._events.tell(now_ms, kind, ends_s=max_s or life_s, **_named(grant))
        return True

    def _entry_s(self, service, address, client, life_s, now_ms):
        """What the kernel's entry gets: a shorter grant does not shorten that of another client at the same address."""
        own = self.grants.find(service, address, client)  # has a new end from now on, sooner or later than the old one
        left_ms, max_left_ms = self.grants.entry_left((service.index, address), now_ms, own)
        if service.idle_s:  # traffic renews it to the service's own anyway
            return life_s[0], max(life_s[1], -(-max_left_ms // 1000))
        return max(life_s[0], -(-left_ms // 1000)), 0

    def _add(self, service, address, entry_s, known):
        self.firewall.add(service, address, entry_s[0], entry_s[1], known)

    def renew(self, service, address, client, now_ms, wanted_s=0):
        """Open again what is open for this client. Returns False when nothing is, or the kernel refused."""
        if service.one_shot:
            self._look(now_ms)  # it may be used up by now
        return self.grants.find(service, address, client) is not None and self.open(service, address, client, now_ms, wanted_s)

    def refuse(self, now_ms, service, client, address, reason):
        """A good knock that does not open, and why. Returns False."""
        self.counts["refused"] += 1
        self._events.caused_by(address, 0, len(address))
        if self._events.noise(now_ms, REFUSED):
            source = format_address(address)
            self._events.tell(now_ms, "refused", service=service.name, client=client, source=source, reason=reason)
        return False

    def close(self, grants, reason, now_ms, cut=False):
        """End these grants now; `cut` ends their connections too. Returns how many ended."""
        grants = list(grants)  # it may be the list that they are taken from
        for grant in grants:
            self._end(grant, now_ms, "closed", reason)
        self._plan(now_ms)
        self._cuts.end([(grant.service, grant.address) for grant in grants if cut or grant.service.cut], now_ms)
        return len(grants)

    def close_for_owner(self, wanted, now_ms):
        """Close and cut what `wanted(service, address)` says, also connections whose grant has ended before. Returns how many
        grants ended."""
        count = self.close([grant for grant in self.grants.live if wanted(grant.service, grant.address)], "owner", now_ms, True)
        self._cuts.end([pair for pair in self._cuts.past if wanted(*pair)], now_ms)
        return count

    def _end(self, grant, now_ms, event_type, reason=None):
        """Forget the grant, take its entry away when it was the last one that needed it, and tell."""
        before_ms = self.grants.entry_left(grant.key(), now_ms)[0]
        try:
            if self.grants.end(grant):
                self.firewall.remove(grant.service, grant.address)
            else:
                self._shorten(grant.service, grant.address, before_ms, now_ms)
        except FirewallError:  # the next look restores the rules, or takes the entry away
            self._loop.sooner(self._looks, now_ms, _SETTLE_MS)
        self.counts["ended"] += 1
        self._cuts.may_go_on(grant.service, grant.address)
        fields = _named(grant)
        if reason:
            fields["reason"] = reason
        self._events.tell(now_ms, event_type, **fields)

    def _shorten(self, service, address, before_ms, now_ms):
        """Another client's grant lives on: the entry ends with that one, also if we should not be there any more then."""
        left_ms = self.grants.entry_left((service.index, address), now_ms)[0]
        if left_ms < before_ms and not service.idle_s and not service.one_shot:
            self.firewall.add(service, address, max(1, -(-left_ms // 1000)), 0, True)

    # Policy and firewall

    def apply(self, policy, firewall, now_ms):
        """Put a new policy into force. Grants of services that stay as they were live on. Raises FirewallError."""
        try:
            firewall.install(policy)
        except FirewallError:
            firewall.close()
            raise
        if self.firewall is not None:
            if type(self.firewall) is not type(firewall):
                self.close(self.grants.live, "config", now_ms)  # what the other kind had, install() has taken away
            self.firewall.close()
        shapes = {service.shape(): service for service in policy.services}
        gone = [grant for grant in self.grants.live if grant.service.shape() not in shapes]
        first = self.firewall is None
        self.firewall = firewall
        self.policy = policy
        for grant in gone:
            self.grants.end(grant)  # install() took the set, or the entries no longer fit
            self.counts["ended"] += 1
            self._events.tell(now_ms, "closed", reason="config", **_named(grant))
        self._cuts.end([(grant.service, grant.address) for grant in gone], now_ms)
        for grant in self.grants.live:
            grant.service = shapes[grant.service.shape()]
        if first:
            self._adopt(now_ms)
        self._plan(now_ms)

    def _adopt(self, now_ms):
        """At start: what the kernel holds open was granted by an engine before this one."""
        services = {service.index: service for service in self.policy.services}
        for index, address, left_ms, max_left_ms in self.firewall.entries():
            if not self.grants.full():
                self.grants.adopt(services[index], address, left_ms, max_left_ms, now_ms)
                self.counts["restored"] += 1

    def firewall_changed(self, now_ms):
        """Something in the firewall was changed, by us or by others: look soon."""
        self._loop.sooner(self._looks, now_ms, _SETTLE_MS)

    def _look(self, now_ms):
        """Compare the kernel with the grants. Returns the wait to the next look."""
        try:
            entries = self.firewall.entries()
        except Missing:
            self._restore(now_ms)
            return self._look_wait_ms()
        except FirewallError:
            self.counts["firewall_failed"] += 1
            self.failing = True
            return _RETRY_MS
        self.failing = False
        there = {(index, address): left_ms for index, address, left_ms, _ in entries}
        services = {service.index: service for service in self.policy.services}
        for index, address, _, _ in entries:
            if not self.grants.of_entry((index, address)):  # it could not be taken away, or nobody granted it
                try:
                    self.firewall.remove(services[index], address)
                except FirewallError:
                    self._loop.sooner(self._looks, now_ms, _RETRY_MS)
        for grant in list(self.grants.live):
            if grant.key() in there:
                if grant.service.idle_s:  # traffic has renewed it; ipset rounds seconds down, so look once more at 0
                    grant.end_ms = after(now_ms, max(there[grant.key()], _LAST_LOOK_MS))
            else:
                self._vanished(grant, now_ms)
        self._plan(now_ms)
        return self._look_wait_ms()

    def _vanished(self, grant, now_ms):
        """The kernel has no entry any more: used up, ended by the kernel, or taken away by somebody."""
        service = grant.service
        early = left(now_ms, grant.end_ms) > _LATE_MS
        if service.one_shot and early:
            self._end(grant, now_ms, "used")
        elif service.idle_s:
            self._end_idle(grant, now_ms, early)
        elif early:
            self._put_back(grant, now_ms)
        # else: its timer is about to tell it

    def _end_idle(self, grant, now_ms, early):
        if left(now_ms, grant.max_end_ms) <= _LATE_MS:
            self._end(grant, now_ms, "expired", "max")
        elif early:
            self._end(grant, now_ms, "closed", "firewall")
        else:
            self._end(grant, now_ms, "idle")

    def _restore(self, now_ms):
        """Rules or sets are gone: make them again, and give the grants their entries back with what was left."""
        try:
            self.firewall.install(self.policy)
        except FirewallError as error:
            self.counts["firewall_failed"] += 1
            self.failing = True
            self._events.caused_by(b"", 0, 0)
            if self._events.noise(now_ms, REFUSED):
                self._events.tell(now_ms, "refused", reason=str(error))
            self._loop.sooner(self._looks, now_ms, _RETRY_MS)
            return
        self.counts["restored"] += 1
        self.failing = False
        self._events.tell(now_ms, "firewall_changed", restored=True)
        try:
            there = {entry[:2] for entry in self.firewall.entries()}
        except FirewallError:
            there = set()
        for grant in list(self.grants.live):
            if grant.key() not in there:
                # What an idle or one-shot grant used up meanwhile cannot be known.
                if grant.service.idle_s or grant.service.one_shot:
                    self._end(grant, now_ms, "closed", "firewall")
                else:
                    self._put_back(grant, now_ms)
        self._plan(now_ms)

    def _put_back(self, grant, now_ms):
        left_s = self.grants.entry_left(grant.key(), now_ms)[0] // 1000
        if left_s < 1:
            return
        try:
            self.firewall.add(grant.service, grant.address, left_s, 0, False)
        except FirewallError:
            self._loop.sooner(self._looks, now_ms, _RETRY_MS)

    # Ends

    def _end_due(self, now_ms):
        """Timer: tell the grants whose end has come. Returns the wait to the next end."""
        for grant in self.grants.due(now_ms):
            if grant in self.grants.live:
                if grant.service.idle_s or grant.service.one_shot:
                    self._look(now_ms)  # traffic may have renewed it, or a connection used it
                    if grant not in self.grants.live or left(now_ms, grant.end_ms) > 0:
                        continue
                if grant.service.idle_s:
                    self._end_idle(grant, now_ms, False)
                else:
                    self._end(grant, now_ms, "expired", "ttl")
        return self.grants.next_ms(now_ms)

    def _plan(self, now_ms):
        self._loop.start(self._ends, now_ms, self.grants.next_ms(now_ms))
        self._loop.sooner(self._looks, now_ms, self._look_wait_ms())

    def _look_wait_ms(self):
        """What the kernel announces costs nothing while nobody is in; the rest must be looked for."""
        if not self.firewall.rules_announced():
            return _CHECK_MS
        for grant in self.grants.live:
            if grant.service.idle_s or grant.service.one_shot or not self.firewall.ANNOUNCED:
                return _CHECK_MS
        return -1


def _named(grant):
    return {"service": grant.service.name, "client": grant.client, "source": format_address(grant.address)}
