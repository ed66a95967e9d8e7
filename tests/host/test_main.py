"""The command line: mistakes are one line and exit 2 before anything is sent; help, version, completion."""

import ast
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from knocklet import VERSION
from lab.waiting import sleeps, wait_until

pytestmark = pytest.mark.usefixtures("no_sockets")

HOME = pathlib.Path(__file__).parents[2]
KNOCK = ["knock", "home.example.net"]
# words, what the one line says
MISTAKES = (
    ([], "which command? knocklet --help lists them"),
    (["nock"], "No such command 'nock'"),
    (["gateway"], "Missing command"),
    (["broker", "chek"], "No such command 'chek'"),
    (["status", "home", "attic"], "Got unexpected extra argument"),
    (["--jason"], "No such option: --jason"),
    (["knock"], "Missing argument 'HOST'; knocklet knock --help tells more"),
    (KNOCK, "Missing argument 'STEP'"),
    ([*KNOCK, "7000", "--then"], "Option '--then' requires an argument"),
    ([*KNOCK, "7000", "65558"], "step 2: port '65558': allowed: 1-65535"),
    ([*KNOCK, "7000/sctp"], "step 1: protocol 'sctp': allowed: tcp, udp"),
    ([*KNOCK, "0"], "step 1: port '0': allowed: 1-65535"),
    ([*KNOCK, "07000"], "step 1: port '07000': allowed: 1-65535"),
    ([*KNOCK, ""], "step 1: port '': allowed: 1-65535"),
    ([*KNOCK, "70\x1b[31m\n00"], "step 1: port '70\\x1b[31m\\n00': allowed: 1-65535"),
    ([*KNOCK, "7000", "7000/udp"], "step 2: 7000/udp: each port once, a gateway ignores a repeated step"),
    ([*KNOCK, *map(str, range(1, 34))], "33 steps; allowed: 1-32"),
    ([*KNOCK, "7000", "--then", "ssh"], "--then: port 'ssh': allowed: 1-65535"),
    ([*KNOCK, "7000", "--then", ""], "--then: port '': allowed: 1-65535"),
    ([*KNOCK, "22", "--then", "22/tcp"], "--then 22/tcp: it is a step of this knock; trying it would knock again"),
    ([*KNOCK, "7000", "--tries", "2"], "--tries and --wait need --then"),
    ([*KNOCK, "7000", "--wait", "2"], "--tries and --wait need --then"),
    ([*KNOCK, "7000", "--then", "22", "--tries", "0"], "--tries"),
    ([*KNOCK, "7000", "--then", "22", "--tries", "many"], "--tries"),
    ([*KNOCK, "7000", "--then", "22", "--wait", "0"], "--wait"),
    ([*KNOCK, "7000", "--then", "22", "--wait", "nan"], "--wait"),
    ([*KNOCK, "7000", "--then", "22", "--wait", "inf"], "--wait"),
    ([*KNOCK, "7000", "--delay", "-1"], "--delay"),
    ([*KNOCK, "7000", "--delay", "10001"], "--delay"),
    ([*KNOCK, "7000", "-4", "-6"], "-4 and -6: one of them, or none for both"),
    ([*KNOCK, "7000", "--source", "eth0"], "--source 'eth0': allowed: an IPv4 or IPv6 address of this computer"),
    ([*KNOCK, "7000", "--source", ""], "--source ''"),
    (["knock", "7000", "8000"], "'7000' is no host; the host comes first, then the steps"),
    (["knock", "1.2.3", "8000"], "'1.2.3' is no host"),
    (["knock", "1.2.3.256", "8000"], "'1.2.3.256' is no host"),
    (["knock", "7000/tcp", "8000"], "'7000/tcp' is no host; allowed: a name or an address, without a port"),
    (["knock", "home.example.net:22", "8000"], "'home.example.net:22' is no host"),
    (["knock", "1.2.3.4:22", "8000"], "'1.2.3.4:22' is no host"),
    (["knock", "[1.2.3.4]", "8000"], "'[1.2.3.4]' is no host"),
    (["knock", "http://home", "8000"], "'http://home' is no host"),
    (["knock", "1:::2", "8000"], "'1:::2' is no host"),
    (["knock", "", "8000"], "'' is no host"),
    (["knock", ".", "8000"], "'.' is no host"),
    (["knock", "ho me", "8000"], "'ho me' is no host"),
    (["knock", "home\x1b]0;x\x07", "8000"], "'home\\x1b]0;x\\x07' is no host"),
    (["knock", "home\udcff", "8000"], "is no host"),
)


@pytest.mark.parametrize("words, line", MISTAKES)
@pytest.mark.parametrize("json_too", [False, True])
def test_mistakes(knocklet, words, line, json_too):
    if json_too and "knock" in words:
        words = ["knock", "--json", *words[1:]]
    result = knocklet(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("knocklet: ") and line in result.stderr
    assert result.stderr.endswith("\n") and result.stderr[:-1].isprintable()   # one line, no control characters


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(knocklet, option):
    result = knocklet(option)
    assert result.exit_code == 0 and result.stderr == ""
    commands = "knock otp ssh-config status grants watch close log collect unprovision gateway client broker".split()
    for text in (*(f" {command} " for command in commands), "--version", "Exit codes: 0 done, 1 the service did not answer"):
        assert text in result.stdout
    for words in (["gateway"], ["client"], ["broker"], ["broker", "check"], ["watch"], ["client", "add"]):
        assert knocklet(*words, option).exit_code == 0
    result = knocklet("knock", option)
    assert result.exit_code == 0 and result.stderr == ""
    for text in ("HOST", "STEP", "--then", "--delay", "--tries", "--wait", "-4", "-6", "--source", "--json", "--quiet"):
        assert text in result.stdout


def test_version(knocklet):
    assert knocklet("--version").stdout == f"knocklet {VERSION}\n"


def test_the_command_itself():
    """As installed: a process with its own exit code."""
    done = command(["knock", "home.example.net", "0"])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "knocklet: step 1: port '0': allowed: 1-65535\n"
    assert command(["--version"]).stdout == f"knocklet {VERSION}\n"


def test_a_reader_that_has_gone():
    """`knocklet --version | true`: no traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    done = command(["--version"], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert done.returncode != 0 and done.stderr == ""


def test_ctrl_c():
    knock = ["knock", "127.0.0.1", "7001/udp", "7002/udp", "--delay", "10000"]
    with subprocess.Popen(**program(knock), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not process.stderr.readline().startswith("This knock takes 10 s"):   # from here on it is at work
            pass
        wait_until(lambda: sleeps(process.pid), "the knock waits for its second step")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=5) == ("", "")
    assert process.returncode == 130


SLOW = {"cryptography", "paho", "rich", "segno", "sqlite3", "tomlkit"}   # libraries that take long to load


@pytest.mark.parametrize(
    "words, needed",
    [(["--version"], set()), (["nock"], set()), (["knock", "127.0.0.1", "7000/udp"], set()), (["status"], {"paho", "sqlite3"})],
)
def test_a_command_loads_what_it_needs(tmp_path, words, needed):
    start = "import sys; from knocklet_tool.main import main\ntry: main()\nfinally: print('loaded', *sys.modules)"
    arguments = {**program(words, {"HOME": str(tmp_path)})}
    arguments["args"][2] = start
    loaded = subprocess.run(**arguments, capture_output=True, timeout=30).stdout.rpartition("loaded ")[2].split()
    assert SLOW & set(loaded) <= needed and "typer" in loaded


def test_completion():
    environment = {"_KNOCKLET_COMPLETE": "complete_bash", "COMP_WORDS": "knocklet kn", "COMP_CWORD": "1"}
    assert command([], environment).stdout.split() == ["knock"]
    environment = {"_KNOCKLET_COMPLETE": "complete_bash", "COMP_WORDS": "knocklet knock home 1 --th", "COMP_CWORD": "4"}
    assert command([], environment).stdout.split() == ["--then"]


def test_of_the_firmware_only_the_wire_is_used():
    for path in (HOME / "host_tools").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                modules = [f"{node.module}.{a.name}" for a in node.names]
            for module in modules:
                if module.partition(".")[0] == "knocklet":
                    assert module == "knocklet.VERSION" or module.startswith("knocklet.wire."), f"{path.name}: {module}"


def test_one_place_prints_and_one_speaks_mqtt():
    for path in (HOME / "host_tools").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [module]
            assert path.name == "mqtt.py" or not any(name.split(".")[0] == "paho" for name in modules), path.name
            prints = isinstance(node, ast.Name) and node.id == "print"
            prints = prints or isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr", "echo", "secho")
            assert path.name == "output.py" or not prints, path.name


def command(words, environment=(), **streams):
    streams = streams or {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(**program(words, environment), **streams, timeout=30)


def program(words, environment=()):
    start = "from knocklet_tool.main import main; main()"
    path = f"{HOME / 'host_tools'}:{HOME / 'firmware'}"
    environment = {"PYTHONPATH": path, "PATH": "/usr/bin:/bin", **dict(environment)}
    return {"args": [sys.executable, "-c", start, *words], "env": environment, "text": True}
