"""What `compare` smooths and times is the same at uneven frame rates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from la2ds_cli.alignment.align import align
from la2ds_cli.alignment.clip_features import movement_features
from la2ds_cli.compare.differences import SMOOTHING, differences, running_median
from la2ds_cli.compare.viewpoint import view_difference
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.time_axis import TimeAxis
from tests.movement import SLOWER, filmed


def test_a_median_is_one_over_a_sixth_of_a_second_at_any_rate() -> None:
    """At 10 frames a second three frames, at 60 eleven: a step of 2 frames stays at 10 a second,
    and is removed at 60."""
    axis = TimeAxis(SLOWER, 60.0)
    value = np.zeros((len(axis), 1))
    value[50:52], value[130:132] = 1, 1
    found = running_median(value, axis.rows_within(SMOOTHING / 2))[:, 0]
    assert np.flatnonzero(found).tolist() == [130, 131]


def test_the_times_of_differences_are_those_of_the_reference() -> None:
    a, b = filmed(SLOWER, 1), filmed(np.arange(101) / 25, 1)
    b = replace(b, xy=b.xy * 1.1)
    result = align(a, b, [], movement_features(), AlignConfig())
    found = differences(a, b, result, view_difference(a, b, result.position))
    np.testing.assert_array_equal(found.time, SLOWER)
    judged = found.sure
    assert found.axis.duration_of(0, len(a)) == 4.1
    assert judged.mean() > 0.5
    assert (np.abs(found.difference[judged]) < 15).mean() > 0.9
