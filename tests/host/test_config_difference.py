"""What differs between two configurations, and whether that only takes away: as the gateway sees it, too."""

import copy

import pytest
from host.conftest import CONFIG
from hypothesis import given
from hypothesis import strategies as st

from knocklet.core import policy_change
from knocklet_tool.config_difference import as_lines, changes, masked, only_takes_away

KEY = "ab" * 32
ANNA = {"key": KEY, "issued": 1_790_000_000, "open": ["ssh", "camera"], "kinds": ["spa", "otp"]}
BEN = {"fwknop": {"key": "c2VjcmV0", "hmac_key": "aG1hYw==", "hmac": "sha256"}, "kinds": ["fwknop"], "open": ["ssh"]}
BOTH = copy.deepcopy(BEN) | {"key": "ef" * 32, "kinds": ["fwknop", "spa"]}
OLD = CONFIG | {"clients": {"anna": ANNA, "ben": BEN, "both": BOTH}, "revoked": ["00" * 8]}
SECRETS = KEY, "c2VjcmV0", "aG1hYw==", "41822"


def changed(change):
    """OLD after change(copy of it)."""
    new = copy.deepcopy(OLD)
    change(new)
    return new


LINES = {
    "~ services.ssh.port = 22 -> 2222": lambda new: new["services"]["ssh"].update(port=2222),
    "+ services.ssh.ttl = 60": lambda new: new["services"]["ssh"].update(ttl=60),
    "- zone = \"drop\"": None,
    "~ clients.anna.key: changed": lambda new: new["clients"]["anna"].update(key="cd" * 32),
    "~ clients.ben.fwknop.hmac_key: changed": lambda new: new["clients"]["ben"]["fwknop"].update(hmac_key="x"),
    "~ sequences.family.steps: changed": lambda new: new["sequences"]["family"].update(steps=["1/tcp"]),
    "~ clients.anna.open = [\"ssh\", \"camera\"] -> [\"ssh\"]": lambda new: new["clients"]["anna"].update(open=["ssh"]),
}


@pytest.mark.parametrize("line", LINES)
def test_lines(line):
    if LINES[line] is None:
        found = changes(OLD | {"zone": "drop"}, OLD)
    else:
        found = changes(OLD, changed(LINES[line]))
    assert [change.as_line()[0] for change in found] == [line]


def test_a_client_that_comes_or_goes():
    new = changed(lambda new: new["clients"].pop("anna"))
    lines = [change.as_line()[0] for change in changes(OLD, new)]
    assert lines == [
        "- clients.anna.issued = 1790000000", "- clients.anna.key = (secret)",
        '- clients.anna.kinds = ["spa", "otp"]', '- clients.anna.open = ["ssh", "camera"]',
    ]  # fmt: skip
    assert [change.as_line()[0][0] for change in changes(new, OLD)] == ["+"] * 4


def test_no_secret_is_shown():
    new = changed(lambda new: new["clients"]["anna"].update(key="cd" * 32))
    shown = [repr(changes({}, OLD)), repr(changes(OLD, {})), repr(changes(OLD, new)), repr(masked(OLD)), repr(as_lines(OLD))]
    for secret in (*SECRETS, "cd" * 32):
        assert all(secret not in text for text in shown), secret
    assert OLD["clients"]["anna"]["key"] == KEY   # masked() gave another one


def test_a_value_that_is_long():
    (change,) = changes({"interfaces": ["x" * 5000]}, {})
    assert len(change.as_line()[0]) < 300


TAKES_AWAY = {
    "nothing": lambda new: None,
    "all sequences": lambda new: new.pop("sequences"),
    "a client": lambda new: new["clients"].pop("anna"),
    "a right": lambda new: new["clients"]["anna"].update(open=["ssh"]),
    "a kind": lambda new: new["clients"]["anna"].update(kinds=["spa"]),
    "a kind and its key": lambda new: (new["clients"]["both"].update(kinds=["spa"]), new["clients"]["both"].pop("fwknop")),
    "a sequence's right": lambda new: new["sequences"]["family"].update(open=["ssh"]),
    "revoked": lambda new: new["revoked"].append("11" * 8),
}
GIVES = {
    "a service less": lambda new: new["services"].pop("camera"),   # its port is no longer closed
    "a service": lambda new: new["services"].update(web={"index": 3, "port": 80}),
    "a client": lambda new: new["clients"].update(carl=ANNA),
    "a right": lambda new: new["clients"]["ben"].update(open=["ssh", "camera"]),
    "a kind": lambda new: new["clients"]["ben"].update(kinds=["fwknop", "spa"]),
    "a source": lambda new: new["clients"]["anna"].update(source="any"),
    "another key": lambda new: new["clients"]["anna"].update(key="cd" * 32),
    "another port": lambda new: new["services"]["ssh"].update(port=2222),
    "other steps": lambda new: new["sequences"]["family"].update(steps=["1/tcp"]),
    "another interface": lambda new: new.update(interfaces=["eth0"]),
    "kinds that are not said": lambda new: new["clients"]["anna"].pop("kinds"),
    "steps that are not said": lambda new: new["sequences"]["family"].pop("steps"),
    "fewer revoked": lambda new: new["revoked"].clear(),
}


@pytest.mark.parametrize("name", TAKES_AWAY)
def test_only_takes_away(name):
    new = changed(TAKES_AWAY[name])
    assert only_takes_away(OLD, new) and policy_change.only_takes_away(OLD, new)


@pytest.mark.parametrize("name", GIVES)
def test_gives(name):
    assert not only_takes_away(OLD, changed(GIVES[name]))


NAMES = st.sets(st.sampled_from(["ssh", "camera", "web"])).map(sorted)
CLIENTS = st.dictionaries(st.sampled_from(["anna", "ben"]), st.fixed_dictionaries(
    {"open": NAMES}, optional={"kinds": st.sampled_from([["spa"], ["spa", "otp"]]), "key": st.sampled_from(["1", "2"])},
))  # fmt: skip
TABLE = st.dictionaries(st.sampled_from(["ssh", "camera"]), st.fixed_dictionaries({"port": st.integers(1, 2)}))
CONFIGS = st.fixed_dictionaries({"services": TABLE}, optional={
    "clients": CLIENTS, "sequences": TABLE, "revoked": NAMES, "zone": st.sampled_from(["drop", "reject"]),
})  # fmt: skip


@given(CONFIGS, CONFIGS)
def test_what_we_send_without_a_trial_the_gateway_takes(old, new):
    if only_takes_away(old, new):
        assert policy_change.only_takes_away(old, new)
    assert only_takes_away(old, old) and bool(changes(old, new)) == (old != new)
