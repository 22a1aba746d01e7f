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
from la2ds_models.wheel_source import NoWheel, from_wheel, installed

MEMBERS = {"package/models/one.tflite": 4, "package/models/two.tflite": 5}


class Pip:
    """Stands for pip: writes a wheel of `content` for the platforms in `has`."""

    def __init__(self, content: dict[str, bytes], has: tuple[str, ...] = wheel_source.PLATFORMS):
        self.content, self.has = content, has
        self.asked: list[list[str]] = []

    def __call__(self, command: list[str], **options: Any) -> SimpleNamespace:
        assert options["timeout"] == wheel_source.TIMEOUT
        assert "shell" not in options
        self.asked.append(command)
        platform = command[command.index("--platform") + 1]
        if platform not in self.has:
            error = b"WARNING: slow\nERROR: No matching distribution found for package==1.0\n"
            return SimpleNamespace(returncode=1, stderr=error)
        folder = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(folder / f"package-1.0-cp312-{platform}.whl", "w") as archive:
            for name, data in self.content.items():
                archive.writestr(name, data)
        return SimpleNamespace(returncode=0, stderr=b"")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch):
    def put(run: Any) -> Any:
        monkeypatch.setattr(subprocess, "run", run)
        return run

    return put


def test_members_of_the_right_size_are_read_by_name(use) -> None:
    pip = use(
        Pip(
            {
                "package/models/one.tflite": b"1234",
                "package/models/two.tflite": b"too long",
                "../../one.tflite": b"abcd",
                "package/__init__.py": b"raise SystemExit",
            }
        )
    )
    assert from_wheel("package==1.0", MEMBERS) == {"package/models/one.tflite": b"1234"}
    (command,) = pip.asked
    assert command[:6] == [sys.executable, "-P", "-m", "pip", "download", "package==1.0"]
    assert {"--no-deps", ":all:", "--no-input"} <= set(command)
    assert "--index-url" not in command  # the user's own settings decide
    assert not Path(command[command.index("--dest") + 1]).exists()


def test_any_platform_will_do(use) -> None:
    pip = use(Pip({"package/models/one.tflite": b"1234"}, has=("win_amd64",)))
    assert from_wheel("package==1.0", MEMBERS)
    assert len(pip.asked) == len(wheel_source.PLATFORMS)


def test_pip_says_why_there_is_none(use) -> None:
    use(Pip({}, has=()))
    with pytest.raises(NoWheel, match=r"No matching distribution found for package==1\.0"):
        from_wheel("package==1.0", MEMBERS)


def test_an_environment_without_pip(use) -> None:
    asked: list[object] = []

    def run(command: list[str], **options: Any) -> SimpleNamespace:
        asked.append(command)
        return SimpleNamespace(returncode=1, stderr=b"/venv/bin/python: No module named pip\n")

    use(run)
    with pytest.raises(NoWheel, match="No module named pip"):
        from_wheel("package==1.0", MEMBERS)
    assert len(asked) == 1


def test_an_index_that_does_not_answer_is_asked_once(use) -> None:
    """What pip says last, that it has found no version, hides that it was offline."""
    asked = []

    def run(*given: Any, **_: Any) -> SimpleNamespace:
        asked.append(given)
        said = (
            b"WARNING: Retrying (Retry(total=0)) after connection broken by 'X': /simple/package/\n"
        )
        said += b"ERROR: Could not find a version of package==1.0 (from versions: none)\n"
        said += b"ERROR: No matching distribution found for package==1.0\n"
        return SimpleNamespace(returncode=1, stderr=said)

    use(run)
    with pytest.raises(NoWheel, match=r"pip download package==1.0: its index does not answer"):
        from_wheel("package==1.0", MEMBERS)
    assert len(asked) == 1


def test_pip_that_takes_too_long(use) -> None:
    def run(command: list[str], timeout: float, **options: Any) -> SimpleNamespace:
        raise subprocess.TimeoutExpired(command, timeout)

    use(run)
    with pytest.raises(NoWheel, match="pip took more than 300 s"):
        from_wheel("package==1.0", MEMBERS)


def test_a_wheel_that_is_none(use, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **options: Any) -> SimpleNamespace:
        (Path(command[command.index("--dest") + 1]) / "package-1.0.whl").write_bytes(b"PK nothing")
        return SimpleNamespace(returncode=0, stderr=b"")

    use(run)
    with pytest.raises(NoWheel, match="cannot be opened"):
        from_wheel("package==1.0", MEMBERS)
    monkeypatch.setattr(wheel_source, "_MOST_BYTES", 5)
    with pytest.raises(NoWheel, match="too large"):
        from_wheel("package==1.0", MEMBERS)


def test_a_file_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "packaged_models"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('broken')")
    (folder / "models/one.tflite").write_bytes(b"1234")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert installed("packaged_models/models/one.tflite") == folder / "models/one.tflite"
    assert installed("packaged_models/models/two.tflite") is None
    assert installed("no_such_package/models/one.tflite") is None
    assert "packaged_models" not in sys.modules
