"""Runs that are killed, stopped or shut out: nothing done is lost, nothing half-done is taken."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.extract import extract_poses
from tests.poses import grey_people
from tests.poses.grey_people import CONFIG, film, same_poses, walk
from tests.processes import run_python

ROOT = Path(__file__).parents[2]

KILLED = """
import os, signal, sys
sys.path[:0] = [".", "models"]
from pathlib import Path
from la2ds_cli.poses import chunks, extraction
from la2ds_cli.poses.extract import extract_poses
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from tests.poses.grey_people import CONFIG

frames = int(sys.argv[3])

class Killer(Progress):
    done = 0
    def advance(self, amount=1):
        self.done += amount if amount > 1 else 0
        if self.done >= frames:
            os.kill(os.getpid(), signal.SIGKILL)

extraction.Extraction.shares = lambda run, sources: (1, 2)
chunks.Stage.__init__.__defaults__ = (0.0, chunks.time.monotonic)
extract_poses(StoredProject.open(Path(sys.argv[1])), [sys.argv[2]], CONFIG, progress=Killer())
"""


def kill_after(frames: int, project: StoredProject, path: Path) -> None:
    """Extract and die once `frames` frames were counted, over both passes."""
    run_python("-c", KILLED, project.root, path, str(frames), code=-signal.SIGKILL, cwd=ROOT)


def test_a_killed_batch_keeps_the_clips_that_were_done(tmp_path: Path) -> None:
    for number in range(3):
        film(tmp_path / "clips" / f"{number}.mp4", walk(20, start=40 + 10 * number))
    killed, whole = (
        StoredProject.create(tmp_path / "killed"),
        StoredProject.create(tmp_path / "whole"),
    )
    kill_after(50, killed, tmp_path / "clips")
    assert len(killed.videos()) == 1
    results = extract_poses(killed, [str(tmp_path / "clips")], CONFIG)
    assert [r.status for r in results] == ["cached", "ok", "ok"]
    extract_poses(whole, [str(tmp_path / "clips")], CONFIG)
    assert killed.videos() == whole.videos()
    same_poses(killed, whole, [r.video for r in results])
    assert not list((killed.root / "poses" / "partial").iterdir())


@pytest.mark.parametrize("frames", [70, 160])
def test_a_killed_run_goes_on_inside_a_long_clip(tmp_path: Path, monkeypatch, frames: int) -> None:
    """Killed in the pass of the detector, and in that of the pose network."""
    film(tmp_path / "long.mp4", walk(100, step=1))
    killed, whole = (
        StoredProject.create(tmp_path / "killed"),
        StoredProject.create(tmp_path / "whole"),
    )
    (expected,) = extract_poses(whole, [str(tmp_path / "long.mp4")], CONFIG)
    kill_after(frames, killed, tmp_path / "long.mp4")
    assert not killed.videos()
    seen = {"detect": 0, "estimate": 0}
    for kind, name in ((grey_people.GreyDetector, "detect"), (grey_people.GreyPose, "estimate")):
        original = getattr(kind, name)

        def counted(self, images, *rest, original=original, name=name):
            seen[name] += len(images)
            return original(self, images, *rest)

        monkeypatch.setattr(kind, name, counted)
    (result,) = extract_poses(killed, [str(tmp_path / "long.mp4")], CONFIG)
    assert result == expected
    same_poses(killed, whole, [result.video])
    if frames < 100:
        assert 0 < seen["detect"] < 30
        assert seen["estimate"] >= 100
    else:
        assert seen["detect"] == 0
        assert 0 < seen["estimate"] < 90
