"""Commands on a project of very many clips, beside the same on one of 100.

    OMP_NUM_THREADS=1 python benchmarks/many_clips.py --work DIR [--clips 100000] [--rounds 3]
        [--only COMMAND,...] [--per-second 10] [--keep]

The poses are made here: performers of the demo at 10 frames per second, 20 to 40 frames (at 30, 60
to 120), each clip with noise of its own, in files as extraction writes them. No videos stand behind
them but one, rendered for `extract`. --only has to name `evaluate`, for which labels are made here,
`retrieve` and `timeline`.
Both projects answer each command in turn, each in a process of its own. Figures: CPU seconds of the
process and its children (least of the rounds) and the highest resident memory (of all rounds).
100,000 clips take 1.3 GB below --work, which are removed in the end unless --keep is given; a
project that is there already is used as it is.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from la2ds_cli.core.artifact import _HEADER, SCHEMA, _canonical
from la2ds_cli.core.clip import VIDEO_COLUMNS, Video, row_of
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.demo.demo_clips import performed, write_demo_clips
from la2ds_cli.poses.current import networks_of, pose_recipe

FEW = 100
PERFORMERS = 64
# The networks of the demo, which ship with la2ds, so that nothing is fetched.
SETTINGS = {"preset": "default", "poses": {"detector": "full-frame", "pose": "hrnet-demo"}}


def performers(per_second: int = 10) -> list[PoseSequence]:
    """PERFORMERS clips of true joints, thinned to so many of the 30 frames per second."""
    poses = []
    for index in range(PERFORMERS):
        pose, _ = performed(index, PERFORMERS, seed=0)
        every = slice(None, None, 30 // per_second)
        length = len(pose.xy[every])
        poses.append(
            replace(
                pose,
                xy=pose.xy[every],
                score=pose.score[every],
                box=np.full((length, 4), np.nan),
                frame=np.arange(length),
                time=np.arange(length) / per_second,
                fps=float(per_second),
                world=None,
            )
        )
    return poses


def make_project(root: Path, clips: int, per_second: int) -> StoredProject:
    """A project of `clips` extracted clips; one that is there is opened."""
    project = StoredProject.create(root, SETTINGS)
    if project.videos_path.exists():
        return project
    config = project.config().poses
    networks = networks_of(config)[0]
    bases, rng = performers(per_second), np.random.default_rng(0)
    folder = project.pose_path("any").parent
    folder.mkdir(parents=True, exist_ok=True)
    videos = []
    for number in range(clips):
        base = bases[number % PERFORMERS]
        xy = base.xy + rng.normal(0, 0.3, base.xy.shape)
        info = {"frames": len(xy), "persons": 1, "detector": "full-frame", "pose": "hrnet-demo"}
        arrays, facts = replace(base, xy=xy, info=info).to_arrays()
        digest = f"{number:064x}"
        recipe = pose_recipe(config, *networks, digest)
        video = f"clip-{number:06d}-{digest[-8:]}"
        # Not by artifact.write_arrays, which waits for the disk each time.
        header = {"schema": SCHEMA, "key": recipe.key, "recipe": recipe.to_json(), "facts": facts}
        written = save(arrays, metadata={_HEADER: _canonical(header)})
        (folder / f"{video}.safetensors").write_bytes(written)
        path = f"/videos/{number // 1000:03d}/clip-{number:06d}.mp4"
        split = "test" if number % 5 == 0 else "train"
        size = base.size
        videos.append(Video(video, path, digest, len(xy), base.fps, *size, split=split))
    rows = (list(row_of(video).values()) for video in videos)
    project.videos_path.write_text(table_text(VIDEO_COLUMNS, rows), "utf-8")
    return project


def label(project: StoredProject) -> None:
    """Two phases of each clip, which meet somewhere in its middle; labels that are there stay."""
    if project.phases_path.exists():
        return
    rng = np.random.default_rng(1)
    rows = []
    for video in project.videos():
        middle = int(video.frames * rng.uniform(0.4, 0.6))
        spans = ((0, middle, "down"), (middle, video.frames, "up"))
        rows += [(video.id, start, end, phase) for start, end, phase in spans]
    text = table_text(("video", "start", "end", "phase"), rows)
    project.phases_path.write_text(text, "utf-8")


# --- the commands --------------------------------------------------------------------------------


def write_joints(path: Path, seed: int) -> None:
    """A CSV file of joints, one row for each frame, for `la2ds import wide-csv`."""
    pose = performers()[0]
    names = get_skeleton(pose.skeleton).joints
    xy = pose.xy + np.random.default_rng(seed).normal(0, 0.3, pose.xy.shape)
    columns = ["frame", *(f"{name}_{axis}" for name in names for axis in "xy")]
    rows = ([n, *row.reshape(-1).tolist()] for n, row in enumerate(xy))
    path.write_text(table_text(columns, rows), "utf-8")


# Started by a bare Python: a process begins with the highest memory of the one that starts it, and
# this one has made a project.
_MEASURED = """
import os, sys
program = "from la2ds_cli.main import main; main()"
process = os.posix_spawn(
    sys.executable,
    [sys.executable, "-c", program, *sys.argv[1:]],
    os.environ,
    file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
)
_, status, usage = os.wait4(process, 0)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def run(arguments: list[str]) -> tuple[float, float]:
    """CPU seconds and highest resident memory in MB of a command."""
    command = [sys.executable, "-I", "-S", "-c", _MEASURED, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"la2ds {' '.join(arguments)} failed")
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory


def arguments_of(name: str, work: Path, number: int) -> list[str]:
    """The command `name` of a round; a new file for each where files are read."""
    if name == "status":
        return ["status"]
    if name == "align":
        return ["align", "clip-000003", "clip-000007", "--features", "pose"]
    if name == "align-auto":
        return ["align", "clip-000003", "clip-000007"]
    if name == "extract":
        folder = work / f"video-{number}"
        if not folder.exists():
            write_demo_clips(folder, 1, seed=number)
        return ["extract-poses", *map(str, sorted(folder.glob("*.mp4")))]
    if name == "import":
        path = work / f"joints-{number}.csv"
        write_joints(path, number)
        return ["import", "wide-csv", str(path), "--skeleton", "coco17", "--fps", "10"]
    if name == "retrieve":
        return ["retrieve", "--query", "clip-000003@1", "--features", "pose"]
    if name == "timeline":
        return ["timeline", "--features", "base", "--out", str(work / "timeline.csv")]
    if name == "evaluate":
        return ["evaluate"]
    raise SystemExit(f"no command {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="status,align,align-auto,extract,import")
    parser.add_argument("--per-second", type=int, default=10, help="10, 15 or 30")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    roots = {n: options.work / f"clips-{n}" for n in (FEW, options.clips)}
    commands = options.only.split(",")
    for clips, root in roots.items():
        project = make_project(root, clips, options.per_second)
        if "evaluate" in commands:
            label(project)
    columns = "command", f"CPU s, {FEW} clips", f"CPU s, {options.clips:,}", "ratio", "more, s"
    print(f"| {' | '.join(columns)} | MB |\n{'| --- ' * 6}|")
    for name in commands:
        figures: dict[int, list[tuple[float, float]]] = {n: [] for n in roots}
        for number in range(options.rounds):
            # Projects that were kept know the files of earlier calls.
            arguments = arguments_of(name, options.work, int(time.time()) + number)
            for clips, root in roots.items():
                figures[clips].append(run([*arguments, "--project", str(root)]))
        few, many = (min(cpu for cpu, _ in figures[n]) for n in roots)
        memory = "→".join(f"{max(mb for _, mb in figures[n]):.0f}" for n in roots)
        found = " | ".join(f"{one:.2f}" for one in (few, many, many / few, many - few))
        print(f"| {name} | {found} | {memory} |", flush=True)
    for root in () if options.keep else roots.values():
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
