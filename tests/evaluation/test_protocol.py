"""The protocols: what each one chooses, and that the choice decides the figure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from la2ds_cli.core.config import EvaluateConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.evaluation.phase_labels import Labels
from la2ds_cli.evaluation.protocol import PROTOCOLS, get_protocol
from la2ds_cli.evaluation.scoring import measure_phases, measure_tau

CONFIG = EvaluateConfig()
NAMES = ("a", "b", "c")


def clip(length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (T, 3) of a noisy movement through three phases, and the phase of each frame."""
    rng = np.random.default_rng(seed)
    at = np.sort(rng.uniform(0, 1, length)) ** rng.uniform(0.7, 1.4)
    feature = np.stack([np.cos(3 * at), np.sin(3 * at), at**2], axis=1)
    return feature + rng.normal(0, 0.25, feature.shape), np.digitize(at, [0.3, 0.7])


TRAIN, TEST = ([clip(24 + 5 * n, seed + n) for n in range(9)] for seed in (0, 100))
# The second test clip misses the second phase: its frames go to the first.
TEST[1] = (TEST[1][0], np.where(TEST[1][1] == 1, 0, TEST[1][1]))
VIDEOS = [f"clip{n}" for n in range(len(TEST))]


def figures(name: str, **choices: object) -> dict[str, float | None]:
    """Every figure of a protocol, some of its choices changed."""
    protocol = replace(get_protocol(name, CONFIG), **choices)
    labels = Labels(NAMES, [y for _, y in TRAIN], [y for _, y in TEST], list(range(9)), VIDEOS)
    train, test = [x for x, _ in TRAIN], [x for x, _ in TEST]
    found = measure_phases(train, test, labels, protocol, 0)
    found["tau", ""] = measure_tau(test, VIDEOS, protocol.tau_stride, 0)
    return {" ".join(key).strip(): measure.value for key, measure in found.items()}


@pytest.fixture(scope="module")
def golden() -> dict[str, dict[str, float | None]]:
    return {name: figures(name) for name in PROTOCOLS}


def test_five_protocols_and_ours_is_the_first() -> None:
    assert list(PROTOCOLS) == ["la2ds", "paper", "tcc", "casa", "ae2"]
    assert all(PROTOCOLS[name].name == name for name in PROTOCOLS)


def test_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown protocol 'caza'") as caught:
        get_protocol("caza", CONFIG)
    assert "did you mean 'casa'" in caught.value.hint
    assert caught.value.exit_code == ExitCode.USAGE


def test_settings_change_ours_alone() -> None:
    config = EvaluateConfig(tau_stride=7, subset_draws=3, seed=9)
    ours = get_protocol("la2ds", config)
    assert ours.tau_stride == 7
    assert [(s.draws, s.seed) for s in ours.subsets] == [(3, 9)] * 3
    for name in ("paper", "tcc", "casa", "ae2"):
        assert get_protocol(name, config) == PROTOCOLS[name]


def test_the_protocols_differ_where_their_codes_do() -> None:
    table = {
        name: (p.classifier, p.score, p.tau_stride, p.missing_phase, p.neighbours, p.average)
        for name, p in PROTOCOLS.items()
    }
    assert table == {
        "la2ds": ("svm", "accuracy", 1, "exclude", (5, 10, 15), "videos"),
        "paper": ("svm", "accuracy", 2, "copy", (5, 10, 15), "frames"),
        "tcc": ("svm", "accuracy", 5, "refuse", (), "frames"),
        "casa": ("logistic", "accuracy", 2, "copy", (), "frames"),
        "ae2": ("svm", "weighted_f1", 5, "exclude", (10,), "frames"),
    }
    background = {name: p.drop_background for name, p in PROTOCOLS.items()}
    assert background == {"la2ds": True, "paper": True, "tcc": False, "casa": True, "ae2": False}
    assert {n for n, p in PROTOCOLS.items() if p.event_transfer} == {"la2ds"}


def test_figures_of_a_protocol(golden: dict[str, dict[str, float | None]]) -> None:
    percent = [f"phase_classification {name}" for name in ("10 %", "50 %", "100 %")]
    precision = [f"precision_at_k {k}" for k in (5, 10, 15)]
    assert list(golden["paper"]) == [*percent, "phase_progression", *precision, "tau"]
    assert list(golden["la2ds"]) == list(golden["paper"])
    assert list(golden["tcc"]) == list(golden["casa"]) == [*percent, "phase_progression", "tau"]
    shots = [
        f"phase_classification {k}" for k in ("1 video", *(f"{n} videos" for n in (2, 3, 5, 10)))
    ]
    rest = ["phase_progression", "average_precision_at_k 10", "tau"]
    assert list(golden["ae2"]) == [*shots, *percent[1:], *rest]
    assert golden["ae2"]["phase_classification 10 videos"] is None  # nine are there


@pytest.mark.parametrize(
    ("name", "choice", "figure"),
    [
        ("paper", {"classifier": "logistic"}, "phase_classification 100 %"),
        ("paper", {"subsets": get_protocol("la2ds", CONFIG).subsets}, "phase_classification 10 %"),
        ("paper", {"tau_stride": 5}, "tau"),
        ("paper", {"missing_phase": "exclude"}, "phase_progression"),
        ("paper", {"average": "videos"}, "precision_at_k 10"),
        ("paper", {"retrieval_stride": 2}, "precision_at_k 10"),
        ("tcc", {"tau_stride": 2}, "tau"),
        ("tcc", {"missing_phase": "copy"}, "phase_progression"),
        ("casa", {"classifier": "svm"}, "phase_classification 100 %"),
        ("casa", {"missing_phase": "exclude"}, "phase_progression"),
        ("casa", {"tau_stride": 5}, "tau"),
        ("ae2", {"score": "accuracy"}, "phase_classification 100 %"),
        ("ae2", {"last_phase": False}, "phase_progression"),
        ("ae2", {"tau_stride": 2}, "tau"),
        ("la2ds", {"tau_stride": 2}, "tau"),
        ("la2ds", {"average": "frames"}, "precision_at_k 10"),
        ("la2ds", {"missing_phase": "copy"}, "phase_progression"),
    ],
)
def test_each_choice_decides_its_figure_and_no_other(
    golden: dict[str, dict[str, float | None]],
    name: str,
    choice: dict[str, object],
    figure: str,
) -> None:
    changed = figures(name, **choice)
    kind = figure.split()[0]
    assert changed[figure] != golden[name][figure]
    others = {key for key in golden[name] if key.split()[0] != kind}
    assert {key: changed[key] for key in others} == {key: golden[name][key] for key in others}


def test_ranked_retrieval_is_another_metric(golden: dict[str, dict[str, float | None]]) -> None:
    plain = figures("ae2", ranked=False)
    assert "average_precision_at_k 10" not in plain
    assert plain["precision_at_k 10"] != golden["ae2"]["average_precision_at_k 10"]
    assert plain["precision_at_k 10"] == golden["paper"]["precision_at_k 10"]


def test_tcc_has_no_progression_where_a_clip_misses_a_phase(
    golden: dict[str, dict[str, float | None]],
) -> None:
    assert golden["tcc"]["phase_progression"] is None
    for name in ("paper", "casa", "ae2", "la2ds"):
        assert golden[name]["phase_progression"] is not None
    assert golden["casa"]["phase_progression"] == golden["paper"]["phase_progression"]
    assert golden["casa"]["tau"] == golden["paper"]["tau"] != golden["tcc"]["tau"]
