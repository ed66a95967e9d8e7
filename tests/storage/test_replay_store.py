"""The replay store on real file systems: full, read-only, failing, and files that somebody damaged or took away."""

import os
import stat

import pytest
from storage.replaying import COPIES, FLOOR_US, Store, copy_of, put_copies, traced

from knocklet.core import replay_records

BYTES = replay_records.BYTES
NOW_US = FLOOR_US + 60_000_000
ONE = ("client01", 0, NOW_US)
RETRY_MS = 60_000


@pytest.fixture(params=["64", "32"])
def bits(request):
    return request.param


@pytest.fixture
def start(tmp_path, bits):
    """A function that starts a process for the store in tmp_path."""
    started = []

    def start(**more):
        started.append(Store(tmp_path, bits, **more))
        return started[-1]

    yield start
    for store in started:
        store.kill()


@pytest.fixture
def small_disk(tmp_path, start):
    """A store whose two folders are file systems of their own, in mounts that only its process sees."""
    folders = f"{tmp_path}/disk {tmp_path}/run"
    mounts = f"mkdir {folders} && for to in {folders}; do mount -t tmpfs -o size=64k none $to; done"
    store = start(wrapper=["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh"])
    store.state = tmp_path / "disk" / "state"
    store.system(command="true")  # the mounts are there
    return store


def fill(store, folder):
    assert store.system(command=f"cat /dev/zero >{folder}/filler 2>/dev/null") != 0  # until there is no room


def test_first_start(tmp_path, start):
    (tmp_path / "run").mkdir()
    store = start()
    assert store.start_engine() == ("there was none", False, None)
    for name in COPIES:
        info = (store.state / name).stat()
        assert (stat.S_IMODE(info.st_mode), info.st_size) == (0o600, BYTES)
        assert info.st_blocks * 512 >= BYTES  # no holes: a full disk would have no room for them
    assert stat.S_IMODE(store.state.stat().st_mode) == 0o700
    assert sorted(os.listdir(store.state)) == sorted(COPIES)
    assert store.last() == 0
    assert store.start_engine() == ("", False, None)  # not known is remembered, too
    assert store.set_floor(now_us=FLOOR_US) == FLOOR_US
    assert store.set_floor(now_us=NOW_US) == FLOOR_US  # once it is known it stays
    assert store.start_engine() == ("", False, FLOOR_US)
    assert os.listdir(tmp_path / "run") == []


def test_store(tmp_path, start):
    put_copies(tmp_path, copy_of(), copy_of())
    store = start()
    store.start_engine()
    highest = 1 << 62
    for what, value in ((0, NOW_US), (0, NOW_US + 1), (255, 59_000_000), (7, 0), (8, highest)):
        assert store.store(what=what, value=value)
        assert store.last(what=what) == value
    assert store.store(value=NOW_US)
    assert store.last() == NOW_US + 1
    assert not store.store(value=highest + 1)
    assert not store.store(value=-1)
    a, b = store.copies()
    assert a != b
    assert store.timer() == -1
    a, b = store.copies()
    stored = ((0, NOW_US + 1), (255, 59_000_000), (7, 0), (8, highest))
    assert a == b == copy_of(*[("client01", what, value) for what, value in stored])
    assert store.start_engine() == ("", False, FLOOR_US)
    assert [store.last(what=what) for what in (0, 255, 7, 8, 9)] == [NOW_US + 1, 59_000_000, 0, highest, 0]


def test_full_of_clients(tmp_path, start):
    """The gone one's place goes to a newcomer, and nobody else is touched."""
    names = [f"all-{i:04d}" for i in range(replay_records.PLACES - 1)]
    full = copy_of(*[(name, 0, NOW_US + i) for i, name in enumerate(names)])
    put_copies(tmp_path, full, full)
    store = start()
    store.start_engine()
    assert not store.store(value=NOW_US)
    assert store.last() == 0
    store.keep(names=[name for name in names if name != "all-0400"])
    assert store.store(value=NOW_US)
    for _ in range(2):
        assert (store.last(), store.last(name="all-0400")) == (NOW_US, 0)
        assert store.last(name="all-0401") == NOW_US + 401
        assert store.start_engine() == ("", False, FLOOR_US)


@pytest.mark.parametrize("copy", [0, 1])
@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "longer", "zeros", "noise", "a bit"])
def test_one_copy_damaged(tmp_path, start, copy, damage):
    """It is as it was, and whole again; also where the damage came while the engine ran."""
    good = copy_of(ONE)
    bit = bytearray(good)
    bit[40] ^= 1
    damaged = {"gone": None, "empty": b"", "cut": good[:50], "longer": good + b"x", "zeros": bytes(BYTES),
               "noise": os.urandom(BYTES), "a bit": bytes(bit)}[damage]  # fmt: skip
    copies = [good, good]
    copies[copy] = damaged
    put_copies(tmp_path, *copies)
    store = start()
    assert store.start_engine() == ("", False, FLOOR_US)
    assert store.last() == NOW_US
    assert store.copies() == [good, good]

    put_copies(tmp_path, *copies)
    assert store.store(value=NOW_US + 1)
    assert store.settle()
    assert store.start_engine() == ("", False, FLOOR_US)
    assert store.last() == NOW_US + 1


@pytest.mark.parametrize("damage, why", [
    ("gone", "there was none"), ("cut", "both copies have a wrong size"), ("longer", "both copies have a wrong size"),
    ("a record", "1 records are damaged in both copies"), ("zeros", "1 records are damaged in both copies"),
])  # fmt: skip
def test_both_copies_damaged(tmp_path, start, damage, why):
    """Made anew around what is good; what was forgotten nobody knows, so the floor is not known, and stays so."""
    good = copy_of(("client02", 0, NOW_US), ("client03", 0, NOW_US))
    bad = good[:70] + b"\xff" + good[71:]
    damaged = {"gone": None, "cut": good[:70], "longer": good + b"x", "a record": bad, "zeros": bytes(BYTES)}[damage]
    put_copies(tmp_path, damaged, damaged)
    store = start()
    assert store.start_engine() == (why, False, None)
    if damage in ("cut", "longer", "a record"):
        assert store.last(name="client02") == NOW_US
    assert store.start_engine() == ("", False, None)
    a, b = store.copies()
    assert a == b
    assert len(a) == BYTES
    assert store.store(value=7)
    store.set_floor(now_us=NOW_US)
    assert store.start_engine() == ("", False, NOW_US)
    assert store.last() == 7


def test_taken_away_while_running(tmp_path, start):
    put_copies(tmp_path, copy_of(ONE), copy_of(ONE))
    store = start()
    store.start_engine()
    for name in COPIES:
        (store.state / name).unlink()
    store.state.rmdir()
    assert store.store(value=NOW_US + 1)
    assert stat.S_IMODE(store.state.stat().st_mode) == 0o700
    assert store.start_engine() == ("", False, FLOOR_US)
    assert store.last() == NOW_US + 1


def test_full_disk(small_disk):
    """Rewriting needs no room."""
    store = small_disk
    store.start_engine()
    store.set_floor(now_us=FLOOR_US)
    fill(store, store.state)
    for i in range(3):
        assert store.store(value=NOW_US + i)
    assert store.store(name="newcomer", value=7)
    assert store.timer() == -1
    assert store.start_engine() == ("", False, FLOOR_US)
    assert (store.last(), store.last(name="newcomer")) == (NOW_US + 2, 7)


def test_full_disk_at_first_start(small_disk):
    """All is kept in the run directory, until there is room again."""
    store = small_disk
    fill(store, store.state.parent)
    assert store.start_engine() == ("there was none", True, None)
    assert store.system(command=f"! ls {store.state}/* 2>/dev/null") == 0  # what did not get through takes no room
    assert not store.store(value=NOW_US)
    assert store.set_floor(now_us=FLOOR_US) == FLOOR_US
    assert store.start_engine() == ("", True, FLOOR_US)
    assert store.last() == NOW_US
    assert store.timer() == RETRY_MS
    assert store.system(command=f"rm {store.state.parent}/filler") == 0
    assert store.store(value=NOW_US + 1)
    assert not store.failing()
    assert store.system(command=f"test -e {store.run}/replay") != 0
    assert store.start_engine() == ("", False, FLOOR_US)
    assert store.last() == NOW_US + 1
    assert store.system(command=f"cd {store.state} && cmp replay.a replay.b && ! ls *.new 2>/dev/null") == 0


def test_read_only(small_disk):
    """Nothing of ours keeps it from being made read-only; a timer finds that it can be written again."""
    store = small_disk
    store.start_engine()
    store.set_floor(now_us=FLOOR_US)
    store.store(value=NOW_US)
    disk = store.state.parent
    assert store.system(command=f"mount -o remount,ro {disk}") == 0
    assert not store.store(value=NOW_US + 1)
    assert not store.store(name="newcomer", value=7)
    assert store.failing()
    assert store.start_engine() == ("", True, FLOOR_US)
    assert (store.last(), store.last(name="newcomer")) == (NOW_US + 1, 7)
    assert not store.store(value=NOW_US + 2)
    assert store.system(command=f"mount -o remount,rw {disk}") == 0
    assert store.timer() == -1
    assert store.system(command=f"test -e {store.run}/replay") != 0
    assert store.start_engine() == ("", False, FLOOR_US)
    assert (store.last(), store.last(name="newcomer")) == (NOW_US + 2, 7)


def test_nothing_can_be_written(small_disk):
    """Only memory has it, and says so."""
    store = small_disk
    fill(store, store.state.parent)
    fill(store, store.run)
    assert store.start_engine() == ("there was none", True, None)
    assert not store.store(value=NOW_US)
    assert store.last() == NOW_US
    assert store.system(command=f"rm {store.run}/filler") == 0
    assert not store.store(name="newcomer", value=7)
    store.start_engine()
    assert (store.last(), store.last(name="newcomer")) == (NOW_US, 7)


def test_damaged_in_the_run_directory(small_disk):
    """What storage lacked may be forgotten."""
    store = small_disk
    store.start_engine()
    store.set_floor(now_us=FLOOR_US)
    store.store(value=NOW_US)
    store.system(command=f"mount -o remount,ro {store.state.parent}")
    store.store(name="newcomer", value=7)
    store.system(command=f"printf x | dd of={store.run}/replay bs=1 seek=70 conv=notrunc status=none")
    assert store.start_engine() == ("the one in the run directory is damaged", True, None)
    assert store.last() == NOW_US


@pytest.mark.parametrize("call", ["fsync", "write", "openat,open", "lseek,_llseek"])
@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EROFS"])
def test_a_call_that_fails(tmp_path, start, bits, call, error):
    """Whichever it is: not stored, kept in the run directory, and stored by the next one."""
    put_copies(tmp_path, copy_of(ONE), copy_of(ONE))
    store = start()
    store.start_engine()
    with traced(store, "-e", f"inject={call}:error={error}:when=1"):
        assert not store.store(value=NOW_US + 1)
        assert (tmp_path / "run" / "replay").exists()
        other = start()
        assert other.start_engine() == ("", False, FLOOR_US)  # there, storage works
        assert other.last() == NOW_US + 1
        other.kill()
        assert store.store(value=NOW_US + 2)
        assert store.settle()
    assert not store.failing()
    assert not (tmp_path / "run" / "replay").exists()
    assert store.start_engine() == ("", False, FLOOR_US)
    assert store.last() == NOW_US + 2


def test_the_second_copy_fails(tmp_path, start):
    put_copies(tmp_path, copy_of(ONE), copy_of(ONE))
    store = start()
    store.start_engine()
    assert store.store(value=NOW_US + 1)
    with traced(store, "-e", "inject=fsync:error=EIO:when=1"):
        assert store.timer() == RETRY_MS
        assert store.failing()
        assert store.timer() == -1
    a, b = store.copies()
    assert a == b == copy_of(("client01", 0, NOW_US + 1))


def test_what_an_accept_costs(tmp_path, start):
    """One file is opened, nothing is made, mapped or removed, and it is flushed before store() returns."""
    put_copies(tmp_path, copy_of(ONE), copy_of(ONE))
    store = start()
    store.start_engine()
    log = tmp_path / "log"
    with traced(store, "-o", log, "-e", "trace=all"):
        assert store.store(value=NOW_US + 1)
    lines = [line for line in log.read_text().splitlines() if not line.startswith("[")]
    calls = [line.split("(")[0].lstrip("_") for line in lines]
    answered = [i for i, line in enumerate(lines) if line.startswith("write(1, ")][0]
    touching = [call for call in calls[:answered] if call not in ("read", "lseek", "llseek", "close", "fstat", "statx")]
    assert touching == ["openat", "write", "fsync"], lines
    assert "O_CREAT" not in log.read_text()
