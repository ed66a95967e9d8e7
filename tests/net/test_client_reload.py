"""Clients come and go while the engine runs: who is new gets in, who is gone is shown out, nobody else notices."""

import json

import pytest
from net import kernel
from net.clients import GATEWAY, PORT, KeyClient, became, held, in_use, knock, slot_now
from net.connection import Connection
from net.marks import one_firewall

from lab import LabError

SSH, ADMIN = 1, 4


@pytest.fixture
def config(config, anna, ben):
    config["id"] = GATEWAY
    config["services"]["ssh"]["ttl"] = 60
    config["clients"] = {client.name: client.entry("ssh", "admin", kinds=["spa", "otp"]) for client in (anna, ben)}
    return config


@pytest.fixture
def engine(engine):
    return in_use(engine)


def reload(dut, config):
    dut.write_config(config)
    dut.ask("reload")


def dies_in_the_filter(lab, dut, packet, port=PORT):
    return became(dut, lambda: lab.datagram(packet, port)) == {}


def test_removed(lab, dut, config, anna, ben):
    """Its grants and connections end at once, those of another client behind the same address do not."""
    lab.serve(lab.gateway, 8888)
    for client, service in ((anna, SSH), (anna, ADMIN), (ben, SSH)):
        assert knock(lab, dut, client.packet(service)) == "accepted"
    with Connection(lab.gateway.ip4, 8888, lab.client) as kept:
        assert kept.works()
        del config["clients"]["anna"]
        reload(dut, config)
        assert {dut.expect_event("closed", reason="config", client="anna")["service"] for _ in range(2)} == {"ssh", "admin"}
        assert not kept.works(timeout_s=0.5)
    assert held(dut) == [("ben", "ssh", lab.client.ip4)]
    assert list(kernel.entries(lab)) == [(SSH, lab.client.ip4)]
    assert dies_in_the_filter(lab, dut, anna.packet(SSH))
    assert became(dut, lambda: lab.knock(anna.steps(SSH, slot_now())))["complete"] == 0
    assert knock(lab, dut, ben.packet(SSH)) == "accepted"
    lab.knock(ben.steps(ADMIN, slot_now()))
    dut.expect_event("opened", client="ben", service="admin")


@one_firewall
def test_may_open_less(lab, dut, config, anna):
    for service in (SSH, ADMIN):
        assert knock(lab, dut, anna.packet(service)) == "accepted"
    config["clients"]["anna"]["open"] = ["ssh"]
    reload(dut, config)
    assert dut.expect_event("closed", reason="config")["service"] == "admin"
    assert held(dut) == [("anna", "ssh", lab.client.ip4)]
    assert knock(lab, dut, anna.packet(ADMIN)) == "not_allowed"
    assert knock(lab, dut, anna.packet(SSH)) == "accepted"


@one_firewall
def test_added(lab, dut, config, ben):
    carl = KeyClient("carl")
    assert knock(lab, dut, ben.packet(SSH)) == "accepted"
    assert dies_in_the_filter(lab, dut, carl.packet(SSH))
    config["clients"]["carl"] = carl.entry("ssh", kinds=["spa", "otp"])
    reload(dut, config)
    assert knock(lab, dut, carl.packet(SSH)) == "accepted"
    lab.knock(carl.steps(SSH, slot_now()), from_=lab.attacker)
    dut.expect_event("opened", client="carl", source=lab.attacker.ip4)
    assert ("ben", "ssh", lab.client.ip4) in held(dut)


@one_firewall
@pytest.mark.parametrize("kind", ["spa", "otp"])
def test_another_key(lab, dut, config, anna, ben, kind):
    """Whoever has the old one may have opened with it: what it opened closes."""
    if kind == "spa":
        assert knock(lab, dut, anna.packet(SSH)) == "accepted"
    else:
        lab.knock(anna.steps(SSH, slot_now()))
    assert knock(lab, dut, ben.packet(SSH)) == "accepted"
    again = KeyClient("anna")
    config["clients"]["anna"]["key"] = again.key.hex()
    reload(dut, config)
    assert dut.expect_event("closed", reason="config")["client"] == "anna"
    assert held(dut) == [("ben", "ssh", lab.client.ip4)]
    assert dies_in_the_filter(lab, dut, anna.packet(SSH))
    assert became(dut, lambda: lab.knock(anna.steps(SSH, slot_now() + 1)))["complete"] == 0
    assert knock(lab, dut, again.packet(SSH)) == "accepted"


@one_firewall
def test_same_again(lab, dut, config, anna):
    """Neither a grant nor what was used is forgotten."""
    used, steps = anna.packet(SSH), anna.steps(ADMIN, slot_now())
    assert knock(lab, dut, used) == "accepted"
    lab.knock(steps)
    dut.expect_event("opened", service="admin")
    reload(dut, config)
    assert held(dut) == [("anna", "admin", lab.client.ip4), ("anna", "ssh", lab.client.ip4)]
    assert knock(lab, dut, used) == "replayed"
    assert became(dut, lambda: lab.knock(steps))["otp_used"] == 1


@one_firewall
def test_spa_port(lab, dut, config, anna):
    config["spa_port"] = 4500
    reload(dut, config)
    packet = anna.packet(SSH)
    assert dies_in_the_filter(lab, dut, packet)
    assert became(dut, lambda: lab.datagram(packet, 4500)) == {"accepted": 1}


@one_firewall
def test_no_clients(lab, dut, config, anna):
    """No timer, no port; when they come back they are known."""
    assert knock(lab, dut, anna.packet(SSH)) == "accepted"
    used = anna.packet(SSH)
    assert knock(lab, dut, used) == "accepted"
    clients = config.pop("clients")
    reload(dut, config)
    assert dut.expect_event("closed", reason="config")["client"] == "anna"
    assert "timerfd" not in dut.lab.gateway.run(["ls", "-l", f"/proc/{dut.process.pid}/fd"]).stdout
    assert dies_in_the_filter(lab, dut, anna.packet(SSH))
    assert dut.ask("status")["interfaces"][0]["filter"] == "ports"
    config["clients"] = clients
    reload(dut, config)
    assert knock(lab, dut, used) == "replayed"
    assert knock(lab, dut, anna.packet(ADMIN)) == "accepted"


@one_firewall
def test_refused(lab, dut, config, anna, ben):
    """A mistake changes nothing, and shows nobody's key."""
    for wrong in (
        {"anna": anna.entry("shh"), "ben": ben.entry("ssh")},
        {"anna": anna.entry("ssh"), "ben": anna.entry("ssh")},
        {"anna": {**anna.entry("ssh"), "key": anna.key.hex().upper()}},
    ):
        dut.write_config(config | {"clients": wrong})
        with pytest.raises(LabError, match="clients") as refused:
            dut.reload()
        assert anna.key.hex() not in str(refused.value).lower()
    assert knock(lab, dut, anna.packet(SSH)) == "accepted"


@one_firewall
def test_a_file_of_their_own(lab, dut, config, anna):
    """clients.json comes in the place of `clients`."""
    assert knock(lab, dut, anna.packet(SSH)) == "accepted"
    dut.write_clients(config.pop("clients"))
    reload(dut, config)
    assert held(dut) == [("anna", "ssh", lab.client.ip4)]
    assert knock(lab, dut, anna.packet(SSH)) == "accepted"


@one_firewall
def test_an_empty_file_of_clients(lab, dut, config, anna):
    """As it is left by a command that broke on the way: nobody is locked out by it."""
    del config["clients"]
    dut.write_config(config)
    assert knock(lab, dut, anna.packet(SSH)) == "accepted"
    path = dut.config_path.with_name("clients.json")
    for data in ("", "\n"):
        path.write_text(data)
        path.chmod(0o600)
        with pytest.raises(LabError, match="clients.json: "):
            dut.reload()
    assert held(dut) == [("anna", "ssh", lab.client.ip4)]
    assert knock(lab, dut, anna.packet(SSH)) == "accepted"


@one_firewall
def test_removed_after_a_restart(lab, dut, config, anna, ben):
    """The kernel holds what was open, and does not know whose it was: all that the removed client could open is closed."""
    for service in (SSH, ADMIN):
        assert knock(lab, dut, anna.packet(service)) == "accepted"
    dut.restart()
    assert [service for _, service, _ in held(dut)] == ["admin", "ssh"]
    config["clients"]["anna"]["open"] = ["admin"]
    reload(dut, config)
    assert dut.expect_event("closed", reason="config")["service"] == "ssh"
    assert [service for _, service, _ in held(dut)] == ["admin"]
    assert list(kernel.entries(lab)) == [(ADMIN, lab.client.ip4)]


@one_firewall
@pytest.mark.parametrize("bits", [32], indirect=True)
def test_more_clients_than_memory(lab, dut, config, anna):
    """The reload is refused in one line, and those who could get in still can."""
    some, more = [{f"c{i}": KeyClient(f"c{i}").entry("ssh") for i in range(count)} for count in (100, 512)]
    anna_alone = {"anna": anna.entry("ssh")}
    reload(dut, config | {"clients": anna_alone | some})
    path = dut.config_path.with_name("clients.json")
    del config["clients"]
    dut.write_config(config)
    path.write_text(json.dumps({"clients": more}))
    path.chmod(0o600)
    with pytest.raises(LabError, match="fewer clients, or a larger heap"):
        dut.reload()
    assert dut.ask("status")["clients"] == 101
    assert knock(lab, dut, anna.packet(SSH)) == "accepted"
