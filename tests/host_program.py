"""A program of somebody else that uses la2ds: `python host_program.py PROJECT VIDEOS REPORT`.

A thread reads, writes and starts children by relative paths all the time. Meanwhile packages are
imported and every function of `import la2ds` is called. The report says what the thread lost, and
what each step changed in the process.
"""

from __future__ import annotations

import json
import logging
import random
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.process_state import differences, process_state

# Networks small enough that a run takes a second.
QUICK = {
    **{"model.input": "joints", "model.width": 16, "model.heads": 2, "model.temporal_layers": 1},
    **{"model.max_frames": 64, "train.steps": 2, "train.batch_size": 2, "train.frames": 16},
    **{"train.validate_every": 2, "train.threads": 1, "train.precision": "fp32"},
}


class Worker(threading.Thread):
    """Works in the folder in which the program was started, by relative paths."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.here = Path.cwd()
        self.reads = self.children = 0
        self.wrong: list[str] = []
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            try:
                self._work()
            except Exception as error:
                self.wrong.append(f"{type(error).__name__}: {error}")
            time.sleep(0.001)

    def _work(self) -> None:
        self.reads += 1
        text = Path("notes.txt").read_text("utf-8")
        if text != "of the host":
            self.wrong.append(f"read {text!r}")
        Path(f"written/{self.reads % 50}.txt").write_text(text, "utf-8")
        if not Path(self.here, f"written/{self.reads % 50}.txt").exists():
            self.wrong.append("written elsewhere")
        if self.reads % 20 == 0:
            self.children += 1
            started_in = subprocess.run(["pwd", "-P"], capture_output=True, text=True, check=True)
            if started_in.stdout.strip() != str(self.here.resolve()):
                self.wrong.append(f"a child in {started_in.stdout.strip()}")


class Steps:
    """Runs steps and records what each of them changed in the process."""

    def __init__(self) -> None:
        self.changes: dict[str, list[str]] = {}
        self.before = process_state()

    def do(self, name: str, call: Callable[[], Any]) -> Any:
        """Call a step, note what it changed, and return its result."""
        result = call()
        after = process_state()
        self.changes[name] = differences(self.before, after)
        self.before = after
        return result


def use(steps: Steps, la2ds: Any, project_folder: str, videos: Path) -> None:
    """Call every function and method of `import la2ds` that computes or writes something."""
    do = steps.do
    project = do("open", lambda: la2ds.open(project_folder, device="cpu"))
    do("Project.clips", project.clips)
    do("Project.poses", lambda: project.poses("clip0"))
    do("PoseSequence.to_frame", project.poses("clip0").to_frame)
    filmed = do("open (new)", lambda: la2ds.open("filmed", create=True, device="cpu"))
    grey = "tests.poses.grey_people"
    do("extract", lambda: la2ds.extract(filmed, videos / "a.mp4", detector=grey, pose=grey))
    two = [videos / "b.mp4", videos / "c.mp4"]
    extracted = do(
        "extract (torch)", lambda: la2ds.extract(filmed, two, detector=grey, pose="hrnet-demo")
    )
    do("Extracted.to_frame", extracted.to_frame)
    align_steps(do, la2ds, project)
    reading_steps(do, la2ds, project)
    do("train", lambda: la2ds.train(project, settings=QUICK))
    embedded = do("embed", lambda: la2ds.embed(project))
    assert embedded.clips
    do("align (model)", lambda: la2ds.align(project, "clip0", "clip1", features="model"))
    small = {"evaluate.trim_draws": 1, "evaluate.pairs": 6}
    evaluated = do("evaluate", lambda: la2ds.evaluate(project, settings=small))
    do("Evaluated.to_frame", evaluated.to_frame)
    loud = la2ds.open(project_folder, verbose=True)
    do("align (verbose)", lambda: la2ds.align(loud, "clip0", "clip1"))


def align_steps(do: Callable[..., Any], la2ds: Any, project: Any) -> None:
    """The functions that need no network of the user's."""
    aligned = do("align", lambda: la2ds.align(project, "clip0", "clip1"))
    do("Alignment.to_frame", aligned.to_frame)
    do("save", lambda: la2ds.save(project, aligned, "ab.png", "ab.svg", "ab.json"))
    poses = [project.poses(name) for name in ("clip0", "clip2")]
    made = do("joints", lambda: la2ds.joints(poses[0].xy, fps=25, skeleton=poses[0].skeleton))
    do("align_joints", lambda: la2ds.align_joints(made, poses[1]))
    timeline = do("align_all", lambda: la2ds.align_all(project))
    do("Timeline.to_frame", timeline.to_frame)
    do("Timeline.curves", timeline.curves)
    do("Timeline.save", lambda: timeline.save("t.svg", "t.csv"))
    do("align_all (groups)", lambda: la2ds.align_all(project, by="split"))
    do("offset", lambda: la2ds.offset(project, "clip0", "clip1", force=True))


def reading_steps(do: Callable[..., Any], la2ds: Any, project: Any) -> None:
    """What is read from joints and alignments, each with its tables."""
    measured = do("angles", lambda: la2ds.angles(project, "clip0"))
    do("ClipQuantities.to_frame", measured.to_frame)
    compared = do("compare", lambda: la2ds.compare(project, "clip0", "clip1", force=True))
    do("CompareResult.to_frame", compared.to_frame)
    found = do("retrieve", lambda: la2ds.retrieve(project, ("clip0", 0.5), 3))
    do("RetrievalResult.to_frame", found.to_frame)
    sources, targets = "clip0", ["clip1", "clip2"]
    transferred = do(
        "transfer_labels", lambda: la2ds.transfer_labels(project, sources, targets, write=True)
    )
    do("PropagationResult.to_frame", transferred.to_frame)
    do("PropagationResult.boundaries", transferred.boundaries)


def main(project_folder: str, videos: str, report: str) -> None:
    Path("written").mkdir()
    Path("notes.txt").write_text("of the host", "utf-8")
    random.seed(1)
    warnings.filterwarnings("error", message="of the host")
    logging.basicConfig(level=logging.INFO)
    worker = Worker()
    worker.start()
    steps = Steps()
    la2ds = steps.do("import la2ds", lambda: __import__("la2ds"))
    for name in ("numpy", "torch", "pandas"):  # by the host itself, after la2ds
        __import__(name)
    steps.before = process_state()
    use(steps, la2ds, project_folder, Path(videos))
    filters = [repr(entry) for entry in warnings.filters]
    while worker.reads < 1_000:
        time.sleep(0.1)
    worker.ended.set()
    worker.join()
    document = {
        "reads": worker.reads,
        "children": worker.children,
        "wrong": worker.wrong[:20],
        "changes": {name: lines for name, lines in steps.changes.items() if lines},
        "steps": list(steps.changes),
        "filters": filters,
        "public": [name for name in la2ds.__all__ if callable(getattr(la2ds, name))],
    }
    Path(report).write_text(json.dumps(document), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
