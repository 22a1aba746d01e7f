"""What doctor finds, on machines where something is missing or broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import av
import pytest

from la2ds_cli.health import doctor
from la2ds_cli.video import reader
from la2ds_cli.video.reader import Frame
from la2ds_models import weight_files


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without downloaded weights."""
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def line(name: str) -> doctor.Check:
    return next(check for check in doctor.examine() if check.name == name)


def test_the_decoder_check_decodes_what_it_wrote() -> None:
    assert line("decoder").found.startswith("reads back what it wrote (h264, libavcodec ")


def test_a_pyav_that_opens_no_clip_is_a_failed_line_and_not_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As PyAV 19 did while doctor opened its trial clip in another way than the commands."""
    opened: Any = av.open

    def without_options(file: str, mode: str = "r", **arguments: Any) -> Any:
        if arguments:
            raise TypeError(f"open() got an unexpected keyword argument {min(arguments)!r}")
        return opened(file, mode)

    monkeypatch.setattr(av, "open", without_options)
    found = {check.name: check for check in doctor.examine()}
    assert not found["decoder"].ok
    assert found["decoder"].found.startswith("TypeError: open() got an unexpected keyword")
    assert found["la2ds"].ok


@pytest.mark.parametrize(
    ("damage", "read"),
    [
        (lambda frames: frames[:-1], [40, 120]),
        (lambda frames: [replace(f, image=f.image // 2) for f in frames], [20, 60, 100]),
    ],
)
def test_a_decoder_that_reads_something_else_is_told(
    monkeypatch: pytest.MonkeyPatch, damage: Callable[[list[Frame]], list[Frame]], read: list[int]
) -> None:
    whole = reader.read_frames
    monkeypatch.setattr(reader, "read_frames", lambda path: damage(list(whole(path))))
    found = line("decoder")
    assert not found.ok
    wrote, _, seen = found.found.partition(", read ")
    assert wrote == "ValueError: wrote frames of brightness (40, 120, 200)"
    assert [int(number) for number in seen.strip("()").split(", ")] == pytest.approx(read, abs=2)


def test_a_missing_package_is_a_fault_unless_another_stands_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def version(name: str) -> str:
        if name != "onnxruntime-gpu":
            raise metadata.PackageNotFoundError(name)
        return "1.32.0"

    monkeypatch.setattr(metadata, "version", version)
    assert line("numba") == doctor.Check("numba", "not installed", ok=False)
    assert line("onnxruntime") == doctor.Check("onnxruntime", "1.32.0 (onnxruntime-gpu)")


def test_damaged_weights_are_a_fault_and_absent_ones_are_not(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = line("weights")
    assert found.ok
    assert (str(home) in found.found, "hrnet-demo" in found.found) == (True, True)
    damaged = home / "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth"
    damaged.write_bytes(b"half a download")
    assert not line("weights").ok
    assert str(damaged) in line("weights").found
    damaged.unlink()
    monkeypatch.setattr(weight_files, "bundled_path", lambda entry: home / "gone")
    assert not line("weights").ok
    assert "missing from the package" in line("weights").found
