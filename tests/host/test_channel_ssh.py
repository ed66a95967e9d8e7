"""ssh as a channel: one connection for all, files whole or not at all, and nothing that the other side says has no limit."""

import os

import pytest

from knocklet_tool.channel import PRIVATE
from knocklet_tool.channel_ssh import SshChannel, check_target
from knocklet_tool.errors import InputError, NetworkError, RefusedError

KEY = "/etc/knocklet/key"
FILE = f"{PRIVATE}/x"


@pytest.fixture
def channel(router):
    with SshChannel("root@192.168.1.1") as opened:
        yield opened


def test_code_and_bytes(channel):
    done = channel.run("cat; exit 3", bytes(range(256)))
    assert (done.code, done.out) == (3, bytes(range(256)))
    assert channel.run("echo 'a' \"b\" $((1+1)); echo hidden >&2").text == "a b 2\n"


def test_one_connection_that_is_closed_at_the_end(router):
    with SshChannel("root@192.168.1.1") as channel:
        for _ in range(3):
            channel.run("true")
    sent = router.sent.read_text().splitlines()
    assert len([line for line in sent if " -M -N -f " in line]) == 1 and " -O exit root@192.168.1.1" in sent[-1]
    others = [line for line in sent if " exec sh -c " in line]
    assert len(others) == 3 and all("ControlMaster=no" in line and "BatchMode=yes" in line for line in others)
    assert len({line.split()[1] for line in sent}) == 1   # the same ControlPath


def test_a_file_is_there_whole_or_as_before(channel, router):
    channel.put(KEY, b"old", 0o600)
    router.write("bin/wc", "#!/bin/sh\necho 2\n", 0o755)   # as where there is no room
    with pytest.raises(RefusedError, match=f"{KEY}: exit 1: 3 bytes did not fit"):
        channel.put(KEY, b"new", 0o600)
    assert router.read(KEY[1:]) == b"old"
    assert [path.name for path in (router.root / "etc/knocklet").iterdir()] == ["key"]


def test_nobody_else_can_read_it_meanwhile(channel, router):
    router.write("bin/chmod", "#!/bin/sh\nexit 1\n", 0o755)
    with pytest.raises(RefusedError):
        channel.put(KEY, b"secret", 0o644)
    assert not (router.root / KEY[1:]).exists()
    assert (router.root / (KEY[1:] + ".new")).stat().st_mode & 0o777 == 0o600
    assert (router.root / "etc/knocklet").stat().st_mode & 0o777 == 0o700


def test_limits(channel):
    with pytest.raises(NetworkError, match="no answer within 0 s"):
        channel.run("exec sleep 30", limit_s=0.2)
    with pytest.raises(NetworkError, match="it says more than 65536 bytes"):
        channel.run("exec yes")
    with pytest.raises(NetworkError, match="it says more than 65536 bytes"):
        channel.run("yes | head -c 65537")
    with pytest.raises(NetworkError, match="it says more than 65536 bytes"):
        channel.run("exec yes >&2")
    assert len(channel.run("yes | head -c 65536").out) == 65_536


def test_what_fails_is_told_by_its_last_line(channel):
    with pytest.raises(RefusedError, match="^root@192.168.1.1: it: exit 4: what is wrong$"):
        channel.must("it", "echo before; echo; echo what is wrong >&2; exit 4")
    with pytest.raises(RefusedError, match="it: exit 1: it says nothing"):
        channel.must("it", "false")


@pytest.mark.parametrize("target", ["root@192.168.1.1", "pi", "ssh://root@host:2222", "root@[fd00::1]", "root@fe80::1%eth0"])
def test_targets(target):
    assert check_target(target) == target


@pytest.mark.parametrize("target", ["", "-oProxyCommand=reboot", "a b", "a;b", "$(x)", "a\nb", "ssh://-x", "root@h/x"])
def test_what_is_no_target(target):
    with pytest.raises(InputError, match="allowed: root@192.168.1.1"):
        check_target(target)


def test_a_script_longer_than_dropbear_takes_as_a_command(channel, router):
    long = "\n".join(f"v{number}='it is {number}'" for number in range(2000))
    done = channel.run(f"{long}\ncat; exit 3", b"\0data\n")
    assert (done.code, done.out) == (3, b"\0data\n")
    assert max(map(len, router.sent.read_bytes().splitlines())) < 1000


def test_a_command_that_ends_as_ssh_does_when_it_has_failed(channel):
    """opkg does so."""
    assert channel.run("exit 255").code == 254


def test_a_file_that_somebody_else_has_laid_there_is_not_written_into(channel, router):
    """Who holds it open, or has made a link of it, gets nothing."""
    router.write("etc/passwd", "root")
    router.write(f"{FILE[1:]}.new", "")
    with open(router.root / f"{FILE[1:]}.new", "rb") as held:
        channel.put(FILE, b"secret", 0o600)
        assert held.read() == b"" and router.read(FILE[1:]) == b"secret"
    (router.root / f"{FILE[1:]}.new").symlink_to("/etc/passwd")
    channel.put(FILE, b"other", 0o600)
    assert router.read("etc/passwd") == b"root" and router.read(FILE[1:]) == b"other"


@pytest.mark.parametrize("mode, user, found", [
    (0o700, 1000, "drwx------ of user 1000"),
    (0o777, 0, "drwxrwxrwx of user 0"),
    (0o770, 0, "drwxrwx--- of user 0"),
    (0o1777, 0, "drwxrwxrwt of user 0"),
])  # fmt: skip
def test_a_folder_in_which_somebody_else_may_write(channel, router, mode, user, found):
    folder = router.root / PRIVATE[1:]
    folder.mkdir()
    folder.chmod(mode)
    os.chown(folder, user, user)
    with pytest.raises(RefusedError, match=f"its folder is {found}; allowed: root's"):
        channel.put(FILE, b"secret", 0o600)
    assert list(folder.iterdir()) == []


def test_its_folder_is_roots_alone(channel, router):
    channel.put(FILE, b"secret", 0o600)
    assert (router.root / PRIVATE[1:]).stat().st_mode & 0o7777 == 0o700


@pytest.mark.parametrize("cat", ["head -c 3", "head -c 3; exit 1"])
def test_a_full_disk_leaves_nothing_of_it(channel, router, cat):
    channel.put("/etc/knocklet/key", b"before", 0o600)
    router.write("bin/cat", f"#!/bin/sh\n{cat}\n", 0o755)
    with pytest.raises(RefusedError, match="/etc/knocklet/key: exit 1"):
        channel.put("/etc/knocklet/key", b"new key", 0o600)
    assert [path.name for path in (router.root / "etc/knocklet").iterdir()] == ["key"]
    assert router.read("etc/knocklet/key") == b"before"


def test_a_long_list_of_known_hosts_may_be_written(router, monkeypatch, tmp_path):
    """What the other side says is limited; a file of this computer's own is not."""
    program, hosts = tmp_path / "ssh", tmp_path / "known_hosts"
    program.write_text(f"""#!/bin/sh
case " $* " in *" -N "*) head -c 300000 /dev/zero >{hosts} || exit 1 ;; *" -O "*) ;; *) head -c 300000 /dev/zero ;; esac
""")
    program.chmod(0o755)
    monkeypatch.setenv("KNOCKLET_SSH", str(program))
    with SshChannel("root@router") as channel:
        assert hosts.stat().st_size == 300000
        with pytest.raises(NetworkError, match="it says more than 65536 bytes|head"):
            channel.must("talk", "true")
