# pyright: reportMissingImports=false
# (MMPose is an optional package)

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.poses.top_down import SimccDecoder


def profiles(x: dict[int, float], y: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """Two bins per pixel of a 64 x 48 input, one joint."""
    over_x, over_y = np.zeros((1, 1, 96), np.float32), np.zeros((1, 1, 128), np.float32)
    for profile, values in ((over_x, x), (over_y, y)):
        for place, value in values.items():
            profile[0, 0, place] = value
    return over_x, over_y


def test_the_highest_bins_in_pixels_and_the_lower_value() -> None:
    xy, score = SimccDecoder().joints(profiles({31: 0.9, 10: 0.3}, {80: 0.6}), (64, 48))
    np.testing.assert_array_equal(xy, [[[15.5, 40]]])
    assert score[0, 0] == pytest.approx(0.6)


def test_scores_stay_in_their_range() -> None:
    _, score = SimccDecoder().joints(profiles({3: 1.7}, {4: 1.2}), (64, 48))
    assert score[0, 0] == 1
    x, y = profiles({}, {})
    assert SimccDecoder().joints((x - 1, y), (64, 48))[1][0, 0] == 0


def test_a_mirrored_crop_is_brought_back() -> None:
    """Bin 10 of 96 is bin 85 from the other side; y stays, and the joints change places."""
    empty, mirrored = np.zeros((1, 2, 96), np.float32), np.zeros((1, 2, 96), np.float32)
    low = np.zeros((1, 2, 128), np.float32)
    mirrored[0, 0, 10], low[0, 0, 7] = 1, 1
    x, y = SimccDecoder().average((empty, np.zeros_like(low)), (mirrored, low), (1, 0))
    assert np.argwhere(x).tolist() == [[0, 1, 85]]
    assert np.argwhere(y).tolist() == [[0, 1, 7]]
    assert x.max() == y.max() == 0.5


@pytest.mark.heavy
def test_the_joints_of_mmpose() -> None:
    pytest.importorskip("mmpose", reason="compares with MMPose: pip install 'la2ds[mmpose]'")
    from la2ds_cli.poses.openmmlab import install_operators

    install_operators()
    from mmpose.codecs import SimCCLabel

    rng = np.random.default_rng(0)
    x, y = rng.normal(0.3, 0.3, (5, 17, 384)), rng.normal(0.3, 0.3, (5, 17, 512))
    codec = SimCCLabel(input_size=(192, 256), simcc_split_ratio=2.0)
    expected = codec.decode(x, y)
    xy, score = SimccDecoder().joints((x, y), (256, 192))
    np.testing.assert_allclose(xy, expected[0])
    np.testing.assert_allclose(score, np.clip(expected[1], 0, 1))
