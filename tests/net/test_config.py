"""A configuration over MQTT: tried, kept, rolled back. The agent is played, so that nothing else is in the way.

    engine (gateway) <-- AF_UNIX SOCK_SEQPACKET --> the holder of the gateway's key
"""

import copy

import pytest
from net.connection import Connection
from net.holder import KEY, Holder
from net.marks import one_firewall

STEPS = ["7000/tcp", "9100/udp", "8000/tcp"]
OTHER_STEPS = ["7000/tcp", "9100/udp", "9300/tcp"]


@pytest.fixture
def config(config):
    config["id"] = "home"
    config["sequences"]["front"]["open"] = ["ssh"]
    del config["sequences"]["front-shut"]  # begins as the other one ends
    return config


@pytest.fixture
def engine(engine):
    engine.write_key(KEY)
    engine.trust_clock()
    return engine


@pytest.fixture
def holder(dut):
    with Holder(dut) as holder:
        yield holder


@pytest.fixture
def changed(config):
    """With another way in."""
    changed = copy.deepcopy(config)
    changed["sequences"]["back"] = {"steps": OTHER_STEPS, "open": ["admin"]}
    return changed


def test_tried_and_kept(lab, dut, holder, changed):
    version, answer = holder.push(changed)
    assert answer["status"] == "ok" and answer["data"] == {"trial": True, "confirm_s": 30, "warnings": []}
    dut.expect_event("config_trial", version=version)
    lab.knock(OTHER_STEPS)
    dut.expect_event("opened", service="admin")
    assert holder.obeyed("confirm", version=version) == {"config": version}
    dut.expect_event("config_applied", version=version)
    assert holder.pulled() == changed
    dut.restart()
    lab.knock(OTHER_STEPS)
    dut.expect_event("opened", service="admin")
    assert dut.ctl("status")["config"].startswith(version)


def test_half_finished_knocks_go_on(lab, dut, holder, changed):
    lab.knock(STEPS[:2])
    holder.kept(changed)
    lab.knock(STEPS[2:])
    dut.expect_event("opened", service="ssh")


def test_grants_live_on(lab, dut, holder, config, changed):
    """With the time that they have: neither a restart of the rules nor another time for later knocks touches them."""
    lab.knock(STEPS)
    dut.expect_event("opened", service="ssh")
    changed["services"]["ssh"]["ttl"] = 600
    holder.kept(changed)
    grant = dut.ctl("grants")["grants"][0]
    assert grant["service"] == "ssh" and grant["client"] == "front" and 20 <= grant["left_s"] <= 30
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    assert dut.told("closed", "opened") == ["opened"]
    lab.knock(STEPS)
    assert dut.expect_event("renewed", service="ssh")["ends_s"] == 600


OTHER_ADMIN = {
    "another port": lambda config: config["services"]["admin"].update(port=8889),
    "gone": lambda config: (config["services"].pop("admin"), config["sequences"].pop("back")),
    "another time": lambda config: config["services"]["admin"].update(ttl=600),
}


@one_firewall
@pytest.mark.parametrize("name", OTHER_ADMIN)
def test_connections_through_a_service_that_is_no_more(lab, dut, holder, changed, name):
    """They are cut by the time of the answer, also where the service does not cut by itself; others go on."""
    changed["services"]["admin"]["cut"] = False
    changed["sequences"]["front"]["open"] = ["ssh", "camera"]
    holder.kept(changed)
    lab.serve(lab.gateway, 8888)
    lab.knock(STEPS)
    lab.knock(OTHER_STEPS)
    assert {dut.expect_event("opened")["service"] for _ in range(3)} == {"ssh", "camera", "admin"}
    with Connection(lab.gateway.ip4, 8888, lab.client) as admin, Connection(lab.gateway.ip4, 8080, lab.client) as camera:
        assert admin.works() and camera.works()
        OTHER_ADMIN[name](changed)
        answer = holder.push(changed)[1]
        assert answer["status"] == "ok" and answer["data"]["trial"]
        assert admin.works(timeout_s=0.5) == (name == "another time")
        assert camera.works()
    assert ("admin" in [grant["service"] for grant in dut.ctl("grants")["grants"]]) == (name == "another time")


def test_what_is_not_allowed_any_more_is_closed(lab, dut, holder, config):
    lab.knock(STEPS)
    dut.expect_event("opened", service="ssh")
    del config["sequences"]["front"]
    answer = holder.push(config, confirm_s=0)[1]
    assert answer["status"] == "ok" and answer["data"]["trial"] is False
    dut.expect_event("closed", service="ssh", reason="config")
    assert dut.ctl("grants")["grants"] == []


def test_rolled_back(lab, dut, holder, changed):
    version = holder.push(changed)[0]
    lab.knock(OTHER_STEPS)
    dut.expect_event("opened", service="admin")
    assert holder.obeyed("rollback") == {"config": "%016x" % 0}
    dut.expect_event("closed", service="admin", reason="config")
    dut.expect_event("config_rolled_back", version=version, reason="owner")
    lab.knock(OTHER_STEPS)
    lab.knock(STEPS)
    dut.expect_event("opened", service="ssh")
    assert dut.told("opened") == ["opened", "opened"]


# Commands


@one_firewall
def test_open_and_close(lab, dut, holder):
    assert holder.obeyed("open", service="ssh", source=lab.client.ip4, ttl=20) == {"ends_s": 20}
    dut.expect_event("opened", service="ssh", client="(owner)", source=lab.client.ip4)
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    assert holder.obeyed("close", service="ssh", source=lab.attacker.ip4) == {"closed": 0}
    assert holder.obeyed("close", service="ssh", source=lab.client.ip4) == {"closed": 1}
    dut.expect_event("closed", service="ssh", reason="owner")
    assert lab.tcp_open(lab.gateway.ip4, 22) == "silent"


@one_firewall
def test_disarmed(lab, dut, holder):
    """Nothing opens, also after a restart; the owner still can; who is in stays in."""
    lab.knock(STEPS)
    dut.expect_event("opened", service="ssh")
    assert holder.obeyed("disarm") == {"armed": False}
    holder.agent.expect("state", armed=False)
    lab.knock(STEPS)
    dut.expect_event("refused", service="ssh", reason="disarmed")
    assert [grant["service"] for grant in dut.ctl("grants")["grants"]] == ["ssh"]
    dut.restart()
    lab.knock(STEPS)
    dut.expect_event("refused", service="ssh", reason="disarmed")
    with Holder(dut) as holder:
        assert holder.obeyed("open", service="admin", source=lab.client.ip4)["ends_s"] == 60
        assert holder.obeyed("arm") == {"armed": True}
    lab.knock(STEPS)
    dut.expect_event("opened", service="ssh", client="front")


@one_firewall
def test_selftest_and_reload(dut, holder):
    checks = holder.obeyed("selftest")["checks"]
    assert set(checks) == {"wan0", "clock", "store", "warnings", "firewall"} and set(checks.values()) == {"ok"}
    assert holder.obeyed("reload") == {"warnings": []}


@one_firewall
def test_refused_with_a_line(lab, dut, holder, config):
    for verb, fields, error in (
        ("close", {"service": "nothing"}, "service: found 'nothing'; allowed: admin, camera, heat, ssh"),
        ("open", {"service": "ssh", "source": "224.0.0.1"}, "source: found '224.0.0.1'; allowed: the address of a device"),
        ("confirm", {"version": "0" * 16}, "no trial of 0000000000000000; in force: 0000000000000000"),
        ("rollback", {}, "no trial; in force: 0000000000000000"),
        ("revoke", {"client": "nobody"}, "client: found 'nobody'; allowed: "),
        ("approve", {"boot": 1, "seq": 1, "client": "front", "service": "ssh", "source": "198.51.100.2"},
         "no such request waits: the engine has started anew"),
    ):  # fmt: skip
        answer = holder.ask(verb, **fields)
        assert (answer["status"], answer["error"], answer["data"]) == ("error", error, {}), verb
    config["services"]["ssh"]["port"] = 70000
    answer = holder.push(config)[1]
    assert answer["error"] == "services.ssh.port: found 70000; allowed: a whole number, 1-65535"
    config["id"], config["services"]["ssh"]["port"] = "office", 22
    assert holder.push(config)[1]["error"] == "id: found 'office'; allowed: 'home'"


# Approval


@pytest.fixture
def asked(config):
    config["services"]["ssh"]["approval"] = True
    return config


@one_firewall
def test_approved(lab, dut, holder, config, asked):
    holder.kept(asked)
    lab.knock(STEPS)
    request = holder.agent.expect("event", event_type="request", service="ssh", client="front", source=lab.client.ip4)[1]
    assert request["lapses_s"] == 60 and dut.ctl("grants")["grants"] == []
    lab.knock(STEPS)  # asks nobody again
    answer = {key: request[key] for key in ("boot", "seq", "client", "service", "source")}
    for wrong in ({"seq": request["seq"] + 1}, {"source": lab.attacker.ip4}, {"client": "back"}, {"boot": request["boot"] + 1}):
        assert holder.ask("approve", **(answer | wrong))["status"] == "error"
    assert dut.ctl("grants")["grants"] == []
    assert holder.obeyed("approve", **answer) == {}
    dut.expect_event("approved", service="ssh", client="front", source=lab.client.ip4)
    dut.expect_event("opened", service="ssh", client="front")
    assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
    assert holder.ask("approve", **answer)["status"] == "error"
    assert dut.told("request") == ["request"]


@one_firewall
def test_denied(lab, dut, holder, asked):
    holder.kept(asked)
    lab.knock(STEPS)
    request = holder.agent.expect("event", event_type="request")[1]
    answer = {key: request[key] for key in ("boot", "seq", "client", "service", "source")}
    assert holder.obeyed("deny", **answer) == {}
    dut.expect_event("denied", service="ssh", client="front")
    assert holder.ask("approve", **answer)["status"] == "error"
    assert dut.ctl("grants")["grants"] == [] and lab.tcp_open(lab.gateway.ip4, 22) == "silent"


# On the gateway itself


@one_firewall
def test_root_arms_and_disarms(lab, dut, holder):
    """Also against what the owner said over MQTT, and over a restart."""
    assert dut.ctl("disarm") == {"armed": False, "ok": True}
    lab.knock(STEPS)
    dut.expect_event("refused", service="ssh", reason="disarmed")
    dut.restart()
    assert dut.ctl("status")["armed"] is False
    with Holder(dut) as holder:
        holder.obeyed("arm")
        holder.obeyed("disarm")
    assert dut.ctl("arm") == {"armed": True, "ok": True}
    dut.restart()
    lab.knock(STEPS)
    dut.expect_event("opened", service="ssh")


@one_firewall
def test_back_to_the_file(lab, dut, holder, changed):
    holder.kept(changed)
    dut.reload()
    assert dut.ctl("status")["config"].endswith("from MQTT")
    dut.ctl("reload", "--file")
    assert dut.ctl("status")["config"] == "the file"
    lab.knock(OTHER_STEPS)
    dut.restart()
    assert dut.ctl("status")["config"] == "the file" and dut.told("opened") == []
