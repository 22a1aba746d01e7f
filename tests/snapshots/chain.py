"""Every command once, as it is typed, on a project of six clips and on what it exports."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner

from la2ds_cli.commands.app import app
from tests.drawn_clips import write_stamped
from tests.poses.onnx_models import write_pose
from tests.small_runs import six_clips

SETTINGS = """
[model]
width = 12
heads = 2
spatial_layers = 1
temporal_layers = 1

[train]
steps = 20
batch_size = 4
frames = 24
validate_every = 10
threads = 1

[evaluate]
trim_draws = 2
pairs = 20
"""
QUICK = [
    *("--set", "train.steps=2", "--set", "train.validate_every=2", "--set", "train.batch_size=2"),
    *("--set", "evaluate.trim_draws=1", "--set", "evaluate.pairs=4"),
]
CPU = ["--device", "cpu"]


@dataclass
class Chain:
    """What the commands said and left behind.

    documents: command as in `la2ds COMMAND` -> what --json printed, in order. exits: the commands
    with their exit codes.
    """

    root: Path
    project: Path
    documents: dict[str, list[Any]] = field(default_factory=dict)
    exits: list[str] = field(default_factory=list)

    def run(self, command: str, *arguments: str, project: Path | None = None) -> None:
        """One command with --json; `project` is another one than that of the chain."""
        given = [*command.split(), *arguments, "--json"]
        if not command.startswith(("doctor", "models", "init")):
            given += ["--project", str(project or self.project)]
        # No weights but those in the package, whatever is on this machine.
        result = CliRunner().invoke(app, given, env={"LA2DS_HOME": str(self.root / "home")})
        code = result.exit_code
        assert code not in (1, 2), f"{given}: {result.stderr or result.exception!r}"
        self.exits.append(f"{command} {self._plain(arguments)}".strip() + f": {code}")
        self.documents.setdefault(command, []).append(json.loads(result.stdout))

    def _plain(self, arguments: Sequence[str]) -> str:
        return " ".join(arguments).replace(f"{self.root}/", "")


def run_chain(root: Path) -> Chain:
    """From poses to results, then the ways in and out, then what is no part of a project."""
    project = six_clips(root / "project").root
    with (project / "project.toml").open("a", encoding="utf-8") as file:
        file.write(SETTINGS)
    chain = Chain(root, project)
    _from_poses(chain)
    _measure(chain)
    _look(chain)
    _in_and_out(chain)
    _repetitions(chain)
    _film(chain)
    _apart(chain)
    return chain


def _from_poses(chain: Chain) -> None:
    chain.run("status")
    chain.run("train", *CPU)
    chain.run("embed", *CPU)
    chain.run("align", "clip0", "clip1", *CPU)
    chain.run("retrieve", "--query", "clip0@0.5", "--k", "3", "--min-gap", "0.25", *CPU)
    asked = ["--from", "clip0", "--from", "clip2", "--to", "clip3", "--to", "clip5"]
    chain.run("transfer-labels", *asked, *CPU)
    chain.run("evaluate", *CPU)
    chain.run("status")


def _measure(chain: Chain) -> None:
    chain.run("train", "--run", "second", *QUICK, *CPU)
    chain.run("lab cache-heatmaps")
    chain.run("embed", "--run", "second", *CPU)
    chain.run("evaluate", "--run", "default,second", "--protocol", "paper", *CPU)
    chain.run("lab benchmark", "--methods", "la2ds", *QUICK, *CPU)
    chain.run("lab reproduce", "table5", *QUICK, *CPU)


def _look(chain: Chain) -> None:
    out = chain.project / "out"
    chain.run("align", "clip0", "clip3", *_outs(out, "align.csv"), *CPU)
    chain.run("compare", "clip0", "clip1", *_outs(out, "compare.csv"), *CPU)
    attempts = ["--attempts", "clip1,clip2", *_outs(out, "attempts.csv")]
    chain.run("compare", "clip3", *attempts, *CPU)
    chain.run("sync", "clip0", "clip1", "--height", "64", *CPU)
    chain.run("lab plot-embeddings", "clip0", "clip1", *_outs(out, "plot.json"), *CPU)
    chain.run("report", "clip0", "clip1", *CPU)


def _outs(folder: Path, *names: str) -> list[str]:
    return [part for name in names for part in ("--out", str(folder / name))]


def _in_and_out(chain: Chain) -> None:
    poses = chain.root / "poses"
    for name in ("coco-json", "openpose-json", "wide-csv", "dlc-csv", "trc"):
        chain.run("export", name, "clip0", "--out", str(poses / name))
        rate = [] if name in ("coco-json", "wide-csv", "trc") else ["--fps", "20"]
        chain.run(f"import {name}", str(poses / name), *rate, project=chain.root / "imported")


def _repetitions(chain: Chain) -> None:
    """clip0 there and back, once and three times."""
    with next((chain.root / "poses" / "wide-csv").glob("*.csv")).open(newline="") as file:
        header, *rows = csv.reader(file)
    once = [*rows[:-1], *rows[:0:-1]]
    folder = chain.root / "there and back"
    folder.mkdir()
    for name, times in (("one", 1), ("many", 3)):
        moved = [[str(t), repr(t / 20), *row[2:]] for t, row in enumerate(once * times)]
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([header, *moved])
    project = chain.root / "repeated"
    chain.run("import wide-csv", str(folder), project=project)
    out = _outs(project / "out", "many.csv", "many.json")
    options = ["--repetition", "all", *out, *CPU]
    chain.run("align", "there-and-back-one", "there-and-back-many", *options, project=project)
    table = _outs(project / "out", "table.csv", "table.json")
    chain.run("repetitions", "there-and-back-many", *table, *CPU, project=project)


def _film(chain: Chain) -> None:
    """A bright square on grey, for a network whose heatmaps are the brightness."""
    images = []
    for t in range(8):
        image = np.full((64, 96, 3), 40, np.uint8)
        image[8 + 3 * t : 32 + 3 * t, 30:60] = 230
        images.append(image)
    film = chain.root / "films" / "square.mp4"
    film.parent.mkdir()
    write_stamped(film, images, [t / 20 for t in range(8)])
    network = str(write_pose(chain.root / "pose.onnx"))
    project = chain.root / "filmed"
    options = ["--detector", "full-frame", "--pose", network, "--overlay-videos", *CPU]
    chain.run("extract-poses", str(film), *options, project=project)
    missing = str(chain.root / "missing.mp4")
    chain.run("extract-poses", str(film), missing, *options, project=project)
    chain.run("status", project=project)


def _apart(chain: Chain) -> None:
    chain.run("status")
    chain.run("init", str(chain.root / "empty"), "--preset", "heatmap")
    chain.run("doctor")
    chain.run("models ls")
    chain.run("models pull", "hrnet-demo", "--offline")
