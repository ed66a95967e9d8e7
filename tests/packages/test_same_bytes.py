"""A package is the same, byte for byte, whoever builds it: at another time and place, with another umask and language."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from packages.repository import make
from packages.test_ipk import members

from knocklet_tool import board_folder, package, package_build, package_tar, package_tree, package_version
from knocklet_tool.errors import InputError

_HOME = Path(__file__).parents[2]
_BUILD = """\
import os, sys
from pathlib import Path
os.umask(int(sys.argv[2], 8))
from knocklet_tool import board_folder
board_folder.ROOT = Path(sys.argv[1])
from knocklet_tool.main import app
for words in ("router", "--key", sys.argv[3]), ("pi",):
    try:
        app(["board", "build", *words], prog_name="knocklet")
    except SystemExit as ended:
        assert ended.code in (0, None), ended.code
"""
ALL = ("router", "ipk"), ("router", "apk"), ("pi", "deb")


def built(root, key, umask, **environment):
    """{name: bytes} as the command writes them, in a process of its own."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{_HOME / 'host_tools'}:{_HOME / 'firmware'}", **environment}
    cwd = environment.pop("CWD")
    words = [sys.executable, "-c", _BUILD, root, umask, key]
    subprocess.run(words, env=environment, cwd=cwd, check=True, capture_output=True)
    return {path.name: path.read_bytes() for path in sorted((root / "build/packages").glob("*/*"))}


def other_way_round(root, copy):
    """The same files, made in another order, on another day, readable for their owner alone."""
    for path in sorted(root.rglob("*"), reverse=True):
        to = copy / path.relative_to(root)
        to.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            to.symlink_to(os.readlink(path))
        elif path.is_file():
            to.write_bytes(path.read_bytes())
            to.chmod(path.stat().st_mode & 0o700)
            os.utime(to, (1, 1_000_000_000))


def test_built_twice(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there" / "deep"
    make(here)
    other_way_round(here, there)
    key = tmp_path / "key.pem"
    private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(*private))
    first = built(here, key, "022", CWD="/", TZ="UTC", LC_ALL="C", PYTHONHASHSEED="1", HOME=str(tmp_path))
    second = built(there, key, "077", CWD=tmp_path, TZ="Asia/Tokyo", LC_ALL="C.UTF-8", PYTHONHASHSEED="2", USER="other")
    assert set(first) == {"knocklet-0.1.0-r1.apk", "knocklet_0.1.0-r1_all.ipk", "knocklet_0.1.0-1_all.deb", "knocklet.pem"}
    assert first == second


def _time_in_gzip(monkeypatch, turn):
    monkeypatch.setattr(package_tar, "_GZIP_HEADER", b"\x1f\x8b\x08\0" + bytes((turn, 0, 0, 0)) + b"\2\3")


def _time_of_the_build(monkeypatch, turn):
    monkeypatch.setattr(package_version, "date_s", lambda: turn)


def _mode_on_the_disk(monkeypatch, turn):
    real = package_tree.read_folder

    def read(folder):
        return [replace(each, mode=(folder / each.path).lstat().st_mode & 0o777) for each in real(folder)]

    monkeypatch.setattr(package_tree, "read_folder", read)


def _order_on_the_disk(monkeypatch, turn):
    real = package_tree.with_folders
    monkeypatch.setattr(package, "with_folders", lambda *words: real(*words)[:: -1 if turn else 1])


@pytest.mark.parametrize(
    "leak, formats",
    [
        (_time_in_gzip, {"ipk", "deb"}),   # there is none in an .apk
        (_time_of_the_build, {"ipk", "apk", "deb"}),
        (_mode_on_the_disk, {"ipk", "apk", "deb"}),
        (_order_on_the_disk, {"ipk", "apk", "deb"}),
    ],
)
def test_what_leaks_would_be_seen(tmp_path, monkeypatch, leak, formats):
    """Each leak of the machine into a package, put in on purpose: then two builds differ."""
    roots = tmp_path / "here", tmp_path / "there"
    make(roots[0])
    other_way_round(*roots)

    def differs(board, format_, leak=lambda *_: None):
        packed = []
        for turn, root in enumerate(roots):
            with monkeypatch.context() as changed:
                changed.setattr(board_folder, "ROOT", root)
                leak(changed, turn)
                packed.append(package_build.build(board_folder.load(board), format_).data)
        return packed[0] != packed[1]

    assert not [format_ for board, format_ in ALL if differs(board, format_)]
    assert {format_ for board, format_ in ALL if differs(board, format_, leak)} == formats


def test_another_date(build, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    outer = members(build("router", "ipk"))
    assert {each.mtime for each, _ in outer} == {1_000_000_000}
    assert {each.mtime for each, _ in members(outer[1][1])} == {1_000_000_000}


@pytest.mark.parametrize("text", ["", "yesterday", "-1", "4294967296", "1.5", "1e9", "²"])
def test_a_date_that_is_none(build, monkeypatch, text):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    with pytest.raises(InputError, match="SOURCE_DATE_EPOCH: .*; allowed: seconds since 1970, below 4294967296"):
        build("router", "ipk")


@pytest.mark.parametrize(
    "version, names",
    [
        # of the firmware; .ipk, .apk, .deb
        ("0.1.0", ("0.1.0-r1", "0.1.0-r1", "0.1.0-1")),
        ("2.0", ("2.0-r1", "2.0-r1", "2.0-1")),
        ("0.2.0rc1", ("0.2.0~rc1-r1", "0.2.0_rc1-r1", "0.2.0~rc1-1")),
        ("0.2.0b12", ("0.2.0~beta12-r1", "0.2.0_beta12-r1", "0.2.0~beta12-1")),
        ("0.2.0a1", ("0.2.0~alpha1-r1", "0.2.0_alpha1-r1", "0.2.0~alpha1-1")),
    ],
)
def test_versions(version, names):
    assert tuple(package_version.version(format_, version) for format_ in ("ipk", "apk", "deb")) == names


def test_a_release_comes_after_its_candidates():
    """By dpkg itself; the words of an .apk are those that apk-tools sorts before the release."""
    versions = "0.2.0a1", "0.2.0b2", "0.2.0rc1", "0.2.0", "0.2.1rc1", "0.10.0"
    order = [package_version.version("deb", version) for version in versions]
    for older, newer in zip(order, order[1:]):
        subprocess.run(["dpkg", "--compare-versions", older, "lt", newer], check=True)


@pytest.mark.parametrize("version", ["", "1.0-dev", "1..0", "v1.0", "1.0+local", "1.0\n"])
def test_a_version_that_no_format_can_say(version):
    with pytest.raises(InputError, match="allowed: numbers and dots, then a, b or rc with a number, or nothing"):
        package_version.version("apk", version)
