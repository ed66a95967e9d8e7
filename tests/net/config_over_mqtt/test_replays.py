"""Sealed messages of the holder that come again, late, or in another order: after a restart, without the store, by another
clock. What was taken once is not taken again, and the holder's last word stands.

    engine (gateway) <-- AF_UNIX SOCK_SEQPACKET --> the attacker, who has recorded what the holder of the key has sent
"""

import pytest
from net.attacker import VERSION_AT, Attacker
from net.clients import YEAR_S, in_use, knock, write_store
from net.fake_clock import FakeClock
from net.holder import Holder
from net.marks import one_firewall
from net.trials import BACK, FRONT, SIDE, in_force, opens, with_steps
from net.untouched import state

from knocklet.core.replay_records import HIGHEST, PLACES

pytestmark = one_firewall

SSH = 1


@pytest.fixture
def config(config, anna):
    config["clients"] = {"anna": anna.entry("ssh")}
    return config


@pytest.fixture
def engine(engine):
    """Its clock is trusted."""
    return in_use(engine)


class TestAgain:
    """Everything that the holder has ever sent comes again."""

    @pytest.fixture
    def before(self, lab, dut, config):
        """All of it. Returns (messages, the state)."""
        with Attacker(dut) as holder:
            holder.kept(with_steps(config, back=BACK))
            holder.kept(with_steps(config, back=BACK, side=SIDE))
            holder.push(config)
            holder.obeyed("rollback")
            holder.obeyed("open", service="ssh", source=lab.attacker.ip4)
            for verb in ("disarm", "arm", "close_all", "reload", "selftest", "pull"):
                holder.obeyed(verb)
            holder.obeyed("close", service="ssh")
        return holder.sent, state(lab, dut)

    def again(self, lab, dut, messages):
        """Answers that were given."""
        with Attacker(dut) as attacker:
            return [answer for message in messages if (answer := attacker.told(message))]

    def changed(self, lab, dut, before, ignore=()):
        """What is not as it was."""
        after = state(lab, dut)
        status = {key for key in before["status"] if before["status"][key] != after["status"][key]} - set(ignore)
        files = {name for name in before["files"] if before["files"][name] != after["files"].get(name)} - set(ignore)
        return status | files | {key for key in ("grants", "kernel") if before[key] != after[key]}

    def test_at_once_and_after_a_restart(self, lab, dut, before):
        messages, state = before
        assert self.again(lab, dut, messages) == []
        assert self.changed(lab, dut, state) == set()
        dut.restart()
        assert self.again(lab, dut, messages[::-1]) == []
        assert self.changed(lab, dut, state, ["counts", "boot"]) == set()
        assert dut.ask("status")["sealed_dropped"] == {"old": len(messages)}
        assert opens(lab, dut, FRONT, BACK, SIDE) == [FRONT, BACK, SIDE]

    def test_without_the_store(self, lab, dut, before):
        """Nobody knows any more what was taken: what is older than the engine's start is not."""
        messages, state = before
        for damage in ("deleted", "zeros", "short", "floor"):
            dut.kill()
            for name in ("replay.a", "replay.b"):
                path = dut.state_dir / name
                data = path.read_bytes()
                if damage == "deleted":
                    path.unlink()
                else:
                    path.write_bytes(
                        {"zeros": bytes(len(data)), "short": data[:100], "floor": data[:9] + b"\xff" + data[10:]}[damage]
                    )
            dut.start()
            assert self.again(lab, dut, messages[::2]) == [], damage
            assert self.changed(lab, dut, state, ["boot", "counts", "store"]) == set(), damage
        with Holder(dut) as holder:
            assert holder.ask("selftest")["status"] == "ok"
        assert opens(lab, dut, FRONT, BACK, SIDE) == [FRONT, BACK, SIDE]


def test_without_store_and_clock(lab, engine, config):
    """No configuration and nothing that opens is taken; an order that closes is, whoever brings it again."""
    engine.start()
    with Attacker(engine) as holder:
        holder.kept(with_steps(config, back=BACK))
        holder.push(with_steps(config, back=BACK, side=SIDE))
        holder.obeyed("rollback")
        holder.obeyed("open", service="ssh", source=lab.attacker.ip4)
        holder.obeyed("close_all")
    version = in_force(engine)
    engine.kill()
    engine.trust_clock(False)
    for name in ("replay.a", "replay.b"):
        (engine.state_dir / name).unlink()
    engine.start()
    with Attacker(engine) as attacker:
        answers = [attacker.told(message) for message in holder.sent]
    obeyed = [one for one in answers if one and one["status"] == "ok"]
    assert [one["data"] for one in obeyed] == [{"closed": 0}]
    assert in_force(engine) == version
    assert engine.ask("grants")["grants"] == []
    assert engine.ask("status")["armed"]


def test_a_year_behind(lab, engine, config):
    """The gateway's clock is, and is not trusted: all that was sent before is old, and what opens waits for the clock."""
    engine.start()
    with Attacker(engine) as holder:
        holder.kept(with_steps(config, back=BACK))
        holder.obeyed("open", service="ssh", source=lab.attacker.ip4)
        holder.obeyed("close_all")
    before = in_force(engine)
    engine.kill()
    engine.trust_clock(False)
    clock = FakeClock(engine, -YEAR_S)
    engine.start()
    with Attacker(engine) as attacker:
        assert [attacker.told(message) for message in holder.sent] == [None] * len(holder.sent)
        answer = attacker.ask("open", service="ssh", source=lab.attacker.ip4)
        assert answer["status"] == "error" and "not trusted" in answer["error"]
        assert in_force(engine) == before
        held_back = attacker.command_message("open", service="ssh", source=lab.attacker.ip4)
        clock.set(3600)
        clock.ntp()
        answer = attacker.told(held_back)
        assert answer["status"] == "error" and "it expired " in answer["error"]
    assert engine.ask("grants")["grants"] == []


def test_in_another_order(lab, dut, config):
    """The last word of the holder stands: what came before it is old."""
    with Attacker(dut) as attacker:
        arm, disarm = attacker.command_message("arm"), attacker.command_message("disarm")
        assert attacker.told(disarm)["status"] == "ok"
        assert attacker.told(arm) is None
        assert not dut.ask("status")["armed"]
        wide, narrow = attacker.config_message(with_steps(config, back=BACK)), attacker.config_message(config)
        confirm = attacker.command_message("confirm", version=narrow[VERSION_AT : VERSION_AT + 8].hex())
        assert attacker.told(narrow)["status"] == attacker.told(confirm)["status"] == "ok"
        assert attacker.told(wide) is None
        assert in_force(dut) == narrow[VERSION_AT : VERSION_AT + 8].hex() + " from MQTT"
    dut.restart()
    assert not dut.ask("status")["armed"]
    assert opens(lab, dut, FRONT, BACK) == [FRONT], "the verdict; nothing opens while disarmed"
    assert dut.events("opened") == []


def test_disarmed_stays(lab, engine, config, anna, ben):
    """Also when somebody at the gateway armed it by a clock that was wrong, and when the store is full."""
    config["clients"]["ben"] = ben.entry("ssh")
    engine.write_config(config)
    write_store(engine.state_dir, [(b"fill%04d" % i + b"\0", HIGHEST - 1) for i in range(PLACES - 4)])
    engine.trust_clock(False)
    clock = FakeClock(engine, YEAR_S)
    engine.start()
    engine.ask("arm")
    clock.set(0)
    clock.ntp()
    with Attacker(engine) as holder:
        assert holder.obeyed("disarm") == {"armed": False}
    engine.restart()
    assert not engine.ask("status")["armed"]
    for client in (anna, ben):
        assert knock(lab, engine, client.packet(SSH)) == "accepted"
    assert engine.ask("grants")["grants"] == []
    engine.restart()
    assert not engine.ask("status")["armed"]
