"""What the build does to the source changes what a name costs, not what the program does."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "shrink_firmware.py"


def fold(source, target):
    subprocess.run([sys.executable, SCRIPT, source, target], check=True)


def shrunk(tmp_path, **files):
    """The shrunk text of each of some small modules."""
    for name, text in files.items():
        (tmp_path / "source").mkdir(exist_ok=True)
        (tmp_path / "source" / f"{name}.py").write_text(text)
    fold(tmp_path / "source", tmp_path / "target")
    return {name: (tmp_path / "target" / f"{name}.py").read_text() for name in files}


def test_numbers_are_written_in(tmp_path):
    made = shrunk(
        tmp_path,
        one='"""Doc."""\n_A = 3\nB, C = _A << 2, 5\n\ndef f():\n    "doc"\n    return _A + B\n',
        two="from . import one\nfrom .one import C, f\n\ndef g():\n    return one.B, C, f()\n",
    )
    assert made["one"] == "def f():\n    return 3 + 12\n"
    assert made["two"] == "from .one import f\n\ndef g():\n    return (12, 5, f())\n"


@pytest.mark.parametrize(
    "text",
    [
        "A = 1\nA = 2\n\ndef f():\n    return A\n",
        "A = 1\n\ndef f():\n    A = 2\n    return A\n",
        "A = 1\n\ndef f(A):\n    return A\nf(A=2)\n",
        "A = 1\n\ndef f():\n    global A\n    A = 2\n",
        "A = 'text'\n\ndef f():\n    return A\n",
        "A = [1]\n\ndef f():\n    return A\n",
        "A = len('a')\n\ndef f():\n    return A\n",
        "A = True\n\ndef f():\n    return A\n",
    ],
)
def test_what_is_no_constant_stays(tmp_path, text):
    assert shrunk(tmp_path, one=text)["one"] == text


def test_arguments_become_letters(tmp_path):
    made = shrunk(
        tmp_path,
        one="def f(first, second, named):\n    return [first + b for b in second] + named\n\n"
        "def g(other, *rest):\n    return other\n",
        two="from .one import f\n\ndef h(outer):\n\n    def inner(outer, one):\n        return outer + one\n"
        "    return f(1, outer, named=inner)\n",
    )
    assert made["one"] == (
        "def f(a, second, named):\n    return [a + b for b in second] + named\n\ndef g(a, *rest):\n    return a\n"
    )
    assert "def h(outer)" in made["two"] and "def inner(a, b)" in made["two"] and "named=inner" in made["two"]


def test_the_firmware_still_has_all_its_names(tmp_path):
    fold(ROOT / "firmware" / "knocklet", tmp_path / "knocklet")
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F", tmp_path], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


def test_the_shrunk_policy_reads_the_same(tmp_path):
    fold(ROOT / "firmware" / "knocklet", tmp_path / "knocklet")
    config = b"""{"interfaces": ["wan0"], "services": {"ssh": {"index": 1, "port": 22}},
                  "sequences": {"s": {"steps": ["7000/udp"], "open": ["ssh"]}}}"""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from knocklet.core import filter, policy\n"
        "made = policy.load(sys.argv[2].encode())\n"
        "print(made.services[0].shape(), made.sequences[0].steps, made.decoys, filter.program([7000], [9000, 9001]))"
    )
    outputs = {
        subprocess.run([sys.executable, "-c", program, path, config], check=True, capture_output=True, text=True).stdout
        for path in (tmp_path, ROOT / "firmware")
    }
    assert len(outputs) == 1 and "7000" in outputs.pop()


def test_private_attributes_become_letters(tmp_path):
    made = shrunk(
        tmp_path,
        one="class A:\n\n    def __init__(self):\n        self._table = self._made = self.b = 1\n"
        "        self._other = '_named'\n\n"
        "    def _made(self):\n        return self._table + self._table + self._named\n",
        two="from .one import A\n\ndef f():\n    return A()._table\n",
    )
    assert made["one"] == (
        "class A:\n\n    def __init__(a):\n        a.a = a._made = a.b = 1\n        a.c = '_named'\n\n"
        "    def _made(a):\n        return a.a + a.a + a._named\n"
    )
    assert made["two"].endswith("return A().a\n")
