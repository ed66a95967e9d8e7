"""Storage that is full, read-only or failing under a running gateway: what still opens, what is said, what a restart knows."""

import subprocess
from contextlib import contextmanager

import pytest
from net import kernel
from net.clients import GATEWAY, became, knock, now_us, slot_now, write_store
from net.disk import Disk
from net.marks import one_firewall

SSH, ADMIN = 1, 4
FAILING = "cannot be written, and works on in memory"


@pytest.fixture
def config(config, anna):
    config["id"] = GATEWAY
    config["decoys"] = 0
    config["clients"] = {"anna": anna.entry("ssh", "admin", kinds=["spa", "otp"], issued=now_us() // 1_000_000 - 1000)}
    return config


@pytest.fixture
def engine(engine):
    engine.trust_clock()
    return engine


@pytest.fixture
def disk(engine, tmp_path):
    """With a store that is good."""
    disk = Disk(engine)
    write_store(tmp_path / "good")
    disk.put(tmp_path / "good")
    return disk


def one_time(lab, dut, client, slot, service=SSH):
    """What became of the last step of her sequence of this slot."""
    steps = client.steps(service, slot)
    found = became(dut, lambda: lab.knock(steps))
    (name,) = set(found) - {"step_started", "step_advanced"}
    return name


def works_without_storage(lab, dut, client):
    """Signed knocks open, one-time sequences do not; each is told once, with a counter for the rest. Returns what was used:
    packets, and the slot that was tried.
    """
    packets = [client.packet(SSH) for _ in range(3)]
    assert [knock(lab, dut, packet) for packet in packets] == 3 * ["accepted"]
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    dut.ask("close", all=True)
    slot = slot_now()
    assert [one_time(lab, dut, client, slot, service) for service in (SSH, ADMIN)] == ["not_stored", "not_stored"]
    assert dut.expect_event("refused", reason="not_stored")["client"] == "anna"
    assert kernel.entries(lab) == {}
    assert dut.ask("status")["keys"]["store"] == FAILING
    assert dut.told("store_failed") == ["store_failed"]
    return packets, slot


def works_again(lab, dut, client, packets, slot, starts=1):
    """And nothing of what was used meanwhile is forgotten. starts: of engines that found it failing, each tells it once."""
    assert knock(lab, dut, client.packet(ADMIN)) == "accepted"
    assert dut.ask("status")["keys"]["store"] == "good"
    dut.restart()
    assert {knock(lab, dut, packet) for packet in packets} == {"replayed"}
    assert one_time(lab, dut, client, slot) == "otp_used", "tried when it could not be stored"
    assert one_time(lab, dut, client, slot + 1) == "complete"
    assert dut.told("store_failed") == starts * ["store_failed"]


def test_full(lab, engine, disk, anna):
    """Nothing new has room, and what is there is rewritten: nobody notices."""
    disk.fill()
    engine.start()
    used, slot = anna.packet(SSH), slot_now()
    assert knock(lab, engine, used) == "accepted"
    assert one_time(lab, engine, anna, slot) == "complete"
    assert engine.ask("status")["keys"]["store"] == "good"
    engine.restart()
    assert knock(lab, engine, used) == "replayed"
    assert one_time(lab, engine, anna, slot) == "otp_used"
    assert engine.told("store_failed") == []


@one_firewall
def test_full_before_the_first_start(lab, engine, anna):
    """There was never a store: signed knocks made from now on open."""
    disk = Disk(engine)
    disk.fill()
    before = anna.packet(SSH)
    engine.start()
    assert engine.told("store_failed") == ["store_failed"]
    assert knock(lab, engine, before) == "replayed"
    used = anna.packet(SSH)
    assert knock(lab, engine, used) == "accepted"
    assert engine.expect_event("store_failed")["reason"] == "what was used: cannot be written"
    engine.ask("close", all=True)
    assert one_time(lab, engine, anna, slot_now()) == "otp_used", "it may have been used before"
    engine.restart()
    assert knock(lab, engine, used) == "replayed"
    assert disk.names() == ["filler"]
    disk.empty()
    assert knock(lab, engine, anna.packet(SSH)) == "accepted"
    assert engine.ask("status")["keys"]["store"] == "good"
    assert disk.names() == ["replay.a", "replay.b"]


def test_read_only(lab, engine, disk, anna):
    """While it runs, over a restart, and back."""
    engine.start()
    disk.read_only()
    packets, slot = works_without_storage(lab, engine, anna)
    engine.restart()
    assert {knock(lab, engine, packet) for packet in packets} == {"replayed"}
    another = anna.packet(SSH)
    assert knock(lab, engine, another) == "accepted"
    disk.read_only(False)
    engine.ask("close", all=True)
    works_again(lab, engine, anna, [*packets, another], slot, starts=2)


@contextmanager
def failing(dut, call, error):
    """This system call of the engine fails on the files of its state."""
    paths = [word for name in ("replay.a", "replay.b") for word in ("-P", dut.state_dir / name)]
    command = ["strace", "-p", str(dut.process.pid), "-e", f"trace={call}", "-e", f"inject={call}:error={error}", *paths]
    strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        line = strace.stderr.readline()
        while "attached" not in line:
            assert line, "strace has ended"
            line = strace.stderr.readline()
        yield
    finally:
        strace.terminate()
        strace.communicate()


@one_firewall
@pytest.mark.parametrize("call, error", [("fsync", "EIO"), ("write", "EIO"), ("write", "ENOSPC"), ("openat", "EROFS")])
def test_a_call_that_fails(lab, engine, anna, call, error):
    write_store(engine.state_dir)
    engine.start()
    with failing(engine, call, error):
        used = works_without_storage(lab, engine, anna)
    works_again(lab, engine, anna, *used)


@one_firewall
def test_killed_while_it_fails(lab, engine, disk, anna):
    """The run directory has it."""
    engine.start()
    disk.read_only()
    used = works_without_storage(lab, engine, anna)
    engine.kill()
    disk.read_only(False)
    engine.start()
    works_again(lab, engine, anna, *used)


@one_firewall
def test_not_trusted_and_not_stored(lab, engine, disk, anna):
    """Without clock and storage nothing opens: nobody could refuse it the second time."""
    engine.trust_clock(False)
    engine.start()
    disk.read_only()
    packet = anna.packet(SSH)
    assert knock(lab, engine, packet) == "not_stored"
    assert engine.expect_event("store_failed")["reason"] == "what was used: cannot be written"
    assert engine.expect_event("refused")["reason"] == "not_stored"
    assert kernel.entries(lab) == {}
    assert knock(lab, engine, packet) == "replayed"


@one_firewall
def test_stamped_before_trust(lab, engine, disk, anna):
    """What is not stored may be older than the next start, but never than this one."""
    early = anna.packet(SSH)
    engine.start()
    disk.read_only()
    assert knock(lab, engine, early) == "not_stored"
    assert knock(lab, engine, anna.packet(SSH)) == "accepted"
