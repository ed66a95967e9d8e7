"""The agent's configuration file: what it takes, and the one line that says what is wrong. The password is in none."""

import json
import subprocess

import pytest

from agent.agent_process import PASSWORD

BROKER = {"host": "broker.example", "password": PASSWORD, "tls": False}


def check(agent, text, mode=0o600):
    path = agent.directory / "agent.json"
    command = agent.configure(1).command() + ["--check"]
    path.write_text(text)
    path.chmod(mode)
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert PASSWORD not in ran.stdout + ran.stderr
    return ran


def test_good(agent, authority):
    assert authority.pem.read_text().startswith("-----BEGIN")
    for more in ({}, {"port": 1}, {"tls": True, "ca": authority.pem.read_text()},
                 {"tls": True, "ca": str(authority.pem)}, {"tls": True, "ca": str(authority.der)},
                 {"host": "fd00::1"}, {"tls": True, "ca": str(authority.pem), "server_name": "a.b"}):  # fmt: skip
        ran = check(agent, json.dumps({"broker": BROKER | more}))
        assert (ran.returncode, ran.stderr) == (0, ""), more
    ran = check(agent, json.dumps({"broker": {"host": "x", "tls": False}, "home_assistant": False, "prefix": "ha/x"}), 0o640)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({}, "broker: found 'nothing'; allowed: a value: it is required"),
        ({"broker": 1}, "broker: found 1; allowed: an object in braces"),
        ({"broker": {}}, "broker.host: found 'nothing'; allowed: a value: it is required"),
        ({"broker": BROKER | {"host": "a b"}}, "broker.host: found 'a b'; allowed: at most 253 letters, digits and -_.:"),
        ({"broker": BROKER | {"host": "a" * 254}}, "broker.host: found 'aaa"),
        ({"broker": BROKER | {"port": 0}}, "broker.port: found 0; allowed: a whole number, 1-65535"),
        ({"broker": BROKER | {"port": "1883"}}, "broker.port: found '1883'"),
        ({"broker": BROKER | {"tls": 1}}, "broker.tls: found 1; allowed: true, false"),
        ({"broker": BROKER | {"password": [PASSWORD]}}, "broker.password: allowed: a text in quotes of at most 256 characters"),
        ({"broker": BROKER | {"password": PASSWORD * 20}}, "broker.password: allowed: a text in quotes of at most 256"),
        ({"broker": BROKER | {"verify": False}}, "broker.verify: unknown key; allowed: "),
        ({"broker": BROKER, "x": 1}, "x: unknown key; allowed: broker, home_assistant, prefix"),
        ({"broker": BROKER, "prefix": "a/#"}, "prefix: found 'a/#'; allowed: at most 40 letters, digits and -_/"),
        ({"broker": BROKER, "home_assistant": "yes"}, "home_assistant: found 'yes'; allowed: true, false"),
        ({"broker": BROKER | {"tls": True, "ca": "/no/such"}}, "broker.ca: /no/such cannot be read (error 2); allowed: "),
        ({"broker": BROKER | {"tls": True, "ca": "a\nb"}}, "broker.ca: a?b cannot be read (error 2); allowed: "),
        ({"broker": BROKER | {"tls": True, "ca": "-----BEGIN CERTIFICATE-----\n"}}, "broker.ca: the text: not a certificate"),
        ({"broker": BROKER | {"tls": True, "ca": "/etc/passwd"}}, "broker.ca: /etc/passwd: not a certificate that can be used"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad(agent, values, line):
    ran = check(agent, json.dumps(values))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"knocklet-agent: {line}")
    assert ran.stderr.count("\n") == 1


def test_not_json(agent):
    ran = check(agent, '{"broker": {"host": "x" "password": "' + PASSWORD + '"}}')
    assert ran.returncode == 2
    assert ran.stderr == "knocklet-agent: line 1: after the value of 'host': expected '}', found '\"'\n"


@pytest.mark.parametrize(("mode", "line"), [(0o644, "others may read the password in it"), (0o662, "others may write it")])
def test_file_that_others_reach(agent, mode, line):
    ran = check(agent, json.dumps({"broker": BROKER}), mode)
    assert ran.returncode == 2
    assert line in ran.stderr


def test_wrong_use(agent):
    command = agent.configure(1).command()
    for words in (["--password", PASSWORD], ["--config"], ["x"]):
        ran = subprocess.run(command + words, capture_output=True, text=True, check=False, timeout=20)
        assert ran.returncode == 2
        assert ran.stderr.endswith("allowed: --config VALUE, --run-dir VALUE, --user VALUE, --check\n")
        assert ran.stderr.count("\n") == 1
