"""`knocklet upgrade`: the new version with the old configuration and state; and back when it does not work."""

import json

import pytest
from host.bare_router import STATUS
from host.conftest import CONFIG
from host.sealed_gateway import SealedGateway

from knocklet_tool import board_folder as boards
from knocklet_tool import kept_package, package_version, provision_steps, settings, target_package, upgrade
from knocklet_tool.channel import LIMIT_S, PRIVATE
from knocklet_tool.channel_ssh import SshChannel
from knocklet_tool.errors import RefusedError
from knocklet_tool.provision_steps import RESTART_S
from knocklet_tool.upgrade_back import WayBack

WORDS = "upgrade", "home", "--to", "root@192.168.1.1"
NEW = "usr/lib/knocklet/new"
INSTALL = f"opkg install --force-downgrade {PRIVATE}/knocklet_0.2.0-r1_all.ipk"
BACK = f"opkg install --force-downgrade {PRIVATE}/before-knocklet_0.1.0-r1_all.ipk"


@pytest.fixture
def old(owner, router, knocklet, monkeypatch):
    """A router with the version that is there now, and here a newer one, in which one file differs."""
    new = router.root.parents[1] / "repository/boards/bare/files" / NEW
    new.parent.mkdir(parents=True)
    new.write_text("old")
    assert knocklet("provision", *WORDS[1:], "--yes").exit_code == 0
    router.write("etc/knocklet/state/replay", "stamps")
    router.calls()
    monkeypatch.setattr(package_version, "VERSION", "0.2.0")
    monkeypatch.setattr(package_version.version, "__defaults__", ("0.2.0",))
    monkeypatch.setattr(upgrade, "VERSION", "0.2.0")
    monkeypatch.setattr("knocklet_tool.provision_steps._RUNNING_S", 2)
    new.write_text("new")
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
    assert works.calls() == [INSTALL, "service restart"]
    assert works.read(NEW) == b"new" and kept(works) == before
    assert "home: 0.1.0-r1 -> 0.2.0-r1; configuration and state stay" in done.stdout
    assert "home: the engine runs, version 0.2.0, firewall nft" in done.stdout
    assert not works.left()   # the timer too has nothing to do any more


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
    assert router.calls()[-2:] == [BACK, "service restart"]
    assert router.read("var/version") == b"0.1.0-r1\n" and kept(router) == before
    assert router.read(NEW) == b"old" and not router.left()


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
    full = f'"install {PRIVATE}/knocklet_"*) echo full; exit 3 ;;\n  "install "*)'
    old.write("bin/opkg", opkg.replace('"install "*)', full), 0o755)
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

    def silent(*words):
        reporting.stop()
        install(*words)

    monkeypatch.setattr(target_package, "install", silent)
    done = knocklet(*WORDS, "--yes", "--wait", "1")
    assert done.exit_code == 7 and "the engine runs, but does not report over localhost" in done.stderr
    assert "; home has the version before again" in done.stderr
    assert router.calls()[-2:] == [BACK, "service restart"]
    assert kept(router) == before


def test_by_itself_when_nobody_can_say_so(old, knocklet, monkeypatch):
    """The line is lost in the middle: the gateway waits for its time, and goes back."""
    monkeypatch.setattr(upgrade, "_TIMER_S", 1)
    install = target_package.install

    def lost(*words):
        install(*words)
        old.down.touch()

    monkeypatch.setattr(target_package, "install", lost)
    done = knocklet(*WORDS, "--yes")
    assert done.exit_code == 3 and "home: if something new is installed, it goes back by itself" in done.stderr
    old.down.unlink()
    with SshChannel("root@x") as channel:
        waiting = "until [ ! -e /var/run/knocklet-install/before-knocklet_0.1.0-r1_all.ipk ] ; do sleep 0.1; done"
        channel.must("back", waiting)
    assert old.read("var/version") == b"0.1.0-r1\n"
    assert old.calls()[-2:] == [BACK, "service restart"]


def test_who_comes_too_late_hears_it(old):
    """The gateway has gone back by itself: the upgrade did not work, and nobody installs in between."""
    with SshChannel("root@x") as channel:
        board = boards.load("bare")
        way = WayBack(board, kept_package.of("home", board.model.package.formats["ipk"], channel), True)
        way.prepare(channel, 0)
        channel.must("arm", way.arm)
        way.take(channel)   # waits until it has
        assert old.calls()[-2:] == [BACK, "service restart"]
        with pytest.raises(RefusedError, match="it took too long, and goes back"):
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


def test_what_the_package_manager_says_is_not_believed(works, knocklet):
    """It says that all is well, and has done nothing: an older version that it does not want, for one."""
    board = works.root.parents[1] / "repository/boards/bare/board.toml"
    board.write_text(board.read_text().replace("--force-downgrade ", ""))
    works.write("status", json.dumps(STATUS))   # the new version does not work
    done = knocklet(*WORDS, "--yes")
    assert done.exit_code == 7 and "going back did not work either" in done.stderr
    assert "not every file of the version before is there" in done.stderr
    assert works.read("var/version") == b"0.2.0-r1\n"
    assert works.root / "var/run/knocklet-install/before-knocklet_0.1.0-r1_all.ipk" in works.left()   # to be installed by hand
    opkg = works.read("bin/opkg").decode()
    works.write("bin/opkg", opkg.replace("*) unpack ;;", "*) ;;"), 0o755)
    (works.root / NEW).unlink()
    done = knocklet(*WORDS, "--yes")
    assert "it says that all is well, but not every file of knocklet_0.2.0-r1_all.ipk is there" in done.stderr


def test_the_same_version_whose_files_differ(works, knocklet):
    """Torn by a power cut, say."""
    assert knocklet(*WORDS, "--yes").exit_code == 0
    works.write(NEW, "torn")
    works.calls()
    assert knocklet(*WORDS, "--yes").exit_code == 0
    assert works.calls() == [INSTALL.replace("downgrade", "reinstall"), "service restart"]
    assert works.read(NEW) == b"new"


def test_a_package_manager_that_is_busy_when_the_time_is_over(old, monkeypatch):
    """It is tried again, and the package stays for that."""
    monkeypatch.setattr("knocklet_tool.upgrade_back._PAUSE_S", 0.1)
    old.write("usr/lib/knocklet/torn", "")
    with SshChannel("root@x") as channel:
        board = boards.load("bare")
        way = WayBack(board, kept_package.of("home", board.model.package.formats["ipk"], channel), True)
        old.write(NEW, "broken")
        opkg = old.read("bin/opkg").decode()
        busy = 'if [ "$1" = install ] && [ "$(grep -c "opkg install" /calls)" -lt 4 ]; then exit 255; fi\n'
        old.write("bin/opkg", opkg.replace("remove() {", busy + "remove() {", 1), 0o755)
        way.prepare(channel, 0)
        channel.must("arm", way.arm)
        way.take(channel)
    assert old.calls().count("service restart") == 1 and old.read(NEW) == b"old" and not old.left()


def test_an_engine_that_its_owner_has_stopped_stays_so(works, knocklet):
    works.remove("etc/enabled")
    works.remove("var/run/engine")
    done = knocklet(*WORDS, "--yes")
    assert done.exit_code == 0, done.stderr
    assert "it does not run now, and is not started" in done.stdout
    assert works.calls() == [INSTALL]
    assert works.read(NEW) == b"new" and not works.left()
    assert not (works.root / "etc/enabled").exists() and not (works.root / "var/run/engine").exists()


def test_ctrl_c_says_what_becomes_of_it_and_the_next_time_it_is_seen_through(works, knocklet, monkeypatch):
    before = kept(works)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "_reports_in", stop)
        done = knocklet(*WORDS, "--yes")
    assert done.exit_code == 130
    assert "it goes back by itself" in done.stderr and "knocklet upgrade home looks again" in done.stderr
    works.calls()
    done = knocklet(*WORDS)
    assert done.exit_code == 0 and "nobody has said yet that it may stay: looking again" in done.stdout
    assert "the engine runs, version 0.2.0" in done.stdout
    assert works.calls() == [] and not works.left() and kept(works) == before
    assert knocklet(*WORDS).stdout == "home: nothing to do, it has 0.2.0-r1\n"


def test_a_timer_of_an_upgrade_before_has_no_say(old):
    with SshChannel("root@x") as channel:
        board = boards.load("bare")
        first, second = (
            WayBack(board, kept_package.of("home", board.model.package.formats["ipk"], channel), True) for _ in range(2)
        )
        first.prepare(channel, 60)
        channel.must("arm", first.arm)
        second.prepare(channel, 60)
        with pytest.raises(RefusedError):
            first.give_up(channel)
        channel.must("arm", second.arm)
        second.give_up(channel)
    assert not old.left()


def test_from_a_computer_that_does_not_know_its_key(works, knocklet):
    """Seen before anything is changed; the new version works, and stays."""
    with settings.edit() as stored:
        stored.broker = settings.Broker("localhost", 8883)
        del stored.gateways["home"]
    works.write("etc/knocklet/agent.json", "{}")
    done = knocklet(*WORDS, "--yes")
    assert done.exit_code == 0, done.stderr
    assert "so home is believed by its own word there" in done.stderr and works.read(NEW) == b"new"


@pytest.mark.parametrize("where, line", [("/usr/lib", "kB of flash are free"), ("/var/run", "kB are free in /var/run")])
def test_no_room_is_seen_before_anything_is_changed(works, knocklet, where, line):
    df = f"#!/bin/sh\necho x; [ $2 = {where} ] && echo /dev/x 1 2 20 4 / || echo /dev/x 1 2 90000 4 /\n"
    works.write("bin/df", df, 0o755)
    before = works.snapshot()
    done = knocklet(*WORDS, "--yes")
    assert done.exit_code == 7 and line in done.stderr and works.snapshot() == before


def test_the_gateway_waits_longer_than_all_of_it_takes():
    """A look at the files, flash, its start, its status, why it does not run, its report, and the word that it may stay."""
    longest = 3 * LIMIT_S + RESTART_S + 4 * provision_steps._RUNNING_S + LIMIT_S + upgrade._LONGEST_WAIT_S + 2 * 5
    assert upgrade._TIMER_S > longest
