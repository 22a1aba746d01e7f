from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.project import Project
from la2ds_cli.demo.demo_clips import constant_speed, counterpart_error, run_demo
from tests.processes import invoke
from tests.snapshots.snapshot import assert_matches, key_lines

NAN = np.nan


def test_the_whole_chain_and_going_on_from_what_is_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("la2ds_cli.demo.demo_clips.FPS", 12)  # fewer frames, the same movement
    first = run_demo(tmp_path, clips=8, minutes=0.05)
    truth, evaluation = first["truth"], first["evaluation"]
    assert (first["clips"], evaluation["clips"]) == (8, 2)
    assert first["training"]["steps"] > 0
    assert truth["frames"] > 15
    assert truth["median_error"] < truth["length"] / 4
    assert {"model", "time_only", "raw_pose"} <= set(evaluation["features"])
    for picture in first["pictures"]:
        assert Path(picture).read_bytes().startswith(b"\x89PNG")
    document = json.loads(json.dumps(first, allow_nan=False))
    assert_matches("demo_keys.txt", key_lines([document]))

    def made() -> dict[Path, int]:
        kept = ("videos/*", "poses/*", "checkpoints/**/*.safetensors")
        return {path: path.stat().st_mtime_ns for kind in kept for path in tmp_path.glob(kind)}

    phases = tmp_path / "phases.csv"
    own = phases.read_text("utf-8").replace("rise", "my own", 1)
    phases.write_text(own, "utf-8")
    before = made()
    again = invoke("demo", tmp_path, "--minutes", "0.1")
    assert (made(), phases.read_text("utf-8")) == (before, own)
    assert len(before) > 8 + 2 + 8
    assert f"8 clips, {first['training']['steps']} training steps" in again.stdout
    assert f"median error {truth['median_error']:.1f} frames of {truth['length']}" in again.stdout
    assert f"constant speed: {truth['clock_median_error']:.1f}" in again.stdout
    assert all(picture in again.stdout for picture in first["pictures"])


def test_a_project_of_your_own_is_not_touched(tmp_path: Path):
    Project.create(tmp_path)
    result = invoke("demo", tmp_path, code=ExitCode.USAGE)
    assert "choose another folder for the demo" in result.stderr
    assert not (tmp_path / "videos").exists()


EVEN = np.linspace(0, 1, 11)
SLOW_FIRST = EVEN**2  # phase 0.25 at frame 5


@pytest.mark.parametrize(
    ("frame", "a", "b", "error"),
    [
        (np.arange(11.0), EVEN, EVEN, np.zeros(11)),
        (np.arange(11.0) + 2, EVEN, EVEN, np.full(11, 2)),
        (np.arange(11.0) / 2, EVEN, np.linspace(0, 1, 6), np.zeros(11)),  # B at double speed
        # B begins at phase 0.35: frames 0 to 3 of A have no counterpart; frame 10 is not matched.
        (
            np.r_[np.full(4, 5.0), 1, 3, 5, 7, 9, 11, NAN],
            EVEN,
            np.linspace(0.35, 1, 14),
            np.zeros(6),
        ),
        (
            constant_speed(EVEN, SLOW_FIRST)[5:6],
            EVEN[5:6],
            SLOW_FIRST,
            [np.interp(0.5, SLOW_FIRST, np.arange(11)) - 5],
        ),
    ],
)
def test_the_distance_from_the_truth(
    frame: np.ndarray, a: np.ndarray, b: np.ndarray, error: list[float]
):
    assert counterpart_error(frame, a, b) == pytest.approx(np.array(error))


def test_films_that_the_demo_did_not_write_stay(tmp_path: Path):
    film = tmp_path / "videos" / "performer-01.mp4"
    film.parent.mkdir()
    film.write_bytes(b"a film of mine")
    result = invoke("demo", tmp_path, code=ExitCode.USAGE)
    assert f"{film.parent} holds files that the demo did not write" in result.stderr
    assert film.read_bytes() == b"a film of mine"
    assert [path.name for path in tmp_path.iterdir()] == ["videos"]


def test_a_demo_that_was_interrupted_while_it_rendered_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its films appear all at once, so those of an interrupted run are not taken for whole."""
    from la2ds_cli.demo import demo_clips

    def interrupted(folder: Path, *_: object) -> None:
        (folder / "performer-01.mp4").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(demo_clips, "_write_clip", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_demo(tmp_path / "demo", clips=8)
    assert not (tmp_path / "demo" / "videos").exists()
