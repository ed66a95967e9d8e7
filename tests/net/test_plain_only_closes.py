"""Plain messages, which anybody at the broker can send, close and do nothing else: every topic, every verb.

The agent is played, and captured: it passes on what the real one would not.
"""

import json
import time

import pytest
from net.clients import in_use
from net.fake_agent import FakeAgent
from net.holder import KEY
from net.marks import one_firewall
from net.untouched import state

from knocklet.wire import topics
from lab.waiting import wait_until

pytestmark = one_firewall

FRONT = ["7000/tcp", "9100/udp", "8000/tcp"]
ASK = ["7100/tcp", "9200/udp", "9300/tcp"]
# of sealed commands, of topics, and ones that nobody has thought of
VERBS = (
    *(
        "confirm",
        "rollback",
        "open",
        "approve",
        "deny",
        "arm",
        "disarm",
        "revoke",
        "reload",
        "selftest",
        "pull",
        "set",
        "config",
    ),
    *("status", "grants", "event", "info", "state", "close_al", "close_all2", "CLOSE", "closed", "command", "", "x" * 200),
    *(topics.REQUEST + "open", topics.SET, "request", "close/open", "close_all/open", "..", "+", "#"),
)


@pytest.fixture
def config(config, anna):
    config["id"] = "home"
    config["decoys"] = 0
    config["services"]["admin"]["approval"] = True
    config["sequences"] = {"front": {"steps": FRONT, "open": ["ssh"]}, "ask": {"steps": ASK, "open": ["admin"]}}
    config["clients"] = {"anna": anna.entry("ssh")}
    return config


@pytest.fixture
def engine(engine):
    engine.write_key(KEY)
    return in_use(engine)


@pytest.fixture
def agent(dut):
    with FakeAgent(dut, KEY) as agent:
        agent.start()
        yield agent


@pytest.fixture
def asked(lab, dut, agent):
    """ssh is open, and a request for admin waits: what the messages could be about, as a holder of the key would say it."""
    lab.knock(FRONT)
    dut.expect_event("opened", service="ssh")
    lab.knock(ASK)
    request = agent.expect("event", event_type="request")[1]
    return {key: request[key] for key in ("boot", "seq", "client", "service", "source")}


def payloads(lab, verb, asked):
    """What this verb could want to hear, and what anybody could."""
    wanted = {
        "open": {"service": "ssh", "source": lab.attacker.ip4},
        "approve": asked,
        "deny": asked,
        "revoke": {"client": "anna"},
        "confirm": {"version": "0" * 16},
    }.get(verb, {})
    yield b""
    for fields in (
        wanted,
        {"verb": verb, **wanted},
        {"verb": verb, "transaction": "t", **wanted},
        {"data": wanted, "all": True},
    ):
        yield json.dumps(fields).encode()


def test_every_verb(lab, dut, agent, asked):
    """None of them is even read: nobody gets an answer, and nothing has changed."""
    before = state(lab, dut)
    agent.nothing_for(1.5)  # what is retained, told before
    messages = dut.ask("status")["agent"]["messages"]
    sent = 0
    for verb in VERBS:
        for payload in payloads(lab, verb, asked):
            agent.request(verb, payload)
            sent += 1
    wait_until(lambda: dut.ask("status")["agent"]["messages"] >= messages + sent, "all were looked at", 10)
    status = dut.ask("status")
    assert (status["agent"]["requests"], status["agent"]["sealed"], status["sealed_dropped"]) == (0, 0, {})
    assert state(lab, dut) == before
    assert [topic for _, _, topic, _ in agent.nothing_for(0.3) if topic.startswith("response/")] == []


def test_every_text_for_close(lab, dut, agent, asked):
    """`close` and `close_all` take their own fields and no others: whatever they say, nothing opens and nothing changes."""
    before = state(lab, dut)
    wrong = [
        {"service": "ssh", "open": True},
        {"service": "ssh", "verb": "open", "source": lab.attacker.ip4},
        {"service": "ssh", "ttl": 60},
        {"service": ["ssh"]},
        {"all": True},
        {"verb": "open", "service": "ssh", "source": lab.attacker.ip4},
        {**asked, "verb": "approve"},
        {"client": "anna"},
        {"service": "nobody"},
        {"service": "ssh", "source": "0.0.0.0/0"},
        [],
        "close",
        7,
    ]
    for verb, texts in (("close", wrong), ("close_all", [*wrong, {"service": "ssh"}])):
        for text in texts:
            agent.request(verb, json.dumps(text).encode())
            answer = agent.expect("response/" + verb)[1]
            assert answer["status"] == "error", (verb, text, answer)
            time.sleep(0.13)  # eight a second are answered
    assert state(lab, dut) == before


def test_in_the_place_of_sealed_ones(lab, dut, agent, asked):
    """Plain text where a sealed message belongs: counted, at most four a second, not answered."""
    before = state(lab, dut)
    texts = [
        {"verb": "open", "service": "ssh", "source": lab.attacker.ip4},
        {**asked, "verb": "approve"},
        {"verb": "close_all"},
    ]
    for text in texts:
        agent.sealed(json.dumps({**text, "transaction": "t"}).encode().ljust(200))
    wait_until(lambda: dut.ask("status")["sealed_dropped"] == {"form": 3}, "all were looked at")
    assert state(lab, dut) == before


def test_they_close(lab, dut, agent, asked):
    """And what waits for an approval is left alone."""
    before = state(lab, dut)
    agent.request("close", json.dumps({"service": "ssh", "source": lab.client.ip4}).encode())
    assert agent.expect("response/close")[1]["data"] == {"closed": 1}
    after = state(lab, dut)
    assert after["grants"] == after["kernel"] == []
    assert after["files"] == before["files"]
    changed = {key for key in before["status"] if before["status"][key] != after["status"][key]}
    assert changed == {"grants", "counts"}
    assert after["status"]["requests"] == before["status"]["requests"] != []
