"""Files out of wheels: what pip is asked for, what is read of its answer, and what goes wrong."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from la2ds_models import wheel_source
from la2ds_models.wheel_source import NoWheel, from_wheel

MEMBERS = {"package/models/one.tflite": 4, "package/models/two.tflite": 5}


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch):
    """Stands for pip: writes `content` as the wheel, or ends with what it says."""

    def put(content: dict[str, bytes] | bytes, said: bytes = b"") -> list[list[str]]:
        asked: list[list[str]] = []

        def run(command: list[str], timeout: float, **options: Any) -> SimpleNamespace:
            assert "shell" not in options
            asked.append(command)
            path = Path(command[command.index("--dest") + 1]) / "package-1.0-cp312.whl"
            if said == b"too long":
                raise subprocess.TimeoutExpired(command, timeout)
            if said:
                return SimpleNamespace(returncode=1, stderr=said)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                with zipfile.ZipFile(path, "w") as archive:
                    for name, data in content.items():
                        archive.writestr(name, data)
            return SimpleNamespace(returncode=0, stderr=b"")

        monkeypatch.setattr(subprocess, "run", run)
        return asked

    return put


def test_members_of_the_right_size_are_read_by_name(pip) -> None:
    asked = pip(
        {
            "package/models/one.tflite": b"1234",
            "package/models/two.tflite": b"too long",
            "../../one.tflite": b"abcd",
            "package/__init__.py": b"raise SystemExit",
        }
    )
    assert from_wheel("package==1.0", MEMBERS) == {"package/models/one.tflite": b"1234"}
    (command,) = asked
    assert command[:6] == [sys.executable, "-P", "-m", "pip", "download", "package==1.0"]
    assert {"--no-deps", ":all:", "--no-input"} <= set(command)
    assert "--index-url" not in command  # the user's own settings decide
    assert not Path(command[command.index("--dest") + 1]).exists()


NONE = (
    b"ERROR: Could not find a version of package==1.0 (from versions: none)\nERROR: No matching\n"
)


@pytest.mark.parametrize(
    ("content", "said", "expected"),
    [
        ({}, NONE, "pip download package==1.0: No matching"),
        # What pip says last, that it has found no version, hides that it was offline.
        ({}, b"Retry after connection broken by 'X'\n" + NONE, "its index does not answer"),
        ({}, b"/venv/bin/python: No module named pip\n", "No module named pip"),
        ({}, b"too long", "pip took more than 300 s"),
        (b"PK nothing", b"", "cannot be opened"),
        (b"PK" + bytes(100), b"", "too large"),
    ],
)
def test_pip_or_its_wheel_says_why_there_is_none(
    pip, monkeypatch: pytest.MonkeyPatch, content: Any, said: bytes, expected: str
) -> None:
    monkeypatch.setattr(wheel_source, "MOST_BYTES", 50)
    asked = pip(content, said)
    with pytest.raises(NoWheel, match=expected):
        from_wheel("package==1.0", MEMBERS)
    assert len(asked) == 1
