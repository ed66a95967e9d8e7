"""One group of the table of attempts against a plain model: a list of at most eight, with the rule who makes room."""

from hypothesis import given, settings
from hypothesis import strategies as st

from knocklet.core.attempts import ENDS, ENTRIES, GUARD, KEY_BYTES, Attempts
from knocklet.core.clock import MASK

WINDOWS = {0: 1_000, 1: 60_000, GUARD: 60_000}
SOURCES = [bytes([10, 0, 0, i]) for i in range(6)] + [bytes([10, 0, 0, i]) + bytes(12) for i in range(6)]
TABLE = Attempts(bytes(KEY_BYTES))  # this key puts all sources into one group
for kind, window_ms in WINDOWS.items():
    TABLE.set_window(kind, window_ms)


class PlainGroup:
    """entries: list of [source, kind, since, step]."""

    def __init__(self):
        self.entries = []

    def forget(self, now):
        self.entries = [entry for entry in self.entries if now - entry[2] < WINDOWS[entry[1]]]

    def find(self, source, kind):
        return next((entry for entry in self.entries if entry[:2] == [source, kind]), None)

    def place(self, source, kind, now):
        if len(self.entries) == 8:
            give_way = [entry for entry in self.entries if entry[3] < (ENDS if entry[1] == GUARD else 2)]
            give_way = give_way or [entry for entry in self.entries if entry[1] == GUARD]
            if not give_way:
                return
            self.entries.remove(min(give_way, key=lambda entry: entry[2]))
        self.entries.append([source, kind, now, 1])


places = st.tuples(st.just("place"), st.sampled_from(SOURCES), st.sampled_from((0, 1, 1, GUARD)), st.just(0))
others = st.tuples(
    st.sampled_from(("advance", "advance", "advance", "free", "touch", "end_all")),
    st.sampled_from(SOURCES),
    st.sampled_from((0, 1, 1, GUARD)),
    st.just(0),
)
waits = st.tuples(st.just("wait"), st.just(SOURCES[0]), st.just(0), st.sampled_from((400, 999, 1_000, 59_000)))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(places, places, places, others, others, waits), min_size=20, max_size=80),
    st.sampled_from((0, MASK - 90_000)),
)
def test_group_does_as_the_model(moves, start):
    for entry in range(ENTRIES):
        TABLE.free(entry)
    model = PlainGroup()
    now = start
    for move, source, kind, wait in moves:
        now += 1 + wait  # never two at one time: which of two equally old ones goes does not matter
        model.forget(now)
        TABLE.select(source, 0, len(source))
        entry = TABLE.find(kind, now & MASK)
        there = model.find(source, kind)
        assert (entry >= 0) == (there is not None)
        if move == "place" and not there:
            made = TABLE.place(kind, now & MASK)
            model.place(source, kind, now)
            assert (made >= 0) == (model.find(source, kind) is not None)
        elif move == "advance" and there:
            TABLE.step[entry] += 1
            there[3] += 1
        elif move == "free" and there:
            TABLE.free(entry)
            model.entries.remove(there)
        elif move == "touch" and there:
            TABLE.touch(entry, now & MASK)
            there[2] = now
        elif move == "end_all":
            mine = [e for e in model.entries if e[0] == source and e[1] != GUARD]
            assert TABLE.end_all(now & MASK) == len(mine)
            model.entries = [e for e in model.entries if e not in mine]
        check(model, now)
    assert TABLE.live(now & MASK) == len(model.entries)


def check(model, now):
    for source in SOURCES:
        TABLE.select(source, 0, len(source))
        for kind in WINDOWS:
            entry = TABLE.find(kind, now & MASK)
            there = model.find(source, kind)
            assert (TABLE.step[entry] if entry >= 0 else None) == (there[3] if there else None)
