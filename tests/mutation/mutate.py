"""Is there a test for every check on the accept path? Takes each check away in turn, and some unit test of its file must fail.

    mutate.py [FILE...]       those files alone, as core/gate.py; exits 1 when one survives that equivalent.py does not know

Each mutant (mutants.py) is imported instead of the file by a process of its own, which runs the file's unit tests on CPython.
A mutant that no test can see, since it does the same, stands in equivalent.py with the reason; one there that is not a
survivor any more is told as well.
"""

import importlib.util
import itertools
import os
import pathlib
import resource
import subprocess
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import SourceFileLoader

from equivalent import EQUIVALENT
from mutants import mutants

TESTS = pathlib.Path(__file__).parents[1]
PACKAGE = TESTS.parent / "firmware" / "knocklet"
CPU_S = 20  # an endless loop is a failure, too; without one they take less than 2 s
MEMORY_BYTES = 2 << 30
# The files of the accept path, and where their tests are not in test_NAME.py alone, or not there.
FILES = {
    "core/packet.py": [], "core/gate.py": [], "core/tags.py": [], "core/mac_budget.py": [], "core/spa.py": [],
    "core/admission.py": [], "core/token_bucket.py": [], "core/otp.py": [], "core/clients.py": [], "core/matcher.py": [],
    "core/filter.py": [], "core/bpf.py": [], "core/base64.py": [],
    "core/fwknop.py": ["test_fwknop_fields"], "core/fwknop_fields.py": [],
    "edge/signed_knocks.py": [], "edge/client_knocks.py": [], "edge/ports.py": [], "edge/knocks.py": [],
    "edge/mac_speed.py": [],
    "core/sealed_gate.py": [], "core/command.py": [], "core/policy_change.py": [], "core/rights.py": [],
    "edge/orders.py": [], "edge/configuration.py": ["test_orders"], "edge/wishes.py": [],
    "wire/sealed.py": ["test_sealed_gate"],
    "wire/spa_packet.py": ["test_spa"], "wire/otp_ports.py": [], "wire/keys.py": ["test_spa_packet"], "wire/hmac.py": [],
}  # fmt: skip


def of_file(name):
    return mutants(name, (PACKAGE / name).read_text())


def tests_of(name):
    own = "test_" + pathlib.Path(name).stem
    return ([own] if (TESTS / "unit" / f"{own}.py").exists() else []) + FILES[name]


class _Loader(SourceFileLoader):
    """Imports another tree in the place of a file's own."""

    tree = None

    def get_code(self, _fullname):
        return compile(self.tree, self.path, "exec")


class _Finder:
    def __init__(self, name, tree):
        self.module = "knocklet." + name.removesuffix(".py").replace("/", ".")
        self.path = str(PACKAGE / name)
        self.tree = tree

    def find_spec(self, module, _path=None, _target=None):
        if module != self.module:
            return None
        loader = _Loader(module, self.path)
        loader.tree = self.tree
        return importlib.util.spec_from_file_location(module, self.path, loader=loader)


def run_one(name, number):
    """In a process of its own: exits 0 when all tests of the file pass with this mutant; -1: with none."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    sys.path[:0] = [str(TESTS.parent / "firmware"), str(TESTS), str(TESTS / "unit")]
    if number >= 0:
        _, tree = next(itertools.islice(of_file(name), number, None))
        sys.meta_path.insert(0, _Finder(name, tree))
    with open(os.devnull, "w") as nowhere:
        suite = unittest.defaultTestLoader.loadTestsFromNames(tests_of(name))
        result = unittest.TextTestRunner(nowhere, failfast=True).run(suite)
    return 0 if result.wasSuccessful() and result.testsRun else 1


def survives(name, number):
    command = [sys.executable, __file__, "--one", name, str(number)]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def main(names):
    for name in names:
        if name not in FILES or not survives(name, -1):
            print(f"{name}: not a file of the accept path, or its tests fail as it is")
            return 1
    todo = [(name, number, key) for name in names for number, (key, _) in enumerate(of_file(name))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        alive = list(pool.map(lambda one: survives(*one[:2]), todo))
    survivors = {key for (_, _, key), lives in zip(todo, alive) if lives}
    known = {key for keys in EQUIVALENT.values() for key in keys if key.split(" ")[0] in names}
    for key in sorted(survivors - known):
        print(f"no test fails: {key}")
    for key in sorted(known - survivors):
        print(f"in equivalent.py, and not a survivor: {key}")
    print(f"{len(todo)} mutants of {len(names)} files, {len(survivors)} survive, {len(survivors & known)} of them as they may")
    return 0 if survivors == known else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        sys.exit(run_one(sys.argv[2], int(sys.argv[3])))
    sys.exit(main(sys.argv[1:] or list(FILES)))
