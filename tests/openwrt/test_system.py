"""What of the package outlives an upgrade of the system, and the small files that OpenWrt runs by itself."""

import shutil
import stat
import subprocess

import pytest
from openwrt.router import BOARD, Router

# As sysupgrade finds what to keep: sbin/sysupgrade of OpenWrt's base-files.
KEPT = "find $(sed -ne '/^[[:space:]]*$/d; /^#/d; p' /lib/upgrade/keep.d/*) -type f -o -type l"
LINKS = ("/etc/rc.d/S18knocklet-closed", "/etc/rc.d/S95knocklet")
ONCE = "/etc/uci-defaults/30-knocklet"   # removed when it has run


@pytest.fixture
def router(tmp_path):
    router = Router(tmp_path / "router")
    router.netifd("wan", l3_device="eth1")
    router.uci(enabled="1")
    for name in ("config.json", "clients.json", "key", "agent.json", "state/replay"):
        router.write("/etc/knocklet/" + name, "{}")
    return router


def stub(router, name, text="exit 0\n"):
    """A program that writes down its name and arguments in /tmp/ran."""
    router.write(name, f'#!/bin/sh\necho "${{0##*/}} $*" >>/tmp/ran\n{text}', mode=0o755)


def ran(router):
    path = router.place / "tmp" / "ran"
    return path.read_text().splitlines() if path.exists() else []


def enable(router):
    """As the package's installation does."""
    for name in ("knocklet-closed", "knocklet"):
        router.run(f"/etc/init.d/{name}", "enable")


def test_kept(router):
    """All files of the package and of the owner, and the links that start the services."""
    enable(router)
    kept = set(router.run("/bin/sh", "-c", KEPT).stdout.split())
    board = {f"/{path.relative_to(BOARD / 'files')}" for path in (BOARD / "files").rglob("*") if path.is_file()}
    firmware = router.place / "usr" / "lib" / "knocklet"
    owners = {f"/etc/knocklet/{name}" for name in ("config.json", "clients.json", "key", "agent.json", "state/replay")}
    wanted = board - {ONCE} | {"/usr/bin/knockletctl", *LINKS} | owners
    wanted |= {f"/usr/lib/knocklet/{path.relative_to(firmware)}" for path in firmware.rglob("*") if path.is_file()}
    assert kept == wanted


def test_after_an_upgrade_of_the_system(router, tmp_path):
    """MicroPython has gone with the other packages: what was kept says so at boot, and how it comes back."""
    enable(router)
    kept = router.run("/bin/sh", "-c", KEPT).stdout.split()
    new = Router(tmp_path / "new", package=False, micropython=False)
    for path in kept:
        to = new.place / path[1:]
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(router.place / path[1:], to, follow_symlinks=False)
    new.script("opkg", "#!/bin/sh\n")
    boot = new.run("/etc/rc.d/S95knocklet", "boot")
    assert boot.stderr == "knocklet: not started: MicroPython is missing: opkg install micropython-mbedtls\n"
    assert new.log() == ["not started: MicroPython is missing: opkg install micropython-mbedtls"]


def test_an_image_that_has_it_inside(router):
    """It is newer than what was kept, also where files are no more; what is the owner's stays."""
    rom = router.place / "rom"
    etc = ("init.d", "config", "capabilities", "hotplug.d", "sysctl.d")
    for name in ("usr/lib/knocklet", "usr/bin", "usr/share/nftables.d", "lib/upgrade", *(f"etc/{each}" for each in etc)):
        shutil.copytree(router.place / name, rom / name, symlinks=True)
    (rom / "usr/lib/knocklet/start.sh").write_text("new\n")
    (rom / "etc/init.d/knocklet").write_text("new\n")
    (rom / "etc/config/knocklet").write_text("new\n")
    router.write("/usr/lib/knocklet/knocklet/old.mpy", "old")
    uci = (router.place / "etc/config/knocklet").read_text()
    once(router)
    for name in ("usr/lib/knocklet/start.sh", "etc/init.d/knocklet"):
        assert (router.place / name).read_text() == "new\n"
    assert not (router.place / "usr/lib/knocklet/knocklet/old.mpy").exists()
    assert (router.place / "usr/lib/knocklet/knocklet_engine.py").exists()
    assert (router.place / "etc/config/knocklet").read_text() == uci
    assert (router.place / "etc/knocklet/state/replay").exists()


@pytest.mark.parametrize("firewall", ["in force", "stopped"])
def test_a_package_newer_than_the_image(router, firewall):
    """It was installed on a running system: what the image had does not come back."""
    shutil.copytree(router.place / "usr/lib/knocklet", router.place / "rom/usr/lib/knocklet")
    shutil.copytree(router.place / "lib/upgrade", router.place / "rom/lib/upgrade")
    stub(router, "/bin/fw4")
    stub(router, "/etc/init.d/sysntpd")
    if firewall == "in force":
        router.write("/var/run/fw4.state", "")
    router.write("/usr/lib/knocklet/start.sh", "newer\n")
    once(router, pkgname="knocklet")
    assert (router.place / "usr/lib/knocklet/start.sh").read_text() == "newer\n"


# NTP


def test_the_clock(router):
    """Also before the engine has ever run, and in a folder that it accepts."""
    folder = router.place / "var" / "run" / "knocklet"
    for action in ("step", "unsync", "periodic"):
        assert router.run("/bin/busybox", "env", f"ACTION={action}", "/bin/sh", "/etc/hotplug.d/ntp/knocklet").returncode == 0
        assert not folder.exists()
    assert router.run("/bin/busybox", "env", "ACTION=stratum", "/bin/sh", "/etc/hotplug.d/ntp/knocklet").returncode == 0
    assert (folder / "ntp").exists()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


# uci-defaults


def once(router, **told):
    """As OpenWrt runs it: inside a shell of its own, in its folder. `told`: what default_postinst sets for a package."""
    settings = "".join(f"{name}={value}; " for name, value in told.items())
    found = router.run("/bin/sh", "-c", f"{settings}(cd /etc/uci-defaults && . {ONCE})")
    assert (found.returncode, found.stderr) == (0, "")


def test_secrets_of_an_image(router):
    """The builder of an image makes all files readable for everybody."""
    subprocess.run(["chmod", "-R", "a+rX", router.place / "etc" / "knocklet", router.place / "etc" / "config"], check=True)
    once(router)
    etc = router.place / "etc"
    for path in [etc / "config" / "knocklet", etc / "knocklet", *(etc / "knocklet").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    once(router)


def test_at_the_first_boot(router):
    """Neither the firewall nor the NTP client runs yet: both come to it by themselves."""
    stub(router, "/bin/fw4")
    stub(router, "/etc/init.d/sysntpd", "exit 1\n")
    once(router)
    assert ran(router) == ["sysntpd running"]


def test_when_it_is_installed(router):
    """fw4 reads its includes again, and NTP, which has set the clock long ago, tells of it once more."""
    stub(router, "/bin/fw4")
    stub(router, "/etc/init.d/sysntpd")
    router.write("/var/run/fw4.state", "")
    once(router)
    assert ran(router) == ["fw4 -q reload", "sysntpd running", "sysntpd restart"]
    router.write("/var/run/knocklet/ntp", "")
    once(router)
    assert ran(router)[3:] == ["fw4 -q reload"]


@pytest.mark.parametrize(
    "upgrade, running, expected",
    [(1, True, ["running", "restart"]), (1, False, ["running"]), (0, True, [])],
    ids=["upgrade", "upgrade of what is stopped", "first install"],
)
def test_an_upgrade_starts_the_new_engine(router, upgrade, running, expected):
    """apk stops nothing before, and procd leaves alone what it is asked for once more."""
    stub(router, "/etc/init.d/knocklet", "exit 0\n" if running else '[ "$1" != running ]\n')
    once(router, PKG_UPGRADE=upgrade, pkgname="knocklet")
    assert [line for line in ran(router) if line.startswith("knocklet")] == [f"knocklet {word}" for word in expected]


def test_files_that_apk_has_put_aside(router):
    """As it does with all of /etc that is there already. What the owner edits stays aside."""
    files = ("init.d/knocklet", "init.d/knocklet-closed", "capabilities/knocklet-engine.json", "hotplug.d/ntp/knocklet")
    files += ("sysctl.d/30-knocklet.conf",)
    for name in (*files, "config/knocklet"):
        router.write(f"/etc/{name}.apk-new", f"new {name}")
    once(router)
    assert [(router.place / "etc" / name).read_text() for name in files] == [f"new {name}" for name in files]
    assert "new" not in (router.place / "etc" / "config" / "knocklet").read_text()
