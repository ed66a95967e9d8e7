"""The .deb on Debian's own dpkg, on a system that does not run: what it brings, keeps, and takes away."""

import stat

import pytest
from raspberry_pi.conftest import SETTINGS, install
from raspberry_pi.machine import Machine, tree

from lab.host import LabError

_OWN = {  # whatever lies in /etc/knocklet, and its mode
    "/etc/knocklet/config.json": 0o600,
    "/etc/knocklet/key": 0o600,
    "/etc/knocklet/state/replay.a": 0o600,
}


@pytest.fixture(scope="module")
def debian():
    with Machine() as made:
        yield made


@pytest.fixture
def machine(debian):
    """A Debian 13 without the package; after the test, too."""
    yield debian
    debian.chroot(["dpkg", "--purge", "knocklet"], check=False)


@pytest.fixture
def installed(machine, package):
    install(machine.chroot, machine, package)
    return machine


def _write_own(machine):
    machine.path("/etc/knocklet/state").mkdir(mode=0o700)
    for path, mode in _OWN.items():
        machine.put(path, f"of {path}", mode)


def _own(machine):
    return {path: (machine.path(path).read_text(), stat.S_IMODE(machine.path(path).stat().st_mode)) for path in _OWN}


def _links(machine):
    """What is started at boot."""
    return [path for path in machine.path("/etc/systemd/system").rglob("*") if "knocklet" in path.name]


def test_installed(installed):
    chroot = installed.chroot
    assert chroot(["dpkg-query", "--show", "--showformat=${db:Status-Status}", "knocklet"]).stdout == "installed"
    assert chroot(["dpkg", "--verify", "knocklet"]).stdout == ""
    assert chroot(["dpkg", "--audit"]).stdout == ""
    assert oct(installed.path("/etc/knocklet").stat().st_mode) == "0o40700"
    user = chroot(["getent", "passwd", "knocklet"]).stdout.strip().split(":")
    assert user[2] != "0" and user[6] == "/usr/sbin/nologin"
    assert chroot(["knockletctl", "status"], check=False).stderr.strip()  # it is found, and MicroPython runs it


def test_starts_nothing_before_its_owner_says_so(installed):
    assert not _links(installed)
    # A system that boots for the first time enables what its presets say.
    installed.chroot(["systemctl", "preset-all"])
    assert not _links(installed)
    installed.chroot(["systemctl", "enable", "knocklet-engine", "knocklet-agent"])
    assert len(_links(installed)) == 2


def test_without_micropython_it_is_not_taken(machine, package):
    status = machine.path("/var/lib/dpkg/status")
    everything = status.read_text()
    status.write_text(everything.replace("Package: micropython\n", "Package: other\n"))
    try:
        with pytest.raises(LabError, match="Depends:? micropython"):
            install(machine.chroot, machine, package)
    finally:
        status.write_text(everything)


def test_an_upgrade_keeps_what_is_the_owners(installed, newer_package):
    _write_own(installed)
    before = _own(installed)
    settings = installed.path(SETTINGS).read_text().replace("INTERFACES=\n", "INTERFACES=eth7\n")
    assert "eth7" in settings
    installed.put(SETTINGS, settings, 0o644)
    installed.chroot(["systemctl", "enable", "knocklet-engine"])
    install(installed.chroot, installed, newer_package)
    assert installed.path(SETTINGS).read_text() == settings
    assert installed.path(SETTINGS + ".dpkg-dist").read_text().endswith("# of a later version\n")
    assert installed.path("/usr/lib/knocklet/start.sh").read_text().endswith("# of a later version\n")
    assert _own(installed) == before
    assert len(_links(installed)) == 1


def test_an_upgrade_brings_new_settings_where_nobody_has_changed_them(installed, newer_package):
    install(installed.chroot, installed, newer_package)
    assert installed.path(SETTINGS).read_text().endswith("# of a later version\n")


def test_the_way_back_from_an_upgrade(installed, package, newer_package):
    install(installed.chroot, installed, newer_package)
    install(installed.chroot, installed, package)
    assert not installed.path("/usr/lib/knocklet/start.sh").read_text().endswith("# of a later version\n")


def test_the_same_again_mends_what_was_damaged(installed, package):
    damaged = installed.path("/usr/lib/knocklet/knocklet_engine.py")
    damaged.unlink()
    install(installed.chroot, installed, package)
    assert damaged.exists() and installed.chroot(["dpkg", "--verify", "knocklet"]).stdout == ""


def test_remove_leaves_keys_and_settings(installed, package):
    _write_own(installed)
    before = _own(installed)
    installed.chroot(["systemctl", "enable", "knocklet-engine", "knocklet-agent"])
    installed.chroot(["dpkg", "--remove", "knocklet"])
    assert _own(installed) == before
    assert not _links(installed)
    assert not installed.path("/usr/lib/knocklet").exists()
    # What ifupdown would run is a file that the owner may have changed: it stays, and does no harm.
    assert installed.chroot(["/etc/network/if-up.d/knocklet"]).stderr == ""
    install(installed.chroot, installed, package)
    assert _own(installed) == before


def test_purge_leaves_the_system_as_it_was(machine, package):
    before = tree(machine.root)
    install(machine.chroot, machine, package)
    _write_own(machine)
    machine.put("/etc/knocklet/interfaces", "eth0\n")
    machine.chroot(["systemctl", "enable", "knocklet-engine", "knocklet-agent"])
    machine.chroot(["dpkg", "--purge", "knocklet"])
    assert tree(machine.root) == before


def test_purge_after_remove(machine, package):
    before = tree(machine.root)
    install(machine.chroot, machine, package)
    _write_own(machine)
    machine.chroot(["dpkg", "--remove", "knocklet"])
    machine.chroot(["dpkg", "--purge", "knocklet"])
    assert tree(machine.root) == before
