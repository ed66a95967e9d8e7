"""`knocklet unprovision`: the gateway is as it was before, and what is secret is gone."""

import pytest

WORDS = "home", "--to", "root@192.168.1.1"
ALL_OFF = ["service stop", "service disable", "engine --uninstall", "opkg remove knocklet"]


@pytest.fixture
def provision(owner, router, knocklet):
    def run():
        done = knocklet("provision", *WORDS, "--yes")
        assert done.exit_code == 0, done.stderr
        router.calls()

    return run


@pytest.fixture
def unprovision(knocklet):
    return lambda *words: knocklet("unprovision", *WORDS, *words)


def test_the_gateway_is_as_it_was(provision, unprovision, router):
    router.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n")
    before = router.snapshot()
    provision()
    router.write("etc/passwd", "root:x:0:0::/root:/bin/sh\nknocklet:x:99:99::/:/bin/false\n")
    router.write("etc/knocklet/state/replay", "stamps")
    router.write("var/run/knocklet/ntp", "")
    done = unprovision("--yes")
    assert done.exit_code == 0, done.stderr
    assert router.calls() == [*ALL_OFF, "opkg remove micropython-mbedtls"]
    assert router.snapshot() == before
    assert "removed its keys, state and settings" in done.stdout


def test_micropython_that_was_there_before_stays(provision, unprovision, router):
    router.write("usr/bin/micropython", router.read("micropython").decode(), 0o755)
    before = router.snapshot()
    provision()
    assert unprovision("--yes").exit_code == 0
    assert router.calls() == ALL_OFF and router.snapshot() == before


def test_dry_run_and_no_yes_change_nothing(provision, unprovision, router):
    provision()
    before = router.snapshot()
    done = unprovision("--dry-run")
    assert (done.exit_code, router.snapshot(), router.calls()) == (0, before, [])
    assert "to do: removing its keys, state and settings" in done.stderr
    done = unprovision()
    assert (done.exit_code, router.snapshot()) == (2, before) and "are gone for good: take it off?" in done.stderr


def test_a_second_time_there_is_nothing(provision, unprovision, router):
    provision()
    assert unprovision("--yes").exit_code == 0
    before = router.snapshot()
    router.calls()
    done = unprovision()   # there is nothing to ask
    assert (done.exit_code, done.stdout) == (0, "nothing of home was at root@192.168.1.1\n")
    assert router.calls() == [] and router.snapshot() == before


def test_what_failed_goes_on_the_next_time(provision, unprovision, router):
    router.write("bin/ps", "")
    before = router.snapshot()
    provision()
    router.write("broken", "no space")
    done = unprovision("--yes")
    assert done.exit_code == 7 and "opkg remove knocklet: exit 9: opkg: no space; done so far: stopping it" in done.stderr
    assert (router.root / "etc/knocklet/installed").exists()   # it is still known what has to go
    router.remove("broken")
    assert unprovision("--yes").exit_code == 0 and router.snapshot() == before


def test_without_micropython_its_rules_stay_until_the_next_boot(provision, unprovision, router):
    provision()
    router.remove("usr/bin/micropython")
    router.remove("etc/knocklet/installed")
    assert unprovision("--yes").exit_code == 0
    assert "engine --uninstall" not in router.calls()
    assert not (router.root / "etc/knocklet").exists()


def test_an_engine_that_goes_on_running_keeps_all_as_it_is(provision, unprovision, router):
    provision()
    service = router.read("etc/init.d/knocklet").decode()
    router.write("etc/init.d/knocklet", service.replace("rm -f /var/run/engine", ":"), 0o755)
    before = router.snapshot()
    done = unprovision("--yes")
    assert done.exit_code == 7 and "it goes on running: exit 1" in done.stderr
    router.write("etc/enabled", "")
    assert set(before) == set(router.snapshot())


def test_what_was_noted_is_not_believed_blindly(provision, unprovision, router):
    """Names of packages and nothing else get onto a command line."""
    provision()
    router.write("etc/knocklet/installed", "micropython-mbedtls\n;reboot\n--force\n$(x)\n")
    assert unprovision("--yes").exit_code == 0
    assert router.calls() == [*ALL_OFF, "opkg remove micropython-mbedtls"]


def test_a_gateway_that_is_forgotten_here(owner, provision, unprovision, router):
    provision()
    (owner / "home.toml").unlink()
    assert unprovision("--yes").exit_code == 0
    assert not (router.root / "usr/lib/knocklet").exists()


def test_where_the_package_takes_its_settings_along(provision, unprovision, router):
    """As a purge does: what has to go besides was read before that, and is known the next time too."""
    router.write("purges", "")
    before = router.snapshot()
    provision()
    opkg = router.read("bin/opkg").decode()
    router.write("bin/opkg", opkg.replace("/etc/knocklet ;;", "/etc/knocklet; exit 4 ;;"), 0o755)
    assert unprovision("--yes").exit_code == 7   # broken off behind it
    assert router.read("etc/knocklet/installed") == b"micropython-mbedtls\n"
    router.write("bin/opkg", opkg, 0o755)
    assert unprovision("--yes").exit_code == 0
    assert router.snapshot() == before


def test_what_something_else_needs_by_now_stays_and_secrets_go(provision, unprovision, router):
    router.write("needed", "other-package")
    provision()
    done = unprovision("--yes")
    assert done.exit_code == 0
    assert "micropython-mbedtls stays: root@192.168.1.1: opkg remove micropython-mbedtls: exit 254: " in done.stdout
    assert "depended upon by packages: other-package" in done.stdout
    assert (router.root / "usr/bin/micropython").exists() and not (router.root / "etc/knocklet").exists()


def test_files_that_an_upgrade_of_the_system_has_kept(provision, unprovision, router):
    """The package manager knows nothing of them."""
    before = router.snapshot()
    provision()
    router.remove("var/list")
    router.remove("var/version")
    assert unprovision("--yes").exit_code == 0
    assert router.calls() == ["service stop", "service disable", "engine --uninstall", "opkg remove micropython-mbedtls"]
    assert router.snapshot() == before
