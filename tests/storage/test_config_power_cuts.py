"""A power cut, or a kill -9, at every moment of what a sealed message does: the gateway starts on the configuration before or
on the new one, whole; what was used up stays so; a key that was revoked stays so.

The engine's own parts, on MicroPython, but for the firewall (config_driver.py).
"""

import json
import re
import shutil
import struct

import pytest
from net.clients import KeyClient
from net.firewall_net import MICROPYTHON, Remote
from storage.power_cut import TRACE, after_cuts
from storage.replaying import COPIES, FIRMWARE, HERE, copy_of, traced

from knocklet.wire import sealed

NAME, KEY = "home", bytes(range(32))
ANNA = KeyClient("anna", bytes(range(1, 33)))
KEYS = sealed.SealKeys(KEY, NAME)
CONFIG, COMMAND = 0, 1  # in "floors"
FIRST, SECOND, THIRD = "first", "second", "third"
BEGAN_US = 1_795_000_000_000_000


class Gateway(Remote):
    """Takes config_driver.py's orders. `pid`: the interpreter's own."""

    def __init__(self, folder, bits="64"):
        super().__init__([MICROPYTHON[bits], HERE / "config_driver.py", FIRMWARE])
        self.pid = self._process.pid
        self.folder = folder
        self.state_dir = folder / "state"

    def boot(self):
        return self.open(folder=str(self.folder))

    def obeyed(self, message):
        assert self.say(message=message.hex()) == ["ok", ""]

    def answers(self):
        """Does it answer the order that was started, or has it died?"""
        return bool(self._process.stdout.readline())


def config(*sequences, clients=("anna",), revoked=()):
    """With these sequences: by their names it is known again."""
    made = {
        "id": NAME,
        "interfaces": ["wan0"],
        "services": {"ssh": {"index": 1, "port": 22}},
        "sequences": {
            name: {"steps": [f"{7000 + i}/tcp", f"{8000 + i}/tcp"], "open": ["ssh"]} for i, name in enumerate(sequences)
        },
        "clients": {name: ANNA.entry("ssh") for name in clients},
    }
    return made | ({"revoked": list(revoked)} if revoked else {})


def version(number):
    return BEGAN_US + 1_000_000 * number


def push(number, made, confirm_s=30):
    return sealed.seal(KEYS, sealed.CONFIG, version(number), json.dumps(made).encode(), bytes(16), confirm_s=confirm_s)


def command(number, verb, **fields):
    text = json.dumps({"verb": verb, "transaction": "t", **fields}).encode()
    return sealed.seal(KEYS, sealed.COMMAND, version(number), text, bytes(16), expires=version(number) // 1_000_000 + 60)


def confirm(number, of):
    return command(number, "confirm", version="%016x" % version(of))


class Case:
    """One order, in a fresh folder: what came before it, what may be in force when the engine starts again (by the names of the
    sequences), and what is when it was answered."""

    before = ()
    order = b""
    old = ["file"]
    new = None  # None: a trial, or nothing that changes what is in force
    floors = (0, 0)  # before; with the answer that of its kind is the order's version

    def start(self, gateway):
        gateway.start("say", message=self.order.hex())

    def check(self, gateway, answered):
        found = gateway.boot()
        assert found["made_anew"] == "" and not found["trial"]
        new = self.new or self.old
        assert found["sequences"] == new if answered else found["sequences"] in (self.old, new)
        self.check_floors(found, answered)
        self.check_files(gateway.state_dir, found)
        return found

    def check_floors(self, found, answered):
        kind = CONFIG if self.order[4:5] == b"\1" else COMMAND
        used = struct.unpack_from(">Q", self.order, 24)[0]
        for which in (CONFIG, COMMAND):
            before = self.floors[which]
            if which == kind:
                assert found["floors"][which] == used if answered else found["floors"][which] in (before, used)
            else:
                assert found["floors"][which] == before

    def check_files(self, state_dir, found):
        """Whatever lies there was used up before it was written."""
        for path in state_dir.glob("config*"):
            data = path.read_bytes()
            if len(data) >= 32:
                assert struct.unpack_from(">Q", data, 24)[0] <= found["floors"][CONFIG], path.name


class FirstPush(Case):
    order = push(1, config(FIRST))

    def check(self, gateway, answered):
        found = super().check(gateway, answered)
        assert found["told"] == ["config_rolled_back"] if answered else found["told"] in ([], ["config_rolled_back"])


class FirstConfirm(Case):
    before = (FirstPush.order,)
    order = confirm(2, 1)
    new = [FIRST]
    floors = (version(1), 0)


class Kept(Case):
    """There was one before."""

    before = (FirstPush.order, FirstConfirm.order)
    old = [FIRST]
    floors = (version(1), version(2))


class SecondPush(Kept):
    order = push(3, config(SECOND))


class SecondConfirm(Kept):
    before = (*Kept.before, SecondPush.order)
    order = confirm(4, 3)
    new = [SECOND]
    floors = (version(3), version(2))


class PushInATrial(SecondConfirm):
    order = push(4, config(THIRD))
    new = None


class RollBack(SecondConfirm):
    order = command(4, "rollback")
    new = None


class ThirdConfirm(Kept):
    """All three files are there."""

    before = (*SecondConfirm.before, SecondConfirm.order, push(5, config(THIRD)))
    order = confirm(6, 5)
    old, new = [SECOND], [THIRD]
    floors = (version(5), version(4))


class TakesAway(Kept):
    """A client goes, and her key is revoked: in force at once."""

    order = push(3, config(FIRST, clients=(), revoked=[ANNA.keys.fingerprint.hex()]), confirm_s=0)

    def check(self, gateway, answered):
        found = super().check(gateway, answered)
        gone = found["clients"] == []
        if answered or found["version"] == version(3):
            assert gone
        if gone:  # and no older configuration brings her back
            gateway.obeyed(push(9, config(SECOND)))
            assert gateway.state()["clients"] == []


class Revoke(Kept):
    order = command(3, "revoke", client="anna")

    def check(self, gateway, answered):
        found = super().check(gateway, answered)
        assert found["clients"] == [] if answered else found["clients"] in ([], ["anna"])


class RevokeInATrial(SecondConfirm):
    order = command(4, "revoke", client="anna")
    new = None

    def check(self, gateway, answered):
        found = super().check(gateway, answered)
        assert found["clients"] == [] if answered else found["clients"] in ([], ["anna"])


class Disarm(Kept):
    order = command(3, "disarm")

    def check(self, gateway, answered):
        found = super().check(gateway, answered)
        assert not (answered and found["armed"])


class UseTheFile(Kept):
    """Of two that were kept none comes back, least of all the older one."""

    before = (*SecondConfirm.before, SecondConfirm.order)
    order = SecondConfirm.order
    old, new = [SECOND], ["file"]
    floors = (version(3), version(4))

    def start(self, gateway):
        gateway.start("use_file")


CASES = [FirstPush, FirstConfirm, SecondPush, SecondConfirm, PushInATrial, RollBack, ThirdConfirm, TakesAway, Revoke,
         RevokeInATrial, Disarm, UseTheFile]  # fmt: skip


def files(state_dir):
    return {path.name: path.read_bytes() for path in state_dir.iterdir()}


def at_the_order(case, folder, bits="64"):
    """A process that waits for the case's order."""
    for name in ("state", "run"):
        (folder / name).mkdir()
    (folder / "key").write_bytes(KEY)
    (folder / "config.json").write_text(json.dumps(config("file")))
    for name in ("key", "config.json"):
        (folder / name).chmod(0o600)
    for name in COPIES:
        (folder / "state" / name).write_bytes(copy_of(floor_us=1))
    gateway = Gateway(folder, bits)
    gateway.boot()
    for message in case.before:
        gateway.obeyed(message)
        assert gateway.settle()
    return gateway


@pytest.mark.parametrize("kind", CASES)
def test_power_cut(tmp_path, kind):
    case = kind()
    gateway = at_the_order(case, tmp_path)
    before = files(gateway.state_dir)
    with traced(gateway, "-o", tmp_path / "log", *TRACE):
        case.start(gateway)
        assert gateway.result() in (["ok", ""], None)
    gateway.kill()
    checker = Gateway(tmp_path)
    answers = []
    try:
        for state, answered in after_cuts(gateway.state_dir, before, tmp_path / "log"):
            for folder in (gateway.state_dir, tmp_path / "run"):
                shutil.rmtree(folder)
                folder.mkdir()
            for name, data in state.items():
                (gateway.state_dir / name).write_bytes(data)
            case.check(checker, answered)
            answers.append(answered)
    finally:
        checker.kill()
    assert True in answers
    assert False in answers


@pytest.mark.parametrize("bits", ["64", pytest.param("32", marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", CASES)
def test_kill_at_each_call(tmp_path, kind, bits):
    """kill -9 before each system call of the order, one after the other; the last one is the answer."""

    def run(number, *inject):
        """(does it answer, the names of its calls, the case, the folder)."""
        case = kind()
        folder = tmp_path / str(number)
        folder.mkdir()
        gateway = at_the_order(case, folder, bits)
        with traced(gateway, "-o", folder / "log", "-e", "trace=!read", *inject):
            case.start(gateway)
            answers = gateway.answers()
        gateway.kill()
        lines = re.findall(r"^(\w+)\((\w*)", (folder / "log").read_text(), re.M)
        return answers, [name for name, _ in lines[: lines.index(("write", "1")) + 1]] if answers else [], case, folder

    def check(case, folder, answered):
        checker = Gateway(folder)
        try:
            case.check(checker, answered)
        finally:
            checker.kill()

    answers, names, case, folder = run(0)
    assert answers
    check(case, folder, True)
    assert {"openat", "fsync"} < set(names)
    for i, name in enumerate(names):
        nth = names[: i + 1].count(name)  # strace counts each name for itself
        answers, _, case, folder = run(i + 1, "-e", f"inject={name}:signal=KILL:when={nth}")
        assert not answers
        check(case, folder, i == len(names) - 1)
