"""Compilation and threads follow the measurement, and a failure costs nothing."""

from __future__ import annotations

import pytest
import torch

from la2ds_cli.core.config import load_config
from la2ds_cli.core.device import available_cores
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.training import tuning
from la2ds_cli.training.network import build_network

SMALL = ["model.input=joints", "model.width=16", "model.heads=2", "model.temporal_layers=2"]


@pytest.fixture
def network():
    config = load_config(overrides=SMALL)
    return build_network(config.model, config.heatmap, get_skeleton("penn13"), 0)


@pytest.fixture
def fake_compile(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Stands in for the compiler, which takes a minute; records what was given to it."""
    given: list[object] = []

    def compile(function, **options):
        given.append(function)
        assert options == {"dynamic": True}
        return lambda *a, **k: function(*a, **k)

    monkeypatch.setattr(torch, "compile", compile)
    return given


def _choose(network, setting, *, on_cuda=False, left=1e6, run=lambda step: None, notes=None):
    messages = [] if notes is None else notes
    return tuning.choose_compiled(network, setting, on_cuda, run, lambda s: left, messages.append)


def test_auto_leaves_a_cpu_and_short_runs_alone(network, fake_compile) -> None:
    assert not _choose(network, "off", on_cuda=True)
    assert not _choose(network, "auto", on_cuda=False)
    assert not _choose(network, "auto", on_cuda=True, left=100)
    assert not fake_compile


def test_on_compiles_the_frame_encoder_and_every_block(network, fake_compile) -> None:
    notes = []
    assert _choose(network, "on", notes=notes)
    assert len(fake_compile) == 3
    assert "network compiled" in notes[0]
    assert set(network.state_dict()) == set(
        build_network(
            load_config(overrides=SMALL).model,
            load_config().heatmap,
            get_skeleton("penn13"),
            0,
        ).state_dict()
    )


@pytest.mark.parametrize(("compiled", "kept"), [(0.5, True), (0.95, False)])
def test_auto_keeps_only_what_is_clearly_faster(
    network, fake_compile, monkeypatch: pytest.MonkeyPatch, compiled: float, kept: bool
) -> None:
    seconds = iter([1.0, compiled])
    monkeypatch.setattr(tuning, "_fastest_step", lambda run: next(seconds))
    notes = []
    assert _choose(network, "auto", on_cuda=True, notes=notes) is kept
    assert ("forward" in vars(network.frame)) is kept
    assert ("not used" in notes[0]) is not kept


def test_without_a_compiler_the_run_goes_on_with_a_note(
    network, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(function, **options):
        def fail(*a, **k):
            raise RuntimeError("no C++ compiler found\nmuch more text")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    notes = []
    joints = torch.zeros(3, 117)
    assert not _choose(network, "on", run=lambda step: network.frame(None, joints), notes=notes)
    assert notes == ["training without torch.compile, which fails here: no C++ compiler found"]
    assert network.frame(None, joints).shape == (3, 16)


@pytest.mark.heavy
def test_compiled_blocks_compute_what_they_computed(network) -> None:
    joints = torch.randn(30, 117)
    mask = torch.arange(20)[None] < torch.tensor([20, 10])[:, None]

    def features() -> torch.Tensor:
        return network.encode(None, joints, mask)

    before = features()
    assert _choose(network, "on", run=lambda step: features().sum().backward())
    torch.testing.assert_close(features(), before, atol=1e-4, rtol=1e-4)
    with tuning.uncompiled(), torch.no_grad():
        torch.testing.assert_close(features(), before.detach(), atol=0, rtol=0)


# --- threads ----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _restore_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("seconds", "expected"), [({1: 1.0, 2: 0.5}, 2), ({1: 1.0, 2: 7.0}, 1), ({1: 1.0, 2: 0.95}, 1)]
)
def test_the_faster_count_wins_and_more_must_pay(
    monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float], expected: int
) -> None:
    monkeypatch.setattr(
        tuning, "_fastest_step", lambda run, first: seconds[torch.get_num_threads()]
    )
    assert tuning.fastest_threads(lambda step: None, 2) == expected
    assert torch.get_num_threads() == expected


def test_available_cores_is_positive() -> None:
    assert available_cores() >= 1
