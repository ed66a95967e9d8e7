"""A trial that ends otherwise: not confirmed, broken off, overtaken.
What was in force before is in force again, whole.

    engine (gateway) <-- AF_UNIX SOCK_SEQPACKET --> the holder of the gateway's key
"""

import pytest
from net.holder import Holder
from net.marks import one_firewall
from net.missing import without
from net.trials import BACK, FILE, FRONT, SIDE, in_force, opens, refused, stored, tried, with_steps

from lab.waiting import wait_until

pytestmark = one_firewall


class TestNotConfirmed:
    def test_in_time(self, lab, quick, engine, holder, config):
        """Nobody says a word: at its deadline, and not before, all is as it was."""
        message = holder.config_message(with_steps(config, back=BACK))
        assert holder.say(message, "set")["status"] == "ok"
        began = engine.expect_event("config_trial")
        assert opens(lab, engine, FRONT, BACK) == [FRONT, BACK]
        ended = engine.expect_event("config_rolled_back", version=began["version"], reason="not confirmed")
        assert ended["ts"] - began["ts"] >= 20  # told when it was in force, timed from its arrival
        assert in_force(engine) == FILE
        assert opens(lab, engine, FRONT, BACK) == [FRONT]
        assert stored(engine) == []
        refused(holder.ask("confirm", version=began["version"]), "no trial of ")
        before = engine.ask("status")
        holder.agent.sealed(message)
        wait_until(lambda: engine.ask("status")["sealed_dropped"] == {"old": 1}, "the message sent again is counted")
        assert in_force(engine) == FILE == before["config"]

    def test_after_one_that_was_kept(self, lab, quick, engine, holder, config):
        kept = with_steps(config, back=BACK)
        version = holder.kept(kept)
        tried(holder, with_steps(config, side=SIDE))
        engine.expect_event("config_rolled_back", reason="not confirmed")
        assert in_force(engine) == f"{version} from MQTT"
        assert opens(lab, engine, FRONT, BACK, SIDE) == [FRONT, BACK]
        assert stored(engine) == ["config.sealed"]

    def test_another_one_meanwhile(self, lab, quick, engine, holder, config):
        """It has its own time, and the way back is still to what was kept."""
        first = tried(holder, with_steps(config, back=BACK))
        up_s = engine.ask("status")["uptime_s"]
        wait_until(lambda: engine.ask("status")["uptime_s"] >= up_s + 15, "half of its time is over")
        second = tried(holder, with_steps(config, side=SIDE))
        began = engine.expect_event("config_trial", version=second)
        refused(holder.ask("confirm", version=first), f"in force: {second}, tried")
        assert opens(lab, engine, BACK, SIDE) == [SIDE]
        ended = engine.expect_event("config_rolled_back", version=second)
        assert ended["ts"] - began["ts"] >= 20  # told when it was in force, timed from its arrival
        assert in_force(engine) == FILE
        assert opens(lab, engine, FRONT, BACK, SIDE) == [FRONT]
        assert engine.told("config_rolled_back") == ["config_rolled_back"]

    def test_no_way_back_at_the_deadline(self, lab, quick, engine, holder, config):
        """It is taken as soon as there is one."""
        tried(holder, with_steps(config, back=BACK))
        began, up_s = engine.expect_event("config_trial"), engine.ask("status")["uptime_s"]
        with without(engine.process, "nft"):
            wait_until(lambda: engine.ask("status")["uptime_s"] >= up_s + 35, "the deadline has passed")
            assert "tried" in in_force(engine)
        ended = engine.expect_event("config_rolled_back", reason="not confirmed")
        assert ended["ts"] - began["ts"] > 32
        assert in_force(engine) == FILE
        assert opens(lab, engine, FRONT, BACK) == [FRONT]

    def test_confirmed_just_before(self, lab, quick, engine, holder, config):
        """Its deadline has no meaning any more."""
        changed = with_steps(config, back=BACK)
        version = tried(holder, changed)
        holder.obeyed("confirm", version=version)
        up_s = engine.ask("status")["uptime_s"]
        wait_until(lambda: engine.ask("status")["uptime_s"] >= up_s + 35, "the deadline has passed")
        assert in_force(engine) == f"{version} from MQTT"
        assert opens(lab, engine, BACK) == [BACK]
        assert engine.told("config_rolled_back") == []


class TestBrokenOff:
    def test_kill(self, lab, engine, holder, config):
        version = tried(holder, with_steps(config, back=BACK))
        engine.restart()
        (ended,) = engine.events("config_rolled_back")
        assert (ended["version"], ended["reason"]) == (version, "restart")
        assert in_force(engine) == FILE
        assert opens(lab, engine, FRONT, BACK) == [FRONT]
        with Holder(engine) as again:
            refused(again.ask("confirm", version=version), "no trial of ")
        engine.restart()
        assert engine.told("config_rolled_back") == ["config_rolled_back"], "it is told once"

    def test_kill_after_one_that_was_kept(self, lab, engine, holder, config):
        kept = holder.kept(with_steps(config, back=BACK))
        tried(holder, with_steps(config, side=SIDE))
        engine.restart()
        assert in_force(engine) == f"{kept} from MQTT"
        assert opens(lab, engine, FRONT, BACK, SIDE) == [FRONT, BACK]

    @pytest.mark.parametrize("by", ["knockletctl", "the holder"])
    def test_reload(self, lab, engine, holder, config, by):
        engine.trust_clock()
        wait_until(lambda: engine.ask("status")["keys"]["clock"] == "trusted", "the clock is trusted", 10)
        version = tried(holder, with_steps(config, back=BACK))
        if by == "knockletctl":
            engine.reload()
        else:
            holder.obeyed("reload")
        engine.expect_event("config_rolled_back", version=version)
        assert in_force(engine) == FILE
        assert opens(lab, engine, FRONT, BACK) == [FRONT]

    def test_rollback(self, lab, engine, holder, config):
        kept = holder.kept(with_steps(config, back=BACK))
        version = tried(holder, with_steps(config, side=SIDE))
        assert holder.obeyed("rollback") == {"config": kept}
        engine.expect_event("config_rolled_back", version=version, reason="owner")
        assert opens(lab, engine, FRONT, BACK, SIDE) == [FRONT, BACK]
        refused(holder.ask("rollback"), "no trial")
        assert in_force(engine) == f"{kept} from MQTT"

    def test_confirm_of_another(self, engine, holder, config):
        """Of a version to come, one before, the one in force, and of nothing that could be one."""
        kept = holder.kept(with_steps(config, back=BACK))
        version = tried(holder, with_steps(config, side=SIDE))
        wrong = [kept, "%016x" % (int(version, 16) + 1), "%016x" % 0, version.upper(), version[1:], "0" + version]
        for other in [other for other in wrong if other != version]:
            assert holder.say(holder.command_message("confirm", version=other), "confirm")["status"] == "error"
        assert in_force(engine) == f"{version} from MQTT, tried"
        holder.obeyed("confirm", version=version)
        assert in_force(engine) == f"{version} from MQTT"

    def test_what_only_takes_away_ends_it(self, lab, engine, holder, config):
        """It is measured by what was kept, not by what is tried, and in force at once."""
        kept = with_steps(config, back=BACK)
        holder.kept(kept)
        tried(holder, with_steps(config, back=BACK, side=SIDE))
        _, answer = holder.push(with_steps(config, back=BACK, side=SIDE), confirm_s=0)
        refused(answer, "confirm_s 0: allowed: where something is only taken away")
        version, answer = holder.push(config, confirm_s=0)
        assert answer["status"] == "ok" and not answer["data"]["trial"], answer
        assert in_force(engine) == f"{version} from MQTT"
        assert opens(lab, engine, FRONT, BACK, SIDE) == [FRONT]
        engine.restart()
        assert in_force(engine) == f"{version} from MQTT"
        assert opens(lab, engine, FRONT, BACK, SIDE) == [FRONT]
