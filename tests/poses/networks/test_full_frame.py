from __future__ import annotations

import numpy as np

from la2ds_cli.poses.networks import resolve_detector
from tests.poses.grey_people import GreyPose, scene


def test_the_box_closes_in_on_the_person() -> None:
    """The three outermost joints of the 40 x 80 figure, and 5 % of its height on every side."""
    images = [scene({200: (60, 30, 100, 110)}), scene({200: (70, 30, 110, 110)})]
    found = resolve_detector("full-frame", "cpu", GreyPose()).detect(images)
    assert [f.shape for f in found] == [(1, 5), (1, 5)]
    np.testing.assert_allclose(found[0][0, :4], [56, 26, 103, 113], atol=1.5)
    np.testing.assert_allclose(found[1][0, :4] - found[0][0, :4], [10, 0, 10, 0], atol=1.5)
    assert found[0][0, 4] > 0.8


def test_an_empty_frame_scores_low() -> None:
    (found,) = resolve_detector("full-frame", "cpu", GreyPose()).detect([scene({})])
    assert found[0, 4] < 0.1
