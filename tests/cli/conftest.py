from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.desk import Desk, Shelf
from cli.service import Service


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"))


@pytest.fixture
def desk(tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """An empty folder that the user stands in."""
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path, shelf)


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        yield running
