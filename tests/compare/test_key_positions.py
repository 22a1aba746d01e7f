"""Named moments of a reference, by hand: clips of unequal lengths and rates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.alignment.repetition_moments import NamedMoment
from la2ds_cli.compare.differences import differences
from la2ds_cli.compare.findings import Span
from la2ds_cli.compare.key_positions import choose_moments, measure_positions
from la2ds_cli.compare.viewpoint import ViewDifference
from la2ds_cli.compare.words import value_text
from la2ds_cli.core.types import PoseSequence
from tests.alignments import matched
from tests.features.test_body_quantities import body, standing

LABELLED = [Span("down", 4, 20, labelled=True), Span("up", 20, 40, labelled=True)]
THIRDS = [Span("beginning", 0, 20, labelled=False), Span("end", 20, 50, labelled=False)]


def bow(seconds: float, fps: float, far: float, times: int = 1) -> PoseSequence:
    """A body that bows by `far` degrees and comes up again, so many times."""
    time = np.arange(round(seconds * fps) + 1) / fps
    lean = far * (1 - np.cos(2 * np.pi * times * time / seconds)) / 2
    return replace(body(standing(*lean)), time=time, fps=fps)


def test_labelled_phases_name_the_positions() -> None:
    found = choose_moments(bow(2, 25, 60), LABELLED)
    assert found == [NamedMoment("start of down", 4), NamedMoment("start of up", 20)]


def test_without_labels_the_moments_of_the_repetition_do() -> None:
    found = choose_moments(bow(2, 25, 60), THIRDS)
    assert [moment.name for moment in found] == ["start", "turn", "end"]  # it turns at once
    assert found[1].row == pytest.approx(25, abs=1)


def test_what_does_not_come_back_has_the_starts_of_its_parts() -> None:
    time = np.arange(50) / 25.0
    onwards = replace(body(standing(*np.linspace(0, 80, 50))), time=time, fps=25.0)
    names = [moment.name for moment in choose_moments(onwards, THIRDS)]
    assert names == ["start of beginning", "start of end"]


def test_each_position_has_the_values_of_both_clips() -> None:
    """B bows for as long at 40 frames a second, 25 degrees further; it does not show the end."""
    a, b = bow(2, 25, 40), bow(2, 40, 65)
    position = np.where(a.time < 1.6, a.time * 40, np.nan)
    alignment = matched(position, a, b)
    view = ViewDifference(90.0, 90.0, 0.0, side_known=True, by_frame=np.zeros(len(a)))
    angles = differences(a, b, alignment, view)
    moments = [NamedMoment("start", 0), NamedMoment("turn", 25), NamedMoment("late", 45)]
    start, turn, late = measure_positions(angles, alignment, moments)
    assert (turn.name, turn.time, turn.other_time) == ("turn", 1.0, pytest.approx(1.0))
    lean = {value.label: value for value in turn.values}["Trunk"]
    assert (lean.reference, lean.other) == (pytest.approx(40, abs=1), pytest.approx(65, abs=1))
    assert lean.difference == lean.other - lean.reference
    assert (lean.judged, lean.stated) == (True, True)
    assert not any(value.stated for value in start.values)
    assert np.isnan(late.other_time)
    assert not any(value.judged for value in late.values)
    refused = measure_positions(angles, alignment, moments, stated=False)
    assert not any(value.stated for position in refused for value in position.values)


def test_values_in_words() -> None:
    assert value_text(148.2, 171.0, "degrees") == "148° → 171°"
    assert value_text(-0.31, 0.74, "torso lengths") == "−0.3 → 0.7"
    assert value_text(None, float("nan"), "degrees") == "– → –"
    assert value_text(-0.02, 0.02, "torso lengths") == "0.0 → 0.0"
