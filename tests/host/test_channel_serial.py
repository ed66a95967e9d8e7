"""The serial console as a channel: bytes arrive as they were sent, whatever else comes on the line; nothing is left there."""

import os
import random
import re

import pytest
from host.serial_console import SerialConsole

from knocklet_tool import channel_serial
from knocklet_tool.channel_serial import SerialChannel
from knocklet_tool.errors import InputError, NetworkError

BAUD = 115_200
BYTES = bytes(range(256)) * 4 + b"% \\ ' \" $x `x` ! - \n\n"


@pytest.fixture
def console(router):
    with SerialConsole(["chroot", router.root, "/bin/sh", "-i"]) as made:
        yield made


@pytest.fixture
def quick(monkeypatch):
    """Of what did not come nobody waits long."""
    monkeypatch.setattr(channel_serial, "_WAIT_S", 0.5)
    monkeypatch.setattr(channel_serial, "_SHELL_S", 2.0)


def test_code_output_and_bytes_both_ways(console, router):
    with SerialChannel(console.port, BAUD) as channel:
        done = channel.run("echo out; echo err >&2; exit 3")
        assert (done.code, done.out) == (3, b"out\n")
        assert channel.run("cat", BYTES).out == BYTES
        assert channel.run("cat", b"").out == b""
        channel.put("/etc/knocklet/key", BYTES, 0o600)
    assert router.read("etc/knocklet/key") == BYTES
    assert (router.root / "etc/knocklet/key").stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize("tool", ["hexdump", "od"])
def test_what_prints_in_hex_there(console, router, tool):
    """OpenWrt has hexdump and no od, Debian the other way round."""
    router.remove(f"bin/{'od' if tool == 'hexdump' else 'hexdump'}")
    with SerialChannel(console.port, BAUD) as channel:
        assert channel.run("cat", BYTES).out == BYTES


def test_nothing_is_left_there_and_no_secret_is_typed_into_the_shell(console, router):
    before = router.snapshot()
    with SerialChannel(console.port, BAUD) as channel:
        channel.run("cat >/dev/null", b"topsecret")
        assert oct((next((router.root / "var/run/knocklet-install").iterdir())).stat().st_mode)[-3:] == "700"
    assert router.snapshot() == before
    lines = [line for line in console.typed.split(b"\n") if b"topsecret" in line]
    assert lines == [b"0 topsecret"]   # read by our own script, which has no history


def test_a_run_that_broke_off_leaves_nothing(console, router):
    """The next one ends what waits there; what was killed is taken away."""
    router.write("bin/dmesg", '#!/bin/sh\necho "dmesg $*" >>/calls\n', 0o755)
    router.write("proc/sys/kernel/printk", "7\t4\t1\t7\n")
    before = router.snapshot()
    broken = SerialChannel(console.port, BAUD).__enter__()
    broken.run("cat >/dev/null; cp data kept", b"topsecret")
    broken._serial.close()   # the tool is killed
    router.write("var/run/knocklet-install/serial.old/data", "topsecret")
    with SerialChannel(console.port, BAUD) as channel:
        (folder,) = (router.root / "var/run/knocklet-install").iterdir()
        assert f"/var/run/knocklet-install/{folder.name}" == channel._folder
        assert router.calls() == ["dmesg -n 1", "dmesg -n 7", "dmesg -n 1"]
    assert router.calls() == ["dmesg -n 7"]
    assert router.snapshot() == before


def test_a_router_that_says_long_numbers(console, router, quick):
    """int() takes no more than some thousand digits."""
    router.write("bin/wc", f"#!/bin/sh\necho {'9' * 5000}\n", 0o755)
    with SerialChannel(console.port, BAUD) as channel, pytest.raises(NetworkError, match="the line is too bad"):
        channel.run("true")


def test_messages_of_the_kernel_in_between(router, quick):
    shell = ["chroot", router.root, "/bin/sh", "-i"]
    with SerialConsole(shell, noise=0.06) as console, SerialChannel(console.port, BAUD) as channel:
        for _ in range(4):
            assert channel.run("cat", BYTES).out == BYTES
        assert channel.run("seq 1 600").out == b"".join(b"%d\n" % number for number in range(1, 601))
        channel.put("/root/x", data := random.Random(1).randbytes(20_000), 0o644)
    assert router.read("root/x") == data


def test_a_first_answer_that_gets_lost(console, quick):
    lost = []

    def spoil(data):
        if lost or not re.search(rb"@\w{12}0@", data):
            return data
        lost.append(data)
        return b""

    console.spoil = spoil
    with SerialChannel(console.port, BAUD) as channel:
        assert channel.run("echo out").out == b"out\n"
    assert lost


def test_an_answer_that_gets_lost_and_output_that_is_spoiled(console, router, quick):
    """Asked again; and what comes whole is what counts."""
    with SerialChannel(console.port, BAUD) as channel:
        for which in (3, 5, 6, 8):
            count = [0]

            def spoil(data, which=which, count=count):
                count[0] += 1
                return b"" if count[0] == which else data.replace(b"5", b"6") if count[0] == which + 1 else data

            console.spoil = spoil
            assert channel.run("cat", BYTES).out == BYTES
        console.spoil = lambda data: data.replace(b"61", b"62")
        with pytest.raises(NetworkError, match="the line is too bad|no answer within"):
            channel.run("echo aaa")
        console.spoil = lambda data: data


def test_a_line_that_spoils_what_is_sent(console, monkeypatch):
    """What came damaged is never run, and is sent again."""
    with SerialChannel(console.port, BAUD) as channel:
        line, times = channel._line, []

        def spoiled(number, text, how_often=2):
            times.append(text)
            line(number, text.replace("true", "echo") if len(times) <= how_often else text)

        monkeypatch.setattr(channel, "_line", spoiled)
        assert channel.run("true ran").out == b"" and len(times) == 3
        monkeypatch.setattr(channel, "_line", lambda number, text: spoiled(number, text, 1000))
        with pytest.raises(NetworkError, match="the line is too bad: what was sent came damaged 6 times"):
            channel.run("true ran")


LOGIN = """\
#!/bin/sh
trap '' INT
while printf 'raspberrypi login: '; do read -r name; done
"""


@pytest.mark.parametrize("program, line", [
    (LOGIN, "it asks who you are; log in there as root first"),
    ("#!/bin/busybox cat\n", "no shell answers; is it the console, 115200 baud, and has it booted"),
])  # fmt: skip
def test_no_shell(router, quick, program, line):
    router.write("bin/console", program, 0o755)
    with SerialConsole(["chroot", router.root, "/bin/console"]) as console, pytest.raises(NetworkError, match=line):
        SerialChannel(console.port, BAUD).__enter__()


def test_a_shell_that_is_not_roots(console, router):
    router.write("bin/id", "#!/bin/sh\necho 1000\n", 0o755)
    with pytest.raises(NetworkError, match="a shell of user 1000; allowed: root's"):
        SerialChannel(console.port, BAUD).__enter__()


def test_a_router_that_never_ends_talking(router, quick):
    with SerialConsole(["chroot", router.root, "/bin/busybox", "yes"]) as console:
        with pytest.raises(NetworkError, match="it says more than|no shell answers"):
            SerialChannel(console.port, BAUD).__enter__()


def test_more_output_than_was_asked_for(console):
    with SerialChannel(console.port, BAUD) as channel:
        with pytest.raises(NetworkError, match="it says more than 65536 bytes"):
            channel.run("yes | head -c 70000")
        assert channel.run("echo still here").out == b"still here\n"


def test_ports_that_are_none(tmp_path):
    for port in (tmp_path / "none", tmp_path, "socket://[::"):
        with pytest.raises(InputError, match="allowed: a serial port that nobody else uses"):
            SerialChannel(str(port), BAUD).__enter__()


def test_a_line_that_goes(console):
    with SerialChannel(console.port, BAUD) as channel:
        os.close(console._outer)
        with pytest.raises(NetworkError, match="the line is gone|no answer within"):
            channel.run("true")


def test_a_line_that_goes_between_two_answers(console, monkeypatch):
    """pyserial looks at the line already when it is told how long to wait."""

    def gone(serial, wait_s):
        raise OSError(5, "Input/output error")

    with SerialChannel(console.port, BAUD) as channel:
        with monkeypatch.context() as patch:
            patch.setattr(type(channel._serial), "timeout", property(lambda serial: 1, gone))
            with pytest.raises(NetworkError, match="the line is gone"):
                channel._read(1)


def test_provision_over_it(owner, console, router, knocklet):
    words = "provision", "home", "--via", "serial", "--to", console.port
    before = router.snapshot()
    assert knocklet(*words, "--dry-run").exit_code == 0 and router.snapshot() == before
    done = knocklet(*words, "--yes")
    assert done.exit_code == 0, done.stderr
    assert router.calls()[0] == "opkg update" and "home: the engine runs" in done.stdout
    assert "nothing to do" in knocklet(*words).stdout
    assert knocklet("unprovision", "home", "--via", "serial", "--to", console.port, "--yes").exit_code == 0
    assert router.snapshot() == before
