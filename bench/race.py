"""Candidates in turn, in one run: what disturbs the machine disturbs them all.

Each has a lab of its own, so that none hears the others' packets or trips over their rules. Client and gateway are two
machines: the client gets a core of its own, the gateway's processes the others. Without that the client's probes and the
daemon that they wait for stand in line for one core. Where the gateway's core is a virtual one, the hypervisor takes it away
when nothing runs, and gives it back after 0.1 to 0.2 ms, differently from minute to minute: for all candidates alike, a process
that runs only when nobody else wants to (SCHED_IDLE) keeps it.
"""

import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager

from .place import place
from .sample import sample_ms


@contextmanager
def candidates(firewall, *kinds):
    """One of each kind (classes of peers/), up and warm, each in a place of its own."""
    with ExitStack() as places:
        made = []
        for kind in kinds:
            made.append(kind(places.enter_context(place(firewall))))
            made[-1].start()
            _warm_up(made[-1])
        yield made


def _warm_up(candidate, tries=5):
    """A few knocks that do not count, until two in a row have opened: it is up, and nothing happens for the first time."""
    opened = 0
    for _ in range(tries):
        opened = opened + 1 if sample_ms(candidate) < 1000 else 0
        if opened == 2:
            return
    raise RuntimeError(f"{candidate.NAME}: its knocks do not open")


def race(rounds, samples):
    """Take a sample of each candidate in turn. `samples`: candidate -> how many in all the rounds; the first one varies.

    Returns candidate's NAME -> its milliseconds, sorted.
    """
    taken = {candidate.NAME: [] for candidate in samples}
    with _apart([candidate.pid for candidate in samples if candidate.pid]):
        for number in range(rounds):
            here = [candidate for candidate, count in samples.items() if number % (rounds // count) == 0]
            first = number % len(here)
            for candidate in here[first:] + here[:first]:
                taken[candidate.NAME].append(sample_ms(candidate))
    return {name: sorted(values) for name, values in taken.items()}


@contextmanager
def _apart(pids):
    """This process has the first core for itself, these (and what they start) have the rest."""
    cores = os.sched_getaffinity(0)
    client = {min(cores)}
    gateway = cores - client or cores
    for pid in pids:
        os.sched_setaffinity(pid, gateway)
    idlers = [_keep_awake(core) for core in gateway]
    os.sched_setaffinity(0, client)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        for idler in idlers:
            idler.kill()
            idler.wait()


def _keep_awake(core):
    """A process that takes what nobody else wants of this core; it ends with this one (as its pipe then does)."""
    program = (
        "import os, select, sys\n"
        "os.sched_setaffinity(0, {int(sys.argv[1])})\n"
        "os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\n"
        "while not select.select([0], [], [], 0)[0]: sum(range(100))\n"
    )
    return subprocess.Popen([sys.executable, "-c", program, str(core)], stdin=subprocess.PIPE)


def median(values):
    """Of sorted values."""
    return values[len(values) // 2]


def p99(values):
    """Of sorted values, the one that 99 of 100 do not exceed."""
    return values[-(-99 * len(values) // 100) - 1]
