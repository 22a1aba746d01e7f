"""Every command, on clips so small that nearly all take seconds, and what the files of those that
write into a project hold apart from times of the clock. For tests of what faults and kills leave
behind."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from la2ds_cli.core.artifact import TEMPORARY
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.formats import wide_csv
from tests.drawn_clips import write_stamped
from tests.movement import sequence, warped_phase
from tests.poses.onnx_models import write_pose

_TRAIN = ["train.steps=4", "train.validate_every=2", "train.batch_size=2", "train.threads=1"]
_TRAIN += ["model.input=joints", "model.width=16", "model.heads=2", "model.temporal_layers=1"]
_CPU = ["--device", "cpu"]
CLIPS = ("anna-1", "anna-2", "ben-1", "ben-2")


def write_sources(root: Path) -> None:
    """What the commands read: pose files, a film of a bright square, a network, and labels."""
    for number, (name, length) in enumerate(zip(CLIPS, (20, 26, 23, 31), strict=True)):
        pose = sequence(warped_phase(length, seed=number))
        wide_csv.write_clip(pose, name, root / "poses" / f"{name}.csv")
    for number in range(2):
        images = []
        for t in range(8 + number):
            image = np.full((64, 96, 3), 40, np.uint8)
            image[8 + 3 * t : 32 + 3 * t, 30:60] = 230
            images.append(image)
        film = root / "films" / f"square-{number}.mp4"
        film.parent.mkdir(exist_ok=True)
        write_stamped(film, images, [t / 20 for t in range(len(images))])
    write_pose(root / "pose.onnx")


def commands(root: Path) -> dict[str, list[str]]:
    """Arguments of the commands in the order in which they build on each other."""
    project, filmed = ["--project", str(root / "project")], ["--project", str(root / "filmed")]
    sets = [part for setting in _TRAIN for part in ("--set", setting)]
    pose = ["--detector", "full-frame", "--pose", str(root / "pose.onnx"), *_CPU]
    a, b, c, d = (f"poses-{name}" for name in CLIPS)
    return {
        "init": ["init", str(root / "project")],
        "import": ["import", "wide-csv", str(root / "poses"), *project],
        "extract-poses": ["extract-poses", str(root / "films"), *pose, *filmed],
        "cache-heatmaps": ["lab", "cache-heatmaps", *project],
        "train": ["train", *sets, *_CPU, *project],
        "embed": ["embed", *_CPU, *project],
        "align": [
            *("align", a, b, "--run", "default", *_outs(root, "ab.csv", "ab.json")),
            *(*_CPU, *project),
        ],
        "compare": ["compare", a, c, *_outs(root, "ac.csv", "ac.json"), *_CPU, *project],
        "retrieve": ["retrieve", "--query", f"{a}@0.5", "--k", "3", *_CPU, *project],
        "transfer-labels": [
            *(*f"transfer-labels --from {a} --from {b} --to {d}".split(), *_CPU, *project)
        ],
        "evaluate": ["evaluate", *_CPU, *project],
        "plot-embeddings": [
            "lab",
            "plot-embeddings",
            a,
            b,
            *_outs(root, "p.json"),
            *_CPU,
            *project,
        ],
        "report": ["report", a, b, *_CPU, *project],
        "export": ["export", "coco-json", *project],
        "export-folders": ["export", "openpose-json", a, b, *project],
        "sync": ["sync", a, b, "--height", "64", *_outs(root, "ab.mp4"), *_CPU, *project],
    }


def other_commands(root: Path) -> dict[str, tuple[list[str], ExitCode]]:
    """Arguments of the commands that `commands` leaves out, to be run after those, and their exit
    codes; `studio` is none of them, as it does not end by itself."""
    project = ["--project", str(root / "project")]
    labels, out = str(root / "labels"), str(root / "out")
    offset = [f"poses-{name}" for name in CLIPS[1::2]]  # that last a second
    film, filmed = str(root / "films" / "square-0.mp4"), ["--project", str(root / "filmed")]
    settings = ("train.steps=2", "train.batch_size=2")
    settings += ("model.width=16", "model.heads=2", "model.temporal_layers=1")
    scored = [part for setting in settings for part in ("--set", setting)] + _CPU
    return {
        "export-labels": (
            ["export", "labels", "elan", *project, "--out", labels],
            ExitCode.PARTIAL,
        ),
        "import-labels": (
            ["import", "labels", "elan", labels, "--overwrite", *project],
            ExitCode.OK,
        ),
        "timeline": (["timeline", *project, "--out", f"{out}/timeline.csv"], ExitCode.OK),
        "repetitions": (
            ["repetitions", f"poses-{CLIPS[0]}", *project, "--out", f"{out}/r.csv"],
            ExitCode.OK,
        ),
        "offset": (
            ["offset", *offset, "--force", *project, "--out", f"{out}/offsets.csv"],
            ExitCode.OK,
        ),
        "live": (["live", film, film, "--every-frame", *filmed, *_CPU], ExitCode.OK),
        "benchmark": (
            ["benchmark", "--methods", "la2ds", *scored, *project, "--out", out],
            ExitCode.OK,
        ),
        "reproduce": (["reproduce", "table7", *scored, *project], ExitCode.OK),
        "demo": (["demo", str(root / "demo"), "--train", "--minutes", "0.1", *_CPU], ExitCode.OK),
        "status": (["status", *project], ExitCode.OK),
        "doctor": (["doctor"], ExitCode.OK),
        "models": (["models", "ls"], ExitCode.OK),
        "remove": (["remove", f"poses-{CLIPS[3]}", *project], ExitCode.OK),
    }


def before(root: Path, name: str) -> None:
    """What a person does before the command `name`: once the clips are imported, labels three of
    them and asks for a short evaluation."""
    if name == "cache-heatmaps":
        with (root / "project" / "project.toml").open("a") as settings:
            settings.write("[evaluate]\npairs = 4\ntrim_draws = 1\n")
        rows = ["video,start,end,phase"]
        for clip in CLIPS[:3]:
            rows += [f"poses-{clip},0,9,down", f"poses-{clip},9,20,up"]
        (root / "project" / "phases.csv").write_text("\n".join(rows) + "\n")


def _outs(root: Path, *names: str) -> list[str]:
    return [part for name in names for part in ("--out", str(root / "out" / name))]


# --- what is left --------------------------------------------------------------------------------

# Of the clock, or of what the last run itself did: no result.
_OF_A_RUN = re.compile(r"(^|/)logs/|/results/(extract|import)/|\.lock$")
_CLOCK = re.compile(
    rb'"(seconds|\w*_share|kept|added)": [-+.\de]+|\d{4}-\d\d-\d\dT[\d:]+\+00:00'
    rb"|\| (time|drawing|waiting)[^|]*\|[^|]*\|"
)

# Which file on this disk a video was: every copy has another stamp.
_FILE_STAMP = re.compile(rb'\\?"source\\?": ?\\?"[^"\\]*\\?"')


def contents(root: Path) -> dict[str, str]:
    """sha256 of every file below the root that is a result, by its path. Times of the clock and
    temporary files are left out."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in _results(root)}


def _results(root: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not _OF_A_RUN.search(name) and TEMPORARY not in name:
            yield name, _timeless(path)


def _timeless(path: Path) -> bytes:
    data = path.read_bytes()
    if path.name == "resume.pt":
        return _of_state(path)
    if path.suffix == ".mp4":
        return _of_film(path)
    if path.suffix == ".safetensors":
        return _FILE_STAMP.sub(b"", data[8:]).replace(b" ", b"")  # the header has its length
    return _CLOCK.sub(b"", data) if path.suffix in (".json", ".jsonl", ".csv", ".md") else data


def _of_film(path: Path) -> bytes:
    """How many frames it has, and their size: pixels at the border of a picture whose sides are no
    multiples of 16 depend on what lies beside it in the memory of the encoder."""
    with av.open(str(path)) as container:
        return str([(frame.width, frame.height) for frame in container.decode(video=0)]).encode()


def _of_state(path: Path) -> bytes:
    """The network and its optimiser; the state also counts the seconds."""
    import torch

    state: Any = torch.load(path, map_location="cpu", weights_only=True)
    weights = b"".join(tensor.numpy().tobytes() for tensor in state["network"].values())
    return weights + json.dumps(state["state"]["step"]).encode()


def temporary(root: Path) -> list[str]:
    """Files and folders that a write leaves unless it removes them."""
    paths = root.rglob("*")
    return [
        str(p.relative_to(root)) for p in paths if p.name.startswith((TEMPORARY, ".tmp-", ".part-"))
    ]


def fresh_copy(source: Path, target: Path) -> None:
    """The tree at `source` in the place of whatever is at `target`."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
