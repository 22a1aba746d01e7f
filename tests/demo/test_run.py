from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.demo.run import constant_speed, counterpart_error, run_demo
from la2ds_cli.video.reader import read_frames
from la2ds_cli.views.sync import SideBySide
from tests.processes import invoke
from tests.snapshots.snapshot import assert_matches, key_lines

NAN = np.nan


@pytest.fixture(autouse=True)
def fewer_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("la2ds_cli.demo.demo_clips.FPS", 12)  # the same movement


def made(root: Path) -> dict[Path, int]:
    """What is computed once, and when it was."""
    kept = ("videos/*", "poses/*", "checkpoints/**/*.safetensors")
    return {path: path.stat().st_mtime_ns for kind in kept for path in root.glob(kind)}


def check_files(document: dict[str, Any], count: int) -> None:
    """Each file is whole, and shows the two clips from the first frame to the last."""
    film, page, picture, *more = (Path(each["file"]) for each in document["files"])
    assert (len(more), len({each["shows"] for each in document["files"]})) == (count - 3, count)
    truth = document["truth"]
    shown = list(read_frames(film))
    assert len(shown) == truth["frames_of_a"]
    assert all(frame.image.shape == shown[0].image.shape for frame in shown)
    html = page.read_text("utf-8")
    assert html.rstrip().endswith("</html>")
    assert all(Path(truth[side]["path"]).stem in html for side in "ab")
    for path in (picture, *more):
        with Image.open(path) as image:
            image.load()
            assert min(image.size) > 300
    folder = Path(document["project"]) / "results"
    assert sorted(folder.glob("*/demo.*")) == sorted([film, page, picture, *more])


def test_the_demo_ends_with_what_shows_the_alignment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Interrupted while it writes the film; without training; again; and with it, each time from
    what is there."""
    root = tmp_path / "demo"

    def interrupted(*arguments: Any) -> None:
        if arguments[-1] == 9:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SideBySide, "_draw", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_demo(root, clips=8)
    assert [path for path in (root / "results").glob("*/*") if path.suffix != ".csv"] == []
    first = run_demo(root, clips=8)
    truth = first["truth"]
    assert set(first) == {"project", "clips", "truth", "files"}
    assert truth["frames"] > 15
    assert truth["median_error"] < truth["length"] / 4
    assert 0 <= truth["sure"] <= truth["frames_of_a"]
    check_files(first, 3)
    assert not (root / "checkpoints").exists()

    phases = root / "phases.csv"
    rendered = phases.read_text("utf-8")
    own = rendered.replace("rise", "my own", 1)
    phases.write_text(own, "utf-8")
    before = made(root)
    assert len(before) == 8 + 2 + 8
    again = invoke("demo", root)
    assert (made(root), phases.read_text("utf-8")) == (before, own)
    lines = [line.split(maxsplit=1) for line in again.stdout.splitlines()]
    for each in first["files"]:
        assert [each["file"], each["shows"]] in lines
    assert f"sure of {truth['sure']} of {truth['frames_of_a']} frames of A" in again.stdout
    assert f"median error {truth['median_error']:.1f} frames of B" in again.stdout
    assert f"constant speed: {truth['clock_median_error']:.1f}" in again.stdout
    assert "training" not in again.output
    assert "not shown to help" not in again.output
    assert again.stderr.splitlines()[-2:] == [
        f"next: la2ds studio --project {root}",
        "next: la2ds align YOUR.mp4 OTHER.mp4 --out ab.png",
    ]

    phases.write_text(rendered, "utf-8")
    trained = run_demo(root, clips=8, training=True, minutes=0.05)
    evaluation = trained["evaluation"]
    assert (trained["clips"], evaluation["clips"]) == (8, 2)
    assert trained["training"]["steps"] > 0
    assert {"model", "time_only", "raw_pose"} <= set(evaluation["features"])
    check_files(trained, 4)
    assert before.items() <= made(root).items()
    document = json.loads(json.dumps(trained, allow_nan=False))
    assert_matches("demo_keys.txt", key_lines([document]))

    before = made(root)
    shown = invoke("demo", root, "--train", "--minutes", "0.1")
    assert made(root) == before
    assert f"8 clips, {trained['training']['steps']} training steps" in shown.stdout
    assert all(each["file"] in shown.stdout for each in trained["files"])


def test_a_limit_of_training_needs_training(tmp_path: Path):
    result = invoke("demo", tmp_path / "demo", "--minutes", "1", code=ExitCode.USAGE)
    assert "--train" in result.stderr
    assert not (tmp_path / "demo").exists()


def test_a_project_of_your_own_is_not_touched(tmp_path: Path):
    StoredProject.create(tmp_path)
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
    assert f"{film.parent} contains files that the demo did not write" in result.stderr
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
