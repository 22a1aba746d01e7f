"""How unusual a clip is: by hand on numbers, and on performers with one thing changed."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.compare.compare import compare
from la2ds_cli.compare.examples import (
    LEAST_SPREAD,
    Examples,
    distances,
    example_names,
    measure_anomaly,
)
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence
from tests.compare.performers import AZIMUTH, body, label, performance, project_of, steady

LEAST = np.array([1.0])


def constant(*values: float) -> np.ndarray:
    """(E, 40, 1) examples that stay at one value each."""
    return np.array(values, np.float64)[:, None, None].repeat(40, axis=1)


def test_distances_are_in_spreads_of_the_examples() -> None:
    """Median 0, squares 4 4 4 4 on average 4, times 4 / 3, and the least spread of 1."""
    found = distances(np.full((40, 1), 6.0), constant(-2, -2, 2, 2), LEAST)
    np.testing.assert_allclose(found, 6 / np.sqrt(4 * 4 / 3 + 1))


def test_the_spread_is_larger_where_the_examples_differ() -> None:
    examples = constant(-1.0, 0, 0, 1)
    examples[:, 20:] *= 10
    found = distances(np.full((40, 1), 6.0), examples, LEAST)
    assert found[5, 0] > 1.2 * found[35, 0]


def test_moments_that_few_examples_show_are_not_known() -> None:
    examples = constant(-1, 0, 0, 1)
    examples[:2, 10:20] = np.nan
    found = distances(np.zeros((40, 1)), examples, LEAST)
    assert np.isnan(found[10:20]).all()
    assert np.isfinite(found[:10]).all()


def test_one_is_the_most_unusual_example_and_a_clip_beyond_it_exceeds_one() -> None:
    examples = constant(-3, -1, 0, 1, 2)
    value = np.zeros((40, 1))
    ordinary = measure_anomaly(value, examples, ("knee",), LEAST)
    assert ordinary.examples.max() == pytest.approx(1)
    assert ordinary.examples.argmax() == 0
    assert ordinary.score == pytest.approx(0)
    value[12:18] = 9
    odd = measure_anomaly(value, examples, ("knee",), LEAST)
    assert odd.score > 1
    assert (odd.share_below, odd.driver) == (1, "knee")
    assert 12 <= odd.row < 18


def test_a_single_frame_does_not_count() -> None:
    value = np.zeros((40, 1))
    value[12] = 90
    assert measure_anomaly(value, constant(-3, -1, 0, 1, 2), ("knee",), LEAST).score < 1


def test_too_few_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 4"):
        measure_anomaly(np.zeros((40, 1)), constant(0, 1, 2), ("knee",), LEAST)


def test_a_further_clip_exceeds_one_at_most_once_in_n_plus_one_times() -> None:
    """Eight examples and a ninth of the same kind, 300 times: 300 / 9 = 33 at most, by chance a few
    more."""
    rng = np.random.default_rng(0)
    above = 0
    for _ in range(300):
        drawn = rng.normal(0, 10, (9, 1, 3)) + rng.normal(0, 3, (9, 40, 3))
        found = measure_anomaly(drawn[8], drawn[:8], ("a", "b", "c"), np.ones(3))
        above += found.score > 1
    assert 3 <= above <= 45


def performer(number: int, habits: int | None = None, **change: Any) -> PoseSequence:
    """One of a group of people who do it well: another body, camera and speed, and habits of their
    own or those of another number."""
    rng = np.random.default_rng(number)
    fps = 25 if number % 2 else 30
    return performance(
        steady(round(int(rng.integers(80, 105)) * fps / 30)),
        fps=fps,
        style=habits or number,
        build=body(100 + number),
        distance=float(rng.uniform(4, 7)),
        azimuth=AZIMUTH + float(rng.normal(0, 0.05)),
        noise=0.5,
        seed=number,
        **change,
    )


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Project:
    clips = {f"good-{k}": performer(k) for k in range(1, 9)}
    clips["coach"] = performer(20)
    clips["new"] = performer(21, habits=3)
    clips["elbow"] = performer(21, habits=3, change="right_elbow", degrees=75, middle=0.58)
    clips["turned"] = performance(steady(), azimuth=0.3)
    project = project_of(tmp_path_factory.mktemp("group"), **clips)
    label(project, coach=steady(len(clips["coach"])))
    return project


def examples(project: Project, other: str, wanted: str) -> Examples:
    result = compare(
        project,
        "coach",
        other,
        AlignRequest(project.config()),
        examples=wanted,
    )
    assert result.examples is not None
    return result.examples


GOOD = ",".join(f"good-{k}" for k in range(1, 9))


def test_a_fault_scores_above_all_good_clips_and_names_its_joint(group: Project) -> None:
    found = examples(group, "elbow", GOOD).anomaly
    assert found is not None
    assert found.score > 1 == found.examples.max()
    assert (found.driver, found.share_below) == ("right_elbow", 1)
    share = found.row / len(found.unusual)
    assert share == pytest.approx(0.58, abs=0.12)


def test_a_clip_of_several_names_is_one_example(group: Project) -> None:
    names = ["good-1", "good-2", "good-2.mat", "good-3", "good-1.mat", "new.mat", "gone.mp4"]
    assert example_names(group, ",".join(names), ("coach", "new")) == [
        "good-1",
        "good-2",
        "good-3",
        "gone.mp4",
    ]
    found = examples(group, "new", "good-1,good-2,good-2.mat,good-3")
    assert (found.used, found.anomaly) == (("good-1", "good-2", "good-3"), None)


def test_another_good_clip_does_not(group: Project) -> None:
    found = examples(group, "new", GOOD).anomaly
    assert found is not None
    assert 0 < found.score < 1
    assert len(found.examples) == 8


def test_the_tempo_of_inner_parts_counts(group: Project) -> None:
    found = examples(group, "new", GOOD).anomaly
    assert found is not None
    tempos = [name for name in found.features if name.startswith("tempo of")]
    assert tempos == ["tempo of squat", "tempo of rise", "tempo of wind-up", "tempo of throw"]
    at = found.features.index("tempo of squat")
    known = np.flatnonzero(np.isfinite(found.unusual[:, at]))
    assert np.ptp(found.unusual[known, at]) < 1e-9


def test_three_examples_give_no_score_and_say_why(group: Project) -> None:
    found = examples(group, "new", "good-1,good-2,good-3")
    assert found.anomaly is None
    assert "3 of the examples can be used, and 4 are needed" in found.reason


def test_examples_from_another_side_are_left_out(group: Project) -> None:
    found = examples(group, "new", f"{GOOD},turned")
    assert len(found.used) == 8
    assert "filmed from another side" in found.left_out["turned.mat"]


def test_a_clip_from_another_side_has_no_score(group: Project) -> None:
    found = examples(group, "turned", GOOD)
    assert found.anomaly is None
    assert "cannot be compared" in found.reason


def test_the_pair_itself_is_no_example(group: Project) -> None:
    found = examples(group, "new", "all")
    told = {name.removesuffix(".mat") for name in (*found.used, *found.left_out)}
    assert "good-1" in told
    assert not {"coach", "new"} & told
    with pytest.raises(UserError, match="leaves no clip") as caught:
        examples(group, "new", "coach,new")
    assert caught.value.exit_code == ExitCode.UNUSABLE


def test_a_long_clip_with_many_examples_takes_little_memory() -> None:
    """Five minutes at 30 frames per second beside 20 examples: once 14 GB of windows."""
    rng = np.random.default_rng(0)
    examples = rng.normal(0, 6, (20, 9000, 8))
    tracemalloc.start()
    try:
        found = distances(np.zeros((9000, 8)), examples, np.full(8, LEAST_SPREAD))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.shape == (9000, 8)
    assert peak < 10 * examples.nbytes


def test_the_spread_is_that_of_the_rows_around_and_of_the_whole() -> None:
    examples = np.zeros((5, 100, 1))
    examples[:, :, 0] = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])[:, None]  # mean square 2
    examples[:, 60:, 0] *= 3  # 18
    examples[0, 95:, 0] = np.nan  # median 1.5, squares 20.25 2.25 2.25 20.25
    found = distances(np.ones((100, 1)), examples, np.zeros(1))
    whole = (60 * 10 + 35 * 90 + 5 * 45) / (60 * 5 + 35 * 5 + 5 * 4)
    at_start = np.sqrt((2 + whole) / 2 * 5 / 4)
    at_change = np.sqrt(((5 * 2 + 6 * 18) / 11 + whole) / 2 * 5 / 4)
    assert found[0, 0] == pytest.approx(1 / at_start)
    assert found[60, 0] == pytest.approx(1 / at_change)
