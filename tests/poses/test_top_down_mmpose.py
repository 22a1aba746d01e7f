"""Crops and joints are those of MMPose, on boxes and maps of every kind.

The answers of MMPose are stored; the heavy test asks it again where it is installed.
"""

# pyright: reportMissingImports=false
# (MMPose is an optional package)

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.poses.top_down import crop_matrix, decode_heatmaps, to_image
from tests.poses import mmpose_reference as reference

MATRICES = np.stack([crop_matrix(box, reference.INPUT_SIZE) for box in reference.BOXES])


def joints(heatmap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In image pixels."""
    xy, score = decode_heatmaps(heatmap, reference.INPUT_SIZE)
    return to_image(xy, MATRICES[np.arange(len(heatmap)) % len(MATRICES)]), score


def test_crops_and_joints_are_those_of_mmpose() -> None:
    stored = reference.load_fixture()[0]
    # MMPose makes them in float32.
    np.testing.assert_allclose(MATRICES, stored["matrix"], rtol=1e-5, atol=2e-4)
    xy, score = joints(reference.seeded_heatmaps())
    np.testing.assert_allclose(xy, stored["xy"], rtol=0, atol=1e-3)  # pixels
    np.testing.assert_allclose(score, np.clip(stored["score"], 0, 1), atol=1e-6)


def test_a_map_without_a_positive_value_shows_no_joint() -> None:
    """MMPose puts such a joint one cell before the first, wherever the map is highest."""
    xy, score = decode_heatmaps(reference.empty_heatmaps(), reference.INPUT_SIZE)
    np.testing.assert_allclose(xy[0, 1:3], -4)
    assert score[0].tolist() == pytest.approx([0.9, 0, 0, 0.8])
    assert np.abs(xy[0, 0] - (80, 120)).max() < 4
    assert np.abs(xy[0, 3] - (0, 132)).max() < 4


@pytest.mark.heavy
def test_joints_are_those_that_mmpose_makes() -> None:
    pytest.importorskip("mmpose", reason="compares with MMPose: pip install 'la2ds[mmpose]'")

    for heatmap in (reference.seeded_heatmaps(), reference.empty_heatmaps()):
        xy, score = joints(heatmap)
        expected = reference.mmpose_joints(heatmap)
        np.testing.assert_allclose(xy, expected[0], rtol=0, atol=1e-3)
        np.testing.assert_allclose(score, np.clip(expected[1], 0, 1), atol=1e-6)
    expected = [reference.mmpose_matrix(box) for box in reference.BOXES]
    np.testing.assert_allclose(MATRICES, expected, rtol=1e-5, atol=2e-4)
