"""Imports point one way: wire <- core <- edge <- entry points; and core touches nothing of the world outside."""

import os
import unittest

TESTS = __file__.rsplit("/", 2)[0] if __file__.count("/") > 1 else __file__.rsplit("/", 1)[0] + "/.."
ROOT = TESTS + "/.."
FIRMWARE = ROOT + "/firmware"
HOST_TOOLS = ROOT + "/host_tools"

# Each layer may import from these, beside itself, and these modules of the interpreter; None: any.
MAY = {
    "wire": ((), ("hashlib", "struct")),
    "core": (("wire",), ("array", "hashlib", "struct")),
    "edge": (("wire", "core"), None),
    "entry": (("wire", "core", "edge"), None),
}


def imports(text):
    """(number of leading dots, module, [names]) of each import in this source; relative ones have dots."""
    found = []
    lines = text.replace("\\\n", " ").split("\n")
    while lines:
        words = lines.pop(0).split("#")[0].replace(",", " , ").replace("(", " ( ").replace(")", " ) ").split()
        while "(" in words and ")" not in words and words[:1] == ["from"] and lines:
            words += lines.pop(0).split("#")[0].replace(",", " , ").replace(")", " ) ").split()
        words = [word for i, word in enumerate(words) if word not in ",()" and "as" not in words[max(0, i - 1) : i + 1]]
        if words[:1] == ["import"]:
            found += [(0, name, []) for name in words[1:]]
        elif words[:1] == ["from"] and "import" in words:
            module = words[1] if words[1] != "import" else ""
            name = module.lstrip(".")
            found.append((len(module) - len(name), name, words[words.index("import") + 1 :]))
    return found


def layer_of(path):
    """The layer of a file of the package, by its path below knocklet/."""
    return path.split("/")[0] if "/" in path else "entry"


def wrong(path, text):
    """The imports of knocklet/`path` that it may not have."""
    here = layer_of(path)
    layers, modules = MAY[here]
    found = []
    for dots, module, names in imports(text):
        if dots == 0:
            if module.split(".")[0] == "knocklet" or modules is not None and module not in modules:
                found.append(module)
            continue
        if dots > len(path.split("/")):
            found.append("." * dots + module)
            continue
        # What it points to, by its path below knocklet/.
        above = path.split("/")[:-dots]
        for name in [module] if module else names:
            target = "/".join(above + name.split("."))
            layer = target.split("/")[0] if target.split("/")[0] in MAY else "entry"
            if target == "VERSION" and here in ("edge", "entry"):  # of the package itself
                continue
            if layer != here and layer not in layers:
                found.append("." * dots + name)
    return found


def sources(folder, prefix=""):
    """(path below `folder`, text) of every .py file."""
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            with open(folder + "/" + name) as file:
                yield prefix + name, file.read()
        elif "." not in name and name != "__pycache__":
            yield from sources(folder + "/" + name, prefix + name + "/")


class TestChecker(unittest.TestCase):
    """The checker itself: it must see a wrong arrow."""

    def test_wrong_ones(self):
        for path, text in (
            ("wire/a.py", "from ..core import packet"),
            ("wire/a.py", "import os"),
            ("wire/a.py", "from .. import core"),
            ("core/a.py", "import socket"),
            ("core/a.py", "import array, os"),
            ("core/a.py", "from time import ticks_ms"),
            ("core/a.py", "    import random"),
            ("core/a.py", "import sys as s"),
            ("core/a.py", "from os import stat as s, listdir as t"),
            ("core/a.py", "from ..edge.loop import Loop"),
            ("core/a.py", "from ..edge import loop"),
            ("core/a.py", "from .. import edge"),
            ("core/a.py", "from .. import VERSION"),
            ("core/a.py", "from .. import (\n    wire,\n    edge,\n)"),
            ("core/a.py", "from ..engine import main"),
            ("core/a.py", "from knocklet.wire import names"),
            ("core/a.py", "import knocklet.core.packet"),
            ("core/a.py", "from ... import x"),
            ("core/deep/a.py", "from ...edge import loop"),
            ("edge/a.py", "from ..engine import Engine"),
            ("edge/a.py", "from .. import ctl"),
            ("edge/a.py", "from knocklet.core import packet"),
            ("engine.py", "import knocklet"),
        ):
            with self.subTest(path, text=text):
                self.assertEqual(len(wrong(path, text)), 1)

    def test_right_ones(self):
        for path, text in (
            ("wire/a.py", "from .steps import parse_port\nfrom struct import pack"),
            ("core/a.py", "from array import array\nfrom . import verdict\nfrom ..wire.names import a\nfrom .a import (b, c)"),
            ("edge/a.py", "import os, socket\nfrom ..core import verdict\nfrom ..wire import names\nfrom . import libc"),
            ("engine.py", "import sys\nfrom . import VERSION\nfrom .core import policy\nfrom .edge.loop import Loop"),
        ):
            with self.subTest(path):
                self.assertEqual(wrong(path, text), [])


class TestArrows(unittest.TestCase):
    def test_package(self):
        seen = set()
        for path, text in sources(FIRMWARE + "/knocklet"):
            with self.subTest(path):
                self.assertEqual(wrong(path, text), [])
            seen.add(layer_of(path))
        self.assertEqual(seen, set(MAY))

    def test_launchers(self):
        """They set the path and the heap, and start one entry point."""
        for path, text in sources(FIRMWARE):
            if "/" not in path:
                with self.subTest(path):
                    modules = {module for _, module, _ in imports(text)}
                    self.assertTrue(modules <= {"gc", "sys", "knocklet.engine", "knocklet.agent", "knocklet.ctl"}, modules)

    def test_host_tool(self):
        """Of the firmware it may import the byte layouts only."""
        count = 0
        for path, text in sources(HOST_TOOLS):
            for dots, module, names in imports(text):
                if not dots and module.split(".")[0] == "knocklet":
                    count += 1
                    with self.subTest(path):
                        ok = module.startswith("knocklet.wire") or module == "knocklet" and set(names) <= {"wire", "VERSION"}
                        self.assertTrue(ok, module)
        self.assertGreaterEqual(count, 1)
