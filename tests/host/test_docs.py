"""What README says is so: its configuration loads, its commands, keys, targets and paths exist, and none is missing."""

import json
import re
from pathlib import Path

from knocklet.core import policy

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
    takes = r'(?:table|top)\.(?:choice|integer|text|texts|tables)\("(\w+)"'
    keys = set(re.findall(takes, source("firmware/knocklet/core/policy.py")))
    assert len(keys) > 12
    documented = set(re.findall(r"`([\w]+)`", section("Put it on a gateway"))) | {"services", "sequences"}
    assert keys - documented == set()


def test_every_request_of_knockletctl_is_documented():
    table = re.search(r"def table.*?return \{(.*?)\}", source("firmware/knocklet/edge/verbs.py"), re.DOTALL)[1]
    verbs = set(re.findall(r'"(\w+)":', table)) | {"events"}
    assert verbs == {"status", "grants", "close", "reload", "events"}
    for verb in verbs:
        assert re.search(rf"^\| `{verb}\b", README, re.MULTILINE), verb
        assert verb in re.search(r'_USE = "(.*)"', source("firmware/knocklet/ctl.py"))[1]


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
