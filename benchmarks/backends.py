"""Measure a pose backend on real footage: one row of docs/results/pose-extraction.md.

    python benchmarks/backends.py CLIP|DIR ... --pose NAME --detector NAME [--phases phases.csv]
        [--subject 2] [--work DIR]

Extracts the clips anew and prints a Markdown row under its heading:

* `s per frame`: wall time of the whole step, loading the networks included, and in brackets the
  time of all cores, which other work on the machine changes less;
* `seen`: share of the frames with the subject;
* `jitter`: noise of the joints in torso lengths, median over the clips, as `extract-poses`
  measures it (la2ds_cli.poses.quality);
* `event error`: where the clips that --phases labels are aligned pair by pair by their raw poses
  (plain, closed ends) on trimmed clips, how far off the labelled events land: mean and median in %
  of a clip, by the protocol of `la2ds evaluate`, each pair trimmed 20 times. Labels of people
  judge the joints this way.

--work keeps the project, for its poses and sheets; otherwise it is thrown away.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from la2ds_cli.core.config_sections import EvaluateConfig, PosesConfig
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.evaluation.event_transfer import draw_trims, transfer_events
from la2ds_cli.evaluation.events import choose_events
from la2ds_cli.evaluation.features import raw_variants
from la2ds_cli.poses.extract import extract_poses
from la2ds_cli.poses.quality import assess

DRAWS = 20  # of trims of each pair: few clips have labels
HEAD = """\
| detector, pose network | frames | s per frame (all cores) | seen | jitter \
| event error, mean (median) |
| --- | --- | --- | --- | --- | --- |"""


def event_errors(project: StoredProject) -> list[float]:
    """Errors in % of B of every event of every trimmed pair of labelled clips, by raw poses."""
    phases = project.phases()
    poses = {video: project.read_pose(video)[0] for video in phases}
    clips, source, notes = choose_events(poses, phases)
    if source != "phases":
        raise SystemExit(f"the labels are of no use: {notes[-1]}")
    draws = draw_trims(clips, EvaluateConfig(trim_draws=DRAWS))
    return [error.percent for error in transfer_events(clips, draws, raw_variants()[0].align)]


def row(project: StoredProject, given: argparse.Namespace) -> str:
    """Extract the clips into the project, which must be new, and measure."""
    config = PosesConfig(detector=given.detector, pose=given.pose, subject=given.subject)
    wall, cpu = time.perf_counter(), time.process_time()
    results = extract_poses(project, given.clips, config)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    for result in results:
        if not result.usable:
            print(f"left out: {result.path}: {result.message}")
    poses = [project.read_pose(video.id)[0] for video in project.videos()]
    facts, lengths = [assess(pose) for pose in poses], [len(pose) for pose in poses]
    frames = sum(lengths)
    seen = np.average([of["coverage"] for of in facts], weights=lengths)
    jitter = np.median([of["jitter"] for of in facts if of["jitter"] is not None])
    error = "–"
    if given.phases:
        shutil.copyfile(given.phases, project.phases_path)
        errors = event_errors(project)
        error = f"{np.mean(errors):.1f} % ({np.median(errors):.1f} %)"
    names = ", ".join(Path(name).name for name in (given.detector, given.pose))
    spent = f"{wall / frames:.3f} ({cpu / frames:.3f})"
    return f"| {names} | {frames} | {spent} | {seen:.1%} | {jitter:.4f} | {error} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--pose", required=True)
    parser.add_argument("--detector", required=True)
    parser.add_argument("--phases", default="")
    parser.add_argument("--subject", default="auto")
    parser.add_argument("--work", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = StoredProject.create(given.work or Path(folder))
        if project.videos():
            raise SystemExit(f"{project.root} has clips already: name a new folder with --work")
        print(HEAD)
        print(row(project, given))


if __name__ == "__main__":
    main()
