"""The commands of board.toml with a stand-in that does what opkg does: what they take away, and what they leave in force."""

import shutil

import pytest
from openwrt.router import STAND_IN, Router

from knocklet_tool import board_folder, package_build, package_version

BOARD = board_folder.load("openwrt")
IPK = BOARD.model.package.formats["ipk"]
LINKS = ("etc/rc.d/S18knocklet-closed", "etc/rc.d/S95knocklet")
OLD, NEW = "0.1.0", "0.2.0"


@pytest.fixture(scope="module")
def packages():
    """{version: the file}"""
    made = {}
    for version in (OLD, NEW):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(package_version.version, "__defaults__", (version,))
            made[version] = package_build.build(BOARD, "ipk").data
    return made


class Knocklet:
    """On a router, with its key there and its rules in force."""

    def __init__(self, router, packages):
        self.router = router
        for version, data in packages.items():
            (router.place / "tmp" / f"{version}.ipk").write_bytes(data)
        shutil.copy(STAND_IN / "opkg", router.place / "bin" / "opkg")
        for name in ("nft", "micropython", "fw4"):
            router.script(name, f'#!/bin/sh\necho "{name} $*" >>/tmp/ran\n')
        router.write("/var/run/fw4.state", "")
        self.install(OLD)
        router.write("/etc/knocklet/key", "k" * 32)
        router.write("/var/run/knocklet/ntp", "")
        (router.place / "tmp" / "ran").unlink()

    def run(self, command, version=""):
        return self.router.run("/bin/sh", "-c", command.format(file=f"/tmp/{version}.ipk"))

    def install(self, version):
        done = self.run(IPK.install, version)
        assert done.returncode == 0, done.stderr

    @property
    def version(self):
        path = self.router.place / "usr/lib/opkg/version"
        return path.read_text().split("-")[0] if path.exists() else None

    @property
    def taken_away(self):
        """What was done to the rules."""
        path = self.router.place / "tmp" / "ran"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if "--uninstall" in line or line.startswith("nft")]

    @property
    def protects(self):
        """Is nothing of it gone: the program, the service at boot, the rules, what it knows until then, the key?"""
        paths = ["usr/lib/knocklet/start.sh", *LINKS, "var/run/knocklet/ntp"]
        paths += ["etc/knocklet/key", "etc/config/knocklet"]
        there = [(self.router.place / path).is_symlink() or (self.router.place / path).exists() for path in paths]
        return all(there) and not self.taken_away


@pytest.fixture
def knocklet(tmp_path, packages):
    return Knocklet(Router(tmp_path / "router", package=False, micropython=False), packages)


def test_upgrade_and_back(knocklet):
    for version in (NEW, OLD):
        knocklet.install(version)
        assert (knocklet.version, knocklet.protects) == (version, True)


def test_the_same_version_again(knocklet):
    """Whatever has become of its files."""
    start = knocklet.router.place / "usr/lib/knocklet/start.sh"
    whole = start.read_text()
    start.write_text("torn")
    knocklet.install(OLD)
    assert start.read_text() == "torn"   # that is why there is another command
    assert knocklet.run(IPK.reinstall, OLD).returncode == 0
    assert start.read_text() == whole
    assert (knocklet.version, knocklet.protects) == (OLD, True)


def test_one_that_cannot_be_installed(knocklet):
    """What is there stays whole; that the first says all is well is opkg's way."""
    knocklet.router.write("/tmp/no_feed", "")
    knocklet.run(IPK.install, NEW)
    assert (knocklet.version, knocklet.protects) == (OLD, True)
    assert knocklet.run(IPK.reinstall, OLD).returncode == 255
    assert (knocklet.version, knocklet.protects) == (OLD, True)


def test_remove(knocklet):
    done = knocklet.run(IPK.remove)
    assert "knocklet: /etc/knocklet stays, with its keys" in done.stdout
    uninstall = "micropython /usr/lib/knocklet/knocklet_engine.py --uninstall"
    assert knocklet.taken_away == [uninstall, "nft delete table inet knocklet"]
    place = knocklet.router.place
    gone = ("usr/lib/knocklet/start.sh", *LINKS, "var/run/knocklet")
    assert not [path for path in gone if (place / path).is_symlink() or (place / path).exists()]
    assert (place / "etc/knocklet/key").exists()
