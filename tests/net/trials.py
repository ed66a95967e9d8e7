"""What tests of configurations over MQTT ask again and again: tried? refused? in force? stored?"""

import copy

from net.clients import became

FRONT = ["7000/tcp", "9100/udp", "8000/tcp"]
BACK = ["7100/tcp", "9200/udp", "9300/tcp"]
SIDE = ["7200/tcp", "9400/udp", "9500/tcp"]
FILE = "the file"


def with_steps(config, **sequences):
    """With more ways in, each for admin."""
    changed = copy.deepcopy(config)
    changed["sequences"] |= {name: {"steps": steps, "open": ["admin"]} for name, steps in sequences.items()}
    return changed


def tried(holder, config):
    version, answer = holder.push(config)
    assert answer["status"] == "ok" and answer["data"]["trial"], answer
    return version


def refused(answer, why):
    assert answer["status"] == "error" and why in answer["error"], answer


def opens(lab, dut, *ways):
    """Which of these sequences open."""
    found = []
    for steps in ways:
        if became(dut, lambda: lab.knock(steps))["complete"]:  # noqa: B023
            found.append(steps)
    dut.ask("close", all=True)
    return found


def in_force(dut):
    return dut.ask("status")["config"]


def stored(dut):
    """The names of the configurations that lie in its state directory."""
    return sorted(path.name for path in dut.state_dir.glob("config*"))
