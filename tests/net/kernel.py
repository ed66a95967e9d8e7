"""What the kernel says, past the engine: whom the firewall lets in, and what a process uses."""

import json
import os
import re
from contextlib import suppress

from lab.waiting import wait_until

_SET = re.compile(r"knocklet_(\d+)_[46]_[0-9a-f]+(?:_(idle|max))?")
_IPSET_ENTRY = re.compile(r"add (\S+) (\S+) timeout (\d+)")


def entries(lab):
    """{(service index, address as text): seconds left} of whom the kernel lets in, if there is no traffic."""
    found = {}
    for name, address, left_s in (*_nft(lab.gateway), *_ipset(lab.gateway)):
        index, kind = _SET.fullmatch(name).groups()
        found.setdefault((int(index), address), {})[kind] = left_s
    # A service with idle has two sets, and lets in who is in both.
    return {key: min(left.values()) for key, left in found.items() if None in left or len(left) == 2}


def _nft(gateway):
    """(set, address, seconds left) of every element in our table."""
    answer = gateway.run(["nft", "-j", "list", "table", "inet", "knocklet"], check=False)
    for item in json.loads(answer.stdout)["nftables"] if answer.returncode == 0 else ():
        for element in item.get("set", {}).get("elem", ()):
            yield item["set"]["name"], element["elem"]["val"], element["elem"].get("expires", 0)


def _ipset(gateway):
    for name, address, left_s in _IPSET_ENTRY.findall(gateway.run(["ipset", "save"]).stdout):
        if name.startswith("knocklet_"):
            yield name, address, int(left_s)


def cpu_ms(process):
    """Milliseconds of processor time that a Popen has used, by the scheduler's own clock."""
    with open(f"/proc/{process.pid}/schedstat") as file:
        return int(file.read().split()[0]) / 1e6


def status_of(process, name):
    """A number of /proc/PID/status, as VmRSS in kB."""
    with open(f"/proc/{process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name + ":"))


def has_not_grown(process, rss_kb, margin_kb):
    """Its VmRSS. For a moment it may have: what the heap gives back is touched first (edge/heap.py)."""
    wait_until(lambda: status_of(process, "VmRSS") - rss_kb < margin_kb, f"it needs no more memory than {rss_kb} kB")


def descriptors(process):
    """What its open file descriptors lead to, sorted: sockets by kind only."""
    links = []
    for name in os.listdir(f"/proc/{process.pid}/fd"):
        with suppress(FileNotFoundError):  # closed just now
            links.append(os.readlink(f"/proc/{process.pid}/fd/{name}").partition(":")[0])
    return sorted(links)
