"""The lock files and the recipe for conda know every package that pyproject.toml asks for."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def _locked(name: str) -> dict[str, list[tuple[int, ...]]]:
    """Versions of each package; several where Pythons differ."""
    versions: dict[str, list[tuple[int, ...]]] = {}
    for line in (ROOT / "locks" / name).read_text("utf-8").splitlines():
        if match := re.match(r"([a-z0-9-]+)==([0-9.]+)", line):
            number = tuple(int(part) for part in match[2].rstrip(".").split("."))
            versions.setdefault(match[1], []).append(number)
    return versions


@pytest.mark.parametrize(
    ("lock", "needed"),
    [
        ("la2ds.txt", PROJECT["dependencies"]),
        ("dev.txt", PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]),
    ],
)
def test_what_is_needed_is_locked_above_its_bound(lock: str, needed: list[str]):
    locked = _locked(lock)
    for line in needed:
        match = re.fullmatch(r"([A-Za-z0-9-]+)(?:\[\w+\])?>=([0-9.]+)", line)
        assert match, line
        least = tuple(int(part) for part in match[2].split("."))
        assert min(locked[match[1].lower()]) >= least, line


def test_the_recipe_for_conda_needs_what_the_project_needs():
    named = {"python-zstandard": "zstandard", "matplotlib-base": "matplotlib"}
    named |= {"pytorch": "torch", "opencv": "opencv-python"}
    recipe = (ROOT / "packaging/conda/recipe.yaml").read_text("utf-8")
    found = re.findall(
        r"^    - ([a-z][\w-]+) >=([0-9.]+)$", recipe.split("  run:\n")[1], re.MULTILINE
    )
    bounds = {named.get(name, name): version for name, version in found}
    for line in PROJECT["dependencies"]:
        name, version = line.split(">=")
        if name != "ai-edge-litert":  # not packaged for conda, as the recipe says
            assert version.startswith(bounds.pop(name)), line
    assert not bounds, "no longer needed"


def test_locks_name_no_place_and_hash_every_package():
    for lock in (ROOT / "locks").glob("*.txt"):
        text = lock.read_text("utf-8")
        assert "://" not in text
        assert "/tmp" not in text
    for lock in ("la2ds.txt", "dev.txt"):
        packages = re.split(r"\n(?=[a-z])", (ROOT / "locks" / lock).read_text("utf-8"))
        assert all("--hash=sha256:" in package for package in packages)
    assert _locked("la2ds.txt").items() <= _locked("dev.txt").items()


@pytest.mark.skipif(sys.platform == "win32", reason="a script for sh")
def test_constraints_leave_out_hashes_and_the_build_of_pytorch():
    done = subprocess.run(
        [str(ROOT / "scripts" / "locked.sh")], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    names = {re.split("[= ;]", line)[0] for line in lines}
    assert {"numpy", "pytest", "typer"} <= names
    assert not {"torch", "torchvision", "triton"} & names
    assert not any("hash" in line or line.endswith("\\") for line in lines)


def test_the_licence_text_of_reuse_is_the_licence():
    assert (ROOT / "LICENSES/Apache-2.0.txt").read_bytes() == (ROOT / "LICENSE").read_bytes()
