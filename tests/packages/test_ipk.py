"""The .ipk, read back: a packed tar of two packed tars, and what opkg and OpenWrt read in them."""

import gzip
import io
import subprocess
import tarfile

import pytest

_DATE_S = 1_767_225_600
_ROOTS = 0, 0, "", "", _DATE_S
_SETTINGS = "./etc/config/knocklet"


def members(packed):
    """[(TarInfo, its bytes)] of a packed tar."""
    assert packed[:10] == b"\x1f\x8b\x08\0\0\0\0\0\x02\x03"   # no name, no time
    plain = gzip.decompress(packed)
    assert plain[257:265] == b"ustar  \0"   # GNU tar's kind
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        return [(each, archive.extractfile(each).read() if each.isfile() else b"") for each in archive.getmembers()]


def owner_and_date(member):
    return member.uid, member.gid, member.uname, member.gname, member.mtime


@pytest.fixture
def parts(build):
    """What is in the file, by name."""
    found = members(build("router", "ipk"))
    assert [each.name for each, _ in found] == ["./debian-binary", "./data.tar.gz", "./control.tar.gz"]
    assert {each.mode for each, _ in found} == {0o644} and {owner_and_date(each) for each, _ in found} == {_ROOTS}
    return {each.name[2:]: data for each, data in found}


@pytest.fixture
def data(parts):
    return {each.name: (each, content) for each, content in members(parts["data.tar.gz"])}


@pytest.fixture
def control(parts):
    return {each.name: (each, content) for each, content in members(parts["control.tar.gz"])}


def test_the_outermost(parts):
    assert parts["debian-binary"] == b"2.0\n"


def test_files_and_modes(data):
    names = list(data)
    assert names[0] == "." and names == sorted(names) and all(name.startswith("./") for name in names[1:])
    assert all(name == "." or name.rpartition("/")[0] in data for name in names)   # with all folders
    assert {owner_and_date(each) for each, _ in data.values()} == {_ROOTS}
    modes = {name: each.mode for name, (each, _) in data.items() if each.isfile()}
    assert modes.pop(_SETTINGS) == 0o600
    assert [name for name, mode in modes.items() if mode == 0o755] == ["./etc/init.d/knocklet", "./usr/lib/knocklet/start.sh"]
    assert set(modes.values()) == {0o644, 0o755}
    folders = {name: each.mode for name, (each, _) in data.items() if each.isdir()}
    assert folders.pop("./etc/knocklet") == 0o700 and set(folders.values()) == {0o755}
    link, _ = data["./usr/bin/knockletctl"]
    assert link.issym() and link.linkname == "../lib/knocklet/start.sh"
    assert data["./usr/lib/knocklet/knocklet/core/grants.mpy"][1] == b"grants"
    assert not [name for name in names if "pycache" in name]


def test_control(control, parts):
    scripts = ["./postinst", "./postinst-pkg", "./postrm", "./prerm", "./prerm-pkg"]
    assert list(control) == [".", "./conffiles", "./control", *scripts]
    modes = {name: each.mode for name, (each, _) in control.items()}
    assert modes.pop("./control") == modes.pop("./conffiles") == 0o644 and set(modes.values()) == {0o755}
    lines = control["./control"][1].decode().splitlines()
    fields = dict(line.split(": ", 1) for line in lines)
    order = "Package Version Depends SourceName License Section Require-User SourceDateEpoch Maintainer Architecture"
    assert list(fields) == [*order.split(), "Installed-Size", "Description"]
    assert int(fields.pop("Installed-Size")) == len(gzip.decompress(parts["data.tar.gz"]))
    assert fields.pop("Description") and "@" in fields.pop("Maintainer")
    assert fields == {
        "Package": "knocklet", "Version": "0.1.0-r1", "Depends": "micropython-mbedtls, kmod-nft-core (>= 6.6)",
        "SourceName": "knocklet", "License": "MIT", "Section": "net", "Require-User": "knocklet:knocklet",
        "SourceDateEpoch": str(_DATE_S), "Architecture": "all",
    }  # fmt: skip
    assert control["./conffiles"][1] == b"/etc/config/knocklet\n"


def test_scripts(control):
    scripts = {name[2:]: data for name, (_, data) in control.items() if name[2:5] in ("pos", "pre")}
    for script in scripts.values():
        assert script.startswith(b"#!/bin/sh\n")
        subprocess.run(["sh", "-n"], input=script, check=True)
    assert scripts["postinst"].decode().splitlines()[1:] == [
        '[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0', "[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0",
        ". ${IPKG_INSTROOT}/lib/functions.sh", "default_postinst $0 $@",
    ]  # fmt: skip
    assert scripts["prerm"].decode().splitlines()[-1] == "default_prerm $0 $@"
    own = {"postinst-pkg": b": after_install\n", "prerm-pkg": b": before_remove\n", "postrm": b": after_remove\n"}
    assert {name: scripts[name].partition(b"\n")[2] for name in own} == own


def test_a_board_without_scripts_and_settings(build, repository):
    board = repository / "boards/router"
    for path in [*(board / "scripts").iterdir()]:
        path.unlink()
    text = (board / "board.toml").read_text()
    (board / "board.toml").write_text(text.replace('config_files = ["/etc/config/knocklet"]', ""))
    inner = {each.name[2:]: data for each, data in members(build("router", "ipk"))}["control.tar.gz"]
    assert [each.name for each, _ in members(inner)] == [".", "./control", "./postinst", "./prerm"]
