"""The command lines on the pages for users are run, on small projects, page by page.

What needs a network, a camera, a cluster or minutes is named in LEFT_OUT, with the tests that do
it. Those lines, and those of the generated pages, are parsed at least (test_reference_docs.py).
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import la2ds
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.datasets.h2o import ACTIONS
from tests.datasets.test_penn_action import write_mat
from tests.formats import data_set_samples as data_sets
from tests.formats.c3d_files import C3dFile
from tests.poses.grey_people import film, squats
from tests.processes import invoke
from tests.test_reference_docs import ROOT, USER_PAGES, commands_on

LEFT_OUT = {
    "demo": "takes minutes; tests/demo",
    "studio": "does not end; tests/studio",
    "models pull": "needs a network; tests/models/test_download.py",
    "camera:0": "needs a camera; tests/commands/test_live_command.py",
    "--engine ray": "needs Ray; tests/core/test_ray_engine.py",
    "$SLURM": "needs a cluster; tests/poses",
    "s3://": "needs an object store",
    "rgb": "needs weights that are downloaded; tests/features",
    "mypackage": "a module of the reader's; tests/experiments/test_own_method.py, tests/compare",
    "--run moments": "the same",
    "person.onnx": "networks of the reader's; tests/poses/networks/test_onnx.py",
    "casa": "takes minutes; tests/experiments/test_benchmark.py",
    "reproduce": "takes minutes; tests/experiments/test_reproduce.py",
    "benchmark": "takes minutes; tests/experiments/test_benchmark.py",
    "exercises-1": "needs recordings of others; tests/experiments/test_leaderboard.py",
}
SMALL = {
    "model": {"width": 12, "heads": 2, "spatial_layers": 1, "temporal_layers": 1},
    "train": {"steps": 2, "batch_size": 2, "validate_every": 2, "threads": 1},
    "evaluate": {"trim_draws": 1, "pairs": 4},
    "poses": dict.fromkeys(("detector", "pose"), "tests.poses.grey_people"),
}
CHANGED = (("--minutes 3", ""), ("/data/frames", "frames"))
# The project that a page's Python calls `project`.
PYTHON = {
    "README.md": "swings",
    "docs/how-to/compare.md": "swings",
    "docs/how-to/labels.md": "swings",
    "docs/how-to/many-clips.md": "swings",
    "docs/how-to/offset.md": "walks",
    "docs/how-to/retrieve.md": "swings",
    "docs/reference/python.md": "swings",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files and projects that the pages name."""
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LA2DS_PLUGINS", "tests.poses.grey_people")
        write_files()
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of it, in which the lines are run."""
    shutil.copytree(made, tmp_path / "pages")
    monkeypatch.chdir(tmp_path / "pages")
    monkeypatch.setenv("LA2DS_PLUGINS", "tests.poses.grey_people")


def write_files() -> None:
    names = ("anna", "ben", "coach", "me", "mouse", *(f"me-{n}" for n in range(1, 6)))
    for number, name in enumerate((*names, "squat")):
        film(Path(f"{name}.mp4"), squats(24 + 2 * number), fps=20 + 5 * (number % 2))
    film(Path("five_squats.mp4"), squats(125, 5))
    film(Path("set.mp4"), squats(75, 3))
    film(Path("new.mp4"), squats(100))
    Path("clips").mkdir()
    film(Path("clips/anna.mp4"), squats(30))
    Path("list.csv").write_text("path,start,group,split\nanna.mp4,0.2,anna,train\n", "utf-8")
    for name, count in (
        ("swings", 0),
        ("squats", 0),
        ("elsewhere", 2),
        ("golf", 8),
        ("la2ds-demo", 13),
    ):
        labelled_project(Path(name), count)


def labelled_project(root: Path, count: int) -> None:
    """A project of `count` clips of squats with two phases, a quarter of them for testing."""
    project = StoredProject.create(root, {"preset": "default", **SMALL})
    (root / "videos").mkdir()
    rows = ["video,start,end,phase"]
    for number in range(1, count + 1):
        length = 22 + 2 * number
        film(root / "videos" / f"performer-{number:02}.mp4", squats(length), fps=25)
        rows += [f"performer-{number:02},0,{length // 2},down"]
        rows += [f"performer-{number:02},{length // 2},{length},up"]
    if count:
        run(f"extract-poses {root}/videos --project {root} --quiet")
        for number, video in enumerate(project.videos()):
            project.mark_video(video.id, split="test" if number % 4 == 3 else "train", group="")
        project.phases_path.write_text("\n".join(rows) + "\n", "utf-8")


def run(line: str) -> str:
    """What la2ds prints for a line of a shell, which must end well."""
    return invoke(*shlex.split(line, comments=True)).output


def prepared(page: str) -> None:
    """What the lines of a page need besides the common files."""
    if "labels" in page or "retrieve" in page:
        run("extract-poses anna.mp4 ben.mp4 me.mp4 --project swings --quiet")
        for name in ("ben", "anna"):
            rows = f"video,start,end,phase\n{name},0,12,down\n{name},12,24,up\n"
            Path("swings/phases.csv").write_text(rows, "utf-8")
            if name == "ben":
                run("export labels elan ben --project swings --out .")
        written = next(Path().glob("*.eaf")).read_text("utf-8")
        Path("ben.eaf").write_text(written.replace('"phases"', '"movement"'), "utf-8")
    if "many-clips" in page or "live" in page:
        run("extract-poses anna.mp4 ben.mp4 --project swings --quiet")
        project = StoredProject.open(Path("swings"))
        for video in project.videos():
            project.mark_video(video.id, split="", group="anna")
    if "extend" in page:
        run("train --project la2ds-demo --quiet")
        Path("swings").rename("empty")
        Path("la2ds-demo").rename("swings")
    if "reproduce" in page:
        shutil.rmtree("golf")
        StoredProject.create(Path("golf"), {"preset": "default", **SMALL})
        rows = ["video,start,end,phase"]
        for clip in range(1, 9):
            train = 1 if clip % 4 else -1
            write_mat(Path(f"PENN/labels/{clip:04}.mat"), frames=20 + clip, train=train)
            rows += [f"{clip:04},0,9,down", f"{clip:04},9,{20 + clip},up"]
        Path("phases.csv").write_text("\n".join(rows) + "\n", "utf-8")
        run("import penn-action PENN --project golf --quiet")
        shutil.copy("phases.csv", "golf/phases.csv")
        for folder in map(Path, ("theirs/seed0", "theirs/seed1", "my-method", "another")):
            folder.mkdir(parents=True)
            for video in StoredProject.open(Path("golf")).videos():
                value = np.random.default_rng(0).normal(size=(video.frames, 4))
                np.save(folder / f"{video.id}.npy", value)
    if page.endswith("/offset.md"):
        seconds = np.arange(0, 6, 0.04)
        way = np.sin(2.1 * seconds) ** 2 * np.cos(0.9 * seconds + 0.4) ** 2  # repeats nothing
        squat = [{200: (60, int(40 + 50 * at), 100, 140)} for at in way]
        for name, first in (("front", 0), ("side", 12), ("capture", 25)):
            film(Path(f"{name}.mp4"), squat[first : first + 110], fps=25)
        StoredProject.create(Path("walks"), {"preset": "default", **SMALL})
        run("extract-poses capture.mp4 --project walks --quiet")
    if page.endswith("/data.md"):
        run("extract-poses anna.mp4 ben.mp4 --project swings --quiet")
        run("export coco-json anna --project swings --out .")
        next(Path().glob("*.json")).rename("anna.json")
        shutil.copy("anna.mp4", "mouse.mp4")
        run("export dlc-csv anna --project swings --out .")
        named = next(Path().glob("*anna*.csv"))
        Path("mouse.csv").write_text(named.read_text("utf-8").replace("nose", "snout"), "utf-8")
        Path("swings").rename("exported")
        StoredProject.create(Path("swings"), {"preset": "default", **SMALL})
        run("extract-poses ben.mp4 --project swings --quiet")
        write_data_sets()


def write_data_sets() -> None:
    """Small files of the data sets of the paper, under the names of the page."""
    write_mat(Path("Penn_Action/labels/0001.mat"), frames=12)
    labels = Path("penn_action_labels/train/golf_swing")
    labels.mkdir(parents=True)
    np.save(labels / "0001.npy", np.repeat([0, 1], 6))
    data_sets.write_ikea(Path("ikea_asm"))
    data_sets.write_h2o(Path("h2o"))
    pour = ACTIONS.index("pour milk")
    data_sets.write_h2o_list(Path("h2o"), "train", [f"subject1/h1/1 {pour} 0 7 0 7"])
    data_sets.write_records(Path("kallax_shelf_drawer_train.npy"), [data_sets.record()])
    Path("trials").mkdir()
    names = {"left_hip": "LHJC", "left_knee": "LKNE"}
    joints = [names.get(name, name) for name in get_skeleton("penn13").joints]
    points = np.random.default_rng(0).normal(size=(12, len(joints), 3)) * 500
    C3dFile(points, joints).write(Path("trials/walk.c3d"))


def lines_of(page: str) -> Iterator[str]:
    for line in commands_on(page):
        if "$s" in line:  # a loop of the shell
            yield from (line.partition(";")[0].replace("$s", n) for n in "012")
        elif not any(part in line for part in LEFT_OUT):
            yield line


PAGES = [page for page in USER_PAGES if not page.endswith("cli.md") and list(lines_of(page))]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.usefixtures("folder")
def test_the_command_lines_of_a_page_run(page: str):
    prepared(page)
    for line in lines_of(page):
        for given, used in CHANGED:
            line = line.replace(given, used)
        run(re.sub(r"train\.steps=\d+", "train.steps=2", line))


def python_on(page: str) -> list[str]:
    """The examples on a page that call la2ds from Python, but for programs that use submitit."""
    text = Path(ROOT, page).read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if "la2ds." in block and "submitit" not in block]


@pytest.mark.parametrize("page", PYTHON)
@pytest.mark.usefixtures("folder")
def test_the_python_on_a_page_runs(page: str):
    prepared(page)
    films = "front.mp4 side.mp4" if PYTHON[page] == "walks" else "anna.mp4 ben.mp4"
    run(f"extract-poses {films} --project {PYTHON[page]} --quiet")
    project = la2ds.open(PYTHON[page])
    names: dict[str, Any] = {"la2ds": la2ds, "project": project}
    if page.endswith("/python.md"):
        names |= {"xy_a": project.poses("anna").xy, "xy_b": project.poses("ben").xy}
    for block in python_on(page):
        exec(compile(block, page, "exec"), names)


def test_the_python_of_no_page_is_forgotten():
    assert {page for page in USER_PAGES if python_on(page)} == set(PYTHON)


def test_each_reason_to_leave_a_line_out_is_of_use():
    lines = [line for page in USER_PAGES for line in commands_on(page)]
    for part in LEFT_OUT:
        assert any(part in line for line in lines), part
