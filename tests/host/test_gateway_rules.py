"""The host and the engine judge a gateway's configuration alike: what one refuses, the other refuses."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit import test_clients, test_policy

from knocklet.core import policy
from knocklet.core.errors import ConfigError
from knocklet_tool.gateway_rules import WrongValues, read

SECRETS = "key", "issued", "fwknop"


def engine_takes(config):
    try:
        policy.load(json.dumps(config).encode())
        return True
    except ConfigError:
        return False


def host_takes(config):
    """The same as an owner writes it: with a host, and without secrets."""
    config = json.loads(json.dumps(config)) | {"host": "home.example.net"}
    for client in config["clients"].values() if isinstance(config.get("clients"), dict) else ():
        for secret in SECRETS if isinstance(client, dict) else ():
            client.pop(secret, None)
    if isinstance(config.get("revoked"), list):   # the owner has names for them
        config["revoked"] = {f"key-{number}": text for number, text in enumerate(config["revoked"])}
    try:
        read(config, "home")
        return True
    except WrongValues:
        return False


def config_of(table, where, value):
    config = json.loads(table.changed(where, value)) if table is test_policy else table.changed(where, value)
    return {"id": "home", **config} if isinstance(config, dict) and where != "id" else config


# A secret is checked where the secrets are read; steps may be left out, for the secret store.
BAD = [
    (table, where, value)
    for table in (test_policy, test_clients)
    for where, value, line, _ in table.REFUSED
    if where and not set(f"{where}.{line.partition(':')[0]}".split(".")) & set(SECRETS)
    if (where, value) != ("sequences.front.steps", test_policy.GONE)
]


@pytest.mark.parametrize("table, where, value", BAD)
def test_both_refuse(table, where, value):
    config = config_of(table, where, value)
    assert not engine_takes(config)
    assert not host_takes(config)


def test_both_take():
    assert len(BAD) > 120
    for config in ({"id": "home", **test_policy.GOOD}, test_clients.GOOD):
        assert engine_takes(config) and host_takes(config)


def some(**fields):
    """Tables with some of these keys."""
    return st.fixed_dictionaries({}, optional=fields)


# Few values, so that they meet; each kind has some that no gateway takes.
ports = st.sampled_from((0, 1, 22, 23, 24, 80, 443, 4000, 30_000, 62_201, 65_534, 65_535, 65_536))
steps = st.lists(st.builds("{}{}".format, ports, st.sampled_from(("", "/tcp", "/udp"))), min_size=1, max_size=4)
names = st.sampled_from(("a", "b", "c", "A", ""))
opens = st.lists(st.sampled_from(("a", "b", "c")), min_size=1, max_size=2)
lives = st.sampled_from((1, 30, 31, 86_400, 86_401))
flags = st.booleans()
services = st.builds(
    lambda must, may: must | may,
    st.fixed_dictionaries({"index": st.integers(1, 5), "port": ports}),
    some(
        protocol=st.sampled_from(("tcp", "udp", "udp", "any")),
        to=st.sampled_from(("192.168.1.50:80", "192.168.1.50:81", "127.0.0.1:80", "[fd00::50]:80")),
        to6=st.sampled_from(("[fd00::50]:80", "[fd00::50]:81", "[fe80::1]:80", "192.168.1.50:80")),
        masquerade=st.sampled_from((True, False, "auto", 1)),
        ttl=lives, idle=lives, max=lives, one_shot=flags, cut=flags, approval=flags,
    ),
)  # fmt: skip
sequences = st.builds(
    lambda steps, may: {"steps": steps} | may, steps, some(window=st.sampled_from((1, 60, 61)), open=opens, close=opens)
)
kinds = st.lists(st.sampled_from(("spa", "otp", "fwknop")), min_size=1, max_size=2)
clients = st.builds(lambda open, may: {"open": open} | may, opens, some(kinds=kinds, source=st.sampled_from(("any", "packet"))))
configs = st.builds(
    lambda must, may: must | may,
    st.fixed_dictionaries({
        "id": st.just("home"), "interfaces": st.just(["wan0"]), "services": st.dictionaries(names, services, max_size=4),
    }),
    some(
        decoys=st.sampled_from((0, 1, 256, 257)), spa_port=ports, fwknop_port=ports,
        otp=some(protocol=st.sampled_from(("tcp", "udp")), count=st.sampled_from((3, 4, 16)),
                 low=st.sampled_from((1023, 1024, 20_000)), high=st.sampled_from((11_023, 29_998, 29_999, 65_535))),
        revoked=st.lists(st.sampled_from(("00ff00ff00ff00ff", "00ff00ff00ff00f", "00FF00FF00FF00FF", "")), max_size=2),
        sequences=st.dictionaries(names, sequences, max_size=3), clients=st.dictionaries(names, clients, max_size=3),
    ),
)  # fmt: skip


def with_secrets(config):
    for number, client in enumerate(config.get("clients", {}).values()):
        kinds = client.get("kinds", ["spa"])
        if "spa" in kinds or "otp" in kinds:
            client["key"] = f"{number + 1:064x}"
        if "fwknop" in kinds:
            client["fwknop"] = {"key": "QQ", "hmac_key": f"A{number:03}"}
    return config


@settings(max_examples=800, deadline=None)
@given(configs)
def test_both_judge_alike(config):
    config = with_secrets(config)
    assert engine_takes(config) == host_takes(config)


@settings(max_examples=250, deadline=None)
@given(configs.filter(lambda config: host_takes(config)))
def test_what_the_host_takes_the_engine_takes(config):
    assert engine_takes(with_secrets(config))


def test_at_the_limits():
    """As many as allowed, and one more."""
    services = {f"s{number}": {"index": number + 1, "port": 1000 + number} for number in range(32)}
    config = {"id": "home", "interfaces": ["wan0"], "decoys": 0, "services": services}
    for kinds, opens, limit in ((["fwknop"], ["s0"], 16), (["otp"], list(services)[:16], 4), (["spa"], ["s0"], 512)):
        for count in (limit, limit + 1):
            clients = {f"c{number}": {"kinds": kinds, "open": opens} for number in range(count)}
            made = with_secrets(config | {"clients": clients})
            assert engine_takes(made) == host_takes(made) == (count == limit), (kinds, count)
    for count in (24, 25):
        client = {"kinds": ["otp"], "open": list(services)[:24]}
        made = with_secrets(config | {"otp": {"count": count - 8}, "clients": {"c": client}})
        assert engine_takes(made) == host_takes(made) == (count == 24)
    starts = {f"q{number}": {"steps": ["7000", str(8000 + number)], "open": ["s0"]} for number in range(7)}
    for count in (6, 7):
        made = config | {"sequences": dict(list(starts.items())[:count])}
        assert engine_takes(made) == host_takes(made) == (count == 6)
    doors = {f"s{number}": {"index": number + 1, "port": 1000 + number} for number in range(65)}
    for count in (64, 65):
        made = config | {"services": dict(list(doors.items())[:count])}
        assert engine_takes(made) == host_takes(made) == (count == 64)
    for count in (128, 129):
        made = config | {"revoked": [f"{number:016x}" for number in range(count)]}
        assert engine_takes(made) == host_takes(made) == (count == 128)
    most = {f"q{number}": {"steps": [str(8000 + number)], "open": ["s0"]} for number in range(17)}
    for count in (16, 17):
        made = config | {"sequences": dict(list(most.items())[:count])}
        assert engine_takes(made) == host_takes(made) == (count == 16)
