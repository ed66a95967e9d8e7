"""A power cut, or a kill -9, at every moment of everything that writes: what was accepted is never forgotten.

A store() that is cut short leaves the value before or the new one; once it has returned True, the new one.
"""

import re
import shutil

import pytest
from storage.power_cut import TRACE, Disk, after_cuts
from storage.replaying import COPIES, FLOOR_US, Store, copy_of, put_copies, traced

from knocklet.core.replay_records import PLACES, RECORD_BYTES, record

OLD, NEW = FLOOR_US + 1_000_000, FLOOR_US + 2_000_000
ONE_AT = RECORD_BYTES  # where the first client's record lies
AT_REST = copy_of(("client01", 0, OLD))


def torn(copy, at=ONE_AT):
    """Half of one record is another one's."""
    return copy[:at] + record(b"half-new\x00", NEW)[:16] + copy[at + 16 :]


def damaged(copy, at=ONE_AT):
    return copy[: at + 20] + b"\xff" + copy[at + 21 :]


class Case:
    """One thing that writes, in a fresh folder: what is there before, how it comes about, and what is true after."""

    files = (AT_REST, AT_REST)  # before the engine starts
    flushed = None  # what really lies on storage when the order comes, if not what the files say
    opened = True  # the engine has started before
    inject = ()  # strace's way to make something fail before

    def before(self, store):
        pass

    def order(self, store):
        store.start("store", value=NEW)

    def check(self, store, answered):
        made_anew, _, floor_us = store.start_engine()
        assert (made_anew, floor_us) == ("", FLOOR_US)
        last = store.last()
        assert last == NEW if answered else last in (OLD, NEW)


class AtRest(Case):
    pass


class NewClient(Case):
    files = (copy_of(), copy_of())

    def check(self, store, answered):
        assert store.start_engine() == ("", False, FLOOR_US)
        assert store.last() == NEW if answered else store.last() in (0, NEW)


class SecondCopyBehind(Case):
    def before(self, store):
        assert store.store(value=OLD + 1)

    def check(self, store, answered):
        assert store.start_engine() == ("", False, FLOOR_US)
        assert store.last() == NEW if answered else store.last() in (OLD + 1, NEW)


class Settle(Case):
    def before(self, store):
        assert store.store(value=NEW)

    def order(self, store):
        store.start("settle")

    def check(self, store, answered):
        super().check(store, True)


class SettleMany(Settle):
    def before(self, store):
        super().before(store)
        for what in range(1, 8):
            assert store.store(what=what, value=NEW)

    def check(self, store, answered):
        super().check(store, True)
        assert [store.last(what=what) for what in range(8)] == [NEW] * 8


class FirstFailed(Case):
    """The flush of the first copy failed: it may hold anything, and only the other one counts."""

    flushed = (torn(AT_REST), AT_REST)
    inject = ("-e", "inject=fsync:error=EIO:when=1")

    def before(self, store):
        assert not store.store(value=OLD + 1)

    def check(self, store, answered):
        made_anew, _, floor_us = store.start_engine()
        assert (made_anew, floor_us) == ("", FLOOR_US)
        assert store.last() == NEW if answered else store.last() in (OLD, OLD + 1, NEW)


class SecondFailed(Case):
    """The flush of the second one failed after store() had returned True."""

    flushed = (copy_of(("client01", 0, OLD + 1)), torn(AT_REST))
    inject = ("-e", "inject=fsync:error=EIO:when=2")

    def before(self, store):
        assert store.store(value=OLD + 1)
        assert not store.settle()

    def check(self, store, answered):
        assert store.start_engine() == ("", False, FLOOR_US)
        assert store.last() == NEW if answered else store.last() in (OLD + 1, NEW)


class FilesAway(Case):
    """Somebody has deleted them: of what was there only memory knows, until a whole file has its name."""

    def before(self, store):
        for name in COPIES:
            (store.state / name).unlink()

    flushed = (None, None)

    def check(self, store, answered):
        made_anew, _, floor_us = store.start_engine()
        assert made_anew or floor_us == FLOOR_US
        if answered or not made_anew:
            assert (store.last(), floor_us) == (NEW, FLOOR_US)
        else:
            assert floor_us is None


class PlaceUsedAgain(Case):
    """The one who gave way may be forgotten, nobody else."""

    names = [f"all-{i:04d}" for i in range(PLACES - 1)]
    files = (copy_of(*[(name, 0, OLD + i) for i, name in enumerate(names)]),) * 2

    def before(self, store):
        store.keep(names=self.names[1:])

    def check(self, store, answered):
        assert store.start_engine() == ("", False, FLOOR_US)
        found = (store.last(), store.last(name=self.names[0]))
        assert found == (NEW, 0) if answered else found in ((NEW, 0), (0, OLD))
        assert [store.last(name=self.names[i]) for i in (1, 2, PLACES - 2)] == [OLD + 1, OLD + 2, OLD + PLACES - 2]


class Floor(Case):
    files = (copy_of(floor_us=None),) * 2

    def order(self, store):
        store.start("set_floor", now_us=NEW)

    def check(self, store, answered):
        made_anew, _, floor_us = store.start_engine()
        assert (made_anew, floor_us) == ("", NEW) if answered else (made_anew, floor_us) in (("", None), ("", NEW))


class Start(Case):
    """A start that finds both copies good."""

    opened = False

    def order(self, store):
        store.start("open", state_dir=str(store.state), run_dir=str(store.run))

    def check(self, store, answered):
        assert store.start_engine() == ("", False, FLOOR_US)
        assert store.last() == OLD


class FirstStart(Start):
    files = (None, None)

    def check(self, store, answered):
        made_anew, _, floor_us = store.start_engine()
        assert made_anew == "" if answered else made_anew in ("", "there was none")
        assert floor_us is None


class FirstDamaged(Start):
    files = (damaged(AT_REST), AT_REST)


class SecondDamaged(Start):
    files = (AT_REST, damaged(AT_REST))


class FirstAway(Start):
    files = (None, AT_REST)


class SecondCut(Start):
    files = (AT_REST, AT_REST[:40])


class BothDamaged(Start):
    """Once a record is lost the floor is not known, however often the healing is cut short."""

    files = (damaged(AT_REST), damaged(AT_REST, ONE_AT + 3))

    def check(self, store, answered):
        made_anew, _, floor_us = store.start_engine()
        assert floor_us is None
        assert not (answered and made_anew)
        assert store.last() == 0


CASES = [AtRest, NewClient, SecondCopyBehind, Settle, SettleMany, FirstFailed, SecondFailed, FilesAway, PlaceUsedAgain, Floor,
         Start, FirstStart, FirstDamaged, SecondDamaged, FirstAway, SecondCut, BothDamaged]  # fmt: skip


def at_the_order(case, folder, bits="64"):
    """A process that waits for the case's order."""
    put_copies(folder, *case.files)
    store = Store(folder, bits)
    store.system(command=":")  # it runs
    if case.opened:
        store.start_engine()
    if case.inject:
        with traced(store, *case.inject):
            case.before(store)
    else:
        case.before(store)
    return store


@pytest.fixture
def checker(tmp_path):
    """The engine's next start, after the cut."""
    (tmp_path / "cut" / "run").mkdir(parents=True)
    store = Store(tmp_path / "cut")
    yield store
    store.kill()


@pytest.mark.parametrize("kind", CASES)
def test_power_cut(tmp_path, checker, kind):
    case = kind()
    store = at_the_order(case, tmp_path)
    files = {name: data for name, data in zip(COPIES, case.flushed or store.copies_there()) if data is not None}
    with traced(store, "-o", tmp_path / "log", *TRACE):
        case.order(store)
        store.result()
    store.kill()
    answers = []
    for state, answered in after_cuts(store.state, files, tmp_path / "log"):
        shutil.rmtree(checker.state, ignore_errors=True)
        checker.state.mkdir()
        for name, data in state.items():
            (checker.state / name).write_bytes(data)
        case.check(checker, answered)
        answers.append(answered)
    assert True in answers
    assert False in answers


@pytest.mark.parametrize("bits", ["64", "32"])
@pytest.mark.parametrize("kind", CASES)
def test_kill_at_each_call(tmp_path, checker, kind, bits):
    """kill -9 before each system call of the order, one after the other; the last one is the answer."""

    def run(number, *inject):
        """(does it answer, the names of its calls, the case), with what is left for the checker."""
        case = kind()
        folder = tmp_path / str(number)
        folder.mkdir()
        store = at_the_order(case, folder, bits)
        with traced(store, "-o", folder / "log", "-e", "trace=!read", *inject):
            case.order(store)
            answers = store.answers()
        store.kill()
        checker.state, checker.run = store.state, store.run
        lines = re.findall(r"^(\w+)(\(\w*)", (folder / "log").read_text(), re.M)
        return answers, [name for name, _ in lines[: lines.index(("write", "(1")) + 1]] if answers else [], case

    answers, names, case = run(0)
    assert answers
    case.check(checker, True)
    assert "fsync" in names
    for i, name in enumerate(names):
        nth = names[: i + 1].count(name)  # strace counts each name for itself
        answers, _, case = run(i + 1, "-e", f"inject={name}:signal=KILL:when={nth}")
        assert not answers
        case.check(checker, i == len(names) - 1)


class TestDisk:
    """The model itself: it must lose what was not flushed."""

    def test_writes(self):
        disk = Disk("/x", {"a": b"oldold"})
        disk.call("openat", ["AT_FDCWD", b"/x/a", "O_RDWR"], 3)
        disk.call("lseek", ["3", "2", "SEEK_SET"], 2)
        disk.call("write", ["3", b"NEW!", "4"], 4)
        states = [state["a"] for state in disk.states()]
        assert states == [b"oldold", b"olNEld", b"olNEWd", b"olNEW!"]
        disk.call("fsync", ["3"], 0)
        assert [state["a"] for state in disk.states()] == [b"olNEW!"]

    def test_names(self):
        disk = Disk("/x", {"a": b"old"})
        disk.call("openat", ["AT_FDCWD", b"/x/a.new", "O_WRONLY|O_CREAT|O_TRUNC"], 3)
        disk.call("write", ["3", b"new", "3"], 3)
        disk.call("rename", [b"/x/a.new", b"/x/a"], 0)
        assert {"a": b""} in list(disk.states())
        disk.call("fsync", ["3"], 0)
        assert list(disk.states()) == [{"a": b"old"}, {"a": b"old", "a.new": b"new"}, {"a": b"new"}]
        disk.call("openat", ["AT_FDCWD", b"/x", "O_RDONLY"], 4)
        disk.call("fsync", ["4"], 0)
        assert list(disk.states()) == [{"a": b"new"}]
