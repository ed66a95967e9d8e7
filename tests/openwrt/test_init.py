"""The init script, whole, under busybox: what it asks of procd, and what it says when something is missing."""

import json
import stat

import pytest
from openwrt.router import UID, Router

ENGINE = ["/usr/lib/knocklet/start.sh", "engine", "--syslog", "--interfaces"]
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
BROKER = {"host": "mqtt.example", "password": "it's secret \"", "ca": "-----BEGIN CERTIFICATE-----\nAAAA\n"}


@pytest.fixture
def router(tmp_path):
    """As the package leaves it, with WAN up."""
    router = Router(tmp_path / "router")
    router.netifd("wan", device="eth1", l3_device="eth1")
    router.netifd("wan6", device="eth1", l3_device="eth1")
    return router


@pytest.fixture
def enabled(router):
    router.uci(enabled="1")
    router.write("/etc/knocklet/config.json", "{}")
    return router


def devices(calls):
    command = calls.instances["engine"].command
    assert command[:-1] == ENGINE
    return command[-1]


def test_as_shipped(router):
    calls = router.init("start")
    assert (calls.code, calls.told, calls.instances) == (0, True, {})
    assert router.log() == ["not started: enabled is 0 in /etc/config/knocklet"]
    # A change of the settings is heard of, one of the interfaces is not.
    assert (calls.reload_triggers, calls.interface_triggers) == (["knocklet"], [])


def test_without_configuration(router):
    router.uci(enabled="1")
    calls = router.init("start")
    assert (calls.code, calls.told, calls.instances) == (0, True, {})
    assert router.log() == ["not started: no /etc/knocklet/config.json, which says what to protect"]


def test_engine(enabled):
    calls = enabled.init("start")
    assert (calls.code, calls.errors, enabled.log()) == (0, "", [])
    assert list(calls.instances) == ["engine", "keeper"]
    engine = calls.instances["engine"]
    assert engine.command == [*ENGINE, "eth1"]
    assert engine.environment == {"PATH": PATH}
    assert engine.params["respawn"] == ["3600", "5", "0"]  # never gives up
    assert engine.params["file"] == ["/etc/knocklet/key"]
    assert engine.params["stdout"] == engine.params["stderr"] == ["1"]
    assert calls.interface_triggers == [
        ("interface.*", name, "/etc/init.d/knocklet", "start") for name in ("wan", "wan6")
    ]  # fmt: skip
    run = enabled.place / "var" / "run"
    assert stat.S_IMODE((run / "knocklet").stat().st_mode) == 0o700
    folder = (run / "knocklet-agent").stat()
    assert (stat.S_IMODE(folder.st_mode), folder.st_uid, folder.st_gid) == (0o2750, 0, UID)
    # Started again, it asks for exactly the same: procd leaves what runs alone.
    again = enabled.init("start")
    assert again.instances["engine"].params == engine.params


def test_heap(enabled):
    enabled.uci(enabled="yes", heap="768k")
    assert enabled.init("start").instances["engine"].environment == {"PATH": PATH, "KNOCKLET_HEAP": "768k"}


def test_jail(enabled):
    """Two capabilities where procd can take the others away; never a root directory of its own."""
    engine = enabled.init("start").instances["engine"]
    assert engine.jail is None and "capabilities" not in engine.params
    ujail = enabled.place / "sbin" / "ujail"
    ujail.touch(mode=0o755)
    engine = enabled.init("start").instances["engine"]
    assert engine.jail == ["knocklet-engine"]
    assert engine.params["no_new_privs"] == ["1"]
    path = engine.params["capabilities"][0]
    capabilities = json.loads((enabled.place / path[1:]).read_text())
    assert sorted(capabilities) == ["ambient", "bounding", "effective", "inheritable", "permitted"]
    assert set(map(tuple, capabilities.values())) == {("CAP_NET_ADMIN", "CAP_NET_RAW")}


# Interfaces


@pytest.mark.parametrize(
    "told, expected",
    [
        ({"wan": {"device": "eth1", "l3_device": "pppoe-wan"}, "wan6": {"l3_device": "pppoe-wan"}}, "pppoe-wan"),
        ({"wan": {"device": "eth1", "l3_device": "eth1"}, "wan6": {"l3_device": "6in4-wan6"}}, "eth1,6in4-wan6"),
        ({"wan": {"device": "eth1"}, "wan6": {}}, "eth1"),  # down, and was never up
        ({"wan": {"device": "eth1"}, "wan6": {"device": "eth1", "l3_device": "eth1"}}, "eth1"),
    ],
    ids=["PPPoE", "two devices", "WAN down", "half up"],
)
def test_devices(enabled, told, expected):
    for interface, fields in told.items():
        enabled.netifd(interface, **fields)
    assert devices(enabled.init("start")) == expected


def test_two_wans(enabled):
    enabled.uci(enabled="1", interface=["wan", "lte"])
    enabled.netifd("lte", l3_device="wwan0")
    calls = enabled.init("start")
    assert devices(calls) == "eth1,wwan0"
    assert [trigger[1] for trigger in calls.interface_triggers] == ["wan", "lte"]


def test_a_line_that_drops(enabled):
    """What it had stays; another device that comes up is the one from then on."""
    enabled.netifd("wan", device="eth1", l3_device="pppoe-wan")
    enabled.netifd("wan6")
    before = enabled.init("start").instances
    enabled.netifd("wan", device="eth1")
    assert enabled.init("start").instances["engine"].params == before["engine"].params
    enabled.netifd("wan", device="eth1", l3_device="pppoe-wan2")
    assert devices(enabled.init("start")) == "pppoe-wan2"


def test_no_device_yet(enabled):
    """As with a modem that is not plugged in: it waits, and hears when one comes."""
    enabled.uci(enabled="1", interface=["lte"])
    calls = enabled.init("boot")
    assert (calls.told, calls.instances) == (True, {})
    assert [trigger[1] for trigger in calls.interface_triggers] == ["lte"]
    assert enabled.log() == ["waiting: no device yet for interface lte of /etc/config/knocklet"]
    enabled.netifd("lte", l3_device="wwan0")
    assert devices(enabled.init("start")) == "wwan0"


@pytest.mark.parametrize("says", [None, "drop", "reject"])
@pytest.mark.parametrize("firewall", ["drop", "reject"])
def test_zone(enabled, says, firewall):
    """Ports that are closed in another way than their neighbours would be seen: it says so, and starts all the same."""
    enabled.write("/etc/knocklet/config.json", json.dumps({"zone": says} if says else {}))
    enabled.firewall(firewall)
    assert "engine" in enabled.init("start").instances
    zone = says or "drop"
    line = f'zone: found "{zone}" in /etc/knocklet/config.json; the firewall\'s zone of wan says {firewall.upper()} for input'
    assert enabled.log() == ([] if zone == firewall else [line])
    enabled.running("engine")
    enabled.init("start")
    assert enabled.log() == []


# The agent


def agent_config(router):
    """What it reads; only its user may, and nobody may change it."""
    path = router.place / "var" / "run" / "knocklet-agent.json"
    found = path.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, 0, UID)
    assert not path.with_name("knocklet-agent.json.new").exists()
    return path.read_text()


def test_agent(enabled):
    text = json.dumps({"broker": BROKER, "home_assistant": False})
    enabled.write("/etc/knocklet/agent.json", text)
    agent = enabled.init("start").instances["agent"]
    assert agent.command == ["/usr/lib/knocklet/start.sh", "agent", "--config", "/var/run/knocklet-agent.json"]
    assert agent.params["user"] == agent.params["group"] == ["knocklet"]
    assert agent.params["respawn"] == ["3600", "5", "0"]
    assert agent.params["file"] == ["/var/run/knocklet-agent.json"]  # another broker starts it again
    assert agent.jail is None and "capabilities" not in agent.params
    assert agent_config(enabled) == text


def test_broker_in_uci(enabled):
    """Alone, or in the place of what agent.json says."""
    enabled.uci(enabled="1", broker={"host": "192.168.1.9", "tls": "0", "port": "1883", "password": "a b"})
    assert "agent" in enabled.init("start").instances
    mine = {"host": "192.168.1.9", "port": 1883, "tls": False, "password": "a b"}
    assert json.loads(agent_config(enabled)) == {"broker": mine}
    enabled.uci(enabled="1", broker={"host": "192.168.1.9"})
    enabled.write("/etc/knocklet/agent.json", json.dumps({"broker": BROKER, "home_assistant": False}))
    assert "agent" in enabled.init("start").instances
    assert json.loads(agent_config(enabled)) == {"broker": BROKER | {"host": "192.168.1.9"}, "home_assistant": False}
    assert "secret" not in "".join(enabled.log())


def test_broken_agent_config(enabled):
    enabled.uci(enabled="1", broker={"host": "192.168.1.9"})
    enabled.write("/etc/knocklet/agent.json", '{"broker": ')
    assert list(enabled.init("start").instances) == ["engine", "keeper"]
    line = 'nothing is reported: /etc/knocklet/agent.json: found no object "broker" that could be read'
    assert enabled.log() == [line]


def test_no_user(tmp_path):
    """procd would start the agent as root."""
    router = Router(tmp_path / "router", user=False)
    router.netifd("wan", l3_device="eth1")
    router.uci(enabled="1")
    router.write("/etc/knocklet/config.json", "{}")
    router.write("/etc/knocklet/agent.json", json.dumps({"broker": BROKER}))
    assert list(router.init("start").instances) == ["engine", "keeper"]
    assert router.log() == ["nothing is reported: no user knocklet, which the package makes"]
    assert not (router.place / "var" / "run" / "knocklet-agent.json").exists()


# What cannot be


GARBAGE = {
    "main.enabled": ({"enabled": "perhaps"}, 'main.enabled: found "perhaps"; allowed: bool'),
    "main.heap": ({"enabled": "1", "heap": "lots"}, 'main.heap: found "lots"; allowed: regex("[0-9]+[kKmM]?")'),
    "main.interface": (
        {"enabled": "1", "interface": ["wan", "$(reboot)"]},
        'main.interface: found "wan $(reboot)"; allowed: list(uciname)',
    ),
    "broker.port": ({"enabled": "1", "broker": {"port": "mqtt"}}, 'broker.port: found "mqtt"; allowed: port'),
    "broker.host": ({"enabled": "1", "broker": {"host": "a b;c"}}, 'broker.host: found "a b;c"; allowed: host'),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage(enabled, name):
    """Before the first start nothing is started; what runs goes on, and procd is not told anything."""
    options, line = GARBAGE[name]
    enabled.uci(**options)
    calls = enabled.init("start")
    assert (calls.told, calls.instances, calls.reload_triggers) == (True, {}, ["knocklet"])
    assert enabled.log() == ["/etc/config/knocklet: " + line]
    enabled.running("engine")
    calls = enabled.init("start")
    assert (calls.code, calls.told) == (1, False)
    assert enabled.log() == ["/etc/config/knocklet: " + line]


def test_no_settings_at_all(enabled):
    enabled.write("/etc/config/knocklet", "config gateway 'main\n")
    assert enabled.init("start").instances == {}
    assert enabled.log() == ["/etc/config/knocklet: cannot be read: uci show knocklet tells where"]


def test_no_micropython(tmp_path):
    """As after an upgrade of the system, which takes packages away."""
    router = Router(tmp_path / "router", micropython=False)
    router.script("apk", "#!/bin/sh\n")
    router.netifd("wan", l3_device="eth1")
    router.uci(enabled="1")
    router.write("/etc/knocklet/config.json", "{}")
    calls = router.init("boot")
    assert (calls.code, calls.told, calls.instances) == (0, True, {})
    assert router.log() == ["not started: MicroPython is missing: apk add micropython-mbedtls"]
    status = router.init("status")
    assert (status.code, status.errors) == (127, "knocklet: MicroPython is missing: apk add micropython-mbedtls\n")


# What is shut without an engine


KEPT = "/etc/knocklet/closed.nft"
NFT = """\
#!/bin/sh
case $* in
	"list table inet knocklet") [ -e /tmp/in_force ] ;;
	"-f "*) cp "$2" /tmp/in_force ;;
	"--stateless --terse list table inet knocklet") cat /tmp/in_force ;;
esac 2>/dev/null
"""


@pytest.fixture
def shut(enabled):
    """After a boot. What is in force is in a file, which comes from /etc/knocklet."""
    enabled.script("nft", NFT)
    enabled.write(KEPT, "closed")
    return enabled


def in_force(router):
    path = router.place / "tmp" / "in_force"
    return path.read_text() if path.exists() else None


def no_configuration(router):
    (router.place / "etc" / "knocklet" / "config.json").unlink()


def no_micropython(router):
    (router.place / "bin" / "micropython").unlink()


def no_settings(router):
    router.write("/etc/config/knocklet", "config gateway 'main\n")


def bad_settings(router):
    router.uci(enabled="1", heap="lots")


def no_device(router):
    router.uci(enabled="1", interface=["lte"])


@pytest.mark.parametrize("why", [None, no_configuration, no_micropython, no_settings, bad_settings, no_device])
def test_shut_before_the_engine_and_without_it(shut, why):
    """A rule of the owner's that opens the same port opens nothing."""
    if why:
        why(shut)
    shut.init("boot")
    assert in_force(shut) == "closed"


EARLY = "/etc/rc.d/S18knocklet-closed"   # the firewall is 19, the network 20


def early_boot(router):
    router.run("/etc/init.d/knocklet-closed", "enable")
    found = router.run(EARLY, "boot")
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


@pytest.mark.parametrize("why", [None, no_configuration, no_micropython, no_device])
def test_shut_before_the_firewall(shut, why):
    """And nothing is started yet: neither the firewall nor the network is there."""
    shut.init("enable")
    if why:
        why(shut)
    early_boot(shut)
    assert in_force(shut) == "closed"
    assert not (shut.place / "tmp" / "calls").exists()


@pytest.mark.parametrize("how", ["service", "settings"])
def test_disabled_is_not_shut_before_the_firewall(shut, how):
    if how == "settings":
        shut.init("enable")
        shut.uci(enabled="0")
    early_boot(shut)
    assert in_force(shut) is None


@pytest.mark.parametrize("why", [no_settings, bad_settings])
def test_bad_settings_are_shut_before_the_firewall(shut, why):
    """Nobody knows then whether it is enabled. What is wrong is said when the engine is to start."""
    shut.init("enable")
    why(shut)
    shut.run("/etc/init.d/knocklet-closed", "boot")
    assert in_force(shut) == "closed"


def test_starting_it_by_hand_shuts_nothing(shut):
    """As a package's installation does with each init script."""
    shut.init("enable")
    for word in ("start", "stop"):
        assert shut.run("/etc/init.d/knocklet-closed", word).returncode == 0
    assert in_force(shut) is None


def test_what_is_in_force_stays(shut):
    """Somebody may be in."""
    shut.write("/tmp/in_force", "open for one")
    shut.init("start")
    no_configuration(shut)
    shut.init("start")
    assert in_force(shut) == "open for one"


def test_an_engine_that_runs_closes_by_itself(shut):
    """It brings back what was taken away, with who is in."""
    shut.running("engine")
    shut.init("start")
    assert in_force(shut) is None


def test_nothing_is_shut_where_it_is_not_enabled(shut):
    shut.uci(enabled="0")
    shut.init("boot")
    assert in_force(shut) is None


def test_rules_that_cannot_be_loaded(shut):
    shut.script("nft", "#!/bin/sh\nexit 1\n")
    assert "engine" in shut.init("boot").instances
    assert shut.log() == [f"{KEPT}: cannot be loaded"]


def test_keeper(shut):
    """Once the engine is ready; the flash is written only when they have changed."""
    keeper = shut.init("start").instances["keeper"]
    assert keeper.command == ["/etc/init.d/knocklet", "keep"]
    assert "respawn" not in keeper.params
    (shut.place / "usr/bin/knockletctl").unlink()
    shut.write("/usr/bin/knockletctl", "#!/bin/sh\n[ -e /tmp/ready ] || { touch /tmp/ready; exit 3; }\n", mode=0o755)
    shut.write("/tmp/in_force", "new")
    assert shut.run(*keeper.command).returncode == 0
    path = shut.place / KEPT[1:]
    assert path.read_text() == "new" and stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.stat().st_ino
    shut.run(*keeper.command)
    assert path.stat().st_ino == before
    (shut.place / "tmp/in_force").unlink()   # of ipset now
    shut.run(*keeper.command)
    assert not path.exists()


# Other commands


def test_disabled_while_it_runs(enabled):
    """procd gets a service without instances, and ends what runs."""
    enabled.running("engine")
    enabled.uci(enabled="0")
    calls = enabled.init("reload")
    assert (calls.told, calls.instances) == (True, {})


def test_running(enabled):
    assert enabled.init("running").code == 1
    enabled.running("agent")
    assert enabled.init("running").code == 1
    enabled.running("engine")
    assert enabled.init("running").code == 0


def test_stop(enabled):
    """A stop that is wanted is no crash: earlier starts are forgotten."""
    enabled.write("/var/run/knocklet/starts", "1\n2\n")
    calls = enabled.init("stop")
    assert calls.killed
    assert not (enabled.place / "var" / "run" / "knocklet" / "starts").exists()


def test_another_device_is_no_crash(enabled):
    """procd starts the engine again for it, five times in ten minutes perhaps. An event without a change says nothing."""
    starts = enabled.place / "var" / "run" / "knocklet" / "starts"
    enabled.init("start")
    for changed, setting in ((False, {}), (True, {"l3_device": "pppoe-wan"}), (False, {"l3_device": "pppoe-wan"})):
        enabled.write("/var/run/knocklet/starts", "1\n2\n")
        enabled.netifd("wan", device="eth1", **setting)
        enabled.init("start")
        assert starts.exists() == (not changed), setting
    enabled.uci(enabled="1", heap="2M")
    enabled.init("start")
    assert not starts.exists()


def test_reload_and_status(enabled):
    """The engine is told to read its configuration; what it says is not lost, but that it does not answer is nothing new."""
    (enabled.place / "usr" / "bin" / "knockletctl").unlink()
    for code, logged in ((0, ["said reload"]), (2, ["said reload"]), (3, [])):
        enabled.write("/usr/bin/knockletctl", f'#!/bin/sh\necho "said $*" >&2\nexit {code}\n', mode=0o755)
        assert list(enabled.init("reload").instances) == ["engine", "keeper"]
        assert enabled.log() == logged
        assert (enabled.init("status").code, enabled.init("status", "--json").errors) == (code, "said --json status\n")
