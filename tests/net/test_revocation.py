"""A client's key is revoked, by a push or by a command: what it has opened is closed and cut by the time of the answer, and it
opens nothing ever again, by no kind of knock, after no rollback, restart, or older configuration. Others notice nothing.
"""

import copy
from base64 import b64decode
from hashlib import sha256

import pytest
from net.clients import KeyClient, became, held, in_use, knock, slot_now
from net.connection import Connection
from net.holder import KEY, Holder
from net.marks import one_firewall
from net.trials import in_force, refused, stored, tried

from lab.fwknop import FwknopClient

SSH, ADMIN = 1, 4
KINDS = ["spa", "otp", "fwknop"]


@pytest.fixture
def phone(tmp_path):
    """Her fwknop client, on the same key entry."""
    return FwknopClient(tmp_path / "fwknop", "sha256")


@pytest.fixture
def config(config, anna, ben, phone):
    config["id"] = "home"
    config["services"]["ssh"]["ttl"] = 60
    config["clients"] = {
        "anna": anna.entry("ssh", "admin", kinds=KINDS, fwknop=phone.keys, issued=1_700_000_000),
        "ben": ben.entry("ssh", "admin"),
    }
    return config


@pytest.fixture
def engine(engine):
    engine.write_key(KEY)
    return in_use(engine)


@pytest.fixture
def holder(dut):
    with Holder(dut) as holder:
        yield holder


def fingerprints(client, phone):
    """Of all her keys, as `revoked` in a configuration names them."""
    hmac_key, key = (b64decode(phone.keys[name] + "==") for name in ("hmac_key", "key"))
    return [client.keys.fingerprint.hex(), sha256(b"knocklet fwknop" + hmac_key + key).hexdigest()[:16]]


def without_anna(config, anna, phone):
    changed = copy.deepcopy(config)
    del changed["clients"]["anna"]
    changed["revoked"] = fingerprints(anna, phone)
    return changed


def by_push(holder, config, anna, phone):
    """It needs no trial: it only takes away."""
    answer = holder.push(without_anna(config, anna, phone), confirm_s=0)[1]
    assert answer["status"] == "ok" and not answer["data"]["trial"], answer


def by_trial(holder, config, anna, phone):
    tried(holder, without_anna(config, anna, phone))


def by_command(holder, config, anna, phone):
    assert holder.obeyed("revoke", client="anna") == {"closed": 2}


def knocks(lab, dut, anna, phone, slot=1):
    """Each kind of hers, from an address that has nothing open. slot: from now. Returns how many opened."""
    found = became(dut, lambda: lab.datagram(anna.packet(SSH), 62201, from_=lab.attacker))
    found += became(dut, lambda: lab.knock(anna.steps(SSH, slot_now() + slot), from_=lab.attacker))
    found += became(dut, lambda: lab.attacker.run(phone.command(lab.gateway.ip4, "-A", "tcp/22", "-a", lab.attacker.ip4)))
    return found["accepted"] + found["complete"]


def opens_nothing(lab, dut, anna, phone):
    assert knocks(lab, dut, anna, phone) == 0
    assert [grant for grant in held(dut) if grant[0] == "anna" or grant[2] == lab.attacker.ip4] == []


@one_firewall
@pytest.mark.parametrize("revoke", [by_push, by_trial, by_command], ids=["push", "trial", "command"])
def test_for_ever(lab, dut, holder, config, anna, ben, phone, revoke):
    holder.kept(config)
    assert knocks(lab, dut, anna, phone, slot=-1) == 3
    dut.ask("close", all=True)
    lab.serve(lab.gateway, 8888)
    for client, service in ((anna, SSH), (anna, ADMIN), (ben, SSH)):
        assert knock(lab, dut, client.packet(service)) == "accepted"
    with Connection(lab.gateway.ip4, 8888, lab.client) as kept:
        assert kept.works()
        revoke(holder, config, anna, phone)
        assert not kept.works(timeout_s=0.5)
    assert {dut.expect_event("closed", client="anna", reason="config")["service"] for _ in range(2)} == {"ssh", "admin"}
    assert held(dut) == [("ben", "ssh", lab.client.ip4)]
    opens_nothing(lab, dut, anna, phone)
    if revoke is by_trial:
        holder.obeyed("rollback")
        assert len(dut.ask("status")["warnings"]) == 1, "anna is in it, and is told to be revoked"
        opens_nothing(lab, dut, anna, phone)
    dut.restart()
    opens_nothing(lab, dut, anna, phone)
    with Holder(dut) as again:
        version = again.kept(config)
    opens_nothing(lab, dut, anna, phone)
    dut.restart()
    assert in_force(dut) == f"{version} from MQTT"
    opens_nothing(lab, dut, anna, phone)
    (dut.state_dir / "config.sealed").write_bytes(b"KLE1")
    dut.reload()
    opens_nothing(lab, dut, anna, phone)
    dut.ask("reload", file=True)
    assert stored(dut) == [] and in_force(dut) == "the file"
    opens_nothing(lab, dut, anna, phone)
    assert knock(lab, dut, ben.packet(ADMIN)) == "accepted"


@one_firewall
def test_opened_by_an_engine_before(lab, dut, config, anna, ben):
    """Nobody knows any more whose it was: it may be hers."""
    for client, service in ((anna, SSH), (ben, ADMIN)):
        assert knock(lab, dut, client.packet(service)) == "accepted"
    dut.restart()
    assert len(held(dut)) == 2
    with Holder(dut) as holder:
        holder.obeyed("revoke", client="anna")
        assert held(dut) == []
        refused(holder.ask("revoke", client="anna"), "client: found 'anna'; allowed: ben")


@one_firewall
def test_another_key(lab, dut, holder, config, anna, phone):
    """She gets in with her new key, and by no packet of the old one."""
    new = KeyClient("anna")
    changed = copy.deepcopy(config)
    changed["clients"]["anna"] = new.entry("ssh")
    changed["revoked"] = fingerprints(anna, phone)
    assert knock(lab, dut, anna.packet(SSH)) == "accepted"
    holder.kept(changed)
    assert held(dut) == []
    opens_nothing(lab, dut, anna, phone)
    assert knock(lab, dut, new.packet(SSH)) == "accepted"
    dut.restart()
    opens_nothing(lab, dut, anna, phone)
    assert knock(lab, dut, new.packet(SSH)) == "accepted"


class TestRequests:
    """What waits for the owner's approval when a key is revoked."""

    @pytest.fixture
    def config(self, config):
        config["services"]["admin"]["approval"] = True
        return config

    def asked(self, dut, holder, lab, client):
        assert knock(lab, dut, client.packet(ADMIN)) == "accepted"
        request = holder.agent.expect("event", event_type="request")[1]
        return {key: request[key] for key in ("boot", "seq", "client", "service", "source")}

    @one_firewall
    def test_are_gone(self, lab, dut, holder, config, anna, phone):
        request = self.asked(dut, holder, lab, anna)
        holder.obeyed("revoke", client="anna")
        dut.expect_event("lapsed", client="anna")
        refused(holder.ask("approve", **request), "no such request waits")
        assert held(dut) == []

    @one_firewall
    def test_are_those_of_a_key(self, lab, dut, holder, config, anna, phone):
        """The client of that name has another one now."""
        request = self.asked(dut, holder, lab, anna)
        changed = copy.deepcopy(config)
        changed["clients"]["anna"] = KeyClient("anna").entry("ssh", "admin")
        changed["revoked"] = fingerprints(anna, phone)
        holder.kept(changed)
        refused(holder.ask("approve", **request), "no such request waits")
        assert held(dut) == [] and dut.ask("status")["requests"] == []

    @one_firewall
    def test_of_others_wait_on(self, lab, dut, holder, config, anna, ben):
        request = self.asked(dut, holder, lab, ben)
        holder.obeyed("revoke", client="anna")
        holder.obeyed("approve", **request)
        assert held(dut) == [("ben", "admin", lab.client.ip4)]
