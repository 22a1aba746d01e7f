from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from la2ds_cli.alignment.path import smooth_match
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Alignment
from la2ds_cli.demo.run import TruthCheck, clock_error, frame_error, read_truth, run_demo
from la2ds_cli.main import app
from tests.snapshots.snapshot import assert_matches, key_lines


class Notes(Progress):
    """Remembers which tasks began."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def begin(self, label: str, total: float | None = None) -> None:
        self.begun.append(label)


def test_the_whole_chain_and_going_on_from_what_is_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("la2ds_cli.demo.clips.FPS", 12)  # fewer frames, the same movement
    first = run_demo(tmp_path, clips=8, minutes=0.05)
    assert first.clips == 8
    assert first.training.steps > 0
    assert first.truth.frames > 15
    assert first.truth.median_error < first.truth.length / 4
    assert first.evaluation["clips"] == 2
    assert {"model", "time_only", "raw_pose"} <= set(first.evaluation["features"])
    for picture in first.pictures:
        assert picture.read_bytes().startswith(b"\x89PNG")
    document = json.loads(json.dumps(first.to_json(), allow_nan=False))
    assert_matches("demo_keys.txt", key_lines([document]))

    progress = Notes()
    again = run_demo(tmp_path, clips=8, minutes=0.05, progress=progress)
    assert again.training.already_finished
    assert again.truth == first.truth
    assert not [label for label in progress.begun if label.endswith(".mp4")]


def test_a_project_of_your_own_is_not_touched(tmp_path: Path):
    Project.create(tmp_path)
    result = CliRunner().invoke(app, ["demo", str(tmp_path)])
    assert result.exit_code == ExitCode.USAGE
    assert "choose another folder for the demo" in result.stderr
    assert not (tmp_path / "videos").exists()


def test_the_command_prints_the_truth_and_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    video_a, video_b = (Video(name, f"{name}.mp4", "0") for name in ("first", "second"))
    result = SimpleNamespace(
        clips=16,
        training=SimpleNamespace(steps=321),
        alignment=SimpleNamespace(a=video_a, b=video_b),
        truth=TruthCheck(frames=70, length=80, median_error=0.74, clock_median_error=9.06),
        evaluation={},
        pictures=[tmp_path / "align.png"],
        to_json=dict,
    )
    asked: dict[str, object] = {}

    def stand_in(folder: Path, **options: object) -> SimpleNamespace:
        asked.update(options, folder=folder)
        return result

    monkeypatch.setattr("la2ds_cli.demo.run.run_demo", stand_in)
    monkeypatch.setattr("la2ds_cli.evaluation.table.evaluation_table", lambda result: "the table")
    done = CliRunner().invoke(app, ["demo", str(tmp_path), "--minutes", "0.5"])
    assert done.exit_code == 0
    assert (asked["folder"], asked["minutes"]) == (tmp_path, 0.5)
    assert "the table" in done.stdout
    assert "321 training steps" in done.stdout
    assert "median error 0.7 frames of 80" in done.stdout
    assert "constant speed: 9.1" in done.stdout
    assert str(tmp_path / "align.png") in done.stdout


# --- distance from the truth ------------------------------------------------------------------


def _alignment(path: list[tuple[int, int]], n: int, m: int) -> Alignment:
    return Alignment(
        path=np.array(path),
        position=smooth_match(np.array(path), n),
        cost=np.zeros(len(path)),
        confidence=np.ones(n),
        low=np.zeros(n),
        high=np.full(n, m - 1),
        time_a=np.arange(n) / 10,
        time_b=np.arange(m) / 10,
        frame_a=np.arange(n),
        frame_b=np.arange(m),
        features="pose",
        method="dtw",
    )


def test_the_true_path_has_no_error_and_a_shifted_one_is_off_by_its_shift():
    phase = np.linspace(0, 1, 11)
    true = _alignment([(t, t) for t in range(11)], 11, 11)
    assert frame_error(true, phase, phase) == pytest.approx(np.zeros(11))
    late = _alignment([(t, min(t + 2, 10)) for t in range(11)], 11, 11)
    error = frame_error(late, phase, phase)
    assert error[:6] == pytest.approx([2.0] * 6)
    assert error[-1] == 0
    assert 0.5 < error[-2] < 1  # the kink at the end of the path is smoothed


def test_b_at_double_speed_is_matched_half_way():
    a, b = np.linspace(0, 1, 11), np.linspace(0, 1, 6)
    path = [(t, round(t / 2)) for t in range(11)]
    error = frame_error(_alignment(path, 11, 6), a, b)
    assert error.max() < 0.2  # the steps of the path alone are off by 0.5
    assert clock_error(_alignment(path, 11, 6), a, b) == pytest.approx(np.zeros(11))


def test_frames_without_a_pair_or_a_counterpart_are_left_out():
    a, b = np.linspace(0, 1, 11), np.linspace(0.35, 1, 14)
    path = [(t, 2 * t - 7) for t in range(4, 10)]  # phase 0.4 is frame 1 of B, and so on
    error = frame_error(_alignment(path, 11, 14), a, b)
    assert len(error) == 6  # frames 0..3 have no counterpart, frame 10 is not matched
    assert error == pytest.approx(np.zeros(6))


def test_a_constant_speed_fails_where_the_speed_changes():
    a = np.linspace(0, 1, 11)
    b = a**2  # slow at first: phase 0.25 at frame 5
    error = clock_error(_alignment([(0, 0)], 11, 11), a, b)
    assert error[5] == pytest.approx(np.interp(0.5, b, np.arange(11)) - 5)
    assert error[5] > 2


def test_truth_is_read_by_file_name(tmp_path: Path):
    table = tmp_path / "truth.csv"
    table.write_text(
        "video,frame,time,phase_value\na.mp4,0,0.0,0.1\na.mp4,1,0.1,0.2\nb.mp4,0,0,1\n"
    )
    truth = read_truth(table)
    assert truth["a.mp4"].tolist() == [0.1, 0.2]
    assert truth["b.mp4"].tolist() == [1.0]
