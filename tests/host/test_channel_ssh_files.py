"""ssh as a channel: scripts of any length, and files that nobody else gets in between."""

import os

import pytest

from knocklet_tool.channel import PRIVATE
from knocklet_tool.channel_ssh import SshChannel
from knocklet_tool.errors import NetworkError, RefusedError

FILE = f"{PRIVATE}/x"


@pytest.fixture
def channel(router, monkeypatch):
    monkeypatch.setenv("KNOCKLET_SSH", str(router.ssh))
    with SshChannel("root@router") as made:
        yield made


def test_a_script_longer_than_dropbear_takes_as_a_command(channel, router):
    long = "\n".join(f"v{number}='it is {number}'" for number in range(2000))
    done = channel.run(f"{long}\ncat; exit 3", b"\0data\n")
    assert (done.code, done.out) == (3, b"\0data\n")
    assert max(map(len, router.sent.read_bytes().splitlines())) < 1000


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
