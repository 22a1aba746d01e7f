"""Groups of clips: who is a sample, what a test takes, and a known difference."""

from __future__ import annotations

import csv
import io
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from la2ds_cli.alignment import curve_tests
from la2ds_cli.alignment.curve_groups import (
    CLUSTER_COLUMNS,
    Cluster,
    CurveGroups,
    Grouping,
    check_grouping,
    complete_curves,
    group_curves,
)
from la2ds_cli.alignment.curve_tests import arrays_file, compare_groups, import_spm1d
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.timeline import align_all, clips_of, measure_at_grid
from la2ds_cli.alignment.timeline_result import GRID, TimelineResult, row_at
from la2ds_cli.commands import align_command
from la2ds_cli.core.clip import Video
from la2ds_cli.core.console import Console
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.views import curves_figure
from tests.movement import add_sequence, sequence, warped_phase
from tests.processes import invoke

PEOPLE = 9  # of each group


def needs_spm1d() -> None:
    try:
        import_spm1d()
    except UserError as error:
        pytest.skip(error.message)


def video(name: str, group: str = "", **own: str) -> Video:
    return Video(name, f"{name}.mp4", "0", group=group, own=own)


def level(value: float) -> dict[str, np.ndarray]:
    return {"left_knee": np.full(101, value)}


# --- who is a sample ------------------------------------------------------------------------------


def test_clips_of_a_performer_are_one_sample_of_a_group() -> None:
    clips = [
        (video("a1", "anna", when="before"), level(10)),
        (video("a2", "anna", when="before"), level(20)),
        (video("a3", "anna", when="after"), level(50)),
        (video("b1", "ben", when="before"), level(30)),
        (video("x", when="after"), level(7)),
        (video("y"), level(8)),
    ]
    groups = group_curves(clips, Grouping("when"))
    assert groups.labels == ("before", "after")
    assert groups.names == (("anna", "ben"), ("anna", "x"))
    assert [values[:, 0].tolist() for values in groups.curves["left_knee"]] == [[15, 30], [50, 7]]
    assert groups.left_out == ("y",)
    # Grouped by performer, every clip counts for itself.
    by_group = group_curves(clips, Grouping("group"))
    assert by_group.names == (("a1", "a2", "a3"), ("b1",))


def test_pairs_are_rows_of_one_person_in_any_order_of_clips() -> None:
    clips = [
        (video("b2", "ben", when="after"), level(2)),
        (video("a1", "anna", when="before"), level(1)),
        (video("c1", "carl", when="before"), level(9)),
        (video("a2", "anna", when="after"), level(11)),
        (video("b1", "ben", when="before"), level(12)),
        (video("x", when="after"), level(7)),
    ]
    groups = group_curves(clips, Grouping("when", paired=True))
    assert groups.names == (("ben", "anna"), ("ben", "anna"))
    assert [values[:, 0].tolist() for values in groups.curves["left_knee"]] == [[2, 11], [12, 1]]
    assert groups.left_out == ("x", "carl")


def test_numbers_of_a_performer_are_averaged_like_their_curves() -> None:
    clips = [
        (video("a1", "anna", load="10"), level(10)),
        (video("a2", "anna", load="30"), level(20)),
        (video("b1", "ben", load="1.5"), level(30)),
        (video("x", load=""), level(8)),
        (video("y", load="-4"), level(7)),
    ]
    groups = group_curves(clips, Grouping("load", regress=True))
    assert groups.labels == ("load",)
    assert groups.names == (("anna", "ben", "y"),)
    assert groups.numbers == (20, 1.5, -4)
    assert groups.curves["left_knee"][0][:, 0].tolist() == [15, 30, 7]
    assert groups.left_out == ("x",)
    thirds = groups.thirds()
    assert thirds.labels == ("≤ -4", "≥ 20")
    assert thirds.names == (("y",), ("anna",))
    assert [values[:, 0].tolist() for values in thirds.curves["left_knee"]] == [[7], [15]]


def test_what_is_no_number_is_named_with_its_clip() -> None:
    videos = [video("a", load="10"), video("b", load=""), video("c", load="heavy")]
    with pytest.raises(UserError, match="load of c is 'heavy', and a regression needs a number"):
        check_grouping(videos, Grouping("load", regress=True))
    for text in ("inf", "nan"):
        with pytest.raises(
            UserError, match=f"load of a is '{text}', and a regression needs a number"
        ):
            check_grouping([video("a", load=text)], Grouping("load", regress=True))
    check_grouping(videos[:2], Grouping("load", regress=True))


@pytest.mark.parametrize(
    ("by", "paired", "quantities", "message"),
    [
        ("sex", False, (), "no column 'sex'"),
        ("path", False, (), "no column 'path'"),
        ("when", False, (), "the column when of videos.csv is empty"),
        ("", True, (), "pairs need the column"),
        ("group", True, (), "pairs need the column"),
        ("group", False, ("left_kne",), "no quantity 'left_kne'"),
    ],
)
def test_what_cannot_be_grouped_is_refused_at_once(by, paired, quantities, message) -> None:
    videos = [video("a", "anna", when=""), video("b", "ben", when="")]
    with pytest.raises(UserError, match=message) as caught:
        check_grouping(videos, Grouping(by, paired, quantities=quantities))
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.hint


# --- what a test takes ----------------------------------------------------------------------------


def two_groups(a: np.ndarray, b: np.ndarray, *, paired: bool = False) -> CurveGroups:
    names = tuple(tuple(f"{g}{n}" for n in range(len(v))) for g, v in (("a", a), ("b", b)))
    return CurveGroups("when", paired, ("A", "B"), names, {"left_knee": (a, b)})


def test_gaps_are_filled_ends_are_cut_and_long_gaps_leave_a_sample_out() -> None:
    a, b = (np.tile(np.arange(101.0), (n, 1)) for n in (4, 3))
    a[0, :4] = a[1, 40:48] = b[2, 98:] = np.nan
    a[3, 50:62] = np.nan
    whole = complete_curves(two_groups(a, b), "left_knee")
    assert whole.names == (("a0", "a1", "a2"), ("b0", "b1", "b2"))
    assert (whole.percent[0], whole.percent[-1]) == (4, 97)
    np.testing.assert_allclose(whole.curves[0], np.tile(np.arange(4.0, 98), (3, 1)))
    np.testing.assert_allclose(whole.curves[1], np.tile(np.arange(4.0, 98), (3, 1)))
    paired = complete_curves(two_groups(a[:, :], np.vstack([b, b[:1]]), paired=True), "left_knee")
    assert paired.names == (("a0", "a1", "a2"), ("b0", "b1", "b2"))


def smooth(count: int, seed: int) -> np.ndarray:
    """(count, 101) curves of five waves with random sizes."""
    rng, at = np.random.default_rng(seed), np.linspace(0, np.pi, 101)
    waves = np.stack([np.cos(k * at) for k in range(6)])
    return 90 + rng.normal(size=(count, 6)) @ waves * 3


def test_the_file_of_arrays_gives_spm1d_what_it_takes() -> None:
    groups = two_groups(smooth(6, 1), smooth(5, 2))
    with np.load(io.BytesIO(arrays_file(groups)), allow_pickle=False) as arrays:
        assert arrays["left_knee_YA"].shape == (6, 101)
        assert arrays["left_knee_YB"].shape == (5, 101)
        assert arrays["left_knee_B"].tolist() == [f"b{n}" for n in range(5)]
        assert arrays["labels"].tolist() == ["A", "B"]
        assert not arrays["paired"]
    with pytest.raises(UserError, match="need two groups, and there are 1"):
        arrays_file(replace(groups, labels=("A",)))


def test_without_spm1d_the_reason_says_how_to_install_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "spm1d", None)
    groups = compare_groups(two_groups(smooth(6, 1), smooth(5, 2)))
    assert groups.tests == ()
    assert "spm1d, which is not installed; pip install 'la2ds[spm1d]'" in groups.reason


def test_too_few_or_equal_samples_are_not_tested() -> None:
    groups = compare_groups(two_groups(smooth(2, 1), smooth(5, 2)))
    assert "fewer than 3 samples in each group" in groups.reason
    groups = compare_groups(two_groups(np.ones((4, 101)), np.ones((4, 101))))
    assert "do not vary" in groups.reason
    groups = replace(two_groups(smooth(4, 1), smooth(4, 2)), labels=("A", "B", "C"))
    assert compare_groups(groups).reason == "a test needs two groups, and there are 3"


@pytest.mark.parametrize("paired", [False, True])
def test_the_test_is_that_of_spm1d(paired: bool) -> None:
    needs_spm1d()
    a, b = smooth(6, 1), smooth(6, 2)
    b[:, 55:] += 25
    a[0, :4] = np.nan
    groups = compare_groups(two_groups(a, b, paired=paired))
    (test,) = groups.tests
    spm1d = import_spm1d()
    function = spm1d.stats.ttest_paired if paired else spm1d.stats.ttest2
    found = function(a[:, 4:], b[:, 4:]).inference(0.05, two_tailed=True, interp=True)
    assert test.threshold == found.zstar
    assert test.alpha == 0.05
    assert test.tested == (4, 100)
    assert [(c.start - 4, c.end - 4, c.p) for c in test.clusters] == [
        (*c.endpoints, c.P) for c in found.clusters
    ]
    assert test.clusters[-1].difference == pytest.approx(25, abs=6)
    rows = list(csv.DictReader(groups.clusters_text().splitlines()))
    assert tuple(rows[0]) == CLUSTER_COLUMNS
    assert len(rows) == max(len(test.clusters), 1)


def with_numbers(curves: np.ndarray, numbers: np.ndarray) -> CurveGroups:
    names = (tuple(f"p{n}" for n in range(len(curves))),)
    own = {"left_knee": (curves,)}
    return CurveGroups("age", False, ("age",), names, own, numbers=tuple(numbers.tolist()))


def test_the_regression_is_that_of_spm1d() -> None:
    needs_spm1d()
    curves, numbers = smooth(9, 1), np.array([20, 31, 25, 44, 28, 60, 39, 52, 23.5])
    curves[:, 60:] += 1.5 * (numbers[:, None] - 30)
    curves[0, :4] = np.nan
    curves[7, 20:50] = np.nan  # left out, with its number
    (test,) = compare_groups(with_numbers(curves, numbers)).tests
    kept = np.arange(9) != 7
    found = import_spm1d().stats.regress(curves[kept, 4:], numbers[kept])
    found = found.inference(0.05, two_tailed=True, interp=True)
    assert test.samples == (8, 0)
    assert test.threshold == found.zstar
    assert [(c.start - 4, c.end - 4, c.p) for c in test.clusters] == [
        (*c.endpoints, c.P) for c in found.clusters
    ]
    (cluster,) = test.clusters
    assert (cluster.start, cluster.end) == (pytest.approx(59, abs=2), 100)
    assert cluster.difference == pytest.approx(1.5, abs=0.25)
    assert not cluster.timing


def test_a_regression_needs_samples_and_unlike_numbers() -> None:
    curves = smooth(5, 1)
    few = compare_groups(with_numbers(curves[:4], np.arange(4.0)))
    assert few.reason == "fewer than 5 samples show at least nine tenths of it"
    unseen = compare_groups(with_numbers(np.full((6, 101), np.nan), np.arange(6.0)))
    assert unseen.reason == few.reason
    alike = compare_groups(with_numbers(curves, np.ones(5)))
    assert alike.reason == "its samples have one number"
    exact = compare_groups(with_numbers(np.outer(np.arange(5.0), np.ones(101)), np.arange(5.0)))
    assert "do not vary" in exact.reason


def test_numbers_without_a_relation_seldom_give_one() -> None:
    needs_spm1d()
    found = []
    for seed in range(60):
        numbers = np.random.default_rng(seed).normal(size=9)
        (test,) = compare_groups(with_numbers(smooth(9, seed), numbers)).tests
        found.append(bool(test.clusters))
    assert sum(found) <= 7  # 3 are expected; more than 7 have a chance of 1 %


def test_the_file_of_a_regression_has_its_numbers() -> None:
    groups = with_numbers(smooth(6, 1), np.arange(6.0))
    with np.load(io.BytesIO(arrays_file(groups)), allow_pickle=False) as arrays:
        assert arrays["left_knee_YA"].shape == (6, 101)
        assert arrays["left_knee_x"].tolist() == list(range(6))
        assert "left_knee_YB" not in arrays


# --- a known difference ---------------------------------------------------------------------------


def hurried(phase: np.ndarray, tempo: float) -> np.ndarray:
    """The phase of a person who is faster by the share `tempo` at both ends, and slower between."""
    return phase + tempo * np.sin(2 * np.pi * phase) / (2 * np.pi)


def person(number: int, *, bent: float, tempo: float) -> PoseSequence:
    """A person of own proportions and tempo, whose left knee is bent by so many degrees more in the
    second half of the movement."""
    rng = np.random.default_rng(number)
    length, fps = int(rng.integers(60, 110)), float(rng.choice([20.0, 25.0, 30.0]))
    phase = hurried(warped_phase(length, number), tempo)
    pose = sequence(phase, fps=fps)
    joints = get_skeleton(pose.skeleton).index
    xy = pose.xy + rng.normal(0, 0.4, (1, *pose.xy.shape[1:]))
    xy = xy + rng.normal(0, 0.15, xy.shape)
    knee, ankle = joints("left_knee"), joints("left_ankle")
    angle = np.radians(bent) * np.clip((phase - 0.5) / 0.05, 0, 1)
    x, y = (xy[:, ankle] - xy[:, knee]).T
    xy[:, ankle] = xy[:, knee] + np.stack(
        [np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y], axis=1
    )
    return replace(pose, xy=xy)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    """Two groups: one is slower at both ends, and bends its left knee 10° more in the second
    half."""
    project = StoredProject.create(tmp_path_factory.mktemp("groups") / "p")
    for number in range(PEOPLE):
        for kind, bent, tempo in (("usual", 0.0, 0.4), ("bent", 10.0, -0.4)):
            add_sequence(
                project,
                f"{kind}{number}",
                person(number + 50 * (kind == "bent"), bent=bent, tempo=tempo),
                own={"kind": kind, "bend": f"{bent:g}"},
            )
    return project


@pytest.fixture(scope="module")
def placed(project: StoredProject) -> TimelineResult:
    request = AlignRequest(project.config(), features="pose")
    return align_all(project, clips_of(project), request, reference="usual0")


def by_clock(project: StoredProject, result: TimelineResult) -> TimelineResult:
    """The clips on the timeline by the share of their time, as without alignment."""
    clips = []
    for clip in result.clips:
        even = np.linspace(0, 1, len(clip.time))
        pose = project.read_pose(clip.video.id)[0]
        angles, _, quantities = measure_at_grid(pose, row_at(even, GRID))
        clips.append(replace(clip, position=even, angles=angles, quantities=quantities))
    return replace(result, clips=tuple(clips))


def angles_found(result: TimelineResult) -> dict[str, list[Cluster]]:
    """The stretches of each angle that timing does not explain."""
    groups = result.grouped(Grouping("kind")).groups
    assert groups is not None
    found = {
        test.quantity: [cluster for cluster in test.clusters if not cluster.timing]
        for test in compare_groups(groups).tests
        if test.quantity in result.joints
    }
    return {name: clusters for name, clusters in found.items() if clusters}


def length_of(clusters: list[Cluster]) -> float:
    return sum(cluster.end - cluster.start for cluster in clusters)


def test_a_bent_knee_is_found_there_and_nowhere_else(placed: TimelineResult) -> None:
    needs_spm1d()
    found = angles_found(placed)
    assert list(found) == ["left_knee"]
    # The reference is half through the movement where its phase is 0.5.
    length = len(placed.clock.time)
    phase = hurried(warped_phase(length, 0), 0.4)
    middle = 100 * np.interp(0.5, phase, np.linspace(0, 1, length))
    assert found["left_knee"][0].start == pytest.approx(middle, abs=8)
    assert found["left_knee"][-1].end > 97
    assert length_of(found["left_knee"]) > 0.8 * (100 - middle)
    for cluster in found["left_knee"]:
        assert cluster.difference == pytest.approx(-10, abs=2.5)


def test_without_alignment_the_difference_is_smeared(
    project: StoredProject, placed: TimelineResult
) -> None:
    needs_spm1d()
    linear = by_clock(project, placed)
    found, aligned = angles_found(linear), angles_found(placed)["left_knee"]
    assert length_of(found.get("left_knee", [])) < length_of(aligned) / 3
    _, spread, _ = placed.bands()
    _, smeared, _ = linear.bands()
    assert np.nanmean(smeared) > 1.5 * np.nanmean(spread)


def test_what_a_little_shift_in_time_explains_is_marked() -> None:
    needs_spm1d()
    at, noise = np.arange(101.0), smooth(8, 3) / 30 - 3
    early, late = (np.interp(at, [30, 70], [0, 80]) for at in (at, at - 4))
    level = np.interp(at, [80, 90], [0, 20])
    (test,) = compare_groups(two_groups(early + noise[:4], late + level + noise[4:])).tests
    assert [(c.timing, c.start < 75) for c in test.clusters] == [(True, True), (False, False)]


def test_groups_whose_curves_spm1d_refuses_are_shown_with_the_reason(
    placed: TimelineResult, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("no smoothness")

    stats = SimpleNamespace(ttest2=refuse, ttest_paired=refuse)
    monkeypatch.setattr(curve_tests, "import_spm1d", lambda: SimpleNamespace(stats=stats))
    groups = placed.grouped(Grouping("kind")).groups
    assert groups is not None
    refused = compare_groups(groups)
    assert not refused.tested
    assert "spm1d refuses its curves: no smoothness" in refused.tests[0].note
    curves_figure.draw_curves(replace(placed, groups=refused))
    align_command.show_groups(Console(), refused)
    assert "left knee is not tested: spm1d refuses" in capsys.readouterr().out


def test_two_samples_of_one_population_seldom_differ() -> None:
    needs_spm1d()
    found = [
        bool(compare_groups(two_groups(smooth(7, 2 * n), smooth(8, 2 * n + 1))).tests[0].clusters)
        for n in range(60)
    ]
    assert sum(found) <= 7  # 3 are expected; more than 7 have a chance of 1 %


# --- the command ----------------------------------------------------------------------------------


def test_the_command_writes_figure_clusters_and_arrays(
    project: StoredProject, tmp_path: Path
) -> None:
    names = ("k.curves.svg", "k.clusters.csv", "k.npz", "k.json")
    out = [f"--out={tmp_path / name}" for name in names]
    words = ("timeline", "--project", project.root, "--features", "pose", "--reference", "usual0")
    done = invoke(*words, "--by", "kind", "--quantity", "left_knee", *out)
    svg = (tmp_path / names[0]).read_text("utf-8")
    assert svg.startswith("<?xml")
    with np.load(tmp_path / names[2], allow_pickle=False) as arrays:
        assert {"left_knee_YA", "left_knee_YB"} <= set(arrays)
        assert "right_knee_YA" not in arrays
    needs_spm1d()
    assert "left knee: bent is 1" in done.output
    rows = list(csv.DictReader((tmp_path / names[1]).read_text("utf-8").splitlines()))
    assert {row["quantity"] for row in rows} == {"left_knee"}
    assert {(row["a"], row["b"]) for row in rows} == {("usual", "bent")}


def test_the_command_finds_what_changes_with_a_number(
    project: StoredProject, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("k.curves.svg", "k.clusters.csv", "k.npz", "k.json")]
    words = ("timeline", "--project", project.root, "--features", "pose", "--reference", "usual0")
    own = ("--by", "bend", "--regress", "--quantity", "left_knee")
    done = invoke(*words, *own, *(f"--out={file}" for file in files))
    assert "bend: 18 samples from 0 to 10" in done.output
    needs_spm1d()
    assert "degrees less for each 1 more of bend" in done.output
    rows = list(csv.DictReader(files[1].read_text("utf-8").splitlines()))
    assert {(row["a"], row["b"], row["samples_b"]) for row in rows} == {("bend", "", "0")}
    for row in rows:
        assert float(row["difference"]) == pytest.approx(-1, abs=0.25)
    invoke(*words, "--regress", code=2)
    invoke(*words, *own, "--paired", code=2)


def test_what_needs_groups_is_refused_before_anything_is_computed(
    project: StoredProject, tmp_path: Path
) -> None:
    for name in ("k.clusters.csv", "k.npz"):
        done = invoke("timeline", "-p", project.root, "--out", tmp_path / name, code=2)
        assert "--by" in done.output
    invoke("timeline", "-p", project.root, "--by", "nothing", code=2)
    invoke("timeline", "-p", project.root, "--paired", code=2)
    assert not list(tmp_path.iterdir())
