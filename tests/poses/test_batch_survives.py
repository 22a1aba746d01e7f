"""One clip that fails in a way nobody foresaw fails alone: a row with its code, the traceback in
logs/, and the batch goes on, as often as it is run."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from av.error import ArgumentError, ExternalError

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.config_sections import HeatmapConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.features import heatmap_cache
from la2ds_cli.formats import wide_csv
from la2ds_cli.formats.import_export import export_poses
from la2ds_cli.network import embed as embed_step
from la2ds_cli.poses import extract, extraction
from la2ds_cli.poses.extract import ExtractOptions, extract_poses
from la2ds_cli.video.reader import probe
from tests.movement import add_sequence, sequence, warped_phase
from tests.poses.grey_people import CONFIG, film
from tests.processes import invoke
from tests.told import refused

OPTIONS = ExtractOptions(device="cpu")
ODD = [
    RuntimeError("odd\nmore"),
    MemoryError(),
    KeyError("frames"),
    ZeroDivisionError(),
    ArgumentError(errno.EINVAL, "Invalid argument"),
    ExternalError(errno.EINVAL, "Generic error in an external library"),
    RecursionError("maximum recursion depth exceeded"),
]


@pytest.fixture
def clips(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"clip-{n}.mp4" for n in range(3)]
    for n, path in enumerate(paths):
        film(path, [{200: (60 + n, 40, 100 + n, 130)}] * (12 + n))
    return [str(path) for path in paths]


def add_clips(project: StoredProject, count: int) -> None:
    for number in range(count):
        add_sequence(project, f"clip-{number}", sequence(warped_phase(20 + number, seed=number)))


def _checked(
    project: StoredProject, results: list[ItemResult], failed: str, error: Exception
) -> None:
    """Only `failed` failed, and its traceback is in the one file that its row names."""
    assert [r.path for r in results if not r.usable] == [failed]
    (row,) = (r for r in results if not r.usable)
    assert (row.status, row.code) == ("failed", "X001")
    assert "\n" not in row.message + row.hint
    said = "more memory" if isinstance(error, MemoryError) else type(error).__name__
    assert said in row.message
    (log,) = (project.root / "logs").glob("error-*.txt")
    assert str(log) in row.hint
    text = log.read_text()
    assert text.startswith("Traceback")
    assert type(error).__name__ in text


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", [(extract, "load_source"), (extraction, "pose_clip")])
def test_a_clip_that_fails_unexpectedly_fails_alone_at_every_run(
    project: StoredProject, clips: list[str], monkeypatch: Any, where: Any, error: Exception
):
    module, name = where
    real = getattr(module, name)

    def broken(*given, **named):
        clip = [getattr(one, "source", one) for one in given]  # an entry, or that of a task
        files = {str(getattr(one, key, "")) for one in clip for key in ("name", "path")}
        if clips[1] in files:
            raise error
        return real(*given, **named)

    monkeypatch.setattr(module, name, broken)
    for status in ("ok", "cached"):
        results = extract_poses(project, clips, CONFIG, OPTIONS)
        _checked(project, results, clips[1], error)
        assert {r.status for r in results if r.usable} == {status}
    assert len(project.videos()) == 2
    monkeypatch.setattr(module, name, real)
    assert all(r.usable for r in extract_poses(project, clips, CONFIG, OPTIONS))


def test_a_listener_that_fails_is_noted_and_a_user_error_of_it_ends_the_run(
    project: StoredProject, clips: list[str]
):
    seen = []

    def listener(result: ItemResult) -> None:
        seen.append(result.path)
        assert result.video in {video.id for video in project.videos()}  # the row comes first
        if len(seen) == 2:
            raise RuntimeError("cannot draw")

    results = extract_poses(project, clips, CONFIG, OPTIONS, on_clip=listener)
    assert seen == clips
    assert all(r.usable for r in results)
    assert "cannot draw" in next((project.root / "logs").glob("error-*.txt")).read_text()

    def full(result: ItemResult) -> None:
        raise UserError("disk full", exit_code=ExitCode.STORAGE)

    with pytest.raises(UserError, match="disk full"):
        extract_poses(project, clips, CONFIG, OPTIONS, on_clip=full)


def _gif(width: int, height: int) -> bytes:
    size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    head = b"GIF89a" + size + b"\x80\x00\x00" + b"\x00\x00\x00\xff\xff\xff"
    return head + b",\x00\x00\x00\x00" + size + b"\x00" + b"\x02\x02D\x01\x00;"


def test_a_small_file_that_declares_a_vast_picture_is_refused(tmp_path: Path):
    path = tmp_path / "vast.gif"
    path.write_bytes(_gif(8, 8))
    assert probe(path).width == 8
    path.write_bytes(_gif(65535, 65535))
    with refused(ExitCode.UNREADABLE) as caught:
        probe(path)
    assert caught.value.code in ("V001", "V002")


@pytest.mark.parametrize("error", [RuntimeError("odd"), MemoryError(), RecursionError()])
def test_a_pose_file_that_fails_unexpectedly_fails_alone(
    project: StoredProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    made = StoredProject.create(tmp_path / "made")
    add_clips(made, 3)
    export_poses(made, "wide-csv", [], tmp_path / "csv")
    real = wide_csv.read_clips

    def broken(path, options):
        if path.stem == "clip-1":
            raise error
        return real(path, options)

    monkeypatch.setattr(wide_csv, "read_clips", broken)
    command = ["import", "wide-csv", tmp_path / "csv", "--project", project.root]
    done = invoke(*command, code=ExitCode.PARTIAL)
    assert done.output.count("X001") == 1
    assert len(project.videos()) == 2
    assert "Traceback" in next((project.root / "logs").glob("error-*.txt")).read_text()


def test_exports_heatmaps_and_embeddings_of_other_clips_are_made(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
):
    add_clips(project, 3)

    real = StoredProject.read_pose

    def broken(self: StoredProject, video: str, **more: Any) -> Any:
        if video == "clip-1":
            raise RuntimeError("odd")
        return real(self, video, **more)

    monkeypatch.setattr(StoredProject, "read_pose", broken)
    expected = [("clip-0", "ok", ""), ("clip-1", "failed", "X001"), ("clip-2", "ok", "")]
    for results in (
        export_poses(project, "wide-csv", []),
        heatmap_cache.cache_heatmaps(project, HeatmapConfig()),
        embed_step.embed(project, run="la2ds-base", device="cpu"),
    ):
        assert [(r.video, r.status, r.code) for r in results] == expected


def test_a_full_disk_ends_embedding_and_heatmaps_with_its_own_code(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
):
    add_clips(project, 2)

    def full(*_: object, **__: object) -> None:
        raise UserError("cannot write: no space left", exit_code=ExitCode.STORAGE)

    monkeypatch.setattr(StoredProject, "write_embedding", full)
    monkeypatch.setattr(heatmap_cache.artifact, "write_arrays", full)
    for command in (
        ["embed", "--run", "la2ds-base"],
        ["retrieve", "--query", "clip-0@0.2", "--run", "la2ds-base", "--features", "base"],
        ["cache-heatmaps"],
    ):
        invoke(*command, "--project", project.root, code=ExitCode.STORAGE)
