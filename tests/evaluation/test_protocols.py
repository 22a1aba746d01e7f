"""What each protocol chooses, and that its choices decide figures that are computed by hand."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from la2ds_cli.core.config import EvaluateConfig
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.evaluation.measure import Measure
from la2ds_cli.evaluation.nearest_frames import measure_tau
from la2ds_cli.evaluation.phase_labels import Labels
from la2ds_cli.evaluation.phase_metrics import measure_phases
from la2ds_cli.evaluation.protocol import PROTOCOLS, get_protocol
from tests.told import refused


def test_the_protocols_differ_where_their_codes_do() -> None:
    assert {
        name: (p.classifier, p.tau_stride, p.missing_phase, p.neighbours, p.average)
        for name, p in PROTOCOLS.items()
    } == {
        "la2ds": ("svm", 1, "exclude", (5, 10, 15), "videos"),
        "paper": ("svm", 2, "copy", (5, 10, 15), "frames"),
        "casa": ("logistic", 2, "copy", (), "frames"),
    }
    assert {n for n, p in PROTOCOLS.items() if p.event_transfer} == {"la2ds"}


def test_the_seed_changes_ours_alone_and_an_unknown_protocol_names_the_nearest() -> None:
    config = EvaluateConfig(seed=9)
    ours = get_protocol("la2ds", config)
    assert [(s.draws, s.seed) for s in ours.subsets] == [(5, 9)] * 3
    for name in ("paper", "casa"):
        assert get_protocol(name, config) == PROTOCOLS[name]
    with refused(ExitCode.USAGE, "unknown protocol 'caza'") as caught:
        get_protocol("caza", config)
    assert "did you mean 'casa'" in caught.value.hint


Clip = tuple[Sequence[float], Sequence[int]]
"""Feature (one column) and phase of each frame."""


def measures(
    name: str, train: Sequence[Clip], test: Sequence[Clip], phases: int = 2
) -> dict[str, Measure]:
    """Metrics of the labels by a protocol; keys such as `phase_classification 10 %`."""
    labels = Labels(
        tuple("abc"[:phases]),
        [np.array(y) for _, y in train],
        [np.array(y) for _, y in test],
        list(range(len(test))),
    )
    fitted, scored = ([np.array(x, float)[:, None] for x, _ in clips] for clips in (train, test))
    found = measure_phases(fitted, scored, labels, get_protocol(name, EvaluateConfig()), 0)
    return {" ".join(key).strip(): measure for key, measure in found.items()}


def tau(name: str, *clips: Sequence[float]) -> Measure:
    features = [np.array(clip, float)[:, None] for clip in clips]
    stride = get_protocol(name, EvaluateConfig()).tau_stride
    return measure_tau(features, stride, 0)


ALL = "phase_classification 100 %"
TENTH = "phase_classification 10 %"
HALVES: Clip = ([0, 0.1, 0, 0.1, 1, 1.1, 1, 1.1], [0, 0, 0, 0, 1, 1, 1, 1])


def test_casa_fits_a_line_where_the_others_fit_an_svm() -> None:
    """Phase 1 lies between two groups of phase 0, evenly: a line can only say 0 everywhere."""
    ring: Clip = ([-2, -1.9, -2.1, 2, 1.9, 2.1, 0, 0.1, -0.1, 0], [0] * 6 + [1] * 4)
    value = {n: measures(n, [ring], [ring])[ALL].value for n in ("paper", "la2ds", "casa")}
    assert value == {"paper": 1.0, "la2ds": 1.0, "casa": 0.6}


def test_accuracy_pools_all_frames() -> None:
    """Four of phase 0 right and two wrong; of phase 1 one right and one wrong."""
    test: list[Clip] = [([0, 0, 0, 0], [0, 0, 0, 0]), ([1, 1, 0, 1], [0, 0, 1, 1])]
    for name in ("paper", "casa", "la2ds"):
        assert measures(name, [HALVES], test)[ALL].value == 5 / 8  # not (4/4 + 1/4) / 2 by video


def test_the_first_videos_of_the_file_against_seeded_draws() -> None:
    """Of ten training clips the first is labelled the wrong way round: whoever fits on it alone
    gets every frame wrong, whoever does not, none."""
    wrong: Clip = (HALVES[0], [1 - y for y in HALVES[1]])
    train = [wrong, *[HALVES] * 9]
    for name in ("paper", "casa"):
        found = measures(name, train, [HALVES])
        assert (found[TENTH].value, found[ALL].value) == (0.0, 1.0)
    picks = [random.Random(d).sample(range(10), 1)[0] for d in range(5)]
    assert picks.count(0) > 0
    found = measures("la2ds", train, [HALVES])[TENTH]
    assert found.value == pytest.approx(1 - picks.count(0) / 5)
    assert found.facts["draws"] == 5


def test_the_interval_holds_the_spread_over_draws_where_there_are_draws() -> None:
    """Two equal test clips, so that their resamples are all alike. One of ten training clips is
    labelled the wrong way round and all of one draw in five is wrong. The number of wrong draws
    among five drawn again is binomial with p = 1/5: 0 with probability 0.328, at most 2 with 0.942,
    at most 3 with 0.993. So the 2.5 and 97.5 percentiles of the share that is right are 2/5 and
    1."""
    picks = [random.Random(d).sample(range(10), 1)[0] for d in range(5)]
    wrong: Clip = (HALVES[0], [1 - y for y in HALVES[1]])
    train = [HALVES] * 10
    train[next(pick for pick in picks if picks.count(pick) == 1)] = wrong
    ours = measures("la2ds", train, [HALVES] * 2)[TENTH].row()
    assert (ours["value"], ours["interval"]) == (pytest.approx(0.8), pytest.approx([0.4, 1.0]))
    train = [wrong, *[HALVES] * 9]
    paper = measures("paper", train, [HALVES] * 2)[TENTH].row()
    assert (paper["value"], paper["interval"]) == (0.0, [0.0, 0.0])


def test_one_test_clip_has_no_interval_over_clips_and_two_have_none_over_pairs() -> None:
    found = measures("la2ds", [HALVES] * 10, [HALVES])
    for key in (TENTH, ALL, "phase_progression"):
        assert found[key].value is not None
        assert found[key].row()["interval"] is None
    clips = [(np.arange(n) + np.sin(np.arange(n)) * 3).tolist() for n in (20, 31, 26)]
    assert tau("la2ds", *clips[:2]).row()["interval"] is None
    assert tau("la2ds", *clips).row()["interval"] is not None


def test_what_becomes_of_a_clip_without_a_phase() -> None:
    """The feature is t / 4 and fits the training clip exactly: t / 4 for the end of phase a,
    t / 4 - 1/2 for that of b. The second test clip lacks b.

    a: its targets are (t - 1) / 4 in that clip, so four errors of 1/4. Targets 0 to 3/4 and -1/4
    to 1/2: squared spread 5/4 - 2^2 / 8 = 3/4. R2 = 1 - (4/16) / (3/4) = 2/3.
    b, copied: the last boundary takes the length, (t - 4) / 4, so four errors of 1/2. Targets
    -1/2 to 1/4 and -1 to -1/4: 9/4 - 3^2 / 8 = 9/8. R2 = 1 - 1 / (9/8) = 1/9. Excluded: 1.
    """
    clock = [0, 0.25, 0.5, 0.75]
    whole: Clip = (clock, [0, 1, 1, 2])
    test: list[Clip] = [whole, (clock, [0, 0, 2, 2])]
    found = {
        n: measures(n, [whole], test, 3)["phase_progression"] for n in ("paper", "casa", "la2ds")
    }
    assert found["paper"].value == pytest.approx((2 / 3 + 1 / 9) / 2)
    assert found["casa"].value == pytest.approx((2 / 3 + 1 / 9) / 2)
    assert found["la2ds"].value == pytest.approx((2 / 3 + 1) / 2)
    assert found["la2ds"].facts["excluded"] == {"a": 0, "b": 1}


def test_a_clip_without_the_first_phase_has_no_rule_in_casa_either() -> None:
    """CASA copies the phase before, and before the first there is none. Where the clip is left out
    of a, the clock is exact: b ends at frame 2 and c at frame 3 in both clips."""
    clock = [0, 0.25, 0.5, 0.75]
    whole: Clip = (clock, [0, 1, 1, 2])
    test: list[Clip] = [whole, (clock, [1, 1, 1, 2])]
    for name in ("paper", "casa"):
        found = measures(name, [whole], test, 3)["phase_progression"]
        assert found.value is None
        assert found.facts["reason"] == (
            "some clips have no phase 'a', for which this protocol has no rule"
        )
    found = measures("la2ds", [whole], test, 3)["phase_progression"]
    assert found.value == pytest.approx(1)
    assert found.facts["excluded"]["a"] == 1


def test_only_ours_counts_a_boundary_far_below_zero_as_its_floor() -> None:
    """Predicted t / 4, true (t - 2) / 4: four errors of 1/2 against a squared spread of 5/16."""
    clock = [0, 0.25, 0.5, 0.75]
    train, test = [(clock, [0, 1, 1, 1])], [(clock, [0, 0, 0, 1])]
    for name in ("paper", "casa"):
        assert measures(name, train, test)["phase_progression"].value == pytest.approx(1 - 16 / 5)
    ours = measures("la2ds", train, test)["phase_progression"]
    assert (ours.value, ours.facts["clipped"]) == (-1.0, 1)
    assert ours.facts["mean_unclipped"] == pytest.approx(1 - 16 / 5)


def test_the_stride_of_tau_decides_it() -> None:
    """The even frames agree, the odd ones are swapped. Of all frames the neighbours are 0, 3, 2, 1:
    three pairs in order, three not."""
    clips = ([0, 1, 2, 3], [0, 3, 2, 1])
    assert tau("la2ds", *clips).value == pytest.approx(0.0)
    for name in ("paper", "casa"):
        assert tau(name, *clips).value == pytest.approx(1.0)


def test_a_clip_that_stands_still_ties_the_pairs_that_are_matched_with_it() -> None:
    moving = [0.0, 1, 2, 3]
    found = tau("la2ds", moving, [0.0] * 4, moving)
    tied = "undefined pairs, in which all frames of A have the same nearest frame of B"
    assert (found.value, found.facts) == (1.0, {"pairs": 6, "nan": 4, "reason": tied})


def test_retrieval_by_frames_and_by_videos() -> None:
    """Clip A, 16 frames of phase 0 at 0; B, 4 of phase 1 at 1; C, 15 at 0.4 to 0.414, the first 5
    of phase 0, the others of phase 1.

    A meets the frames of C from the first on: hits at ranks 1 to 5. B meets them from the last on:
    hits at ranks 1 to 10. C meets A alone: its 5 frames of phase 0 always hit, its 10 others never.
    """
    clips: list[Clip] = [
        ([0.0] * 16, [0] * 16),
        ([1.0] * 4, [1] * 4),
        ([0.4 + 0.001 * i for i in range(15)], [0] * 5 + [1] * 10),
    ]
    micro, macro = (measures(n, clips, clips) for n in ("paper", "la2ds"))
    by_video = {5: (1, 1, 1 / 3), 10: (1 / 2, 1, 1 / 3), 15: (1 / 3, 2 / 3, 1 / 3)}
    for k, (a, b, c) in by_video.items():
        assert micro[f"precision_at_k {k}"].value == pytest.approx((16 * a + 4 * b + 15 * c) / 35)
        assert macro[f"precision_at_k {k}"].value == pytest.approx((a + b + c) / 3)


def test_the_interval_is_over_videos_and_not_over_frames() -> None:
    """One clip is all right, one all wrong: resamples of two videos score 0, 1/2 or 1, whatever
    the number of frames."""
    test: list[Clip] = [([0] * 500, [0] * 500), ([0] * 500, [1] * 500)]
    row = measures("paper", [HALVES], test)[ALL].row()
    assert (row["value"], row["interval"]) == (0.5, [0.0, 1.0])
