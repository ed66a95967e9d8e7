"""What the kernel tells of a running process."""

import os
from pathlib import Path


def memory_kb(pid):
    """{"Rss": kB, "Anonymous": kB, ...} of /proc/PID/smaps_rollup."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}


def sleeps(pid):
    """How often it has gone to sleep since it was started: as often as it was woken."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    raise RuntimeError(f"no voluntary_ctxt_switches of process {pid}")


def cpu_s(pid):
    """Seconds of processor time that it has used, in user space and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
