"""Which ports matter right now, for matcher and kernel filter: fixed and one-time steps, decoys, those of signed packets."""

from ..core import bpf, decoys, filter
from ..core.matcher import SEQUENCES
from ..core.packet import TCP, UDP
from ..core.policy import no_decoys


class Ports:
    def __init__(self, matcher, interfaces, knocks):
        self.policy = None
        self.decoys = []  # as they are now: some make room for one-time steps
        self.clients = None  # edge.client_knocks.ClientKnocks, where there are clients with keys
        self.filters = []  # names of the filters that were offered, as Interface.filter counts them
        self._chosen = []  # decoys as they were chosen
        self._matcher = matcher
        self._interfaces = interfaces
        self._knocks = knocks

    def apply(self, policy, chosen):
        """A new policy, with these decoys. Returns the filters for Interfaces.set."""
        self.policy = policy
        self._chosen = chosen
        self._match(True)
        return self._filters()

    def time_changed(self, _now_ms):
        """Other one-time steps, or tags, are right than before."""
        self._match(False)
        self._interfaces.filter(self._filters())

    def _match(self, anew):
        before = self._knocks.sequences
        sequences = numbered(self.policy.sequences, before)
        one_time = self.clients.sequences if self.clients else {}
        sequences.update(one_time)
        taken = {port for number in one_time for _, port in one_time[number].steps}
        self.decoys = decoys.beside(self._chosen, taken, no_decoys(self.policy))
        kept = {number for number in sequences if number in before and _same(sequences[number], before[number])}
        self._matcher.set_sequences(sequences, self.decoys, kept if anew else None)
        self._knocks.sequences = sequences

    def _filters(self):
        """The best one first; one that is longer than the kernel takes is left out."""
        ports = {TCP: set(self.decoys), UDP: set(self.decoys)}
        for sequence in self._knocks.sequences.values():
            for protocol, port in sequence.steps:
                ports[protocol].add(port)
        spa_port, fwknop_port = self.policy.spa_port, self.policy.fwknop_port
        offered = self.clients.spa_blocks() if spa_port else [("ports", None)]
        made = filter.programs(ports[TCP], ports[UDP], spa_port, [block for _, block in offered], fwknop_port)
        fits = [bpf.size(program) <= bpf.LIMIT for program in made]
        self.filters = [name for (name, _), good in zip(offered, fits) if good]
        return [program for program, good in zip(made, fits) if good]

    def filter_of(self, interface):
        """The name of the filter that an interface has."""
        return self.filters[interface.filter] if interface.filter >= 0 else "everything: the kernel had no room for a filter"


def numbered(sequences, before):
    """number -> sequence. One that is as it was has the number that it had in `before`: half-finished knocks go on."""
    found = {}
    new = []
    for sequence in sequences:
        for number in before:
            if number < SEQUENCES and number not in found and _same(sequence, before[number]):
                found[number] = sequence
                break
        else:
            new.append(sequence)
    free = [number for number in range(SEQUENCES) if number not in found]
    found.update(zip(free, new))
    return found


def _same(one, other):
    return one.steps == other.steps and one.window_ms == other.window_ms
