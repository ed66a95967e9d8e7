"""kill -9 at each system call of the whole engine while it puts a configuration into force: it starts on the old or the new
one, and who was in is still in, and nobody else.

    engine (gateway, under strace) <-- AF_UNIX SOCK_SEQPACKET --> the holder of the gateway's key
"""

import pytest
from net import kernel
from net.holder import Holder
from net.marks import one_firewall
from net.trials import BACK, FRONT, SIDE, in_force, opens, tried, with_steps
from storage.replaying import traced

pytestmark = one_firewall

SSH = 1
ALL_WAYS = FRONT, BACK, SIDE
MOST = 60  # of one call: it makes fewer
LONG = [pytest.param(name, marks=pytest.mark.long) for name in ("sendto", "openat", "close", "recvfrom", "lseek", "poll")]
CALLS = ["write", "fsync", "rename", *LONG]


def killed_at(engine, name, nth, say):
    """Was it killed before this system call, while it obeyed? say(): what it is told."""
    with traced(engine.process, "-e", f"trace={name}", "-e", f"inject={name}:signal=KILL:when={nth}"):
        try:
            say()
        except (ValueError, OSError):  # the connection has ended
            pass
        else:
            return False
    engine.process.wait(5)
    return True


def is_as_it_was(lab, engine, version, ways):
    """In force is the configuration of this version, whole; who is in is in, and nobody else."""
    assert in_force(engine) == f"{version} from MQTT"
    assert list(kernel.entries(lab)) == [(SSH, lab.client.ip4)]
    assert opens(lab, engine, *ALL_WAYS) == [steps for steps in ALL_WAYS if steps in ways]
    lab.knock(FRONT)
    engine.expect_event("opened", service="ssh")


def kept_and_open(lab, engine, config):
    engine.start()
    with Holder(engine) as holder:
        version = holder.kept(with_steps(config, back=BACK))
    lab.knock(FRONT)
    engine.expect_event("opened", service="ssh")
    return version


@pytest.mark.parametrize("name", CALLS)
def test_push(lab, engine, config, name):
    """A trial is over with the restart; what was kept before it is in force."""
    version = kept_and_open(lab, engine, config)
    for nth in range(1, MOST):
        with Holder(engine) as holder:
            killed = killed_at(engine, name, nth, lambda: holder.push(with_steps(config, side=SIDE)))
        engine.restart()
        is_as_it_was(lab, engine, version, [FRONT, BACK])
        if not killed:
            break
    assert 1 < nth < MOST - 1


@pytest.mark.parametrize("name", CALLS)
def test_confirm(lab, engine, config, name):
    """One of both is in force; when it was answered, the new one."""
    old, new = kept_and_open(lab, engine, config), None
    ways = {"back": BACK, "side": SIDE}
    names = {old: "back"}
    for nth in range(1, MOST):
        other = "side" if names[old] == "back" else "back"
        with Holder(engine) as holder:
            new = tried(holder, with_steps(config, **{other: ways[other]}))
            killed = killed_at(engine, name, nth, lambda: holder.obeyed("confirm", version=new))  # noqa: B023
        engine.restart()
        names[new] = other
        found = in_force(engine).partition(" ")[0]
        assert found in ((old, new) if killed else (new,))
        is_as_it_was(lab, engine, found, [FRONT, ways[names[found]]])
        old = found
        if not killed:
            break
    assert 1 < nth < MOST - 1
