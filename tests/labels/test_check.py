"""Labels held back and compared with those that are propagated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Phase
from la2ds_cli.labels.check import (
    AlignerScore,
    CheckResult,
    boundary_errors,
    check_json,
    check_propagation,
    draw_sources,
    errors_csv,
    scored_boundaries,
    true_frames,
)
from la2ds_cli.labels.clip_labels import clip_labels
from la2ds_cli.labels.vote import (
    Boundary,
    PhaseConsensus,
    PhaseKey,
    PropagatedPhase,
    labelled_spans,
    propagate_spans,
)
from tests.labels.swings import swings
from tests.movement import sequence

ROWS = ("carried", "equal_votes", "raw_pose", "raw_pose_best", "time_only")


def check(project: Project, sources=("labelled",), targets=("all",), **options) -> CheckResult:
    return check_propagation(
        project, sources, targets, AlignRequest(project.config(), "default"), **options
    )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return swings(tmp_path, labelled=4)


def test_boundaries_within_a_clip_are_scored_once():
    spans = labelled_spans(np.arange(20), [Phase(0, 5, "a"), Phase(5, 9, "b"), Phase(12, 20, "c")])
    assert [(str(key), side, row) for key, side, row in scored_boundaries(spans)] == [
        ("b", "start", 5),
        ("b", "end", 9),
        ("c", "start", 12),
    ]
    assert true_frames(spans, 20) == ["a"] * 5 + ["b"] * 4 + [""] * 3 + ["c"] * 8


def test_errors_in_frames_seconds_and_percent():
    """20 frames at 20 per second: b starts 1.5 frames late, c's start was cut off, d is missing."""

    def at(row: float, *, cut: bool = False) -> Boundary:
        return Boundary(row, row - 1, row + 2, 0.7, cut, 1, None)

    phases = (
        PropagatedPhase(PhaseKey("b"), at(6.5), at(9)),
        PropagatedPhase(PhaseKey("c"), at(9, cut=True), at(15)),
    )
    labels = clip_labels("x", sequence(np.linspace(0, 1, 20)), PhaseConsensus(phases, {}, 1))
    truth = labelled_spans(
        np.arange(20),
        [Phase(0, 5, "a"), Phase(5, 9, "b"), Phase(9, 14, "c"), Phase(14, 20, "d")],
    )
    b, c, d = boundary_errors(labels, truth)
    assert (b.frames, b.seconds, b.percent) == pytest.approx((1.5, 0.075, 7.5))
    assert (b.confidence, b.covered) == (0.7, False)
    assert np.isnan([c.frames, d.frames]).all()
    assert not c.covered
    near = replace(phases[0], start=at(5.5))
    labels = clip_labels("x", labels.pose, PhaseConsensus((near,), {}, 1))
    assert boundary_errors(labels, truth)[0].covered


def test_every_labelled_clip_is_checked_against_the_others(project: Project):
    result = check(project)
    assert result.videos == [f"clip{n}" for n in range(4)]
    document = check_json(result)
    assert [row["name"] for row in document["rows"]] == list(ROWS)
    carried = document["rows"][0]
    assert (carried["votes"], carried["boundaries"], carried["not_carried"]) == (3, 8, 0)
    assert carried["median_frames"] <= 1
    assert carried["frames_right"] > 0.95
    clock = document["rows"][-1]
    assert clock["mean_percent"] > 2 * carried["mean_percent"]
    assert sum(b["boundaries"] for b in document["calibration"][0]["quarters"]) == 8
    assert not project.results_dir("transfer").exists()
    lines = errors_csv(result).splitlines()
    assert len(lines) == 1 + 8 * len(ROWS)


def test_every_figure_of_the_best_raw_pose_is_that_of_its_own_best_variant(project: Project):
    """Errors of 2, 2 and 50 % have the lower median, errors of 5, 5 and 6 % the lower mean."""
    result = check(project)
    best = next(score for score in result.scores if score.name == "raw_pose_best")
    assert len(best.tried) == 11
    one = best.errors[0]

    def score(name: str, *percents: float) -> AlignerScore:
        errors = [replace(one, percent=p, frames=p / 2, seconds=p / 50) for p in percents]
        return replace(best, variant=name, errors=errors, tried=())

    mostly, steady = score("mostly", 2, 2, 50), score("steady", 5, 5, 6)
    nothing = score("nothing", np.nan)
    chosen = replace(mostly, tried=(nothing, steady, mostly))
    row = check_json(replace(result, scores=[chosen]))["rows"][0]
    assert (row["variant"], row["median_percent"], row["median_frames"]) == ("mostly", 2, 1)
    assert (row["mean_percent"], row["mean_seconds"]) == pytest.approx((16 / 3, 16 / 150))
    assert row["p90_percent"] == pytest.approx(5.8)
    assert row["best_variants"]["median_seconds"] == "mostly"
    assert row["best_variants"]["mean_percent"] == "steady"
    assert row["interval_percent"] is None  # all errors are those of one clip
    other = replace(best, errors=[*best.errors[:1], replace(one, video="clip3", percent=40.0)])
    row = check_json(replace(result, scores=[replace(other, tried=())]))["rows"][0]
    assert row["interval_percent"][1] == 40.0
    empty = check_json(replace(result, scores=[nothing]))["rows"][0]
    assert (empty["median_percent"], empty["mean_seconds"]) == (None, None)


def test_every_aligner_knows_the_frame_rates(project: Project, monkeypatch: pytest.MonkeyPatch):
    """The clips run at 20, 25, 30 and again 20 frames per second."""
    steps = []

    def noted(spans, along):
        steps.append(round(along.step, 6))
        return propagate_spans(spans, along)

    monkeypatch.setattr("la2ds_cli.labels.check.propagate_spans", noted)
    result = check(project)
    of_each = np.array(steps).reshape(-1, 12)  # the pairs, of every variant of every row
    assert len(of_each) >= len(result.scores)
    assert (of_each == of_each[0]).all()
    assert set(of_each[0]) == {1, 1.25, 0.8, 1.5, 1.2} | {round(1 / x, 6) for x in (1.5, 1.2)}


def test_the_labels_of_the_clip_itself_do_not_enter(project: Project):
    """With clip0's labels moved, clip0 gets the same boundaries: only its errors differ."""
    before = check(project, targets=["clip0"]).scores[0].errors
    text = project.phases_path.read_text()
    first = project.phases()["clip0"][0].end
    moved = text.replace(f"clip0,0,{first},", f"clip0,0,{first - 5},")
    moved = moved.replace(f"clip0,{first},", f"clip0,{first - 5},")
    project.phases_path.write_text(moved)
    after = check(project, targets=["clip0"]).scores[0].errors
    assert after[0].frames == pytest.approx(before[0].frames + 5, abs=2 * before[0].frames + 1e-9)
    assert after[1].frames == before[1].frames


def test_votes_are_drawn_and_repeatable(project: Project):
    once = check_json(check(project, votes=[1, 3, 9], draws=2))
    assert once == check_json(check(project, votes=[1, 3, 9], draws=2))
    counts = {(row["name"], row["votes"]): row["boundaries"] for row in once["rows"]}
    assert counts["carried", 1] == 4 * 2 * 2
    assert counts["carried", 3] == 4 * 2  # there is one way to choose three of three
    assert ("equal_votes", 1) not in counts
    assert once["warnings"] == ["fewer than 9 other labelled clips: left out"]


def test_more_votes_hold_the_fewer_and_never_the_clip_itself():
    sources = [f"s{n}" for n in range(8)]
    for draw in range(5):
        three = draw_sources(sources, "s2", 3, draw, 5, 0)
        five = draw_sources(sources, "s2", 5, draw, 5, 0)
        assert three is not None
        assert five is not None
        assert five[:3] == three
        assert "s2" not in five
    assert draw_sources(sources, "s2", 8, 0, 5, 0) is None


def test_few_ways_to_choose_are_taken_once_each():
    drawn = [draw_sources(["a", "b", "c", "d"], "b", 2, draw, 5, 0) for draw in range(5)]
    assert drawn == [["a", "c"], ["a", "d"], ["c", "d"], None, None]


def test_propagated_labels_are_not_checked_against(project: Project):
    text = project.phases_path.read_text().replace("phase\n", "phase,origin\n", 1)
    rows = [line + "," for line in text.splitlines()[1:]]
    rows.append("clip5,0,20,begin,carried")
    project.phases_path.write_text("video,start,end,phase,origin\n" + "\n".join(rows) + "\n")
    assert "clip5" not in check(project).videos


def test_one_labelled_clip_cannot_be_checked(tmp_path: Path):
    with pytest.raises(UserError, match="no labelled clip to check") as refused:
        check(swings(tmp_path))
    assert refused.value.exit_code == ExitCode.UNUSABLE
