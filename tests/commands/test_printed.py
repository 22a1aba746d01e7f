"""What each command prints of its work and writes, on a small project with a run: lines, what is
said of them, and the document of --json."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import Result

from la2ds_cli.commands.laboratory import METHODS
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.experiments import benchmark
from la2ds_cli.experiments.scores import METHOD_TABLES
from tests.commands.conftest import four_clips, squats
from tests.movement import add_sequence
from tests.processes import invoke
from tests.small_runs import TINY, six_clips

QUICK = "--set train.steps=2 --set evaluate.trim_draws=1 --set align.reference_clips=0"
QUICK += " --set model.input=joints"


class Folder:
    """A project with the run `default`, and a folder for what is written."""

    def __init__(self, root: Path) -> None:
        self.project, self.out = four_clips(root / "project"), root / "out"
        self.run("train")

    def run(self, line: str, project: StoredProject | None = None, code: int = 0) -> Result:
        words = shlex.split(line.replace("OUT", str(self.out)))
        root = (project or self.project).root
        return invoke(*words, code=code, env={"LA2DS_PROJECT": str(root)})

    def document(self, line: str, project: StoredProject | None = None) -> dict[str, Any]:
        return json.loads(self.run(f"{line} --json", project).stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("printed"))


@pytest.fixture(scope="module")
def repeated(folder: Folder) -> StoredProject:
    """A squat, and three of them."""
    project = StoredProject.create(folder.out.parent / "repeated")
    for name, count in (("one", 1), ("many", 3)):
        add_sequence(project, name, squats(count))
    return project


# Line; what is printed, in this order; what is noted. OUT: a folder; RESULTS: the project's.
SAID = [
    ("align clip-0 clip-1 --out OUT/ab.csv",
     ["A: clip-0.mat, 40 frames", "B: clip-1.mat, 34 frames", "aligned by dtw on base model",
      "OUT/ab.csv"],
     "aligned on the base model"),
    ("compare clip-0 clip-1",
     ["reference: clip-0.mat", "RESULTS/compare/clip-0--clip-1.png",
      "RESULTS/compare/clip-0--clip-1.html", "RESULTS/compare/clip-0--clip-1.json"], ""),
    ("compare clip-1 --attempts 'clip-*'",
     ["reference: clip-1.mat", "attempt 1: clip-0.mat", "left out: clip-1: it is the reference",
      "RESULTS/compare/clip-1--attempts.png", "RESULTS/compare/clip-1--attempts.json",
      "RESULTS/compare/clip-1--attempts.csv"], ""),
    ("report clip-0 clip-1", ["RESULTS/report/clip-0--clip-1.html ("], ""),
    ("sync clip-0 clip-1 --out OUT/side.mp4",
     ["clip-1.mat at the speed of clip-0.mat", "aligned by dtw on base model",
      "40 frames at 20 per second", "OUT/side.mp4"], ""),
    ("sync clip-0 clip-1 --height 64", ["RESULTS/sync/clip-0--clip-1.mp4"], ""),
    ("lab plot-embeddings clip-0 clip-1 --out OUT/p.png --out OUT/p.json",
     ["of the variance", "OUT/p.png", "OUT/p.json"], "drawn on the base model"),
    ("retrieve --query clip-0@0.5 --k 3 --out OUT/sheet.png",
     ["distance  view  ", "clip-0.mat@0.50  clip-", "compared by base model",
      "searched 158 frames of 4 clips", "OUT/sheet.png"], ""),
    ("evaluate", ["model", "raw pose", "time only", "untrained network"], "full results: RESULTS"),
    ("status", ["run default: step 4 of 4"], "everything is up to date"),
    ("doctor", ["decoder"], ""),
    (f"lab benchmark --methods la2ds,tcc {QUICK} --out OUT/tables",
     ["Methods side by side: 2 steps for every run",
      "Event transfer on trimmed pairs, error in % of the clip: project", "LA2DS ",
      "* best row; = not significantly worse than the best row", "note: with fewer than 3 seeds"],
     "full results: OUT/tables/benchmark.md, .csv, .json"),
    (f"lab reproduce table5 {QUICK}",
     ["Heatmaps: 2 steps for every run", "limbs + joints  ",
      "note: limbs was not run: the recipe reads joints, not heatmaps"],
     "full results: RESULTS/reproduce/table5.md, .csv, .json"),
    ("train --run mine",
     ["run mine: 4 steps", "validation error of raw poses: ", "warning: only 2 clips",
      "run mine is not shown to help: no clips were held out of training, 6 are needed"],
     "next: la2ds evaluate"),
    ("train --seeds 0,1", ["run default-s0: ", "run default-s1: "], "--run default-s0,default-s1"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "printed", "noted"), SAID, ids=[line for line, *_ in SAID])
def test_a_command_says_what_it_did(folder: Folder, line: str, printed: list[str], noted: str):
    result = folder.run(line)
    places = {"OUT": str(folder.out), "RESULTS": str(folder.project.root / "results")}
    text = [*printed, noted]
    for name, place in places.items():
        text = [one.replace(name, place) for one in text]
    at = 0
    for one in text[:-1]:
        at = result.stdout.find(one, at)
        assert at >= 0, f"{one!r} is not in this order in\n{result.stdout}"
        if one.startswith("/"):
            assert Path(one.removesuffix(" (")).stat().st_size > 100
    assert text[-1] in result.stderr


# Line, and some keys of its document.
DOCUMENTS = [
    ("align clip-0 clip-1 --out OUT/a.csv", {"features": "base", "mirrored": False}),
    ("align clip-0 clip-1 --features model --out OUT/a.csv", {"features": "model"}),
    ("align clip-0 clip-1 --features pose --out OUT/a.csv", {"features": "pose"}),
    ("align clip-0 clip-1 --view mirrored --out OUT/a.csv", {"view": "mirrored", "mirrored": True}),
    ("align clip-0 clip-1 --view other --out OUT/a.csv", {"view": "other", "mirrored": True}),
    ("report clip-0 clip-1 --features model --privacy", {"features": "model", "a": "clip-0"}),
    ("sync clip-0 clip-1 --privacy --method linear --height 200 --out OUT/s.mp4",
     {"method": "linear", "features": "base", "run": None, "frames": 40, "fps": 20.0,
      "frames_without_counterpart": 0, "privacy": True}),
    ("retrieve --query clip-0 --features model --out OUT/r.json",
     {"features": "model", "run": "default"}),
    ("retrieve --query clip-0 --features pose --out OUT/r.json",
     {"features": "pose", "run": None, "reason": "", "searched": {"frames": 158, "clips": 4}}),
    ("retrieve --k 9 --out OUT/r.json", {"k": 9, "per_video": None, "store": None}),
    ("evaluate", {"split": "test"}),
    ("doctor", {"healthy": True}),
    ("train --run two --set train.steps=2 --max-minutes 5", {"steps": 2, "run": "two"}),
    (f"lab reproduce table5 {QUICK} --seeds 0,4", {"command": "reproduce"}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "keys"), DOCUMENTS, ids=[line for line, _ in DOCUMENTS])
def test_the_document_of_a_command(folder: Folder, line: str, keys: dict[str, Any]):
    found = folder.document(line)
    assert {key: found[key] for key in keys} == keys
    assert (found["schema_version"], found["command"]) == (1, line.removeprefix("lab ").split()[0])
    if "--out" in line:
        assert found["files"] == [line.rpartition(" ")[2].replace("OUT", str(folder.out))]


def test_steps_that_are_done_are_not_done_again(folder: Folder):
    for line, ends in (("lab cache-heatmaps", ["ok", "cached"]), ("embed", ["cached", "cached"])):
        if line == "embed":
            folder.run("embed")
        for status in ends:
            assert folder.run(line).stdout.splitlines()[-1] == f"4 {status}"
    assert folder.run("lab cache-heatmaps --overwrite").stdout.splitlines()[-1] == "4 ok"
    assert folder.run("train").stdout.startswith("run default: already finished, 4 steps")
    refused = folder.run("train --set train.steps=2", code=ExitCode.MISMATCH)
    assert "--overwrite" in refused.stderr


def test_without_a_run_the_line_of_the_result_names_the_base_model(
    project: StoredProject, folder: Folder
):
    result = folder.run("align clip-0 clip-1 --out OUT/a.csv", project)
    assert "aligned by dtw on base model" in result.stdout
    assert "base model" not in result.stderr
    assert "base model" not in folder.run("report clip-0 clip-1", project).stderr


def test_init_leaves_a_project_as_it_is(tmp_path: Path, folder: Folder):
    found = folder.document(f"init {tmp_path}/swings --preset demo")
    assert (found["created"], found["preset"]) == (True, "demo")
    settings = tmp_path / "swings" / "project.toml"
    settings.write_text('preset = "demo"  # mine\n')
    assert "already" in folder.run(f"init {tmp_path}/swings").stdout
    assert settings.read_text() == 'preset = "demo"  # mine\n'


# --- what align makes of two clips, by the name of the file --------------------------------------


@pytest.mark.parametrize(
    "options", ["", " --view mirrored --features pose", " --method linear --anchor 0.5=0.4"]
)
def test_align_makes_the_film_of_sync_and_the_page_of_report(folder: Folder, options: str):
    line = f"align clip-0 clip-1{options} -o OUT/own.mp4 -o OUT/own.json -o OUT/own.html"
    found = folder.document(line)
    folder.run(f"sync clip-0 clip-1{options} -o OUT/film.mp4")
    folder.run(f"report clip-0 clip-1{options} -o OUT/page.html")
    out = folder.out
    assert (out / "own.mp4").read_bytes() == (out / "film.mp4").read_bytes()
    assert (out / "own.html").read_bytes() == (out / "page.html").read_bytes()
    assert found["files"] == [str(out / f"own{kind}") for kind in (".mp4", ".json", ".html")]
    assert json.loads((out / "own.json").read_text())["files"] == found["files"]
    assert list(folder.project.results_dir("align").glob("clip-0--clip-1.*")) == []


def test_align_shows_one_repetition_in_step(folder: Folder, repeated: StoredProject):
    line = "align one many --repetition 2 -o OUT/second.mp4 -o OUT/second.html"
    assert folder.run(line, repeated).stdout.splitlines()[-2:] == [
        str(folder.out / "second.mp4"),
        str(folder.out / "second.html"),
    ]
    assert (folder.out / "second.mp4").stat().st_size > 1000
    assert (folder.out / "second.html").stat().st_size > 1000


# --- repetitions ----------------------------------------------------------------------------------


def test_all_repetitions_are_listed_with_their_times(folder: Folder, repeated: StoredProject):
    result = folder.run("align one many --repetition all --out OUT/ab.csv", repeated)
    lines = result.stdout.splitlines()
    assert lines[:2] == ["A: one.mat", "B: many.mat, 3 repetitions"]
    rows = [line.split() for line in lines[3:6]]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    np.testing.assert_allclose([float(row[1]) for row in rows], [0, 2, 4], atol=0.15)
    assert sum(row[-1] == "nearest" for row in rows) == 1
    found = folder.document("align one many --repetition 2 --out OUT/ab.csv", repeated)
    assert found["b"]["start"] == pytest.approx(2, abs=0.15)
    other = folder.document("align many one --repetition all --out OUT/ab.csv", repeated)
    assert (other["a"]["repetition"] in (1, 2, 3), other["a"]["of"]) == (True, 3)
    assert len(other["repetitions"]) == 1


def test_without_the_option_repetitions_are_pointed_at(folder: Folder, repeated: StoredProject):
    result = folder.run("align one many --out OUT/ab.csv", repeated)
    assert "of 3 of many fits one best: la2ds align one many --repetition" in result.stderr
    assert "times as long as A" in result.stdout
    assert folder.run("align one many -q --out OUT/ab.csv", repeated).stderr == ""


# --- many runs ------------------------------------------------------------------------------------


def test_the_document_of_a_benchmark_is_its_json_file(folder: Folder):
    found = folder.document(f"lab benchmark --methods tcc {QUICK} --seeds 0,4 --minutes 9")
    assert found["facts"]["seeds"] == [0, 4]
    assert found["facts"]["budget"].startswith("at most 9 minutes")
    assert [run["seed"] for run in found["runs"] if run["row"] == "tcc"] == [0, 4]
    results = folder.project.results_dir("benchmark")
    assert found["folder"] == str(results)
    assert json.loads((results / "benchmark.json").read_text())["figures"] == found["figures"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("benchmark --methods la2ds --set model.width=25", "note: project, benchmark-la2ds-"),
        ("reproduce table5 --set model.width=25", "must be an even multiple of heads"),
    ],
)
def test_a_table_of_failures_leaves_with_its_code(
    project: StoredProject, folder: Folder, line, said
):
    assert said in folder.run(f"{line} {QUICK}", project, code=ExitCode.UNUSABLE).stdout


def test_reproduce_compares_the_methods_of_a_table(
    tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch
):
    # The command names no methods; all nine would take a minute.
    monkeypatch.setattr(benchmark, "shipped_methods", lambda: ["lav", "la2ds"])
    small = " ".join(f"--set {setting}" for setting in TINY)
    found = folder.document(f"lab reproduce table2 {small} {QUICK}", six_clips(tmp_path / "six"))
    assert found["facts"]["protocol"] == "paper"
    assert {one["task"] for one in found["figures"]} == {"progression", "cost"}
    assert [run["row"] for run in found["runs"] if not run["baseline"]] == ["lav", "la2ds"]
    assert set(METHODS) == set(METHOD_TABLES)
