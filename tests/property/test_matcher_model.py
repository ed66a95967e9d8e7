"""The matcher against a plain model: dictionaries, times without end, and the rules as a person would tell them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from common.knocking import Knocking
from knocklet.core import verdict
from knocklet.core.clock import MASK

DAY_MS = 86_400_000
SOURCES = (bytes([198, 51, 100, 2]), bytes([203, 0, 113, 9]), b"\x20\x01\x0d\xb8" + bytes(12), b"\xc6\x33\x64\x02" + bytes(12))
STEPS = [(protocol, port) for protocol in (6, 17) for port in range(1001, 1006)]
DECOYS = (900, 2000)
OTHERS = [(6, 900), (17, 2000), (6, 22)]  # two decoys, and a port that is nothing


class Sequence:
    def __init__(self, steps, window_ms):
        self.steps, self.window_ms = steps, window_ms

    def __repr__(self):
        return f"{self.steps} in {self.window_ms} ms"


class PlainMatcher:
    """`attempts` and `ends` hold what is remembered of each source; a source that rests is one with three ends."""

    def __init__(self, sequences, decoys):
        self.sequences, self.decoys = sequences, decoys
        self.attempts = {}  # (source, sequence number) -> [time of its first step, steps seen]
        self.ends = {}  # source -> [attempts that decoys have ended, time of the last]

    def knock(self, source, protocol, port, now):
        """What happened: its name by sequence, or one name for all of them (None)."""
        for key, (since, _) in list(self.attempts.items()):
            if now - since >= self.sequences[key[1]].window_ms:
                del self.attempts[key]
        if source in self.ends and now - self.ends[source][1] >= 60_000:
            del self.ends[source]
        if port in self.decoys:
            return {None: self._decoy(source, now)}
        if not any((protocol, port) in sequence.steps for sequence in self.sequences):
            return {None: "other_port"}
        return {
            number: self._step(source, number, sequence.steps.index((protocol, port)), now)
            for number, sequence in enumerate(self.sequences)
            if (protocol, port) in sequence.steps
        }

    def _decoy(self, source, now):
        running = [key for key in self.attempts if key[0] == source]
        for key in running:
            del self.attempts[key]
        if not running:
            return "decoy"
        count = self.ends[source][0] + 1 if source in self.ends else 1
        self.ends[source] = [count, now]
        return "sweep" if count >= 3 else "decoy_ended"

    def _step(self, source, number, step, now):
        key = source, number
        last = len(self.sequences[number].steps) - 1
        seen = self.attempts[key][1] if key in self.attempts else 0
        if step < seen:
            return "step_repeated"
        if step > seen:
            return "step_out_of_turn" if self.attempts.pop(key, None) else "step_alone"
        if step == 0 and self.ends.get(source, (0, 0))[0] >= 3:
            return "resting"
        if step == last:
            self.attempts.pop(key, None)
            return "complete"
        if step == 0:
            self.attempts[key] = [now, 1]
            return "step_started"
        self.attempts[key][1] += 1
        return "step_advanced"


sequences = st.lists(
    st.builds(
        Sequence,
        st.lists(st.sampled_from(STEPS), min_size=1, max_size=5, unique_by=lambda step: step[1]),
        st.sampled_from((1_000, 10_000, 60_000)),
    ),
    min_size=1,
    max_size=5,
)
waits = st.sampled_from((0, 1, 10, 100, 100, 400, 400, 999, 1_000, 5_000, 9_999, 30_000, 59_999, 60_000, DAY_MS))
starts = st.sampled_from((0, 1, MASK - 70_000, MASK - 1_000, MASK))

# What a source does: the next step of a sequence, that one and a step too far, the first step and then a decoy, or any port at
# all. Of random ports alone hardly any get anywhere.
moves = st.lists(
    st.tuples(
        st.sampled_from((0, 0, 0, 1, 2, 3)),
        st.one_of(
            st.tuples(st.sampled_from(("next", "next", "next", "too far", "stumble")), st.integers(0, 4)),
            st.tuples(st.just("port"), st.sampled_from(STEPS + OTHERS)),
        ),
        waits,
    ),
    min_size=20,
    max_size=60,
)


def ports_of(move, what, sequences, seen):
    """The (protocol, port) that this move sends; `seen` is the number of steps seen of the attempt that it goes on with."""
    if move == "port":
        return [what]
    steps = sequences[what % len(sequences)].steps
    if move == "stumble":
        return [steps[0], (6, DECOYS[0])]
    return [steps[min(seen + (move == "too far"), len(steps) - 1)]]


@settings(max_examples=300, deadline=None)
@given(sequences, moves, starts)
def test_matcher_does_as_the_model(sequences, moves, start):
    knocking = Knocking(sequences, DECOYS)
    model = PlainMatcher(sequences, DECOYS)
    now = start
    for number, (move, what), wait in moves:
        source = SOURCES[number]
        now += wait
        if wait == DAY_MS:
            knocking.attempts.forget_old(now & MASK)  # as the engine does every day
        seen = 0 if move == "port" else model.attempts.get((source, what % len(sequences)), (0, 0))[1]
        for protocol, port in ports_of(move, what, sequences, seen):
            names = model.knock(source, protocol, port, now)
            found = knocking.knock(source, protocol, port, now & MASK)
            assert verdict.NAMES[found] in names.values()
            completed = [number for number, name in names.items() if name == "complete"]
            assert (found == verdict.COMPLETE) == bool(completed)
            if completed:
                assert knocking.completed() == completed


def test_the_sources_share_no_group():
    """So that none pushes another out: that is another test's matter (test_attempts_model.py)."""
    knocking = Knocking([Sequence([(6, 1)], 1000)])
    groups = set()
    for source in SOURCES:
        knocking.attempts.select(source, 0, len(source))
        groups.add(knocking.attempts.place(0, 0) // 8)
    assert len(groups) == len(SOURCES)
