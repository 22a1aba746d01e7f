"""What goes wrong around the clips: the disk, Ctrl-C, models and labels that do not fit. How to
write the record anew: tests.commands.bad_input_runs."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core import artifact
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from tests.commands.bad_input_drawing import good
from tests.commands.bad_input_runs import NETWORKS, batch, compare, grey_project, run, said, single
from tests.poses.grey_people import film, walk
from tests.processes import invoke

ROOT = Path(__file__).parents[2]

# la2ds with a pose network that takes its time, and tells when it has begun. A shell starts what it
# runs in the background with Ctrl-C ignored, this test included: here it counts.
SLOW = """
import os, signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path[:0] = [".", "models"]
from la2ds_cli.main import main
from tests.poses import grey_people
estimate = grey_people.GreyPose.estimate
def slow(self, images, boxes):
    time.sleep(0.02 * len(images))
    Path(os.environ["BEGUN"], str(time.time_ns())).touch()
    return estimate(self, images, boxes)
grey_people.GreyPose.estimate = slow
main()
"""


def interrupted(tmp_path: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A command that gets Ctrl-C once the pose network has done some of its work."""
    begun = tmp_path / "begun"
    begun.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "BEGUN": str(begun)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        until = time.monotonic() + 300
        while len(list(begun.iterdir())) < 4 and command.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.02)
        command.send_signal(signal.SIGINT)
        stdout, stderr = command.communicate(timeout=300)
    return subprocess.CompletedProcess([], command.returncode, stdout, stderr)


def test_ctrl_c_ends_a_batch_and_the_same_command_goes_on(tmp_path: Path) -> None:
    for number in range(3):
        film(tmp_path / "clips" / f"{number}.mp4", walk(200, start=20 + 10 * number, step=0))
    arguments = (tmp_path / "clips", "--project", tmp_path / "p", *NETWORKS, "--json")
    ended = interrupted(tmp_path, "extract-poses", *arguments)
    assert ended.returncode == ExitCode.INTERRUPTED
    assert ended.stdout == ""
    assert ended.stderr.endswith("\ninterrupted; run the same command again to go on\n")
    assert "Traceback" not in ended.stderr
    assert "Exception" not in ended.stderr
    assert not StoredProject.open(tmp_path / "p").videos()
    kept = list((tmp_path / "p" / "poses" / "partial").rglob("*.safetensors"))
    assert kept
    assert not list((tmp_path / "p").rglob(".tmp-*"))
    found = batch(tmp_path / "p", tmp_path / "clips")
    assert [item["status"] for item in found["items"]] == ["ok"] * 3
    assert not any(path.exists() for path in kept)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = good(tmp_path / "clips" / "a.mp4"), good(tmp_path / "clips" / "b.mp4", start=60)
    project = grey_project(tmp_path / "p")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(artifact.os, "fsync", full)
        for kind, found in (("batch", batch(project, a)), ("single", single(project, a, b))):
            # The name ends in a digest of the content, which the encoder decides.
            found["message"] = found["message"].replace(artifact.file_digest(a)[:8], "DIGEST")
            compare("disk full", kind, found, tmp_path)
    assert not list(project.rglob(".tmp-*"))
    assert single(project, a, b)["exit_code"] == ExitCode.OK


# --- models and labels ------------------------------------------------------------------------


def as_hand(project: StoredProject, video: str) -> None:
    """Give a clip the joints of a hand."""
    pose, recipe = project.read_pose(video)
    xy = np.concatenate([pose.xy, pose.xy[:, :8]], axis=1)
    score = np.concatenate([pose.score, pose.score[:, :8]], axis=1)
    project.write_pose(video, replace(pose, xy=xy, score=score, skeleton="hand21"), recipe)


def test_a_model_of_another_skeleton(project: StoredProject, tmp_path: Path) -> None:
    to = ("--project", project.root)
    invoke("train", *to)
    as_hand(project, "clip-0")
    row, out = "model trained on another skeleton", ("--out", str(tmp_path / "ab.json"))
    pair = ("align", "clip-0", "clip-1", *to)
    compare("clips of two skeletons", "single", said(run(*pair)), tmp_path)
    compare("clips of two skeletons, train", "single", said(run("train", *to)), tmp_path)
    as_hand(project, "clip-1")
    by_model = ("--features", "model", *out)
    compare(row, "single", said(run(*pair, *by_model)), tmp_path)
    found = json.loads(run("embed", *to, "--json").stdout)
    (item,) = [item for item in found["items"] if item["video"] == "clip-1"]
    compare(row, "batch", {k: item[k] for k in ("status", "code", "message", "hint")}, tmp_path)


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_fewer_than_two_clips(tmp_path: Path, command: str) -> None:
    project = grey_project(tmp_path / "p")
    batch(project, good(tmp_path / "a.mp4"))
    result = run(command, "--project", project)
    compare(f"fewer than 2 clips, {command}", "single", said(result), tmp_path)
