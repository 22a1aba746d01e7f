"""Whether values change over attempts by more than chance, against numbers known otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.compare.attempts import kendall, trends


def test_equal_values_show_no_order() -> None:
    assert kendall(np.ones(6)) == (0.0, 1.0)


def test_the_line_is_of_theil_and_sen_and_one_bad_attempt_does_not_turn_it() -> None:
    value = 40.0 - 4.0 * np.arange(9)
    value[4] = 90.0
    (found,) = trends([value], [8.0])
    assert found.slope == pytest.approx(-4.0)
    assert (found.start, found.end) == (pytest.approx(40), pytest.approx(8))
    assert found.verdict == "fades"


def test_attempts_without_a_value_keep_their_place() -> None:
    value = 40.0 - 4.0 * np.arange(9)
    value[[0, 3]] = np.nan
    (found,) = trends([value], [8.0])
    assert (found.count, found.slope) == (7, pytest.approx(-4.0))
    assert (found.start, found.end) == (pytest.approx(36), pytest.approx(8))


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (np.linspace(-40, -5, 8), "fades"),
        (np.linspace(5, 40, 8), "grows"),
        (np.linspace(-30, 20, 8), "fades"),  # by the distance from the reference
        (np.linspace(20, 27, 8), "none"),  # too little to matter
        (np.array([30.0, 22, 35, 28, 31, 25, 29, 33]), "none"),
        (np.linspace(-40, -5, 4), "few"),
        (np.array([np.nan, 3.0, np.nan, np.nan, np.nan, np.nan]), "few"),
        (np.full(6, np.nan), "few"),
    ],
)
def test_verdicts(value: np.ndarray, verdict: str) -> None:
    assert trends([value], [8.0])[0].verdict == verdict


def test_more_series_need_a_steadier_change() -> None:
    """Five attempts in order have p = 1/60: enough alone and of three, not of four."""
    rise = np.linspace(5, 40, 5)
    alone = trends([rise], [8.0])
    assert alone[0].adjusted == pytest.approx(1 / 60)
    three = trends([rise] * 3, [8.0] * 3)
    assert [found.verdict for found in three] == ["grows"] * 3
    assert three[0].adjusted == pytest.approx(3 / 60)
    four = trends([rise] * 4, [8.0] * 4)
    assert [found.verdict for found in four] == ["none"] * 4
    short = trends([rise, *[np.linspace(5, 40, 4)] * 5], [8.0] * 6)  # few are not tested
    assert short[0].adjusted == pytest.approx(1 / 60)


def test_by_holm_the_next_is_tested_among_those_that_are_left() -> None:
    steady, less = np.arange(7.0) * 10, np.array([0.0, 10, 20, 30, 50, 40, 60])
    found = trends([less, steady], [8.0, 8.0])
    assert found[1].adjusted == pytest.approx(2 * found[1].p)
    assert found[0].adjusted == pytest.approx(found[0].p)
    assert found[0].adjusted > found[1].adjusted


def test_without_a_trend_one_is_stated_no_more_often_than_chance_allows() -> None:
    """200 comparisons of six series without any order, over seven attempts."""
    rng = np.random.default_rng(1)
    series = rng.normal(25, 10, (200, 6, 7))
    stated = [
        any(found.verdict != "none" for found in trends(list(six), [8.0] * 6)) for six in series
    ]
    assert np.mean(stated) < 0.08
