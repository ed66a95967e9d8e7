"""A configuration that cannot be put into force, or not be stored: refused in one line, and all is as it was.
What takes away acts all the same.

    engine (gateway) <-- AF_UNIX SOCK_SEQPACKET --> the holder of the gateway's key
"""

import pytest
from net.clients import KeyClient, write_store
from net.disk import Disk
from net.marks import one_firewall
from net.missing import without
from net.trials import BACK, FILE, FRONT, SIDE, in_force, opens, refused, stored, tried, with_steps
from storage.replaying import traced

pytestmark = one_firewall


def no_forwarding(lab, engine):
    lab.gateway.sysctl(ipv4__ip_forward=0)
    return lambda: lab.gateway.sysctl(ipv4__ip_forward=1)


def no_nft(lab, engine):
    missing = without(engine.process, "nft")
    missing.__enter__()
    return lambda: missing.__exit__(None, None, None)


def stays(lab, engine, kept):
    """In force is this version, with BACK and without SIDE; after a restart, too."""
    assert in_force(engine) == f"{kept} from MQTT"
    engine.restart()
    assert in_force(engine) == f"{kept} from MQTT"
    assert opens(lab, engine, FRONT, BACK, SIDE) == [FRONT, BACK]


CANNOT = {
    "no forwarding": (no_forwarding, "the kernel does not forward"),
    "no nft": (no_nft, "nft"),
}


class TestCannotBePutIntoForce:
    @pytest.mark.parametrize("name", CANNOT)
    def test_nothing_changes(self, lab, engine, holder, config, name):
        """A trial that runs can still be confirmed, too."""
        make, why = CANNOT[name]
        kept = holder.kept(with_steps(config, back=BACK))
        version = tried(holder, with_steps(config, side=SIDE))
        mend = make(lab, engine)
        try:
            refused(holder.push(with_steps(config, back=SIDE))[1], why)
        finally:
            mend()
        assert in_force(engine) == f"{version} from MQTT, tried"
        assert opens(lab, engine, FRONT, BACK, SIDE) == [FRONT, SIDE]
        holder.obeyed("confirm", version=version)
        engine.restart()
        assert in_force(engine) == f"{version} from MQTT"
        assert opens(lab, engine, FRONT, BACK, SIDE) == [FRONT, SIDE]
        assert stored(engine) == ["config.before", "config.sealed"]
        assert kept != version

    @pytest.mark.parametrize("bits", [32], indirect=True)
    def test_more_than_fits_in_memory(self, lab, engine, holder, config):
        """The trial before it is the one that is confirmed."""
        version = tried(holder, with_steps(config, side=SIDE))
        clients = {f"c{i}": KeyClient(f"c{i}").entry("ssh") for i in range(512)}
        refused(holder.push(config | {"clients": clients})[1], "memory")
        assert in_force(engine) == f"{version} from MQTT, tried"
        holder.obeyed("confirm", version=version)
        engine.restart()
        assert in_force(engine) == f"{version} from MQTT"
        assert opens(lab, engine, FRONT, SIDE) == [FRONT, SIDE]

    def test_of_another_name(self, engine, holder, config):
        for name in ("attic", "home2", ""):
            refused(holder.push(config | {"id": name})[1], "id")
        assert in_force(engine) == FILE

    def test_the_file_instead(self, lab, engine, holder, config):
        """`reload` of a file that is no good leaves what came over MQTT in force, also after a restart."""
        version = holder.kept(with_steps(config, back=BACK))
        engine.write_config("{")
        with pytest.raises(AssertionError, match="line 1"):
            engine.ask("reload", file=True)
        assert in_force(engine) == f"{version} from MQTT"
        engine.restart()
        assert in_force(engine) == f"{version} from MQTT"
        assert opens(lab, engine, FRONT, BACK) == [FRONT, BACK]
        engine.write_config(config)
        engine.ask("reload", file=True)
        assert in_force(engine) == FILE
        engine.restart()
        assert in_force(engine) == FILE
        assert stored(engine) == []


class TestStorage:
    @pytest.fixture
    def disk(self, engine, tmp_path):
        disk = Disk(engine)
        write_store(tmp_path / "good")
        disk.put(tmp_path / "good")
        return disk

    @pytest.fixture
    def config(self, config, anna):
        config["clients"] = {"anna": anna.entry("ssh")}
        return config

    def names(self, disk):
        return [name for name in disk.names() if name.startswith("config")]

    @pytest.mark.parametrize("how", ["full", "read only"])
    def test_no_room(self, lab, disk, engine, holder, config, how):
        """Refused in one line; what takes away acts all the same."""
        kept = holder.kept(with_steps(config, back=BACK))
        if how == "full":
            disk.fill()
        else:
            disk.read_only()
        refused(holder.push(with_steps(config, side=SIDE))[1], "it cannot be stored")
        assert in_force(engine) == f"{kept} from MQTT"
        assert self.names(disk) == ["config.sealed"]
        lab.knock(BACK)
        engine.expect_event("opened", service="admin")
        assert holder.obeyed("close", service="admin") == {"closed": 1}
        lab.knock(FRONT)
        engine.expect_event("opened", service="ssh")
        assert holder.obeyed("close_all") == {"closed": 1}
        answer = holder.ask("revoke", client="anna")
        assert answer["status"] == ("ok" if how == "full" else "error"), answer
        assert engine.ask("status")["clients"] == 0
        assert holder.obeyed("disarm") == {"armed": False}
        engine.restart()
        status = engine.ask("status")
        assert (status["clients"], status["armed"], status["config"]) == (0, False, f"{kept} from MQTT")

    def test_read_only_and_the_file_instead(self, disk, engine, holder, config):
        """It is in force, and the owner hears that a restart forgets that."""
        version = holder.kept(with_steps(config, back=BACK))
        disk.read_only()
        with pytest.raises(AssertionError, match="it cannot be stored"):
            engine.ask("reload", file=True)
        assert in_force(engine) == FILE
        engine.restart()
        assert in_force(engine) == f"{version} from MQTT"

    def test_read_only_in_a_trial(self, lab, disk, engine, holder, config):
        """It cannot be confirmed, and there is a way back."""
        version = tried(holder, with_steps(config, back=BACK))
        disk.read_only()
        refused(holder.ask("confirm", version=version), "it cannot be stored")
        assert in_force(engine) == f"{version} from MQTT, tried"
        holder.obeyed("rollback")
        assert in_force(engine) == FILE
        disk.read_only(False)
        engine.restart()
        assert in_force(engine) == FILE
        assert opens(lab, engine, FRONT, BACK) == [FRONT]

    @pytest.mark.parametrize("call, error", [("fsync", "EIO"), ("write", "EIO"), ("rename", "EIO"), ("openat", "EROFS")])
    def test_a_call_that_fails(self, lab, engine, holder, config, call, error):
        """Of those that write down what is tried."""
        kept = holder.kept(with_steps(config, back=BACK))
        paths = [word for path in (engine.state_dir, *engine.state_dir.glob("config*"),
                                   engine.state_dir / "config.trial.new", engine.state_dir / "config.trial")
                 for word in ("-P", path)]  # fmt: skip
        with traced(engine.process, "-e", f"trace={call}", "-e", f"inject={call}:error={error}", *paths):
            refused(holder.push(with_steps(config, side=SIDE))[1], "it cannot be stored")
        stays(lab, engine, kept)

    def test_a_confirm_that_fails_half_way(self, lab, engine, holder, config):
        """What was kept has made room already, and still it is what counts; the next confirm is good."""
        kept = holder.kept(with_steps(config, back=BACK))
        version = tried(holder, with_steps(config, side=SIDE))
        with traced(engine.process, "-e", "trace=rename", "-e", "inject=rename:error=EIO:when=2"):
            refused(holder.ask("confirm", version=version), "it cannot be stored")
        assert stored(engine) == ["config.before", "config.trial"]
        holder.obeyed("rollback")
        stays(lab, engine, kept)

    def test_damaged(self, lab, engine, holder, config):
        """The one in force is damaged: the one before it. Both: the file. Nothing a stranger wrote is ever taken."""
        first = holder.kept(with_steps(config, back=BACK))
        holder.kept(with_steps(config, side=SIDE))
        path = engine.state_dir / "config.sealed"
        data = path.read_bytes()
        for at in (0, 4, 8, 24, 31, 56, 72, len(data) - 1):
            path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            engine.reload()
            assert in_force(engine) == f"{first} from MQTT"
        for size in (0, 1, 103, len(data) - 1):
            path.write_bytes(data[:size])
            engine.reload()
            assert in_force(engine) == f"{first} from MQTT"
        (engine.state_dir / "config.before").write_bytes(b"KLE1")
        engine.restart()
        assert in_force(engine) == FILE
        assert opens(lab, engine, FRONT, BACK, SIDE) == [FRONT]
        assert sum("is not used" in line for line in engine.ask("status")["warnings"]) == 2
