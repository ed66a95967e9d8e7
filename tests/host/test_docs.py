"""What README says is so: its configuration loads, its commands, keys, targets and paths exist, and none is missing."""

import json
import re
from pathlib import Path

import typer

from knocklet.core import policy
from knocklet_tool import errors, gateway_model
from knocklet_tool.main import app

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def source(path):
    return (ROOT / path).read_text()


def section(title):
    """The text of one `## title` chapter."""
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)[1]


def test_the_configuration_in_readme_is_good():
    example = re.search(r"```json\n(.*?)```", README, re.DOTALL)[1]
    loaded = policy.load(example.encode())
    assert [service.name for service in loaded.services] == sorted(json.loads(example)["services"])
    assert loaded.warnings == []


def test_every_configuration_key_is_documented():
    takes = r'(?:table|top)\.(?:choice|integer|text|texts|table|tables|secret)\("(\w+)"'
    parts = ("policy", "services", "sequences", "clients")
    keys = set(re.findall(takes, "".join(source(f"firmware/knocklet/core/{part}.py") for part in parts)))
    assert len(keys) > 24
    documented = set(re.findall(r"`([\w]+)`", section("The configuration"))) | {"services", "sequences"}
    assert keys - documented == set()


def test_every_key_of_a_gateways_file_is_documented():
    tables = (gateway_model.Gateway, gateway_model.Service, gateway_model.Sequence, gateway_model.Client, gateway_model.Otp)
    keys = {key for table in tables for key in table.model_fields}
    documented = set(re.findall(r"`([\w]+)`", section("The configuration") + source("docs/configure.md")))
    assert len(keys) > 30 and keys - documented == {"services", "sequences"}


def test_every_request_of_knockletctl_is_documented():
    table = re.search(r"def table.*?return \{(.*?)\}", source("firmware/knocklet/edge/verbs.py"), re.DOTALL)[1]
    verbs = set(re.findall(r'"(\w+)":', table)) | {"events"}
    assert verbs == {"status", "grants", "close", "reload", "arm", "disarm", "events"}
    for verb in verbs:
        assert re.search(rf"^\| `{verb}\b", README, re.MULTILINE), verb
        assert verb in re.search(r"_USE = \((.*?)\)  #", source("firmware/knocklet/ctl.py"), re.DOTALL)[1]


def test_the_targets_in_readme_exist():
    targets = set(re.findall(r"^([a-z-]+):", source("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)\b", README, re.MULTILINE))
    assert {"demo", "test", "bench"} <= named <= targets


def test_the_paths_in_readme_exist():
    rows = section("Where things are")
    for path in re.findall(r"`([\w/.]+(?:/|\.py|\.sh))`", rows):
        places = [path, "firmware/knocklet/" + path, "firmware/knocklet/core/" + path, "firmware/knocklet/edge/" + path]
        assert any((ROOT / place).exists() for place in places), path


def test_every_file_of_the_firmware_has_a_docstring_that_says_what_it_is():
    for path in (ROOT / "firmware").rglob("*.py"):
        assert path.read_text().startswith('"""'), path


DOCS = README + "".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))


def commands(group=None, words=("knocklet",)):
    """{(words of the command): its click command}."""
    group = group or typer.main.get_command(app)
    found = {}
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        found |= commands(command, (*words, name)) if hasattr(command, "commands") else {(*words, name): command}
    return found


def shell_lines():
    """The `knocklet ...` parts of the lines in sh blocks, as words."""
    for block in re.findall(r"```sh\n(.*?)```", DOCS, re.DOTALL):
        for line in block.splitlines():
            for part in line.partition("  #")[0].split("|"):
                if part.strip().startswith("knocklet "):
                    yield part.split()


def test_every_command_of_the_host_tool_is_documented():
    used = {tuple(words[:2]) for words in shell_lines()} | {tuple(words[:3]) for words in shell_lines()}
    assert {words for words in commands() if words not in used} <= {("knocklet", "gateway", "list")}


def test_the_commands_in_the_docs_exist():
    known = commands()
    lines = list(shell_lines())
    assert len(lines) > 10
    for words in lines:
        command = known.get(tuple(words[:2])) or known[tuple(words[:3])]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, words


def test_the_exit_codes_in_the_docs_are_those_of_the_tool():
    told = set(re.findall(r"^\| (\d+) \|", DOCS, re.MULTILINE))
    assert told == set(re.findall(r"^    (\d+)  ", errors.__doc__, re.MULTILINE))
    assert told - {"0", "1", "130"} == {str(kind.exit_code) for kind in errors.ToolError.__subclasses__()}
