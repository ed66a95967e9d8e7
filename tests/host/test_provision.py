"""`knocklet provision` on a bare router: what it finds, says, does, and does not do twice."""

import json
import re
import time

import pytest
from host.bare_router import STATUS

from knocklet_tool import package_version, settings, target_files
from knocklet_tool.channel import PRIVATE

PACKAGE = package_version.file_name("ipk")
FIRST = [
    "opkg update", "opkg install micropython-mbedtls", f"opkg install --force-downgrade {PRIVATE}/{PACKAGE}",
    "service enable", "service restart",
]  # fmt: skip
RESTART = ["service enable", "service restart"]


@pytest.fixture
def provision(owner, router, knocklet):
    def run(*words):
        return knocklet("provision", "home", "--to", "root@192.168.1.1", *words)

    return run


@pytest.fixture
def provisioned(provision, router):
    assert provision("--yes").exit_code == 0
    router.calls()
    return provision


def test_from_bare_to_working(provision, router):
    done = provision("--yes")
    assert done.exit_code == 0, done.stderr
    assert router.calls() == FIRST
    for path, (mode, data) in target_files.collect("home").items():
        assert router.read(path[1:]) == data
        assert (router.root / path[1:]).stat().st_mode & 0o7777 == mode == 0o600
    assert (router.root / "etc/knocklet").stat().st_mode & 0o7777 == 0o700
    assert "home: the engine runs, version 0.1.0, firewall nft" in done.stdout
    assert "next: from outside: knocklet knock home ssh" in done.stdout
    assert not router.left()


def test_dry_run_changes_nothing_and_asks_nothing(provision, router):
    before = router.snapshot()
    done = provision("--dry-run")
    assert (done.exit_code, router.snapshot(), router.calls()) == (0, before, [])
    for line in (
        "board        bare: Bare 1.0", "MicroPython  none", "knocks from  wan0", "to do        install micropython-mbedtls",
        f"install {PACKAGE}", "write /etc/knocklet/key", "start it, now and at every boot", "left alone ",
    ):  # fmt: skip
        assert line in done.stdout
    plan = json.loads(provision("--dry-run", "--json").stdout)
    assert plan["to_do"][0] == "install micropython-mbedtls" and plan["doubts"] == [] and router.snapshot() == before


def test_a_zone_that_is_not_the_boards_is_told(provision, owner):
    """Else the hidden ports are the only ones that answer that way."""
    path = owner / "home.toml"
    path.write_text('zone = "accept"\n' + path.read_text())
    (doubt,) = json.loads(provision("--dry-run", "--json").stdout)["doubts"]
    assert 'zone is "accept" in ' in doubt and 'usually is "drop"' in doubt


def test_nothing_is_done_without_a_yes(provision, router):
    before = router.snapshot()
    done = provision()
    assert (done.exit_code, router.snapshot()) == (2, before)
    assert "go on? there is no terminal to ask at; --yes says it beforehand" in done.stderr


def test_a_second_time_nothing_changes_and_that_is_said(provisioned, router):
    before = router.snapshot()
    done = provisioned()   # nothing to say yes to
    assert (done.exit_code, router.snapshot(), router.calls()) == (0, before, [])
    assert "home: nothing to do, it is as it should be" in done.stdout
    assert json.loads(provisioned("--json").stdout)["changed"] is False


def test_only_what_differs_is_put(provisioned, router, knocklet):
    assert knocklet("client", "add", "ben", "--gateway", "home", "--open", "ssh").exit_code == 0
    done = provisioned("--yes")
    assert router.calls() == RESTART
    assert "write /etc/knocklet/config.json" in done.stdout and "/etc/knocklet/key" not in done.stdout
    assert b'"ben"' in router.read("etc/knocklet/config.json")


def test_a_file_of_the_package_that_was_changed_comes_back_and_the_owners_settings_stay(provisioned, router):
    (router.root / "usr/lib/knocklet/knocklet_engine.py").unlink()
    router.write("etc/default/knocklet", "KEPT=1\n")
    assert provisioned("--yes").exit_code == 0
    assert router.calls()[0] == f"opkg install --force-reinstall {PRIVATE}/{PACKAGE}"
    assert (router.root / "usr/lib/knocklet/knocklet_engine.py").exists()
    router.write("etc/default/knocklet", "KEPT=1\n")
    assert provisioned().exit_code == 0 and router.calls() == []


def test_after_a_sysupgrade_the_package_manager_knows_it_again(provisioned, router):
    """Its files were kept, MicroPython was not, and what the package needs is looked for anew."""
    router.remove("var/version")
    router.remove("usr/bin/micropython")
    assert provisioned("--yes").exit_code == 0
    assert router.calls() == FIRST


def test_an_engine_that_does_not_run_is_started(provisioned, router):
    (router.root / "var/run/engine").unlink()
    assert provisioned("--yes").exit_code == 0
    assert router.calls() == RESTART


def test_what_was_pushed_stays_in_force(provisioned, router, knocklet):
    router.write("etc/knocklet/state/config.sealed", "sealed")
    knocklet("client", "add", "ben", "--gateway", "home", "--open", "ssh")
    before = router.snapshot()
    done = provisioned()
    assert (done.exit_code, router.snapshot()) == (0, before)
    assert "what was pushed is in force; knocklet diff home compares" in done.stdout


def test_another_key_and_old_clients_are_asked_about(provisioned, router):
    router.write("etc/knocklet/key", "x" * 32, 0o600)
    done = provisioned()
    assert done.exit_code == 2 and "its key is another than the one here" in done.stdout and "although of that?" in done.stderr
    router.write("etc/knocklet/clients.json", "{}")
    router.write("etc/knocklet/config.json", "{}")
    done = provisioned("--yes")
    assert done.exit_code == 0 and "/etc/knocklet/clients.json is there" in done.stdout
    assert router.read("etc/knocklet/key") == settings.load().gateway("home").key
    assert not (router.root / "etc/knocklet/clients.json").exists()


def test_who_would_be_locked_out_is_asked(provision, router):
    router.write("bin/ip", "#!/bin/sh\necho '192.168.1.2 dev wan0 src 192.168.1.1'\n", 0o755)
    before = router.snapshot()
    done = provision()
    assert done.exit_code == 2 and router.snapshot() == before
    assert "you came in by port 22 on wan0, which is ssh: from then on only who knocks gets in there" in done.stdout
    assert "you came in by port 22 on wan0" in json.loads(provision("--yes", "--json").stdout)["warnings"][0]
    assert "you came in" not in provision().stdout   # it is so already


def test_as_root_by_sudo(provision, router):
    """As on Raspberry Pi OS, where nobody comes in as root; who would be locked out is known all the same."""
    router.write("bin/id", "#!/bin/sh\n[ \"$by_sudo\" ] && echo 0 || echo 1000\n", 0o755)
    router.write("bin/sudo", "#!/bin/sh\n[ $1 = -n ] && shift && exec env -i PATH=/bin:/usr/bin by_sudo=1 \"$@\"\n", 0o755)
    router.write("bin/ip", "#!/bin/sh\necho '192.168.1.2 dev wan0 src 192.168.1.1'\n", 0o755)
    done = provision("--yes")
    assert done.exit_code == 0, done.stderr
    assert "you came in by port 22 on wan0" in done.stdout and router.calls() == FIRST


def test_a_knock_that_would_lock_out_over_the_links_own_addresses(provision, router):
    """fe80::1%wan0 tells the interface itself; there is no route to ask for."""
    router.write("bin/ip", "#!/bin/sh\nexit 1\n", 0o755)
    router.ssh.write_text(router.ssh.read_text().replace("192.168.1.2 50000", "fe80::1%wan0 50000"))
    assert "you came in by port 22 on wan0, which is ssh" in provision().stdout


def test_a_router_on_the_desk_without_a_line(provision, router):
    router.write("sys/class/net/wan0/operstate", "down\n")
    router.write("sys/class/net/lan0/operstate", "down\n")
    done = provision("--yes")
    assert done.exit_code == 0 and "wan0 has no line now: no knock comes by it before it has one" in done.stdout
    assert "lan0" not in done.stdout


def test_a_clock_that_is_far_off_is_set_where_no_ntp_is(provision, router):
    router.write("bin/date", '#!/bin/sh\n[ "$1" = +%s ] && echo 1000000000 || echo "date $*" >>/calls\n', 0o755)
    begun = time.time()
    assert "set its clock to this computer's" in provision("--dry-run").stdout and router.calls() == []
    assert provision("--yes").exit_code == 0
    found = re.fullmatch(r"date -u -s (.*)", router.calls()[0])
    assert begun - 2 < time.mktime(time.strptime(found[1] + " UTC", "%Y-%m-%d %H:%M:%S %Z")) - time.timezone < time.time() + 2
    router.write("run/systemd/timesync/synchronized", "")
    done = provision("--dry-run")
    assert "set its clock" not in done.stdout and "its clock, set by NTP, is -" in done.stdout


def test_no_secret_is_on_a_command_line(provision, router):
    assert provision("--yes").exit_code == 0
    config = json.loads(target_files.collect("home")["/etc/knocklet/config.json"][1])
    secrets = [settings.load().gateway("home").key.hex(), config["clients"]["anna"]["key"]]
    sent = router.sent.read_bytes()
    assert len(sent) > 1000
    for secret in secrets:
        assert secret.encode() not in sent and bytes.fromhex(secret) not in sent


def test_a_step_that_fails_says_what_was_done_and_the_next_run_goes_on(provision, router):
    opkg = router.read("bin/opkg").decode()
    full = '"install /var/run/knocklet-install"*) echo "cannot: no space"; exit 3 ;;\n  "install "*)'
    router.write("bin/opkg", opkg.replace('"install "*)', full), 0o755)
    done = provision("--yes")
    assert done.exit_code == 7
    assert re.search(
        r"opkg install \S+ \S+: exit 3: cannot: no space; done so far: fetching its lists of packages, "
        r"installing micropython-mbedtls; run it again to go on\n$", done.stderr
    )  # fmt: skip
    assert not router.left()   # no package is left behind
    router.write("bin/opkg", opkg, 0o755)
    router.calls()
    assert provision("--yes").exit_code == 0
    assert router.calls() == FIRST[2:]


def test_lists_of_packages_are_fetched_where_it_does_not_work_without(provision, router):
    """A gateway that has all it needs needs no Internet."""
    router.write("usr/bin/micropython", router.read("micropython").decode(), 0o755)
    opkg = router.read("bin/opkg").decode()
    lists = opkg.replace('"update "*)', '"update "*) : >/lists').replace('"install "*)', '"install "*) [ -e /lists ] || exit 1')
    router.write("bin/opkg", lists, 0o755)
    assert provision("--yes").exit_code == 0
    assert router.calls() == [FIRST[2], "opkg update", *FIRST[2:]]


def test_a_configuration_that_its_engine_does_not_take_is_not_put(provisioned, router, knocklet):
    """Tried apart: what is in force stays."""
    before = router.read("etc/knocklet/config.json")
    knocklet("client", "add", "ben", "--gateway", "home", "--open", "ssh")
    micropython = router.read("usr/bin/micropython").decode()
    wrong = 'case "$*" in\n  *--check*) grep -q ben "$4" && echo "config.json: clients: ben"; exit 2 ;;'
    router.write("usr/bin/micropython", micropython.replace('case "$*" in', wrong), 0o755)
    done = provisioned("--yes")
    assert done.exit_code == 7 and "/etc/knocklet/config.json: exit 2: config.json: clients: ben" in done.stderr
    assert router.read("etc/knocklet/config.json") == before and router.calls() == [] and not router.left()


def test_the_configuration_before_where_the_engine_does_not_stay_with_the_new_one(provisioned, router, knocklet, monkeypatch):
    monkeypatch.setattr("knocklet_tool.provision_steps._RUNNING_S", 1)
    before = router.read("etc/knocklet/config.json")
    knocklet("client", "add", "ben", "--gateway", "home", "--open", "ssh")
    service = router.read("etc/init.d/knocklet").decode()
    starts = "[ ! -e /etc/knocklet/config.json ]"
    wrong = "rm -f /var/run/engine; grep -q ben /etc/knocklet/config.json"
    (router.root.parents[1] / "repository/boards/bare/files/etc/init.d/knocklet").write_text(service.replace(starts, wrong))
    done = provisioned("--yes")
    assert done.exit_code == 7 and "does not run 1 s after its start" in done.stderr
    assert "; with the configuration before it runs again" in done.stderr
    assert router.read("etc/knocklet/config.json") == before and (router.root / "var/run/engine").exists() and not router.left()


def test_an_engine_that_does_not_stay_is_told(provision, router, monkeypatch):
    monkeypatch.setattr("knocklet_tool.provision_steps._RUNNING_S", 1)
    micropython = router.read("micropython").decode()
    wrong = 'case "$*" in\n  *status) echo "config.json: x"; exit 3 ;;'
    router.write("micropython", micropython.replace('case "$*" in', wrong), 0o755)
    done = provision("--yes")
    assert done.exit_code == 7 and "the engine does not run 1 s after its start: config.json: x" in done.stderr


def test_what_the_engine_warns_of_is_told(provision, router):
    status = STATUS | {"interfaces": [{"name": "wan0", "up": False}], "armed": False, "warnings": ["ip_forward\x1b[31m is 0"]}
    status["keys"] = {"clock": "not trusted, otp closed"}
    router.write("status", json.dumps(status))
    done = provision("--yes")
    for line in ("it is disarmed", "wan0 is down", "ip_forward?[31m is 0", "no NTP has set its clock"):
        assert f"home: warning: {line}" in done.stdout


# what to change on the router, exit code, what the one line says
UNFIT = {
    "not root": ({"bin/id": "#!/bin/sh\necho 1000\n"}, 7, "user id 1000; allowed: root, or sudo without a password"),
    "no board": ({"etc/os-release": 'PRETTY_NAME="Foo"\n'}, 7, "Foo is none of the boards bare; --board NAME says which"),
    "no system": ({"etc/os-release": ""}, 7, "a system without a name is none of the boards"),
    "no package manager": ({"bin/opkg": None}, 7, "package managers: found none; allowed on Router of the tests: opkg"),
    "no interface": ({"proc/net/dev": " lo: 0\n"}, 7, "interfaces: wan0 is not there; allowed: none; see "),
    "no flash": ({"bin/df": "#!/bin/sh\necho x; echo /dev/x 1 2 300 4 /\n"}, 7, "300 kB of flash are free; allowed: "),
    "no ffi": ({"usr/bin/micropython": "#!/bin/sh\necho micropython=1.25.0\n"}, 7,
               "its MicroPython has no ffi; allowed: the one of micropython-mbedtls"),
    "no shell": ({"bin/sh": "#!/bin/busybox echo\n"}, 7, "its shell does not run what it was sent"),
    "too much": ({"bin/sh": "#!/bin/busybox yes\n"}, 3, "it says more than 65536 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNFIT)
def test_a_target_that_will_not_do_is_one_line_and_stays_as_it_is(provision, router, case):
    changes, code, line = UNFIT[case]
    for path, text in changes.items():
        if text is None:
            router.remove(path)
        else:
            router.write(path, text, 0o755)
    before = router.snapshot()
    done = provision("--yes")
    assert (done.exit_code, router.snapshot()) == (code, before)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("knocklet: root@192.168.1.1: ") and line in last and len(done.stderr.splitlines()) == 1


def test_no_micropython_and_nothing_that_fetches_it(provision, router, monkeypatch):
    monkeypatch.setattr("knocklet_tool.provision_plan.package_manager", lambda there: None)
    done = provision("--yes")
    assert done.exit_code == 7 and "no MicroPython, and nothing that fetches packages; allowed: 1.23 or newer" in done.stderr


def test_interfaces_by_the_boards_word(provision, router, owner, home):
    """Where the gateway's file has none; and one that nothing leads out of is told."""
    path = owner / "home.toml"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("interfaces")))
    assert "knocks from  wan0" in provision("--dry-run").stdout
    board = home / "repository/boards/bare/board.toml"
    board.write_text(board.read_text().replace('"echo wan0"', '"true"'))
    done = provision("--dry-run")
    assert done.exit_code == 7 and "no interface leads outside now; allowed: one that does, or `interfaces` in " in done.stderr


def test_a_micropython_that_is_too_old_is_replaced_and_stays_the_systems_own(provision, router):
    router.write("usr/bin/micropython", "#!/bin/sh\necho micropython=1.22.2\n", 0o755)
    assert provision("--yes").exit_code == 0
    assert router.calls() == FIRST and not (router.root / "etc/knocklet/installed").exists()   # unprovision leaves it


def test_board_says_what_it_is_to_be_taken_for(provision, router):
    router.write("etc/os-release", "")
    assert provision("--board", "bare", "--dry-run").exit_code == 0
    assert "board 'x'; allowed: bare" in provision("--board", "x", "--dry-run").stderr


def test_ssh_that_does_not_get_there(provision, router, monkeypatch):
    router.down.touch()
    done = provision("--yes")
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr == "knocklet: root@192.168.1.1: ssh: connect to host: No route to host\n"
    monkeypatch.setenv("KNOCKLET_SSH", "/no/such/ssh")
    assert "/no/such/ssh: No such file or directory; allowed: the program ssh" in provision().stderr


@pytest.mark.parametrize("words, line", [
    (["--to", "-oProxyCommand=x"], "--to '-oProxyCommand=x': allowed: root@192.168.1.1"),
    (["--to", "a b"], "--to 'a b': allowed"),
    (["--to", ""], "--to: where is it?"),
    (["--via", "sftp"], "--via 'sftp': allowed: ssh, serial"),
    (["--via", "serial", "--to", "/dev/none"], "--to /dev/none: "),
    (["--via", "serial", "--to", ""], "--to: which serial port?"),
])  # fmt: skip
def test_where_nothing_can_be(provision, router, words, line):
    done = provision(*words, "--yes")
    assert done.exit_code == 2 and line in done.stderr and len(done.stderr.splitlines()) == 1


def test_hello_over_the_broker(sealed_home, known, file_of, router, knocklet):
    with settings.edit() as stored:
        stored.broker_files = str(known.files)
    done = knocklet("provision", "home", "--to", "root@192.168.1.1", "--yes")
    assert done.exit_code == 0, done.stderr
    assert re.search(rf"^home: it answers over localhost:{known.port}, \d\.\d s after its start$", done.stdout, re.MULTILINE)
    assert router.read("etc/knocklet/agent.json") == (known.files / "agent-home.json").read_bytes()
    assert (router.root / "etc/knocklet/agent.json").stat().st_mode & 0o7777 == 0o600
    assert known.password_file("home").read_bytes().strip() not in router.sent.read_bytes()
    sealed_home.data["selftest"] = {"checks": {"clock": "not trusted", "storage": "ok"}}
    assert "home: warning: clock: not trusted" in knocklet("provision", "home", "--to", "root@192.168.1.1").stdout


def test_a_gateway_that_does_not_report(known, file_of, router, knocklet, monkeypatch):
    monkeypatch.setattr("knocklet_tool.provision_proof.HELLO_S", 0.5)
    with settings.edit() as stored:
        stored.broker_files = str(known.files)
    done = knocklet("provision", "home", "--to", "root@192.168.1.1", "--yes")
    assert done.exit_code == 5
    assert f"home: the engine runs, but does not report over localhost:{known.port}: home is not connected" in done.stderr


def test_as_files_for_an_image(owner, tmp_path, knocklet):
    folder = tmp_path / "files"
    words = "provision", "home", "--via", "image", "--board", "openwrt", "--to", folder
    assert knocklet(*words).exit_code == 0
    keys = [path for path in folder.rglob("*") if path.is_file() and path.read_bytes() == settings.load().gateway("home").key]
    assert len(keys) == 1 and keys[0].stat().st_mode & 0o777 == 0o600
    assert "--via image: --board and --to" in knocklet("provision", "home", "--via", "image").stderr
    assert "without it" in knocklet(*words, "--dry-run").stderr


def test_ssh_in_the_gateways_file(owner, router, knocklet):
    path = owner / "home.toml"
    text = path.read_text()
    assert '# ssh = "root@192.168.1.1"' in text
    path.write_text(text.replace('# ssh = "root@192.168.1.1"', 'ssh = "root@lan-side"'))
    done = knocklet("provision", "home", "--dry-run")
    assert done.exit_code == 0 and "home, at root@lan-side:" in done.stdout
    assert b"lan-side" not in target_files.collect("home")["/etc/knocklet/config.json"][1]
