"""`import la2ds`: the steps as functions, and the page that describes them."""

from __future__ import annotations

import csv
import inspect
import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import la2ds
from la2ds_cli.core.stored_project import StoredProject
from tests.movement import add_sequence, sequence
from tests.poses.grey_people import film, squats
from tests.small_runs import TINY, six_clips
from tests.told import refused

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "reference" / "python.md"
NOTEBOOK = DOCS / "tutorials" / "notebook.ipynb"
QUICK = {
    "model.input": "joints",
    **{name: int(value) for name, value in (text.split("=") for text in TINY) if value.isdigit()},
}


@pytest.fixture
def pair(tmp_path: Path) -> la2ds.Project:
    """Two clips of one movement: 40 frames at 20 a second, and 75 at 30."""
    stored = StoredProject.create(tmp_path / "pair")
    add_sequence(stored, "anna", sequence(np.linspace(0, 1, 40), fps=20))
    add_sequence(stored, "ben", sequence(np.linspace(0, 1, 75) ** 1.2, fps=30))
    return la2ds.open(stored.root)


def moment_of_ben(seconds):
    """The second of Ben that shows what Anna shows at `seconds`."""
    return (seconds / (39 / 20)) ** (1 / 1.2) * 74 / 30


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> la2ds.Project:
    """Six labelled clips, three of them for testing, and the run `default`."""
    project = la2ds.open(six_clips(tmp_path_factory.mktemp("trained") / "six").root, device="cpu")
    la2ds.train(project, settings=QUICK)
    return project


def test_a_project_is_opened_and_made_only_when_asked(tmp_path: Path):
    with refused(la2ds.ExitCode.USAGE, "is not a la2ds project"):
        la2ds.open(tmp_path / "new")
    project = la2ds.open(tmp_path / "new", create=True, preset="paper-penn")
    assert project.path == (tmp_path / "new").resolve()
    assert 'preset = "paper-penn"' in (project.path / "project.toml").read_text("utf-8")
    assert la2ds.open(str(tmp_path / "new"), create=True).clips() == []
    assert list(project.to_frame().columns[:3]) == ["id", "path", "sha256"]


def test_clips_and_their_joints(pair: la2ds.Project):
    assert [(clip.id, clip.frames, clip.fps) for clip in pair.clips()] == [
        ("anna", 40, 20),
        ("ben", 75, 30),
    ]
    assert pair.clip("ben.mat").id == "ben"
    poses = pair.poses("ben")
    assert poses.xy.shape == (75, 13, 2)
    assert poses.time[-1] == pytest.approx(74 / 30)
    assert list(pair.to_frame().frames) == [40, 75]
    with refused(la2ds.ExitCode.UNREADABLE, "there is no clip 'carl'"):
        pair.poses("carl")


def test_extract_reads_videos_and_remembers_the_networks(tmp_path: Path):
    project = la2ds.open(tmp_path / "project", create=True, device="cpu")
    film(tmp_path / "anna.mp4", squats(20))
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    names = ["anna.mp4", "broken.mp4"]
    grey = "tests.poses.grey_people"
    done = la2ds.extract(project, [tmp_path / name for name in names], detector=grey, pose=grey)
    assert [item.status for item in done.items] == ["ok", "failed"]
    assert done.clips == [project.clip("anna").id]
    pose = project.poses("anna")
    assert pose.xy.shape == (20, 17, 2)
    assert pose.trust is not None  # also of clips that were written without it
    assert pose.trust.shape == (20, 17)
    assert list(done.to_frame().code) == ["", done.items[1].code]
    again = la2ds.extract(project, tmp_path / "anna.mp4")
    assert [item.status for item in again.items] == ["cached"]
    part = la2ds.ClipOptions(start=0.2, end=0.6)
    cut = la2ds.extract(project, tmp_path / "anna.mp4", clip_options=part)
    assert [item.frames for item in cut.items] == [10]
    with pytest.raises(la2ds.UserError, match="nonsense"):
        la2ds.extract(project, tmp_path / "anna.mp4", detector="nonsense")


def test_align_matches_moments_of_clips_of_other_length_and_rate(pair: la2ds.Project):
    aligned = la2ds.align(pair, "anna", "ben", features="pose")
    assert (aligned.a.id, aligned.b.id) == ("anna", "ben")
    assert (aligned.features, aligned.method) == ("pose", "dtw")
    assert len(aligned.time_a) == len(aligned.matched_time) == len(aligned.confidence) == 40
    assert len(aligned.time_b) == 75
    # Anna's phase is t / (39 / 20), Ben's (t / (74 / 30)) ** 1.2.
    truth = moment_of_ben(aligned.time_a)
    known = ~np.isnan(aligned.matched_time)
    assert known.mean() > 0.9
    assert np.median(np.abs(aligned.matched_time - truth)[known]) < 0.05
    inside = (aligned.matched_low <= truth) & (truth <= aligned.matched_high)
    assert inside[known].mean() > 0.8
    assert set(aligned.certainty) <= {"sure", "unsure", "no counterpart"}
    assert np.nanmedian(aligned.within) < 0.4
    assert aligned.same_movement is not None
    assert 0.6 < aligned.same_movement.probability <= 1
    assert re.fullmatch(
        r"<Alignment of anna\.mat and ben\.mat: sure of \d+ of 40 frames of A, .*>", repr(aligned)
    )
    assert aligned.time_in_b(1.0) == pytest.approx(moment_of_ben(1.0), abs=0.1)
    assert aligned.time_in_b(aligned.time_a[7]) == aligned.matched_time[7]
    assert np.isnan(aligned.time_in_b(-0.1))
    assert np.isnan(aligned.time_in_b(5.0))
    assert aligned.path.max(axis=0).tolist() <= [39, 74]
    frame = aligned.to_frame()
    assert list(frame.columns)[:3] == ["frame_a", "time_a", "time_b"]
    np.testing.assert_array_equal(frame.time_b, aligned.matched_time)
    assert aligned.to_json()["frames_a"]["time"][3] == frame.time_a[3]


def test_joints_in_memory_are_aligned_without_a_project(pair: la2ds.Project):
    anna, ben = (pair.poses(name) for name in ("anna", "ben"))
    a = la2ds.joints(anna.xy, fps=20, skeleton="penn13")
    b = la2ds.joints(ben.xy, fps=30, skeleton="penn13", score=ben.score)
    aligned = la2ds.align_joints(a, b)
    assert (aligned.features, aligned.method, aligned.references) == ("base", "dtw", 0)
    stored = la2ds.align(pair, "anna", "ben")
    np.testing.assert_array_equal(aligned.matched_time, stored.matched_time)
    np.testing.assert_array_equal(aligned.confidence, stored.confidence)
    assert aligned.time_in_b(1.0) == pytest.approx(moment_of_ben(1.0), abs=0.1)
    assert len(aligned.to_frame()) == len(aligned.to_json()["frames_a"]["time"]) == 40
    again = la2ds.align_joints(anna, ben, features="pose", settings={"align.skip_cost": 2.0})
    assert again.features == "pose"
    assert la2ds.align_joints(anna, b, view="mirrored").view == "mirrored"
    with pytest.raises(la2ds.UserError, match="belong to no project"):
        la2ds.save(pair, aligned)


def test_a_doubtful_movement_is_aligned_with_nothing_sure(pair: la2ds.Project):
    anna = pair.poses("anna")
    upside_down = la2ds.joints(anna.xy[::-1, :, ::-1] * [1, -2], fps=20, skeleton="penn13")
    aligned = la2ds.align_joints(anna, upside_down)
    assert aligned.same_movement is not None
    assert aligned.same_movement.probability < 0.6
    assert "sure" not in aligned.certainty
    short = la2ds.joints(anna.xy[:5], fps=20, skeleton="penn13")
    assert la2ds.align_joints(anna, short).same_movement is None  # cannot be told


def test_joints_that_were_never_seen_are_not_aligned():
    nobody = la2ds.joints(np.full((20, 17, 2), np.nan), fps=30)
    with refused(la2ds.ExitCode.UNUSABLE, "no joint was seen in clip A"):
        la2ds.align_joints(nobody, nobody)


def test_align_all_puts_clips_of_other_length_and_rate_on_one_timeline(
    pair: la2ds.Project, tmp_path: Path
):
    add_sequence(pair._stored, "carl", sequence(np.linspace(0, 1, 58) ** 0.8, fps=24))
    timeline = la2ds.align_all(pair, reference="anna", features="pose")
    assert (timeline.reference, timeline.features, timeline.left_out) == ("anna", "pose", {})
    assert {name: len(one.position) for name, one in timeline.clips.items()} == {
        **{"anna": 40, "ben": 75},
        "carl": 58,
    }
    for position in (0.2, 0.5, 0.8):
        assert timeline.seconds_in("anna", position) == pytest.approx(position * 39 / 20)
        expected = moment_of_ben(position * 39 / 20)
        assert timeline.seconds_in("ben", position) == pytest.approx(expected, abs=0.08)
    assert np.isnan(timeline.seconds_in("ben", 1.2))
    with pytest.raises(KeyError):
        timeline.seconds_in("dora", 0.5)
    frame = timeline.to_frame()
    assert list(frame.columns) == ["video", "frame", "time", "position", "confidence"]
    assert len(frame) == 40 + 75 + 58
    np.testing.assert_array_equal(frame[frame.video == "carl"].time, timeline.clips["carl"].time)
    assert not (pair.path / "results").exists()
    files = timeline.save(tmp_path / "t.csv", tmp_path / "t.json")
    assert files == [tmp_path / "t.csv", tmp_path / "t.json"]
    assert all(file.is_file() for file in files)
    assert timeline.to_json()["reference"]["video"] == "anna"
    two = la2ds.align_all(pair, ["ben", "carl"], features="pose")
    assert set(two.clips) == {"ben", "carl"}
    with pytest.raises(la2ds.UserError, match=r"unknown file type"):
        timeline.save(tmp_path / "t.gif")


def test_curves_follow_the_movement_and_not_the_clock(pair: la2ds.Project, tmp_path: Path):
    """Of clips of other lengths and rates: what a percent shows is the moment that was matched."""
    pair._stored.mark_video("ben", split="", group="club")
    timeline = la2ds.align_all(pair, reference="anna", features="pose")
    curves = timeline.curves()
    assert curves.attrs["units"]["seconds"] == "s"
    units = curves.groupby("quantity").unit.first()
    assert (units["left_knee"], units["hip_height"]) == ("degrees", "torso lengths")
    assert len(curves) == 2 * 101 * curves.quantity.nunique()
    assert set(curves[curves.video == "ben"].group) == {"club"}
    moving = curves[curves.unit == "degrees"].groupby("quantity").value.agg(np.ptp)
    knee = curves[curves.quantity == moving.idxmax()]
    anna, ben = (knee[knee.video == name].reset_index() for name in ("anna", "ben"))
    assert anna.seconds.to_numpy() == pytest.approx(anna.reference_seconds.to_numpy(), abs=1e-6)
    assert anna.seconds[100] == pytest.approx(39 / 20)
    expected = [moment_of_ben(at) for at in ben.reference_seconds[10:90]]
    assert ben.seconds[10:90].to_numpy() == pytest.approx(np.array(expected), abs=0.08)
    apart = (anna.value - ben.value).abs()
    assert apart.median() < 0.05 * np.ptp(anna.value)
    by_clock = np.interp(
        np.linspace(0, 1, 101), (ben.seconds - ben.seconds[0]) / np.ptp(ben.seconds), ben.value
    )
    assert np.median(np.abs(anna.value - by_clock)) > 2 * apart.median()
    (file,) = timeline.save(tmp_path / "two.curves.csv")
    rows = list(csv.DictReader(file.read_text("utf-8").splitlines()))
    assert [row["clip"] for row in rows] == list(curves.video)
    values = [float(row["value"] or "nan") for row in rows]
    np.testing.assert_array_equal(values, curves.value)


def test_offset_gives_the_clock_of_each_recording(pair: la2ds.Project):
    steps = np.sin(np.linspace(0, 6, 120)) ** 2
    for name, first in (("front", 0), ("side", 10)):
        add_sequence(pair._stored, name, sequence(steps[first : first + 100], fps=20))
    clocks = la2ds.offset(pair, "front", "side", force=True)
    assert list(clocks) == ["front", "side"]
    assert clocks["side"].offset == pytest.approx(-0.5, abs=0.03)
    assert clocks["side"].seconds(2.0) == pytest.approx(1.5, abs=0.03)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda p: la2ds.open(p.path, device=cast("Any", "gpu")), "unknown device 'gpu'"),
        (lambda p: la2ds.open(p.path / "new", create=True, preset="x"), "unknown preset 'x'"),
        (
            lambda p: la2ds.align(p, "anna", "ben", view=cast("Any", "behind")),
            "unknown view 'behind'",
        ),
        (
            lambda p: la2ds.align(p, "anna", "ben", features=cast("Any", "zz")),
            "unknown features 'zz'",
        ),
        (lambda p: la2ds.align_all(p, features=cast("Any", "posed")), "unknown features 'posed'"),
        (lambda p: la2ds.train(p, method="tccc"), "tccc"),
        (lambda p: la2ds.evaluate(p, protocol="papre"), "unknown protocol 'papre'"),
        (lambda p: la2ds.evaluate(p, features=["posed"]), "unknown feature set 'posed'"),
    ],
)
def test_a_name_that_there_is_not_is_refused_as_on_the_command_line(
    pair: la2ds.Project, call: Callable[[la2ds.Project], Any], said: str
):
    with refused(la2ds.ExitCode.USAGE, said):
        call(pair)
    assert not (pair.path / "new").exists()


def test_settings_and_methods_are_for_one_call(pair: la2ds.Project):
    linear = la2ds.align(pair, "anna", "ben", settings={"align.method": "linear"})
    np.testing.assert_allclose(linear.matched_time[[0, -1]], [0, 74 / 30], atol=1e-6)
    ends = la2ds.align(pair, "anna", "ben", settings={"align.open_ends": False})
    assert ends.path[0].tolist() == [0, 0]
    assert ends.path[-1].tolist() == [39, 74]
    assert la2ds.align(pair, "anna", "ben").method == "dtw"
    with pytest.raises(la2ds.UserError, match="unknown setting 'gap'"):
        la2ds.align(pair, "anna", "ben", settings={"align.gap": False})
    with pytest.raises(la2ds.UserError, match="'7' is not a text"):
        la2ds.align(pair, "anna", "ben", settings={"align.method": 7})


def test_an_alignment_is_saved_only_when_asked(pair: la2ds.Project, tmp_path: Path):
    aligned = la2ds.align(pair, "anna", "ben")
    assert not (pair.path / "results").exists()
    files = la2ds.save(pair, aligned, tmp_path / "ab.csv", str(tmp_path / "ab.json"))
    assert files == [tmp_path / "ab.csv", tmp_path / "ab.json"]
    assert len(files[0].read_text("utf-8").splitlines()) == len(aligned.path) + 1
    with pytest.raises(la2ds.UserError):
        la2ds.save(pair, aligned, tmp_path / "ab.docx")


def test_saving_replaces_no_clip(pair: la2ds.Project, tmp_path: Path):
    """Also one that is a clip only since the alignment was computed."""
    aligned, timeline = la2ds.align(pair, "anna", "ben"), la2ds.align_all(pair, ["anna", "ben"])
    saves = partial(la2ds.save, pair, aligned), timeline.save
    source, link = tmp_path / "poses.csv", tmp_path / "link.csv"
    source.write_text("what a person wrote")
    link.hardlink_to(source)
    pair._stored.add_videos([replace(pair.clip("ben"), path=str(source))])
    for save in saves:
        for file in (source, link):
            with refused(la2ds.ExitCode.USAGE, "belongs to the project and would be lost"):
                save(file)
    assert source.read_text() == "what a person wrote"


def test_train_and_embed(trained: la2ds.Project):
    result = la2ds.train(trained, settings=QUICK)
    assert list(result.to_frame().verdict) == [result.verdict]
    again, verdict = result
    assert again.already_finished
    assert (again.run, again.steps) == ("default", 2)
    assert again.checkpoint.is_file()
    with refused(la2ds.ExitCode.MISMATCH, "trained differently"):
        la2ds.train(trained, settings=QUICK | {"train.seed": 3})
    embedded = la2ds.embed(trained, ["clip1", "clip4"])
    assert {name: len(one) for name, one in embedded.clips.items()} == {"clip1": 33, "clip4": 42}
    frame = embedded.to_frame()
    assert list(frame.columns[:4]) == ["video", "frame", "time", 0]
    assert len(frame) == 33 + 42
    np.testing.assert_array_equal(
        frame[frame.video == "clip4"][0], embedded.clips["clip4"].value.T[0]
    )
    model = la2ds.align(trained, "clip0", "clip1", features="model")
    assert model.features == "model"
    # Two steps are not better than the base model.
    assert "run default is not shown to help: no clips were held out" in verdict
    assert la2ds.align(trained, "clip0", "clip1").features == "base"


def test_evaluate(trained: la2ds.Project):
    small = {"evaluate.trim_draws": 1, "evaluate.pairs": 6, "align.reference_clips": 0}
    features = ["model", "raw_pose", "time_only"]
    evaluated = la2ds.evaluate(trained, features=features, settings=small)
    frame = evaluated.to_frame()
    assert set(frame.features) == set(features)
    median = evaluated.value("event_transfer.median_percent", "raw_pose")
    row = evaluated.document["features"]["raw_pose"]["event_transfer"]
    assert median == row["median_percent"]["value"]
    first = frame[frame.features == "raw_pose"].set_index("metric")
    first = first.loc["event_transfer.median_percent"]
    assert [first.low, first.high] == row["median_percent"]["interval"]
    tau = evaluated.document["features"]["model"]["kendalls_tau"]
    assert evaluated.value("kendalls_tau") == tau["value"]
    assert evaluated.value("phase_classification.10 %", "time_only") is not None
    with pytest.raises(KeyError, match="kendalls_tau"):
        evaluated.value("tau")


def test_progress_is_printed_only_when_asked(
    pair: la2ds.Project, capsys: pytest.CaptureFixture[str]
):
    la2ds.align(pair, "anna", "ben")
    assert capsys.readouterr() == ("", "")
    shutil.rmtree(pair.path / "embeddings")
    la2ds.align(la2ds.open(pair.path, verbose=True), "anna", "ben")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "embedding" in shown.err


def test_data_frames_say_what_to_install(pair: la2ds.Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(la2ds.UserError, match="pandas, which is not installed") as caught:
        pair.to_frame()
    assert caught.value.hint == "pip install 'la2ds[pandas]'"
    assert caught.value.exit_code == la2ds.ExitCode.ENVIRONMENT


def test_everything_public_says_what_it_is():
    for name in la2ds.__all__:
        value = getattr(la2ds, name)
        assert inspect.getdoc(value), name
        if inspect.isclass(value) and value.__module__.startswith("la2ds."):
            for part, member in vars(value).items():
                if callable(member) and not part.startswith("_"):
                    assert inspect.getdoc(member), f"{name}.{part}"
    page = common = PAGE.read_text("utf-8")
    for name in la2ds.__all__:
        if not inspect.isfunction(getattr(la2ds, name)):
            continue
        assert f"`la2ds.{name}(" in page
        function = getattr(la2ds, name)
        described = f"{inspect.getdoc(function)} {common}"
        for number, parameter in enumerate(inspect.signature(function).parameters):
            assert number > 1 or parameter in page
            named = re.search(rf"\b{parameter}\b", described)
            assert number == 0 or named, f"{name}: {parameter} is not described"


def test_the_notebook_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    settings = tables_of(QUICK | {"evaluate.trim_draws": 1, "evaluate.pairs": 4})
    settings["poses"] = dict.fromkeys(("detector", "pose"), "tests.poses.grey_people")
    for project in ("la2ds-demo", "swings"):
        StoredProject.create(tmp_path / project, {"preset": "default", **settings})
    videos = tmp_path / "la2ds-demo" / "videos"
    videos.mkdir()
    for number in (1, 2, 3, 5):
        clip = videos / f"performer-{number:02}.mp4"
        film(clip, squats(20 + 4 * number), fps=25 + 5 * (number % 2))
    monkeypatch.chdir(tmp_path)
    la2ds.extract(la2ds.open("la2ds-demo"), videos)
    names: dict[str, Any] = {}
    for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), str(NOTEBOOK), "exec"), names)
    assert np.isfinite(names["moment"])
    assert len(names["timeline"].clips) == len(names["embedded"].clips) == 4
    assert set(names["evaluated"].to_frame().features) >= {"model", "raw_pose", "time_only"}
    assert "nobody" in capsys.readouterr().out.splitlines()[-1]


def tables_of(flat: dict[str, Any]) -> dict[str, Any]:
    """Settings by `section.key` as the tables of a project.toml."""
    tables: dict[str, Any] = {}
    for name, value in flat.items():
        section, _, key = name.partition(".")
        tables.setdefault(section, {})[key] = value
    return tables
