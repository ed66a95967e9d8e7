"""The .deb, read by dpkg itself: what it says of it, what is unpacked and how, and what Debian's policy wants of it."""

import hashlib
import os
import stat
import subprocess

import pytest

_FILE = "knocklet_0.1.0-1_all.deb"


def dpkg_deb(*words):
    done = subprocess.run(["dpkg-deb", *map(str, words)], capture_output=True, check=True, env={**os.environ, "TZ": "UTC"})
    assert done.stderr == b""   # nor does it warn
    return done.stdout.decode()


@pytest.fixture
def deb(build, tmp_path):
    path = tmp_path / _FILE
    path.write_bytes(build("pi", "deb"))
    return path


@pytest.fixture
def control(deb, tmp_path):
    """The folder with what is in control.tar.gz."""
    dpkg_deb("--control", deb, tmp_path / "control")
    return tmp_path / "control"


def test_the_archive(deb):
    """ar(5) by hand: dpkg takes more than it should."""
    data = deb.read_bytes()
    assert data[:8] == b"!<arch>\n"
    place, names = 8, []
    while place < len(data):
        head = data[place : place + 60]
        assert head[58:] == b"`\n" and head[16:48] == b"1767225600  0     0     100644  "
        size = int(head[48:58])
        names.append(head[:16].decode().strip())
        place += 60 + size
        if size % 2:
            assert data[place : place + 1] == b"\n"
            place += 1
    assert place == len(data) and names == ["debian-binary", "control.tar.gz", "data.tar.gz"]
    assert data[68:72] == b"2.0\n"


@pytest.mark.parametrize("length", range(4))
def test_members_of_odd_length_too(build, repository, tmp_path, length):
    """With a file that cannot be packed, a byte longer each time: one of them makes data.tar.gz odd."""
    (repository / "boards/pi/files/etc/default/knocklet").write_bytes(hashlib.sha256(b"").digest()[:length])
    path = tmp_path / _FILE
    path.write_bytes(build("pi", "deb"))
    assert "knockletctl" in dpkg_deb("--contents", path)


def test_fields(deb):
    fields = dpkg_deb("--field", deb)
    found = dict(line.split(": ", 1) for line in fields.splitlines() if not line.startswith(" "))
    assert int(found.pop("Installed-Size")) > 8 and found.pop("Maintainer").endswith(">")
    assert found == {
        "Package": "knocklet", "Version": "0.1.0-1", "Section": "net", "Priority": "optional", "Architecture": "all",
        "Depends": "micropython (>= 1.23), nftables | ipset", "Description": "Port knocking for home routers",
    }  # fmt: skip
    synopsis, *more = fields.partition("Description: ")[2].splitlines()
    assert len(synopsis) < 80 and not synopsis.endswith(".") and more and all(line.startswith(" ") for line in more)
    subprocess.run(["dpkg", "--validate-version", found["Version"]], check=True)


def test_contents(deb):
    lines = [line.split(None, 5) for line in dpkg_deb("--contents", deb).splitlines()]
    assert {line[1] for line in lines} == {"root/root"} and {(line[3], line[4]) for line in lines} == {("2026-01-01", "00:00")}
    modes = {line[5]: line[0] for line in lines}
    assert list(modes)[0] == "./" and list(modes) == sorted(modes)
    assert modes["./etc/knocklet/"] == "drwx------"
    assert modes["./usr/bin/knockletctl -> ../lib/knocklet/start.sh"] == "lrwxrwxrwx"
    (wanted,) = [name for name in modes if ".wants/knocklet-engine.service" in name]
    assert modes[wanted] == "lrwxrwxrwx" and wanted.endswith(" -> ../knocklet-engine.service")
    assert {name for name, mode in modes.items() if mode == "-rwxr-xr-x"} == {"./usr/lib/knocklet/start.sh"}
    assert {modes[name] for name in modes if name.endswith((".mpy", ".py", "/default/knocklet"))} == {"-rw-r--r--"}
    assert not [name for name in modes if "pycache" in name]


def test_control(control, tmp_path, deb):
    assert sorted(path.name for path in control.iterdir()) == ["conffiles", "control", "md5sums", "postinst", "postrm", "prerm"]
    assert (control / "conffiles").read_text() == "/etc/default/knocklet\n"
    for name, text in (("postinst", "after_install"), ("prerm", "before_remove"), ("postrm", "after_remove")):
        path = control / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o755 and path.read_text() == f"#!/bin/sh\nset -e\n: {text}\n"


def test_policy(deb, control, tmp_path):
    """What lintian calls an error: no copyright, wrong sums, settings that an upgrade would overwrite, odd places."""
    root = tmp_path / "root"
    dpkg_deb("--extract", deb, root)
    found = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    files = {path.relative_to(root).as_posix() for path in found}
    sums = dict(reversed(line.split("  ")) for line in (control / "md5sums").read_text().splitlines())
    assert {name: hashlib.md5((root / name).read_bytes()).hexdigest() for name in files} == sums
    assert "MIT" in (root / "usr/share/doc/knocklet/copyright").read_text()
    settings = {line.strip("/") for line in (control / "conffiles").read_text().splitlines()}
    assert {name for name in files if name.startswith("etc/")} == settings
    assert {name.partition("/")[0] for name in files} == {"etc", "usr"}


def test_dpkg_unpacks_it(deb, tmp_path):
    """Into a root of its own, and without scripts, which `--unpack` does not run."""
    root = tmp_path / "root"
    for folder in ("updates", "info", "triggers"):
        (root / "var/lib/dpkg" / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    words = ["dpkg", f"--root={root}", "--force-depends", "--log=/dev/null"]
    subprocess.run([*words, "--unpack", deb], check=True, capture_output=True, umask=0o077)
    assert stat.S_IMODE((root / "usr/lib/knocklet/start.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "etc/knocklet").stat().st_mode) == 0o700
    assert (root / "usr/bin/knockletctl").resolve() == root / "usr/lib/knocklet/start.sh"
    status = subprocess.run([*words, "--status", "knocklet"], check=True, capture_output=True, text=True).stdout
    assert "Status: install ok unpacked" in status and "/etc/default/knocklet" in status
    subprocess.run([*words, "--verify", "knocklet"], check=True)
    (root / "usr/lib/knocklet/start.sh").write_text("changed")
    changed = subprocess.run([*words, "--verify", "knocklet"], capture_output=True, text=True).stdout
    assert "/usr/lib/knocklet/start.sh" in changed
