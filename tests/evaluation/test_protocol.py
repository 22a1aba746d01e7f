"""What each protocol chooses; test_protocol_quirks shows that the choices decide the figures."""

from __future__ import annotations

import pytest

from la2ds_cli.core.config import EvaluateConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.evaluation.protocol import PROTOCOLS, get_protocol

CONFIG = EvaluateConfig()


def test_five_protocols_and_ours_is_the_first() -> None:
    assert list(PROTOCOLS) == ["la2ds", "paper", "tcc", "casa", "ae2"]
    assert all(PROTOCOLS[name].name == name for name in PROTOCOLS)


def test_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown protocol 'caza'") as caught:
        get_protocol("caza", CONFIG)
    assert "did you mean 'casa'" in caught.value.hint
    assert caught.value.exit_code == ExitCode.USAGE


def test_the_seed_changes_ours_alone() -> None:
    config = EvaluateConfig(seed=9)
    ours = get_protocol("la2ds", config)
    assert [(s.draws, s.seed) for s in ours.subsets] == [(5, 9)] * 3
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
