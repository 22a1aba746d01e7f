"""Event files, read back by TensorBoard's own reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.project import Project
from la2ds_cli.training.checkpoint import Curves
from la2ds_cli.training.train import train
from tests.small_runs import JOINTS, metrics

accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator",
    reason="the extra `tensorboard` is not installed",
)


def _read(folder: Path) -> Any:
    read = accumulator.EventAccumulator(str(folder))
    read.Reload()
    return read


def test_every_number_of_the_metrics_is_a_curve(project: Project) -> None:
    config = project.config(overrides=JOINTS)
    train(project, config=config, device="cpu", tensorboard=True)
    rows, read = metrics(project), _read(project.run_dir("default") / "tensorboard")
    numbers = {name for name, value in rows[0].items() if isinstance(value, int | float)} - {"step"}
    assert {"loss", "validation_error", "learning_rate", "data_share"} <= numbers
    assert set(read.Tags()["scalars"]) == numbers
    for name in numbers:
        events = read.Scalars(name)
        assert [event.step for event in events] == [5, 10, 15, 20]
        assert [event.value for event in events] == pytest.approx(
            [float(row[name]) for row in rows]
        )


def test_what_an_interrupted_run_wrote_too_much_is_hidden(tmp_path: Path) -> None:
    first = Curves(tmp_path, 0)
    for step in (5, 10, 15):
        first.add({"step": step, "loss": 1.0, "skeleton": "penn13"})
    first.close()
    resumed = Curves(tmp_path, 10)
    for step in (15, 20):
        resumed.add({"step": step, "loss": 2.0})
    resumed.close()
    events = _read(tmp_path).Scalars("loss")
    assert [(event.step, event.value) for event in events] == [(5, 1), (10, 1), (15, 2), (20, 2)]
