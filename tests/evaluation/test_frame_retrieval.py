"""Precision at K on cases computed by hand, and by a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.core.config_sections import EvaluateConfig
from la2ds_cli.evaluation import nearest_frames
from la2ds_cli.evaluation.frame_retrieval import average_retrieval, retrieve_frames
from la2ds_cli.evaluation.phase_labels import LabelledFrames, Labels
from la2ds_cli.evaluation.protocol import get_protocol
from la2ds_cli.evaluation.scoring import measure_phases


def clip(values: list[float], labels: list[int]) -> LabelledFrames:
    return LabelledFrames(np.array(values)[:, None], np.array(labels))


def test_precision_is_the_share_of_hits() -> None:
    """Nearest to A's only frame (0.0, phase 0) are 0.1 (phase 1), 0.2 and 0.3 (phase 0)."""
    found = retrieve_frames(
        [clip([0.0], [0]), clip([0.1, 0.2], [1, 0]), clip([0.3, 5.0], [0, 1])], (1, 2, 3)
    )
    assert found is not None
    np.testing.assert_allclose(found.total[0], [0, 1 / 2, 2 / 3])


def test_the_query_video_is_never_retrieved() -> None:
    """LAV's release searches the query's own video, the query included, and would score 1 here."""
    clips = [clip([0.0, 0.1, 0.2], [0, 0, 0]), clip([0.05, 0.15, 0.25], [1, 1, 1])]
    found = retrieve_frames(clips, (1, 3))
    assert found is not None
    np.testing.assert_array_equal(found.total, np.zeros((2, 2)))


def test_micro_counts_frames_and_macro_counts_videos() -> None:
    # Three frames that always hit (2 nearest frames of phase 0), one that never does.
    clips = [
        clip([0.0, 0.1, 0.2], [0, 0, 0]),
        clip([0.05, 9.0], [0, 1]),
        clip([0.15, 0.12], [0, 0]),
    ]
    found = retrieve_frames(clips, (2,))
    assert found is not None
    np.testing.assert_allclose(found.total[:, 0], [3, 1, 2])
    np.testing.assert_array_equal(found.frames, [3, 2, 2])
    once = np.ones((1, 3), int)
    assert average_retrieval(found, once, "frames")[0, 0] == pytest.approx(6 / 7)
    assert average_retrieval(found, once, "videos")[0, 0] == pytest.approx((1 + 1 / 2 + 1) / 3)
    twice = np.array([[0, 2, 1]])
    assert average_retrieval(found, twice, "frames")[0, 0] == pytest.approx(4 / 6)
    assert average_retrieval(found, twice, "videos")[0, 0] == pytest.approx(2 / 3)
    assert np.isnan(average_retrieval(found, np.zeros((1, 3), int), "frames")).all()


def plain_loop(clips: list[LabelledFrames], count: int) -> list[float]:
    """Sums of each video, from distances computed directly and a stable sort."""
    sums = []
    for v, query in enumerate(clips):
        others = [c for u, c in enumerate(clips) if u != v]
        frame = np.concatenate([c.feature for c in others]).astype(np.float64)
        label = np.concatenate([c.label for c in others])
        total = 0.0
        for value, phase in zip(query.feature.astype(np.float64), query.label, strict=True):
            order = np.argsort(((frame - value) ** 2).sum(axis=1), kind="stable")[:count]
            total += float((label[order] == phase).mean())
        sums.append(total)
    return sums


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_to_the_plain_loop_in_blocks_too(
    dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    clips = []
    for length in (30, 17, 24):
        feature = rng.normal(size=(length, 6)).cumsum(axis=0)
        feature = np.repeat(feature, 2, axis=0) + 100  # held poses tie exactly
        clips.append(LabelledFrames(feature.astype(dtype), rng.integers(0, 3, 2 * length)))
    monkeypatch.setattr(nearest_frames, "_BLOCK", 142 * 11)
    found = retrieve_frames(clips, (5, 10))
    assert found is not None
    for e, count in enumerate((5, 10)):
        np.testing.assert_allclose(found.total[:, e], plain_loop(clips, count))


def test_a_constant_embedding_retrieves_the_first_frames_and_not_what_rounding_says() -> None:
    same = [LabelledFrames(np.full((20, 64), 0.1), np.repeat([0, 1], 10)) for _ in range(3)]
    found = retrieve_frames(same, (10,))
    assert found is not None
    np.testing.assert_array_equal(found.total[:, 0], [10, 10, 10])


def test_a_k_that_the_other_clips_have_frames_for_has_a_value() -> None:
    """Clips of 12 and 7 frames: the shorter one has 12 frames to search, the longer one 7."""
    rng = np.random.default_rng(0)
    feature = [rng.normal(size=(frames, 2)) for frames in (12, 7)]
    label = [np.arange(frames) // 6 for frames in (12, 7)]
    labels = Labels(("a", "b"), label, label, [0, 1])
    protocol = get_protocol("la2ds", EvaluateConfig())
    found = measure_phases(feature, feature, labels, protocol, 0)
    clips = [LabelledFrames(f, of) for f, of in zip(feature, label, strict=True)]
    total = np.array(plain_loop(clips, 5))
    assert found["precision_at_k", "5"].value == pytest.approx((total / [12, 7]).mean())
    for k in ("10", "15"):
        missing = found["precision_at_k", k]
        assert missing.value is None
        said = f"fewer than {k} labelled frames in the other test clips"
        assert missing.facts["reason"] == said
    assert [part for metric, part in found if metric == "precision_at_k"] == ["5", "10", "15"]
