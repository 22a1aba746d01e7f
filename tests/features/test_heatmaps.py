"""The renderer against a float64 reading of eq. 1 and 2, hand-computed values and symmetries."""

from __future__ import annotations

import math

import numpy as np
import pytest

from la2ds_cli.core.config_sections import HeatmapConfig
from la2ds_cli.features.heatmaps import cell_size, render_heatmaps, to_cells

LIMBS = ((0, 1), (1, 2), (2, 0))


def rendered(xy, score, limbs, size=30, sigma=0.6, out=None, **settings):
    heatmap = HeatmapConfig(size=size, sigma=sigma, **settings)
    return render_heatmaps(xy, score, limbs, heatmap, out)


def reference(xy, score, limbs, size, sigma, distance):
    """Eq. 1 and 2 as printed, cell by cell in float64, without any cut of the tails."""
    maps = np.zeros((len(xy), xy.shape[1] + len(limbs), size, size))
    for t, k in np.ndindex(score.shape):
        for j, i in np.ndindex(size, size):
            d2 = (i - xy[t, k, 0]) ** 2 + (j - xy[t, k, 1]) ** 2
            maps[t, k, j, i] = math.exp(-d2 / (2 * sigma**2)) * score[t, k]
    for t in range(len(xy)):
        for index, (a, b) in enumerate(limbs):
            start, end = xy[t, a].astype(float), xy[t, b].astype(float)
            along = end - start
            for j, i in np.ndindex(size, size):
                point = np.array([i, j])
                share = np.clip((point - start) @ along / max(along @ along, 1e-30), 0, 1)
                d = float(np.linalg.norm(point - start - share * along))
                exponent = (d if distance == "printed" else d**2) / (2 * sigma**2)
                weight = min(score[t, a], score[t, b])
                maps[t, xy.shape[1] + index, j, i] = math.exp(-exponent) * weight
    return maps


def sample(length=5, joints=3, size=12, seed=0, outside=4.0):
    """Joints in and around the grid, with random scores."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(-outside, size - 1 + outside, (length, joints, 2)).astype(np.float32)
    return xy, rng.uniform(0.1, 1, (length, joints)).astype(np.float32)


@pytest.mark.parametrize("distance", ["squared", "printed"])
@pytest.mark.parametrize("sigma", [0.6, 1.7])
def test_render_equals_float64_reference(sigma, distance):
    xy, score = sample()
    expected = reference(xy, score, LIMBS, 12, sigma, distance)
    maps = rendered(xy, score, LIMBS, 12, sigma, distance=distance)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, expected, rtol=0, atol=1e-5)


def test_values_of_eq_1_and_2_by_hand():
    # A horizontal limb on row 2 from x = 1 to x = 5; cell (row 4, column 3) is 2 away from it.
    xy = np.array([[[1.0, 2.0], [5.0, 2.0]]], dtype=np.float32)
    score = np.array([[0.8, 0.5]], dtype=np.float32)
    cases: list[tuple[str, float, float]] = [("squared", 4.0, 5.0), ("printed", 2.0, math.sqrt(5))]
    for distance, d, beyond in cases:
        maps = rendered(xy, score, [(0, 1)], 8, 1.0, distance=distance)[0]
        assert maps[0, 2, 1] == pytest.approx(0.8, abs=1e-5)  # on the joint
        assert maps[0, 3, 3] == pytest.approx(0.8 * math.exp(-(2**2 + 1**2) / 2), abs=1e-5)
        assert maps[1, 2, 5] == pytest.approx(0.5, abs=1e-5)
        assert maps[2, 2, 3] == pytest.approx(0.5, abs=1e-5)  # on the limb: the lower score
        assert maps[2, 4, 3] == pytest.approx(0.5 * math.exp(-d / 2), abs=1e-5)
        assert maps[2, 4, 0] == pytest.approx(  # beyond the end: distance to the end
            0.5 * math.exp(-beyond / 2), abs=1e-5
        )


@pytest.mark.parametrize("distance", ["squared", "printed"])
def test_sigma_in_pixels_draws_as_in_the_frame_cropped_and_resized(distance):
    """Really drawn in the frame, cropped, and resized to 20 x 20 by OpenCV: cells of 6 x 11 pixels,
    so that the Gaussians are no circles any more."""
    cv2 = pytest.importorskip("cv2")
    left, top, width, height, size = 15, 9, 120, 220, 20
    sigma = 9.0 if distance == "squared" else 4.0  # exp(-d / 2 sigma^2) is wide
    rng = np.random.default_rng(3)
    xy = rng.uniform((left + 8, top + 8), (left + width - 8, top + height - 8), (2, 3, 2))
    score = rng.uniform(0.1, 1, (2, 3)).astype(np.float32)
    box = np.array([left, top, left + width, top + height]) - 0.5  # pixel centres are whole numbers
    full = reference(xy, score, LIMBS, 240, sigma, distance)[:, :, :240, :140]
    crop = full[:, :, top : top + height, left : left + width]
    expected = [
        [cv2.resize(m, (size, size), interpolation=cv2.INTER_LINEAR) for m in t] for t in crop
    ]
    heatmap = HeatmapConfig(size=size, sigma=sigma, sigma_unit="pixels", distance=distance)
    cells, cell = to_cells(xy, box, size, "stretch"), cell_size(box, size, "stretch")
    assert cell.tolist() == [6, 11]
    maps = render_heatmaps(cells, score, LIMBS, heatmap, cell=cell)
    np.testing.assert_allclose(maps, np.array(expected), atol=0.01)


def test_confidence_one_counts_every_seen_joint_alike():
    xy = np.array([[[2.0, 2.0], [6.0, 2.0], [4.0, 6.0], [np.nan, np.nan]]])
    score = np.array([[0.5, 1.0, 0.0, 0.7]], dtype=np.float32)
    limbs = ((0, 1), (1, 2), (0, 3))
    maps = rendered(xy, score, limbs, 9, 1.0, confidence="one")
    everyone = np.where([[True, True, False, False]], 1, 0).astype(np.float32)
    np.testing.assert_array_equal(maps, rendered(xy, everyone, limbs, 9, 1.0))
    assert maps[0].max(axis=(1, 2)).tolist() == pytest.approx([1, 1, 0, 0, 1, 0, 0], abs=1e-5)
    assert rendered(xy, score, limbs, 9, 1.0)[0, 0].max() == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("distance", ["squared", "printed"])
def test_unseen_joint_gives_zero_maps_of_joint_and_limbs(distance):
    for hide in ("nan", "nan_x", "score"):
        xy, score = sample(outside=0)
        if hide == "score":
            score[:, 1] = 0
        else:
            xy[:, 1, : 1 if hide == "nan_x" else 2] = np.nan
        maps = rendered(xy, score, LIMBS, 12, distance=distance)
        assert not maps[:, [1, 3, 4]].any()  # joint 1, limbs 0-1 and 1-2
        assert maps[:, [0, 2, 5]].reshape(len(xy), 3, -1).max(axis=-1).min() > 0.01


def test_limb_of_length_zero_is_the_map_of_its_point_with_the_lower_score():
    xy = np.array([[[4.3, 5.1], [4.3, 5.1]]], dtype=np.float32)
    maps = rendered(xy, np.array([[0.9, 0.4]]), [(0, 1)], 10, 0.8)[0]
    np.testing.assert_allclose(maps[2], maps[1], atol=1e-5)
    assert maps[2].max() == pytest.approx(0.4 * math.exp(-(0.3**2 + 0.1**2) / 1.28), abs=1e-5)


def test_reused_buffer_holds_nothing_of_the_frame_before():
    xy, score = sample()
    fresh = rendered(xy, score, LIMBS, 12)
    buffer = np.full_like(fresh, 7)
    assert rendered(xy, score, LIMBS, 12, out=buffer) is buffer
    np.testing.assert_array_equal(buffer, fresh)
    hidden = np.full_like(xy, np.nan)
    assert not rendered(hidden, score, LIMBS, 12, out=buffer).any()
