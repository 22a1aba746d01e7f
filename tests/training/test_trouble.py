"""Losses that are no numbers, and a network that collapses."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.network.run_weights import read_weights
from la2ds_cli.training import loop
from la2ds_cli.training.checkpoint import run_warnings
from la2ds_cli.training.losses import la2ds
from la2ds_cli.training.train import TrainOptions, train
from tests.small_runs import JOINTS
from tests.told import Notes


def test_a_loss_that_is_not_a_number_names_the_one_clip(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """clip3 makes every batch it is in not finite; the others of the batch are not blamed."""
    real = la2ds.loss

    def spoiled(network, batch, *rest):
        return real(network, batch, *rest) * (float("nan") if "clip3" in batch.videos else 1.0)

    monkeypatch.setattr(la2ds, "loss", spoiled)
    with pytest.raises(UserError, match=r"loss is not finite at step \d, on the clips clip3$"):
        train(project, config=project.config(overrides=JOINTS), options=TrainOptions("cpu"))


def test_a_gradient_that_is_not_a_number_names_all_of_the_batch(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sqrt has a finite value and no finite slope at 0."""
    real = la2ds.loss
    monkeypatch.setattr(la2ds, "loss", lambda *a: (real(*a) * 0).sqrt())
    with pytest.raises(UserError, match=r"gradient is not finite at step 0, .*(clip\d, ){3}"):
        train(project, config=project.config(overrides=JOINTS), options=TrainOptions("cpu"))


def test_a_collapsed_network_is_told_once_and_marked(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, notes = loop.embed_input, Notes()
    monkeypatch.setattr(loop, "embed_input", lambda *a: np.ones_like(real(*a)))

    config = project.config(overrides=JOINTS)
    result = train(project, config=config, options=TrainOptions("cpu"), progress=notes)
    told = [note for note in notes.lines if "has collapsed at step 5" in note]
    assert len(told) == 1
    assert "Lower train.learning_rate" in told[0]
    assert result.collapse == "all frames have the same embedding"
    facts = read_weights(project.run_dir("default") / "last.safetensors")[2]
    assert facts["collapsed"] is True
    assert "has collapsed" in "".join(run_warnings(project.run_dir("default")))
