"""The .apk, read back by a reader of its own: every block, value, hash and mode, and the signature."""

import hashlib
import subprocess
import zlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from packages import apk_reader

from knocklet_tool.apk_values import Values

_DATE_S = 1_767_225_600
_ROOT = "root", "root"


@pytest.fixture
def apk(build):
    return apk_reader.read(build("router", "apk"))


def test_who_it_is(apk):
    info = dict(apk.info)
    assert len(info.pop("hashes")) == 20 and info.pop("installed-size") > 300
    assert info.pop("description").isprintable() and "@" in info.pop("maintainer")
    assert info == {
        "name": "knocklet", "version": "0.1.0-r1", "arch": "noarch", "license": "MIT", "origin": "knocklet",
        "build-time": _DATE_S,
    }  # fmt: skip
    assert apk.depends == [("kmod-nft-core", 5, "6.6"), ("micropython-mbedtls", 0, "")]
    assert apk.signatures == []


def test_folders_files_and_modes(apk):
    folders = {path: item.mode for path, item in apk.items.items() if item.kind == "folder"}
    assert folders.pop("etc/knocklet") == 0o700
    assert set(folders.values()) == {0o755} and {"", "etc", "etc/config", "usr/lib/knocklet/knocklet/core"} <= set(folders)
    files = {path: item for path, item in apk.items.items() if item.kind == "file"}
    modes = {path: item.mode for path, item in files.items()}
    assert modes.pop("etc/config/knocklet") == 0o600
    assert [path for path, mode in modes.items() if mode == 0o755] == ["etc/init.d/knocklet", "usr/lib/knocklet/start.sh"]
    assert set(modes.values()) == {0o644, 0o755}
    assert {item.owner for item in apk.items.values()} == {_ROOT}
    assert {item.mtime for item in apk.items.values() if item.kind != "folder"} == {_DATE_S}
    assert files["usr/lib/knocklet/knocklet/core/grants.mpy"].data == b"grants"
    assert files["etc/hotplug.d/ntp/knocklet"].data == b""
    link = apk.items["usr/bin/knockletctl"]
    assert (link.kind, link.target) == ("link", "../lib/knocklet/start.sh")


def test_what_openwrt_adds(apk):
    found = {path: item.data.decode() for path, item in apk.items.items() if item.kind == "file" and "/packages/" in path}
    lists = {path.removeprefix("lib/apk/packages/knocklet."): text for path, text in found.items()}
    settings = apk.items["etc/config/knocklet"].data
    assert lists.pop("rusers") == "knocklet:knocklet\n"
    assert lists.pop("conffiles") == "/etc/config/knocklet\n"
    assert lists.pop("conffiles_static") == f"/etc/config/knocklet {hashlib.sha256(settings).hexdigest()}\n"
    names = lists.pop("list").splitlines()
    assert lists == {}
    others = [f"/{path}" for path, item in apk.items.items() if item.kind != "folder" and "/packages/" not in path]
    assert names == sorted([*others, "/lib/apk/packages/knocklet.rusers"])


def test_scripts(apk):
    assert set(apk.scripts) == {"post-install", "pre-deinstall", "post-deinstall", "post-upgrade"}
    for script in apk.scripts.values():
        assert script.startswith(b"#!/bin/sh\n") and script.count(b"#!") == 1
        subprocess.run(["sh", "-n"], input=script, check=True)
    assert apk.scripts["post-deinstall"] == b"#!/bin/sh\n: after_remove\n"
    install = apk.scripts["post-install"].decode().splitlines()
    assert install[1] == '[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0'
    assert install[4:] == [
        'export root="${IPKG_INSTROOT}"',
        'export pkgname="knocklet"',
        "add_group_and_user",
        "default_postinst",
        ": after_install",
    ]
    assert apk.scripts["post-upgrade"].decode().splitlines() == [install[0], "export PKG_UPGRADE=1", *install[1:]]
    assert apk.scripts["pre-deinstall"].decode().splitlines()[-2:] == ["default_prerm", ": before_remove"]


@pytest.mark.parametrize("name", ["post-install", "pre-deinstall"])
def test_scripts_do_their_work_in_the_root_that_an_image_is_built_in(apk, tmp_path, name):
    """As ImageBuilder calls them: IPKG_INSTROOT names the root. Without OpenWrt's functions there they do nothing."""
    (tmp_path / "lib").mkdir()
    names = "add_group_and_user", "default_postinst", "default_prerm"
    functions = "".join(f'{name}() {{ echo {name} "$pkgname" "$root"; }}\n' for name in names)

    def run(**environment):
        done = subprocess.run(["sh", "-s"], input=apk.scripts[name], env=environment, capture_output=True, check=True)
        return done.stdout.decode().split()

    root = str(tmp_path)
    assert run(IPKG_INSTROOT=root) == []
    (tmp_path / "lib" / "functions.sh").write_text(functions)
    calls = {"post-install": ["add_group_and_user", "default_postinst"], "pre-deinstall": ["default_prerm"]}[name]
    assert run(IPKG_INSTROOT=root) == [word for call in calls for word in (call, "knocklet", root)]
    if name == "post-install":
        assert run(IPKG_INSTROOT=root, IPKG_NO_SCRIPT="1") == []


def test_signed(build):
    key = ec.generate_private_key(ec.SECP256R1())
    packed = build("router", "apk", key=key)
    [(key_id, signed, signature)] = apk_reader.read(packed).signatures
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    assert key_id == hashlib.sha512(point).digest()[:16]
    key.public_key().verify(signature, signed, ec.ECDSA(hashes.SHA512()))
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature, signed + b"x", ec.ECDSA(hashes.SHA512()))
    assert packed == build("router", "apk", key=key)


def test_the_signature_covers_what_is_in_the_files(build, repository):
    key = ec.generate_private_key(ec.SECP256R1())
    [(_, before, _)] = apk_reader.read(build("router", "apk", key=key)).signatures
    (repository / "build/firmware/knocklet/core/grants.mpy").write_text("grantz")
    [(_, after, _)] = apk_reader.read(build("router", "apk", key=key)).signatures
    assert before != after


@pytest.mark.parametrize("length", [0, 1, 255, 256, 65_535, 65_536])
@pytest.mark.parametrize("before", range(4))
def test_values_of_every_length(length, before):
    """Behind a blob that leaves the next one on an odd place."""
    made = Values()
    tags = [made.blob(b"x" * before), made.blob(b"y" * length), made.number((1 << 28) - 1), made.number(1 << 28)]
    tags.append(made.number((1 << 32) - 1))
    found = apk_reader.Values(bytes(made.finish(made.array(tags))))
    slots = found.array(found.root)
    assert [found.blob(slots[0]), found.blob(slots[1])] == [b"x" * before, b"y" * length]
    assert [found.number(slot) for slot in slots[2:]] == [(1 << 28) - 1, 1 << 28, (1 << 32) - 1]


def test_the_reader_sees_damage(build):
    """A bit of any byte that is packed: the tests above would fail for it."""
    body = bytearray(apk_reader.unpacked(build("router", "apk")))
    apk_reader.read(_packed(body))
    unseen = []
    for place in range(len(body)):
        body[place] ^= 1
        try:
            apk_reader.read(_packed(body))
            unseen.append(place)
        except Exception:
            pass
        body[place] ^= 1
    assert unseen == []


def _packed(body):
    packer = zlib.compressobj(1, wbits=-15)
    return b"ADBd" + packer.compress(bytes(body)) + packer.flush()
