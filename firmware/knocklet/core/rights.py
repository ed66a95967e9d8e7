"""Who may open what, and by which key: whoever has lost it by a new policy loses what he has opened, too."""

from .grants import RESTORED


class Rights:
    def __init__(self):
        self._now = {}  # name of a client or sequence -> (indexes of the services that it may open, what it proves itself by)

    def lost(self, policy, grants):
        """This policy is in force from now on. Returns those of the grants that it does not give."""
        before = self._now
        self._now = {
            one.name: ([service.index for service in one.services], (str(one.steps),)) for one in policy.sequences if one.opens
        }
        for one in policy.clients:
            keys = (one.fingerprint, one.fwknop_fingerprint)
            self._now[one.name] = ([service.index for service in one.services], [key for key in keys if key])
        return [grant for grant in grants if self._is_lost(grant, before)]

    def _is_lost(self, grant, before):
        # Whose a grant was that the kernel held over a restart is not known: it may be that of one who has lost it.
        names = before if grant.client == RESTORED else [name for name in before if name == grant.client]
        return any(self._has_lost(name, grant.service.index, before[name]) for name in names)

    def _has_lost(self, name, index, before):
        """Could it open the service with this index, and can no more, or with another key only?"""
        services, keys = self._now.get(name, ((), ()))
        return index in before[0] and (index not in services or any(key not in keys for key in before[1]))
