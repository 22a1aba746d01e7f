import numpy as np

from la2ds_cli.demo.body import COCO17
from la2ds_cli.demo.sample import flip_sample, random_sample

SIZE = (128, 96)


def _sample(seed):
    return random_sample(np.random.default_rng(seed), SIZE)


def test_samples_are_deterministic():
    one, again = _sample(0), _sample(0)
    np.testing.assert_array_equal(one.image, again.image)
    np.testing.assert_array_equal(one.xy, again.xy)


def test_samples_have_the_stated_form_and_show_most_joints():
    samples = [_sample(seed) for seed in range(40)]
    for sample in samples:
        assert sample.image.shape == (*SIZE, 3)
        assert sample.image.dtype == np.uint8
        assert sample.xy.dtype == np.float32
        within = ((sample.xy >= 0) & (sample.xy <= (SIZE[1] - 1, SIZE[0] - 1))).all(axis=1)
        np.testing.assert_array_equal(within, sample.inside)
    shown = np.stack([sample.inside for sample in samples])
    assert 0.85 < shown.mean() < 1.0  # crops cut a few joints off, as a sloppy detector does


def test_flip_mirrors_the_picture_and_exchanges_sides():
    sample = _sample(1)
    flipped = flip_sample(sample)
    np.testing.assert_array_equal(flipped.image[:, 0], sample.image[:, -1])
    wrist, other = COCO17.index("left_wrist"), COCO17.index("right_wrist")
    np.testing.assert_allclose(flipped.xy[wrist, 0], 95 - sample.xy[other, 0], rtol=1e-6)
    np.testing.assert_allclose(flipped.xy[wrist, 1], sample.xy[other, 1])
    twice = flip_sample(flipped)
    np.testing.assert_array_equal(twice.image, sample.image)
    np.testing.assert_allclose(twice.xy, sample.xy, atol=1e-4)
