"""Crops and joints are those of MMPose, on boxes and maps of every kind.

The answers of MMPose are stored; the heavy test asks it again where it is installed.
"""

# pyright: reportMissingImports=false
# (MMPose is an optional package)

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.poses.top_down import HeatmapDecoder, crop_matrix, to_image
from tests.poses import mmpose_reference as reference

OURS = {
    "quarter": HeatmapDecoder("quarter"),
    "dark": HeatmapDecoder("dark", kernel=11),
    "dark17": HeatmapDecoder("dark", kernel=17),
    "udp": HeatmapDecoder("dark", udp=True, kernel=11),
}


def matrices(*, udp: bool) -> np.ndarray:
    return np.stack([crop_matrix(box, reference.INPUT_SIZE, udp=udp) for box in reference.BOXES])


def joints(decoder: HeatmapDecoder, heatmap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In image pixels."""
    matrix = matrices(udp=decoder.udp)[np.arange(len(heatmap)) % len(reference.BOXES)]
    xy, score = decoder.joints(heatmap, reference.INPUT_SIZE)
    return to_image(xy, matrix), score


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    return reference.load_fixture()[0]


@pytest.mark.parametrize(("name", "udp"), [("biased", False), ("udp", True)])
def test_crop_matrices_are_those_of_mmpose(stored, name: str, udp: bool) -> None:
    # MMPose makes them in float32.
    np.testing.assert_allclose(matrices(udp=udp), stored[f"matrix.{name}"], rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize("decoder", list(OURS))
def test_joints_are_those_that_mmpose_decoded(stored, decoder: str) -> None:
    xy, score = joints(OURS[decoder], reference.seeded_heatmaps())
    np.testing.assert_allclose(xy, stored[f"xy.{decoder}"], rtol=0, atol=1e-3)  # pixels
    np.testing.assert_allclose(score, np.clip(stored[f"score.{decoder}"], 0, 1), atol=1e-6)


def test_the_decoders_differ_on_these_maps(stored) -> None:
    """Else the comparison above would not tell them apart."""
    for one, other in (("quarter", "dark"), ("dark", "dark17"), ("dark", "udp")):
        assert np.abs(stored[f"xy.{one}"] - stored[f"xy.{other}"]).max() > 0.05


@pytest.mark.parametrize("decoder", list(OURS))
def test_a_map_without_a_positive_value_shows_no_joint(decoder: str) -> None:
    """MMPose puts such a joint one cell before the first, wherever the map is highest."""
    heatmap = reference.empty_heatmaps()
    xy, score = OURS[decoder].joints(heatmap, reference.INPUT_SIZE)
    cell = 255 / 63, 191 / 47
    before = (-cell[1], -cell[0]) if OURS[decoder].udp else (-4, -4)
    np.testing.assert_allclose(xy[0, 1:3], [before, before])
    assert score[0].tolist() == pytest.approx([0.9, 0, 0, 0.8])
    assert np.abs(xy[0, 0] - (80, 120)).max() < 4
    assert np.abs(xy[0, 3] - (0, 132)).max() < 4


@pytest.mark.heavy
def test_joints_are_those_that_mmpose_makes() -> None:
    pytest.importorskip("mmpose", reason="compares with MMPose: pip install 'la2ds[mmpose]'")

    for name, decoder in OURS.items():
        for heatmap in (reference.seeded_heatmaps(), reference.empty_heatmaps()):
            xy, score = joints(decoder, heatmap)
            expected = reference.mmpose_joints(heatmap, name)
            np.testing.assert_allclose(xy, expected[0], rtol=0, atol=1e-3)
            np.testing.assert_allclose(score, np.clip(expected[1], 0, 1), atol=1e-6)
    for udp in (False, True):
        expected = [reference.mmpose_matrix(box, udp=udp) for box in reference.BOXES]
        np.testing.assert_allclose(matrices(udp=udp), expected, rtol=1e-5, atol=2e-4)
