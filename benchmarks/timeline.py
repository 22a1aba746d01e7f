"""Many clips on one timeline: what they cost, and how exact it is beside aligning every pair.

    OMP_NUM_THREADS=1 python benchmarks/timeline.py cost --work DIR [--clips 100,300,1000]
        [--frames 100] [--rounds 1]
    OMP_NUM_THREADS=1 python benchmarks/timeline.py accuracy --work DIR --penn PENN
        --phases PHASES.csv [--pairs 300]

cost: CPU seconds of whole calls of `la2ds timeline` (user and system, least of the rounds) on
performers of the demo, each clip with noise of its own. `base, first` also computes the embeddings,
`base, again` has them. The last column is what a path of every pair would take, by the time of 200
of them in the same run. accuracy: events of the training clips of three actions of Penn Action,
taken from clip to clip through the timeline and by one path of DTW of the same features; three
random subsets of four fifths of the clips. PENN: a folder with labels/*.mat; PHASES.csv: video,
start, end, phase. Results: docs/results/timeline.md.
"""

from __future__ import annotations

import argparse
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from many_clips import performers, run
from people import penn_project

from la2ds_cli.alignment.clip_features import FeatureSource
from la2ds_cli.alignment.consensus import pairwise_path
from la2ds_cli.alignment.request import AlignRequest, FeatureKind, choose_features
from la2ds_cli.alignment.timeline import align_all
from la2ds_cli.alignment.timeline_result import PlacedClip, TimelineResult
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.features.viewpoint import movements

ACTIONS = ("golf_swing", "squat", "pullup")
SUBSETS, SHARE = 3, 0.8
GOAL = 1.05  # error through the timeline, as a multiple of that of direct paths
SAMPLED = 200  # paths, of which the cost of all pairs is computed


# --- cost ----------------------------------------------------------------------------------------


def of_length(pose: PoseSequence, frames: int, rng: np.random.Generator) -> PoseSequence:
    """A clip of a number of frames, between those of `pose`, with noise of 0.3 pixels."""
    at = np.linspace(0, len(pose) - 1, frames)
    low = np.minimum(at.astype(int), len(pose) - 2)
    share = (at - low)[:, None, None]
    xy = (1 - share) * pose.xy[low] + share * pose.xy[low + 1]
    return replace(
        pose,
        xy=xy + rng.normal(0, 0.3, xy.shape),
        score=np.ones(xy.shape[:2]),
        box=np.full((frames, 4), np.nan),
        frame=np.arange(frames),
        time=np.arange(frames) / pose.fps,
        world=None,
    )


def make_project(root: Path, clips: int, frames: int) -> Project:
    """A project of so many clips; one that is there is taken as it is."""
    project = Project.create(root)
    if project.videos_path.exists():
        return project
    bases, rng = performers(), np.random.default_rng(0)
    videos = []
    for number in range(clips):
        pose = of_length(bases[number % len(bases)], frames, rng)
        name = f"clip-{number:06d}"
        project.write_pose(name, pose, Recipe("import", 1, {"format": "test"}, {"labels": name}))
        path, digest = f"/videos/{name}.mp4", f"{number:064x}"
        videos.append(Video(name, path, digest, frames, pose.fps, *pose.size))
    project.add_videos(videos)
    return project


def seconds_of_a_path(project: Project, frames: int) -> float:
    """CPU seconds of one path of two clips by raw poses, the mean of SAMPLED."""
    poses = [project.read_pose(name)[0] for name in sorted(project.posed())[:20]]
    features = [paced_movement(pose).astype(np.float32) for pose in poses]
    settings = project.config().align
    count = len(poses)
    pairs = [(n % count, (7 * n + 1 + n // count) % count) for n in range(SAMPLED)]
    pairwise_path(features[0], features[1], settings)  # compiles
    start = time.process_time()
    for a, b in pairs:
        pairwise_path(features[a], features[b], settings)
    return (time.process_time() - start) / SAMPLED


def cost(work: Path, counts: list[int], frames: int, rounds: int) -> None:
    print(
        f"| clips of {frames} frames | raw poses | base, first | base, again | MB "
        "| ms a clip (raw poses) | paths of all pairs |\n" + "| --- " * 7 + "|"
    )
    for clips in counts:
        project = make_project(work / f"clips-{clips}-{frames}", clips, frames)
        arguments = ["timeline", "--project", str(project.root), "--quiet"]
        arguments += ["--out", str(work / "timeline.csv"), "--features"]
        taken: dict[str, float] = {}
        highest = 0.0
        for _ in range(rounds):
            shutil.rmtree(project.root / "embeddings", ignore_errors=True)
            for name in ("pose", "base, first", "base, again"):
                seconds, memory = run([*arguments, name.partition(",")[0]])
                taken[name] = min(seconds, taken.get(name, seconds))
                highest = max(highest, memory)
        pairs = clips * (clips - 1) / 2 * seconds_of_a_path(project, frames)
        print(
            f"| {clips} | {taken['pose']:.1f} s | {taken['base, first']:.1f} s "
            f"| {taken['base, again']:.1f} s | {highest:.0f} "
            f"| {1000 * taken['pose'] / clips:.1f} | {pairs:.0f} s |",
            flush=True,
        )


# --- accuracy ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Events:
    """Rows of a clip at which a phase begins, but the first; length: frames of the clip."""

    row: dict[str, int]
    length: int


def events_of(project: Project, video: str) -> Events:
    frames = project.read_pose(video)[0].frame
    rows = {}
    for phase in sorted(project.phases().get(video, []), key=lambda phase: phase.start)[1:]:
        at = np.flatnonzero(frames == phase.start)
        if len(at):
            rows.setdefault(phase.name, int(at[0]))
    return Events(rows, len(frames))


def through(a: PlacedClip, b: PlacedClip, row: int) -> float:
    """The row of B that shows what a row of A does, by the timeline; of ends that B lacks, its
    first or last one."""
    known = np.flatnonzero(~np.isnan(a.position))
    place = a.position[known[np.abs(known - row).argmin()]]
    shown = b.position[~np.isnan(b.position)]
    return float(b.row_at(np.array([np.clip(place, shown[0], shown[-1])]))[0])


def directly(forward: FloatArray, row: int) -> float:
    known = np.flatnonzero(~np.isnan(forward))
    return float(forward[known[np.abs(known - row).argmin()]])


def features_of(project: Project, request: AlignRequest, result: TimelineResult) -> dict:
    """id -> (T, D) features of a clip in the view in which it was placed."""
    clock = project.read_pose(result.clock.video.id)[0]
    choice = choose_features(project, request.run, request.features)
    source = FeatureSource(project, choice.kind, request.run, clock, request.settings)
    found = {}
    for clip in result.clips:
        pose = project.read_pose(clip.video.id)[0]
        moving = movements(pose, (clip.view,), clock)[clip.view]
        found[clip.video.id] = source.features(pose, moving, clip.view, clock)
    return found


def errors(
    project: Project, features: FeatureKind, seed: int, pairs: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of the events, in % of the length of B: by direct paths, and through the timeline."""
    events = {v.id: events_of(project, v.id) for v in project.videos() if v.split == "train"}
    ids = sorted(video for video, known in events.items() if known.row)
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(ids, round(SHARE * len(ids)), replace=False).tolist())
    request = AlignRequest(project.config(), features=features)
    result = align_all(project, chosen, request)
    placed = {clip.video.id: clip for clip in result.clips}
    value = features_of(project, request, result)
    names = list(placed)
    direct, by_timeline = [], []
    for _ in range(pairs):
        a, b = rng.choice(names, 2, replace=False).tolist()
        forward = pairwise_path(value[a], value[b], request.settings).forward
        for name, row in events[a].row.items():
            if name in events[b].row:
                true, length = events[b].row[name], events[b].length
                direct.append(100 * abs(directly(forward, row) - true) / length)
                by_timeline.append(100 * abs(through(placed[a], placed[b], row) - true) / length)
    return np.array(direct), np.array(by_timeline)


def accuracy(work: Path, penn: Path, phases: Path, pairs: int) -> None:
    print(
        "| clips, features | direct | through the timeline | ratio of medians | ratio of means |\n"
        + "| --- " * 5
        + "|"
    )
    for action in ACTIONS:
        project = penn_project(penn, action, work / action, phases)
        kinds: tuple[FeatureKind, ...] = ("base", "pose")
        for kind in kinds:
            found = [errors(project, kind, seed, pairs) for seed in range(SUBSETS)]
            texts = [
                ", ".join(f"{np.median(one[n]):.2f}/{one[n].mean():.2f}" for one in found)
                for n in (0, 1)
            ]
            ratios = [
                [statistic(timeline) / statistic(direct) for direct, timeline in found]
                for statistic in (np.median, np.mean)
            ]
            shown = [
                ", ".join(f"**{r:.2f}**" if r > GOAL else f"{r:.2f}" for r in each)
                for each in ratios
            ]
            name = {"base": "base model", "pose": "raw poses"}[kind]
            print(f"| {action}, {name} | {' | '.join([*texts, *shown])} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("cost", "accuracy"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--clips", default="100,300,1000")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--penn", type=Path)
    parser.add_argument("--phases", type=Path)
    parser.add_argument("--pairs", type=int, default=300)
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    if chosen.what == "cost":
        counts = [int(part) for part in chosen.clips.split(",")]
        cost(chosen.work, counts, chosen.frames, chosen.rounds)
    elif chosen.penn is None or chosen.phases is None:
        parser.error("accuracy needs --penn and --phases")
    else:
        accuracy(chosen.work, chosen.penn, chosen.phases, chosen.pairs)


if __name__ == "__main__":
    main()
