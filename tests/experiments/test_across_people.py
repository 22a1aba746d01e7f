"""Folds by person, pairs of several kinds, and figures resampled by people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import across_people
from benchmarks.across_people import (
    Pooled,
    Statistic,
    cached_coverage,
    cached_transfers,
    halves,
    mark_test,
    mean,
    median,
    over_runs,
    pool,
)
from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.project import Project
from la2ds_cli.evaluation.measure import video_counts
from tests.movement import add_sequence, sequence

# Clips of one movement that differ in how long its first pose is held and in their frame rate.
HELD = {"anna1": 0, "anna2": 7, "ben1": 20, "cleo1": 13}
FPS = {"anna1": 20.0, "anna2": 30.0, "ben1": 25.0, "cleo1": 24.0}
LENGTH, EVENT = 61, 30
WHOLE = ("evaluate.max_trim=0", "evaluate.trim_draws=1", "align.reference_clips=0")


def person(clip: str) -> str:
    return clip.rstrip("0123456789")


def kind(a: str, b: str) -> str:
    """Never two clips of a person; those with ben apart."""
    if person(a) == person(b):
        return ""
    return "with ben" if "ben" in a + b else "others"


def copies(root: Path, late: dict[str, int] | None = None) -> Project:
    """late: frames by which the label of a clip comes later than the event."""
    project = Project.create(root)
    rows = ["video,start,end,phase"]
    for name, held in HELD.items():
        phase = np.concatenate([np.zeros(held), np.linspace(0, 1, LENGTH)])
        add_sequence(project, name, sequence(phase, fps=FPS[name], scale=50.0 + held), "test")
        event = held + EVENT + (late or {}).get(name, 0)
        rows += [f"{name},0,{event},begin", f"{name},{event},{len(phase)},end"]
    write_text(project.phases_path, "\n".join(rows) + "\n")
    return project


def transfers(project: Project, *more: str) -> dict[str, Any]:
    config = project.config(overrides=[*WHOLE, *more])
    return cached_transfers(project, "baselines", config=config, features=["raw_pose"], kind=kind)


def errors(document: dict[str, Any]) -> dict[tuple[str, str], float]:
    percent = document["percent"]["raw_pose"][0]["percent"]
    return {(row[2], row[3]): p for row, p in zip(document["events"], percent, strict=True)}


@pytest.mark.parametrize("count", [2, 9, 20])
def test_no_person_is_in_both_halves_and_all_are_in_one(count: int) -> None:
    people = [f"person{n}" for n in range(count)]
    first, second = halves(people + people, seed=3)
    assert not set(first) & set(second)
    assert sorted(first + second) == sorted(people)
    assert 0 <= len(first) - len(second) <= 1
    assert (first, second) == halves(reversed(people), seed=3)  # type: ignore[arg-type]
    assert count == 2 or any(halves(people, seed)[0] != first for seed in range(5))


def test_the_split_goes_by_person_and_the_group_names_it(tmp_path: Path) -> None:
    project = copies(tmp_path)
    mark_test(project, {clip: person(clip) for clip in HELD}, ["anna"])
    rows = {video.id: (video.split, video.group) for video in project.videos()}
    assert rows["anna1"] == rows["anna2"] == ("test", "anna")
    assert rows["ben1"] == ("train", "ben")


def test_copies_of_one_clip_have_no_error(tmp_path: Path) -> None:
    found = errors(transfers(copies(tmp_path)))
    assert len(found) == 10  # of 12 ordered pairs two are of one person
    assert set(found.values()) == {0.0}


def test_a_late_label_is_off_by_its_share_of_clip_b(tmp_path: Path) -> None:
    found = errors(transfers(copies(tmp_path, late={"ben1": 4})))
    assert found["anna1", "ben1"] == pytest.approx(100 * 4 / (LENGTH + 20), abs=1e-4)
    assert found["ben1", "anna1"] == pytest.approx(100 * 4 / LENGTH, abs=1e-4)
    assert found["anna1", "cleo1"] == 0


def test_pairs_of_each_kind_are_drawn_by_themselves(tmp_path: Path) -> None:
    document = transfers(copies(tmp_path), "evaluate.pairs=3")
    kinds = [row[0] for row in document["events"]]
    assert (kinds.count("with ben"), kinds.count("others")) == (3, 3)
    assert all(row[0] == kind(row[2], row[3]) for row in document["events"])


def test_nothing_is_measured_twice_until_a_label_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = transfers(copies(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(across_people, "transfer_events", None)
        assert transfers(Project.open(tmp_path)) == first
    late = transfers(copies(tmp_path, late={"ben1": 4}))
    assert errors(late)["anna1", "ben1"] > 4


def test_figures_without_short_training_clips_are_not_those_with_them(tmp_path: Path) -> None:
    project = copies(tmp_path)
    project.mark_video("anna1", split="train", group="")  # the shortest
    every, default, long = (transfers(project, f"poses.min_frames={n}") for n in (7, 8, LENGTH + 1))
    assert every["events"] == long["events"]
    assert len({document["key"] for document in (every, default, long)}) == 3
    assert transfers(project)["key"] == default["key"]


def test_intervals_hold_the_events_of_copies_and_not_labels_far_off(tmp_path: Path) -> None:
    def held(project: Project) -> dict[tuple[str, str], int]:
        config = project.config(overrides=WHOLE)
        document = cached_coverage(project, "poses", config=config, kind=kind)
        assert document["unmatched"] == []
        assert all(0 < width < 50 for width in document["width"])
        return {(r[1], r[2]): h for r, h in zip(document["events"], document["held"], strict=True)}

    assert set(held(copies(tmp_path / "true")).values()) == {1}
    wrong = held(copies(tmp_path / "late", late={"ben1": 25}))
    assert len(wrong) == 10
    assert {pair: h for pair, h in wrong.items() if not h} == {
        pair: 0 for pair in wrong if "ben1" in pair
    }


def test_folds_are_pooled_by_person() -> None:
    person = {"a": 0, "b": 1, "c": 2, "d": 2}
    events = [["x", 0, "a", "b", "top"], ["x", 1, "a", "b", "top"], ["y", 0, "b", "a", "top"]]
    other = [["x", 0, "c", "d", "top"], ["x", 0, "c", "d", "end"]]
    found = pool([(events, [1.0, 2.0, 3.0]), (other, [4.0, 5.0])], "x", person)
    assert found.value.tolist() == [1, 2, 4, 5]
    assert (found.a.tolist(), found.b.tolist()) == ([0, 0, 2, 2], [1, 1, 2, 2])
    assert found.pairs == 3


def test_people_are_resampled_and_not_clips() -> None:
    pooled = Pooled(np.array([1.0, 2.0, 9.0]), np.array([0, 0, 2]), np.array([1, 1, 1]), 3)
    counts = np.array([[1, 1, 1], [2, 1, 0], [0, 1, 2], [3, 0, 0]])
    assert median(pooled, counts).value == 2
    np.testing.assert_array_equal(median(pooled, counts).resampled, [2, 1.5, 9, np.nan])
    assert mean(pooled, counts).value == 4
    np.testing.assert_array_equal(mean(pooled, counts).resampled, [4, 1.5, 9, np.nan])


def test_means_equal_those_of_the_repeated_values() -> None:
    generator = np.random.default_rng(0)
    value, (a, b) = generator.exponential(size=40), generator.integers(0, 5, (2, 40))
    counts = video_counts(5, seed=0, resamples=50)
    expected = [np.repeat(value, count[a] * count[b]).mean() for count in counts]
    pooled = Pooled(value, a, b, 40)
    np.testing.assert_allclose(mean(pooled, counts).resampled, expected)


def test_a_ratio_has_an_interval_of_its_own() -> None:
    sample = np.arange(1.0, 101)
    half = Statistic(1.0, sample / 2).over(Statistic(2.0, sample))
    assert half.value == 0.5
    assert half.interval == (0.5, 0.5)  # both vary, their ratio does not
    both = over_runs([Statistic(1.0, sample), Statistic(3.0, 3 * sample)])
    assert both.value == 2
    np.testing.assert_array_equal(both.resampled, 2 * sample)
