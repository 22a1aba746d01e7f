"""Locks end with their process, everywhere in la2ds."""

from __future__ import annotations

import ast
import errno
import os
from pathlib import Path

import pytest

from la2ds_models.download import obtain
from la2ds_models.weight_files import WeightFile, WeightsNotStored, weights_dir

fcntl = pytest.importorskip("fcntl")
ROOT = Path(__file__).parents[2]


def test_locks_are_made_in_one_place() -> None:
    """Any other could become a file that stands for a lock and outlives its process."""
    made = []
    for folder in ("la2ds", "la2ds_cli", "models"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module == "filelock":
                    names = {alias.name for alias in node.names}
                    made += [path.name] * bool(names - {"Timeout", "BaseFileLock"})
                if isinstance(node, ast.Import):
                    made += [path.name] * any(alias.name == "filelock" for alias in node.names)
    assert made == ["file_lock.py"]


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_download_needs_locks_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    monkeypatch.delenv("LA2DS_OFFLINE", raising=False)
    net = WeightFile("net", "net.pth", "MIT", "nothing", sha256="0" * 64)
    monkeypatch.setattr("la2ds_models.weight_files.zoo", lambda: {"net": net})
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(WeightsNotStored, match="has no locks"):
        obtain("net")
    left = [path for path in weights_dir().rglob("*") if path.is_file()]
    assert all(not path.read_bytes() for path in left)  # nothing that counts as taken
