"""Trims and pairs: reproducible, and independent of the other clips."""

from __future__ import annotations

import numpy as np

from la2ds_cli.core.config import EvaluateConfig
from la2ds_cli.evaluation.event_transfer import Cut, draw_trims, trim
from la2ds_cli.evaluation.events import EvaluationClip
from tests.movement import sequence, warped_phase


def clips(*names: str) -> list[EvaluationClip]:
    pose = sequence(warped_phase(60, 0))
    return [EvaluationClip(name, pose, {"top": 30}) for name in names]


def test_trims_repeat_and_do_not_depend_on_the_other_clips() -> None:
    config = EvaluateConfig()
    few, many = draw_trims(clips("a", "c"), config), draw_trims(clips("a", "b", "c"), config)
    for first, second in zip(few, many, strict=True):
        assert first.cuts == (second.cuts[0], second.cuts[2])


def test_every_draw_is_the_first_draw_of_its_own_seed() -> None:
    three = draw_trims(clips("a", "b"), EvaluateConfig(trim_draws=3, seed=5))
    alone = draw_trims(clips("a", "b"), EvaluateConfig(trim_draws=1, seed=7))
    assert three[2].cuts == alone[0].cuts
    assert len({draw.cuts for draw in three}) == 3


def test_the_two_ends_are_uniform_and_independent() -> None:
    length = 1000
    cuts = [trim(length, 0.3, f"clip{n}", seed=0) for n in range(2000)]
    start = np.array([cut.start for cut in cuts]) / length
    end = 1 - np.array([cut.stop for cut in cuts]) / length
    for share in (start, end):
        assert share.min() >= 0
        assert share.max() < 0.3
        np.testing.assert_allclose(
            np.quantile(share, [0.25, 0.5, 0.75]), [0.075, 0.15, 0.225], atol=0.01
        )
    assert abs(np.corrcoef(start, end)[0, 1]) < 0.05


def test_no_trim_keeps_all_and_the_shortest_clip_keeps_two_rows() -> None:
    assert trim(10, 0.0, "a", seed=0) == Cut(0, 10)
    for seed in range(50):
        cut = trim(3, 0.49, "a", seed)
        assert cut.stop - cut.start >= 2


def test_all_pairs_are_used_when_few_and_a_sample_when_many() -> None:
    few = draw_trims(clips("a", "b", "c"), EvaluateConfig(pairs=300, trim_draws=1))[0]
    assert {tuple(pair) for pair in few.pair} == {
        (i, j) for i in range(3) for j in range(3) if i != j
    }
    names = [f"clip{n}" for n in range(20)]
    first, second = draw_trims(clips(*names), EvaluateConfig(pairs=50, trim_draws=2))
    assert len(np.unique(first.pair, axis=0)) == 50
    assert (first.pair[:, 0] != first.pair[:, 1]).all()
    assert (first.pair != second.pair).any()


def test_only_clips_that_share_an_event_are_paired() -> None:
    pose = sequence(warped_phase(60, 0))
    unlike = [
        EvaluationClip("a", pose, {"top": 30}),
        EvaluationClip("b", pose, {"impact": 30}),
        EvaluationClip("c", pose, {"impact": 30, "top": 20}),
        EvaluationClip("d", pose, {}),
    ]
    pair = draw_trims(unlike, EvaluateConfig(trim_draws=1))[0].pair
    assert {tuple(row) for row in pair} == {(0, 2), (2, 0), (1, 2), (2, 1)}


def test_pairs_that_the_filter_refuses_are_neither_drawn_nor_change_the_trims() -> None:
    names = [f"{person}{n}" for person in "abcd" for n in range(3)]

    def other_person(a: str, b: str) -> bool:
        return a[0] != b[0]

    every = draw_trims(clips(*names), EvaluateConfig(pairs=1000, trim_draws=2))
    for plain, filtered in zip(
        every,
        draw_trims(clips(*names), EvaluateConfig(pairs=1000, trim_draws=2), other_person),
        strict=True,
    ):
        assert plain.cuts == filtered.cuts
        assert len(filtered.pair) == 12 * 9
        assert all(other_person(names[a], names[b]) for a, b in filtered.pair)
    few = draw_trims(clips(*names), EvaluateConfig(pairs=40, trim_draws=1), other_person)[0]
    assert len(few.pair) == 40  # sampled among the pairs that are left, not before
