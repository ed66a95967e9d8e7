"""What the tests of packages share: a small repository with boards of its own, and packages made of it."""

import pytest
from host.conftest import home, knocklet, no_sockets  # noqa: F401  (fixtures)
from packages.repository import make

from knocklet_tool import board_folder, package_build


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with little firmware and the boards `router` and `pi`; the tool takes it for its own."""
    root = tmp_path / "repository"
    make(root)
    monkeypatch.setattr(board_folder, "ROOT", root)
    return root


@pytest.fixture
def build(repository):
    """`build("router", "apk")`: the file's bytes."""

    def build(board, format_, **options):
        return package_build.build(board_folder.load(board), format_, **options).data

    return build
