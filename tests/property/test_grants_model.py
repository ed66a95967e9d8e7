"""The grants against a plain model: a dictionary of ends, in times that never wrap."""

from hypothesis import given, settings
from hypothesis import strategies as st

from knocklet.core.clock import MASK
from knocklet.core.grants import RESTORED, Grants


class Service:
    def __init__(self, index, ttl_s, idle_s, max_s):
        self.index, self.ttl_s, self.idle_s, self.max_s = index, ttl_s, idle_s, max_s

    def life_s(self, wanted_s=0):
        life_s = self.idle_s or self.ttl_s
        return (min(life_s, wanted_s), min(self.max_s, wanted_s)) if wanted_s else (life_s, self.max_s)


SERVICES = (Service(1, 30, 0, 0), Service(2, 0, 20, 120), Service(3, 86_400, 0, 0), Service(4, 1, 0, 0))
ADDRESSES = (bytes([198, 51, 100, 2]), bytes(range(16)))
CLIENTS = ("front", "back")

moves = st.lists(
    st.tuples(
        st.sampled_from(("put", "put", "put", "adopt", "end", "expire")),
        st.sampled_from(SERVICES),
        st.sampled_from(ADDRESSES),
        st.sampled_from(CLIENTS),
        st.sampled_from((0, 1, 500, 999, 1_000, 15_000, 60_000, 86_400_000)),
    ),
    min_size=10,
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(moves, st.sampled_from((0, 5, MASK - 100_000, MASK - 86_400_000)))
def test_grants_do_as_the_model(moves, now):
    grants = Grants()
    model = {}  # (service, address, client) -> [end, end at most, since]
    for move, service, address, client, wait in moves:
        now += wait
        key = service, address, client
        if move == "put":
            adopted = model.pop((service, address, RESTORED), None) if key not in model else None
            expected_new = key not in model
            since = now if expected_new else model[key][2]
            model[key] = [now + 1000 * (service.ttl_s or service.idle_s), now + 1000 * service.max_s, since]
            before = len(grants.live)
            grant, new = grants.put(service, address, client, now & MASK)
            assert new == expected_new
            assert grant is grants.find(service, address, client)
            assert len(grants.live) - before == (1 if new and not adopted else 0)
        elif move == "adopt" and not grants.of_entry((service.index, address)):  # the engine adopts at its start only
            model[service, address, RESTORED] = [now + 7_000, now + 9_000, now]
            grants.adopt(service, address, 7_000, 9_000, now & MASK)
        elif move == "end":
            grant = grants.find(service, address, client)
            assert (grant is not None) == (key in model)
            if grant:
                del model[key]
                assert grants.end(grant) == (not any(k[:2] == key[:2] for k in model))
        elif move == "expire":
            due = grants.due(now & MASK)
            expected = {k for k, ends in model.items() if ends[0] <= now}
            assert {(g.service, g.address, g.client) for g in due} == expected
            assert len(due) == len(expected)
            for grant in due:
                grants.end(grant)
                del model[grant.service, grant.address, grant.client]
        check(grants, model, now)
        # Nothing outlives its end by days: the engine expires what is due.
        if any(ends[0] < now - 86_400_000 for ends in model.values()):
            for grant in grants.due(now & MASK):
                grants.end(grant)
            model = {k: ends for k, ends in model.items() if ends[0] > now}


def check(grants, model, now):
    live = {(g.service, g.address, g.client): g for g in grants.live}
    assert live.keys() == model.keys()
    assert len(live) == len(grants.live)
    assert all(grant.since_ms == model[key][2] & MASK for key, grant in live.items())
    waits = [max(0, ends[0] - now) for ends in model.values()]
    assert grants.next_ms(now & MASK) == (min(waits) if waits else -1)
    for service in SERVICES:
        for address in ADDRESSES:
            shared = [ends for key, ends in model.items() if key[:2] == (service, address)]
            left_ms = max([0] + [ends[0] - now for ends in shared])
            max_left_ms = max([0] + [ends[1] - now for ends in shared])
            assert grants.entry_left((service.index, address), now & MASK) == (left_ms, max_left_ms)
