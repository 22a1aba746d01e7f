from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.video.frame_conversion import (
    PEAK,
    SIGNAL_TOP,
    WHITE,
    ToneMap,
    hlg_to_light,
    linear_to_srgb,
    nits_to_pq,
    pq_to_nits,
    to_xyz,
    tone_curve,
)


def test_pq_of_known_levels() -> None:
    """Report ITU-R BT.2408, table 1: 100 nits are 50.8 % of the signal, 203 are 58.1 %."""
    signal = nits_to_pq(np.array([100, 203, 1000, 10000.0]))
    np.testing.assert_allclose(signal, [0.508, 0.581, 0.752, 1], atol=5e-4)
    nits = np.array([0.05, 1, 50, 203, 4000.0])
    np.testing.assert_allclose(pq_to_nits(nits_to_pq(nits)), nits, rtol=1e-9)
    assert pq_to_nits(np.array(0.0)) == 0


def test_hlg_of_known_levels() -> None:
    """BT.2100: half of the signal is a twelfth of the light; BT.2408: 75 % show 203 nits."""
    np.testing.assert_allclose(hlg_to_light(np.array([0, 0.5, 1.0])), [0, 1 / 12, 1], atol=1e-7)
    assert 1000 * hlg_to_light(np.array(0.75)) ** 1.2 == pytest.approx(203, abs=0.5)


def test_srgb_of_known_levels() -> None:
    """Middle grey: 18 % of the light is code 118 of 255."""
    codes = np.rint(255 * linear_to_srgb(np.array([0, 0.0031308, 0.18, 0.5, 1.0])))
    np.testing.assert_array_equal(codes, [0, 10, 118, 188, 255])


def test_primaries_of_bt2020_in_bt709() -> None:
    """The matrix that Report ITU-R BT.2407 gives in section 2.2."""
    matrix = np.linalg.solve(to_xyz("BT.709"), to_xyz("BT.2020"))
    expected = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
    np.testing.assert_allclose(matrix, expected, atol=1e-4)
    np.testing.assert_allclose(to_xyz("BT.2020")[1], [0.2627, 0.6780, 0.0593], atol=1e-4)


def test_the_tone_curve_leaves_the_dark_alone_and_ends_at_white() -> None:
    """The knee lies at 1.5 * 0.5807 / 0.7518 - 0.5 of the PQ range, which is 92.2 nits."""
    dark = np.array([0, 0.1, 1, 20, 92])
    np.testing.assert_allclose(tone_curve(dark), dark, atol=0.2)
    assert tone_curve(np.array(110.0)) < 109
    assert tone_curve(np.array(PEAK)) == pytest.approx(WHITE, rel=1e-6)
    assert tone_curve(np.array(9000.0)) == pytest.approx(WHITE, rel=1e-6)
    assert (np.diff(tone_curve(np.linspace(0.01, PEAK, 500))) > 0).all()


def shown(transfer, signal) -> np.ndarray:
    image = np.rint(np.array(signal, float) * SIGNAL_TOP).astype(np.uint16)
    return ToneMap(transfer)(image.reshape(1, -1, 3))[0].astype(int)


def test_pq_greys() -> None:
    """50 nits are untouched by the curve: 255 * sRGB(50 / 203) = 136."""
    signal = nits_to_pq(np.repeat([0, 50, 1000, 4000.0], 3))
    expected = np.repeat([[0], [136], [255], [255]], 3, axis=1)
    np.testing.assert_allclose(shown("PQ", signal), expected, atol=1)


def test_hlg_greys() -> None:
    """38 % of the signal: 0.38 ** 2 / 3 = 0.04813 of the light, 1000 * 0.04813 ** 1.2 = 26.2 nits,
    255 * sRGB(26.2 / 203) = 101; and white is white."""
    expected = np.repeat([[0], [101], [255]], 3, axis=1)
    signal = np.repeat([0, 0.38, 1], 3)
    np.testing.assert_allclose(shown("HLG", signal), expected, atol=1)


def test_hlg_and_pq_of_one_light_look_the_same() -> None:
    light = hlg_to_light(np.array([0.3, 0.45, 0.6]))  # R, G, B
    luminance = light @ [0.2627, 0.6780, 0.0593]
    pq = nits_to_pq(1000 * luminance**0.2 * light)
    from_hlg, from_pq = shown("HLG", [0.3, 0.45, 0.6]), shown("PQ", pq)
    np.testing.assert_allclose(from_hlg, from_pq, atol=2)


def test_colours_of_bt709_in_bt2020_come_back() -> None:
    """A BT.709 colour of 20 nits at most, sent as BT.2020 in PQ."""
    light = np.array([0.073, 0.033, 0.01])
    wide = np.linalg.solve(to_xyz("BT.2020"), to_xyz("BT.709")) @ light * WHITE
    assert wide.max() < 90
    seen = shown("PQ", nits_to_pq(np.asarray(wide, np.float64)))
    np.testing.assert_allclose(seen, [255 * linear_to_srgb(light)], atol=1)


def test_large_images_are_converted_in_parts() -> None:
    signal = np.random.default_rng(0).integers(0, SIGNAL_TOP, (150, 7, 3), dtype=np.uint16)
    tone_map = ToneMap("HLG")
    rows = np.concatenate([tone_map(row[None]) for row in signal])
    np.testing.assert_array_equal(tone_map(signal), rows)
