from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import av
import pytest

from la2ds_cli.core import device
from la2ds_cli.health import doctor
from la2ds_cli.video import reader
from la2ds_cli.video.reader import Frame
from la2ds_models import weight_files


def test_the_decoder_check_decodes_what_it_wrote():
    assert doctor._decoder().startswith("reads back what it wrote (h264, libavcodec ")


def test_cores_are_counted_without_a_load_average(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(os, "getloadavg")  # as on Windows
    monkeypatch.setattr(device, "available_cores", lambda: 6)
    assert device.free_cores() == 6


def _decoder_line() -> doctor.Check:
    return next(check for check in doctor.examine() if check.name == "decoder")


def test_a_pyav_that_opens_no_clip_is_told(monkeypatch: pytest.MonkeyPatch):
    """As PyAV 19 did while doctor opened its trial clip in another way than the commands."""
    opened: Any = av.open

    def without_options(file: str, mode: str = "r", **arguments: Any) -> Any:
        if arguments:
            raise TypeError(f"open() got an unexpected keyword argument {min(arguments)!r}")
        return opened(file, mode)

    monkeypatch.setattr(av, "open", without_options)
    line = _decoder_line()
    assert not line.ok
    assert line.found.startswith("TypeError: open() got an unexpected keyword argument")


def _lost(frames: list[Frame]) -> list[Frame]:
    return frames[:-1]


def _dark(frames: list[Frame]) -> list[Frame]:
    return [replace(frame, image=frame.image // 2) for frame in frames]


@pytest.mark.parametrize(("damage", "read"), [(_lost, [40, 120]), (_dark, [20, 60, 100])])
def test_a_decoder_that_reads_something_else_is_told(
    monkeypatch: pytest.MonkeyPatch, damage: Callable[[list[Frame]], list[Frame]], read: list[int]
):
    whole = reader.read_frames
    monkeypatch.setattr(reader, "read_frames", lambda path: damage(list(whole(path))))
    line = _decoder_line()
    assert not line.ok
    wrote, _, found = line.found.partition(", read ")
    assert wrote == "ValueError: wrote frames of brightness (40, 120, 200)"
    assert [int(number) for number in found.strip("()").split(", ")] == pytest.approx(read, abs=2)


def test_a_check_that_breaks_is_a_failed_line_and_not_the_end(monkeypatch: pytest.MonkeyPatch):
    def broken() -> str:
        raise OSError("no codec")

    monkeypatch.setattr(doctor, "_decoder", broken)
    found = {check.name: check for check in doctor.examine()}
    assert found["decoder"] == doctor.Check("decoder", "OSError: no codec", ok=False)
    assert found["la2ds"].ok


def test_a_missing_package_is_a_fault(monkeypatch: pytest.MonkeyPatch):
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    assert doctor._package("numba") == doctor.Check("numba", "not installed", ok=False)


def test_onnxruntime_for_cuda_is_onnxruntime(monkeypatch: pytest.MonkeyPatch):
    def version(name: str) -> str:
        if name != "onnxruntime-gpu":
            raise metadata.PackageNotFoundError(name)
        return "1.32.0"

    monkeypatch.setattr(metadata, "version", version)
    assert doctor._package("onnxruntime") == doctor.Check("onnxruntime", "1.32.0 (onnxruntime-gpu)")
    assert not doctor._package("numba").ok


def test_damaged_weights_are_a_fault_and_absent_ones_are_not(
    tmp_path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    absent = {check.name: check for check in doctor._weights()}
    assert absent["weights fasterrcnn"].ok
    assert "downloaded on first use" in absent["weights fasterrcnn"].found
    assert absent["weights hrnet-demo"].found.startswith("bundled")
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth").write_bytes(b"half a download")
    damaged = {check.name: check for check in doctor._weights()}
    assert not damaged["weights fasterrcnn"].ok
    assert "delete the file" in damaged["weights fasterrcnn"].found


def test_a_package_without_its_bundled_weights_is_broken(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("la2ds_models.weight_files.bundled_path", lambda entry: tmp_path / "gone")
    found = {check.name: check for check in doctor._weights()}
    assert not found["weights hrnet-demo"].ok
    assert "missing from the package" in found["weights hrnet-demo"].found


def test_it_says_which_networks_are_the_default_and_what_would_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(weight_files, "installed", lambda member: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert doctor._default_networks() == (
        "joints by blazepose, people by blazepose; blazepose to be downloaded, 6.4 MB, "
        "blazepose-detector to be downloaded, 3.0 MB"
    )
    (tmp_path / "weights").mkdir()
    for file in ("pose_landmark_full.tflite", "pose_detection.tflite"):
        (tmp_path / "weights" / file).write_bytes(b"")
    assert doctor._default_networks() == "joints by blazepose, people by blazepose; all here"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    found = doctor._default_networks()
    assert found.startswith("joints by hrnet-w32-msra, people by fasterrcnn; hrnet")
