"""`knocklet upgrade`: the new version with the old configuration and state; and back when it does not work."""

import json

import pytest
from host.bare_router import STATUS
from host.conftest import CONFIG
from host.sealed_gateway import SealedGateway

from knocklet_tool import board_folder as boards
from knocklet_tool import kept_package, package_version, settings, target_package, upgrade
from knocklet_tool.channel_ssh import SshChannel
from knocklet_tool.errors import RefusedError
from knocklet_tool.way_back import WayBack

WORDS = "upgrade", "home", "--to", "root@192.168.1.1"
NEW = "usr/lib/knocklet/new"


@pytest.fixture
def old(owner, router, knocklet, monkeypatch):
    """A router with the version that is there now, and here a newer one, which has one file more."""
    assert knocklet("provision", *WORDS[1:], "--yes").exit_code == 0
    router.write("etc/knocklet/state/replay", "stamps")
    router.calls()
    monkeypatch.setattr(package_version, "VERSION", "0.2.0")
    monkeypatch.setattr(package_version.version, "__defaults__", ("0.2.0",))
    monkeypatch.setattr(upgrade, "VERSION", "0.2.0")
    monkeypatch.setattr("knocklet_tool.provision_steps._RUNNING_S", 2)
    files = router.root.parents[1] / "repository/boards/bare/files"
    (files / NEW).parent.mkdir(parents=True)
    (files / NEW).write_text("new")
    return router


@pytest.fixture
def works(old):
    """The new version runs."""
    status = json.dumps(STATUS | {"version": "0.2.0"})
    old.write("status", status)
    return old


def kept(router):
    """What an upgrade may not touch."""
    return {path: found for path, found in router.snapshot().items() if path.startswith("etc/knocklet")}


def test_a_new_version(works, knocklet):
    before = kept(works)
    done = knocklet(*WORDS, "--yes")
    assert done.exit_code == 0, done.stderr
    assert works.calls() == ["opkg install /tmp/knocklet_0.2.0-r1_all.ipk", "service enable", "service restart"]
    assert works.read(NEW) == b"new" and kept(works) == before
    assert "home: 0.1.0-r1 -> 0.2.0-r1; configuration and state stay" in done.stdout
    assert "home: the engine runs, version 0.2.0, firewall nft" in done.stdout
    assert list((works.root / "tmp").iterdir()) == []   # the timer too has nothing to do any more


def test_a_second_time_and_dry_run(works, knocklet):
    before = works.snapshot()
    assert "0.1.0-r1 -> 0.2.0-r1" in knocklet(*WORDS, "--dry-run").stdout and works.snapshot() == before
    assert knocklet(*WORDS).exit_code == 2 and works.snapshot() == before   # nobody to ask
    assert knocklet(*WORDS, "--yes").exit_code == 0
    works.calls()
    before = works.snapshot()
    done = knocklet(*WORDS)
    assert (done.exit_code, done.stdout) == (0, "home: nothing to do, it has 0.2.0-r1\n")
    assert works.calls() == [] and works.snapshot() == before


def back_again(router, done, before, why):
    assert done.exit_code == 7 and why in done.stderr and "; home has the version before again" in done.stderr
    assert router.calls()[-2:] == ["opkg install /tmp/before-knocklet_0.1.0-r1_all.ipk", "service restart"]
    assert router.read("var/version") == b"0.1.0-r1\n" and kept(router) == before
    assert list((router.root / "tmp").iterdir()) == []


def test_back_when_the_old_version_answers(old, knocklet):
    back_again(old, knocklet(*WORDS, "--yes"), kept(old), "version 0.1.0 runs; allowed: 0.2.0")


def test_back_when_it_does_not_run(old, knocklet):
    before = kept(old)
    service = old.read("etc/init.d/knocklet").decode()
    files = old.root.parents[1] / "repository/boards/bare/files"
    (files / "etc/init.d/knocklet").write_text(service.replace(": >/var/run/engine", "rm -f /var/run/engine"))
    back_again(old, knocklet(*WORDS, "--yes"), before, "the engine does not run 2 s after its start")


def test_back_when_it_cannot_be_installed(old, knocklet):
    before = kept(old)
    opkg = old.read("bin/opkg").decode()
    old.write("bin/opkg", opkg.replace('"install "*)', '"install /tmp/knocklet"*) echo full; exit 3 ;;\n  "install "*)'), 0o755)
    back_again(old, knocklet(*WORDS, "--yes"), before, "exit 3: full")


@pytest.fixture
def reporting(known, file_of, router, knocklet, home):
    """One that reports over the broker, and a package that differs: SealedGateway."""
    with settings.edit() as stored:
        stored.broker_files = str(known.files)
    with SealedGateway(known, CONFIG) as running:
        assert knocklet("provision", *WORDS[1:], "--yes").exit_code == 0
        (home / "repository/boards/bare/files/usr/lib/knocklet").mkdir(parents=True)
        (home / "repository/boards/bare/files" / NEW).write_text("new")
        router.calls()
        yield running


def test_it_reports_in(reporting, knocklet):
    done = knocklet(*WORDS, "--yes")
    assert done.exit_code == 0 and "home: it answers over localhost" in done.stdout


def test_one_that_did_not_report_before_is_believed_by_its_own_word(reporting, knocklet):
    reporting.stop()
    done = knocklet(*WORDS, "--yes")
    assert done.exit_code == 0 and "so home is believed by its own word there" in done.stderr


def test_back_when_it_does_not_report(reporting, router, knocklet, monkeypatch):
    """The engine runs; over the broker it says nothing any more."""
    before = kept(router)
    install = target_package.install

    def silent(channel, package):
        reporting.stop()
        install(channel, package)

    monkeypatch.setattr(target_package, "install", silent)
    done = knocklet(*WORDS, "--yes", "--wait", "1")
    assert done.exit_code == 7 and "the engine runs, but does not report over localhost" in done.stderr
    assert "; home has the version before again" in done.stderr
    assert router.calls()[-2:] == ["opkg install /tmp/before-knocklet_0.1.0-r1_all.ipk", "service restart"]
    assert kept(router) == before


def test_by_itself_when_nobody_can_say_so(old, knocklet, monkeypatch):
    """The line is lost in the middle: the gateway waits for its time, and goes back."""
    monkeypatch.setattr(upgrade, "_TIMER_S", 1)
    install = target_package.install

    def lost(channel, package):
        install(channel, package)
        old.down.touch()

    monkeypatch.setattr(target_package, "install", lost)
    done = knocklet(*WORDS, "--yes")
    assert done.exit_code == 3 and "home goes back by itself, 1 s after the upgrade began" in done.stderr
    old.down.unlink()
    with SshChannel("root@x") as channel:
        waiting = "until [ ! -e /tmp/before-knocklet_0.1.0-r1_all.ipk ] && [ ! -e /tmp/knocklet.back ]; do sleep 0.1; done"
        channel.must("back", waiting)
    assert old.read("var/version") == b"0.1.0-r1\n"
    assert old.calls()[-2:] == ["opkg install /tmp/before-knocklet_0.1.0-r1_all.ipk", "service restart"]


def test_who_comes_too_late_hears_it(old):
    """The gateway has gone back by itself: the upgrade did not work, and nobody installs in between."""
    with SshChannel("root@x") as channel:
        board = boards.load("bare")
        way = WayBack(board, kept_package.of("home", board.model.package.formats["ipk"], channel))
        way.prepare(channel, 0)
        way.take(channel)   # waits until it has
        assert old.calls()[-2:] == ["opkg install /tmp/before-knocklet_0.1.0-r1_all.ipk", "service restart"]
        with pytest.raises(RefusedError, match="it took too long, and went back"):
            way.give_up(channel)


def test_without_a_way_back_it_says_so_and_asks(works, home, knocklet):
    (home / "data/knocklet/packages/home/package").unlink()
    done = knocklet(*WORDS, "--dry-run")
    assert "was not installed from this computer: if the new one does not work, there is no way back" in done.stdout
    assert "upgrade, without a way back?" in knocklet(*WORDS).stderr
    assert knocklet(*WORDS, "--yes").exit_code == 0


def test_another_package_there_than_the_one_that_is_kept(works, knocklet):
    works.write("usr/lib/knocklet/start.sh", "another")
    assert "there is no way back" in knocklet(*WORDS, "--dry-run").stdout


def test_nothing_to_upgrade(owner, router, knocklet):
    done = knocklet(*WORDS, "--yes")
    assert done.exit_code == 7 and "no Knocklet is there; knocklet provision home" in done.stderr
