"""Every board of this repository: its packages as they are shipped, and a new one that is nothing but a folder."""

import ast
import io
import re
import shutil
import subprocess
import sys
import tarfile
import tokenize

import pytest
from packages import apk_reader
from packages.test_ipk import members

from knocklet_tool import board_folder, package_build
from knocklet_tool.package_source import bare

BOARDS = board_folder.all_()
PACKAGES = [(board, format_) for board in BOARDS for format_ in board.model.package.formats]
_LIMIT_BYTES = 120 * 1024
_SECRETS = re.compile(rb"PRIVATE KEY|\b[0-9a-f]{64}\b")


@pytest.fixture(scope="module", params=PACKAGES, ids=lambda each: f"{each[0].name}-{each[1]}")
def shipped(request):
    """(board, its package)"""
    return request.param[0], package_build.build(*request.param)


@pytest.mark.parametrize("board, format_", PACKAGES, ids=lambda each: getattr(each, "name", each))
def test_small_enough_as_text_too(board, format_):
    assert len(package_build.build(board, format_, source=True).data) < _LIMIT_BYTES


@pytest.mark.parametrize("path", sorted((board_folder.ROOT / "firmware").rglob("*.py")), ids=lambda path: path.stem)
def test_firmware_as_text_does_the_same(path):
    """Without comments and docstrings it is the same program, line for line."""
    before, after = path.read_text(), bare(path.read_text())
    assert after.count("\n") == before.count("\n") and len(after) < len(before)
    assert program(after) == program(before)
    assert "#" not in [token.string[:1] for token in tokenize.generate_tokens(io.StringIO(after).readline)]


def program(text):
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            del node.body[0]
    return [(type(node), getattr(node, "lineno", 0)) for node in ast.walk(tree)], ast.dump(tree)


@pytest.fixture
def built(shipped):
    return shipped[1]


def contents(built):
    """{path: (mode, bytes)} of the files in it."""
    if built.package.format_ == "apk":
        items = apk_reader.read(built.data).items
        return {path: (item.mode, item.data) for path, item in items.items() if item.kind == "file"}
    if built.package.format_ == "ipk":
        data = members(built.data)[1][1]
        return {each.name[2:]: (each.mode, content) for each, content in members(data) if each.isfile()}
    packed = subprocess.run(["dpkg-deb", "--fsys-tarfile", "-"], input=built.data, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        return {each.name[2:]: (each.mode, archive.extractfile(each).read()) for each in archive if each.isfile()}


def test_small_enough(built):
    assert len(built.data) < _LIMIT_BYTES


def test_what_is_in_it(built):
    files = contents(built)
    assert {f"usr/lib/knocklet/{name}" for name in ("start.sh", "knocklet_engine.py", "knocklet/engine.mpy")} <= set(files)
    assert {mode for mode, _ in files.values()} <= {0o644, 0o755, 0o600}
    assert "usr/bin/knockletctl" in [each.path for each in built.package.files]


def test_no_secret_is_in_it(built):
    for path, (_, data) in contents(built).items():
        assert not path.startswith("etc/knocklet/")
        if not path.startswith(("usr/lib/knocklet/", "lib/apk/packages/")):   # code, and hashes
            assert not _SECRETS.search(data), path


def test_what_is_roots_alone(shipped):
    board, built = shipped
    files = contents(built)
    private = [path.strip("/") for path in board.model.package.private if not path.endswith("/")]
    assert [files[path][0] for path in private] == [0o600] * len(private)


def test_a_new_board_is_a_folder(tmp_path):
    """The example in the documentation, as it stands there, in a copy of this repository: no code is changed."""
    root = board_folder.ROOT
    texts = [(root / name).read_text() for name in ("CONTRIBUTING.md", "boards/README.md")]
    (example,) = [each for text in texts for each in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "board build" in each]
    for name in ("LICENSE", "firmware"):
        (tmp_path / name).symlink_to(root / name)
    (tmp_path / "build").mkdir()
    (tmp_path / "build/firmware").symlink_to(root / "build/firmware")
    for name in ("boards", "host_tools"):
        shutil.copytree(root / name, tmp_path / name, symlinks=True)
    start = f'exec {sys.executable} -c "from knocklet_tool.main import main; main()" "$@"'
    (tmp_path / "knocklet").write_text(f"#!/bin/sh\n{start}\n")
    (tmp_path / "knocklet").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": "host_tools:firmware", "HOME": str(tmp_path)}
    done = subprocess.run(["sh", "-e"], input=example, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "banana_pi     Banana Pi with Armbian: deb" in done.stdout.splitlines()
    assert "for Banana Pi with Armbian" in done.stdout and "/usr/bin/knockletctl" in done.stdout
    (package,) = (tmp_path / "build/packages/banana_pi").iterdir()
    subprocess.run(["dpkg-deb", "--info", package], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_scripts_and_services_are_shell(board):
    """Everything that a shell reads on the target, as dash reads it; `make lint` has shellcheck look at it too."""
    for path in [*board.folder.rglob("*")]:
        if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh"):
            subprocess.run(["sh", "-n", path], check=True)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_the_heap_is_the_one_that_its_service_gives(board):
    """Said twice: to who reads about the board, and where its service takes it from."""
    heap = board.model.engine.heap
    given = re.compile(r"^[^#\n]*(?:KNOCKLET_HEAP=|option heap ')(\w+)", re.MULTILINE)
    texts = [path.read_text() for path in board.files.rglob("*") if path.is_file()]
    assert {found for text in texts for found in given.findall(text)} == {heap}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_commands_are_shell(board):
    model = board.model
    commands = [model.engine.interfaces, *model.service.model_dump().values()]
    for format_ in model.package.formats.values():
        installs = format_.install, format_.reinstall or format_.install
        commands += [format_.prepare, *(each.format(file="/tmp/x") for each in installs), format_.remove]
    for command in commands:
        subprocess.run(["sh", "-n", "-c", command], check=True)
