"""A trial that was a mistake, and the way back from it: for its author, whom it locks out, and for who is in.

engine (gateway) <-- AF_UNIX SOCK_SEQPACKET --> the holder of the gateway's key
"""

import copy

import pytest
from net import kernel
from net.marks import one_firewall
from net.trials import BACK, FRONT, opens, tried, with_steps

pytestmark = one_firewall


class TestLockedOut:
    """Its author would not get in any more: half a minute later he does."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"interfaces": ["wan9"]},
            {"services": {}, "sequences": {}},
            {"sequences": {}},
            {"zone": "reject", "interfaces": ["lan0"]},
        ],
        ids=["wrong interface", "inner interface", "no services", "no way in"],
    )
    def test_locked_out(self, lab, quick, engine, holder, config, changes):
        tried(holder, config | changes)
        assert opens(lab, engine, FRONT) == []
        assert lab.tcp_open(lab.gateway.ip4, 22, timeout_s=0.1) != "open"
        engine.expect_event("config_rolled_back", reason="not confirmed")
        lab.knock(FRONT)
        engine.expect_event("opened", service="ssh", source=lab.client.ip4)
        assert lab.tcp_open(lab.gateway.ip4, 22) == "open"


class TestGrants:
    """Those that the new configuration still gives live on, in a trial and after it; no other is made by it."""

    def test_services_change_places(self, lab, engine, holder, config):
        """The index of a service is in the names of the kernel's sets: nobody gets into another one by it."""
        lab.knock(FRONT)
        engine.expect_event("opened", service="ssh")
        changed = copy.deepcopy(config)
        services = changed["services"]
        services["ssh"]["index"], services["admin"]["index"] = services["admin"]["index"], services["ssh"]["index"]
        tried(holder, changed)
        engine.expect_event("closed", service="ssh", reason="config")
        assert kernel.entries(lab) == {} and engine.ask("grants")["grants"] == []
        holder.obeyed("rollback")
        assert kernel.entries(lab) == {} and engine.ask("grants")["grants"] == []
        assert lab.tcp_open(lab.gateway.ip4, 22, timeout_s=0.1) == "silent"

    def test_live_on(self, lab, engine, holder, config):
        lab.knock(FRONT)
        engine.expect_event("opened", service="ssh")
        version = tried(holder, with_steps(config, back=BACK))
        lab.knock(BACK)
        engine.expect_event("opened", service="admin")
        assert sorted(index for index, _ in kernel.entries(lab)) == [1, 4]
        holder.obeyed("rollback")
        engine.expect_event("config_rolled_back", version=version)
        assert [(one["service"], one["client"]) for one in engine.ask("grants")["grants"]] == [("ssh", "front")]
        assert list(kernel.entries(lab)) == [(1, lab.client.ip4)], "what only the trial gave is taken back"
        assert lab.tcp_open(lab.gateway.ip4, 22) == "open"
