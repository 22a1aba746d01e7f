"""Clips of thousands of frames train and embed in bounded memory, and match as short ones do."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.network.embedder import window_starts
from la2ds_cli.network.load_network import load_embedder
from la2ds_cli.training.train import TrainOptions, train
from la2ds_models.alignment_network import AlignmentNetwork
from tests.movement import add_sequence, sequence
from tests.processes import run_python
from tests.small_runs import JOINTS

LONG = 4000

# Prints by how many MiB the highest memory of the process rises from short clips to long ones.
MEASURE = """
import sys; from pathlib import Path
import numpy as np, torch
from la2ds_cli.network.load_network import untrained_embedder
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.training.train import TrainOptions, train
from tests.memory import highest_memory
from tests.movement import add_sequence, sequence
from tests.small_runs import JOINTS

torch.set_num_threads(1)
SETTINGS = [*JOINTS, "model.input=both", "model.spatial_layers=1", "train.frames=32"]
SETTINGS += ["train.steps=2"]

def work(name, length):
    project = StoredProject.create(Path(sys.argv[1]) / name)
    poses = [sequence(np.sin(np.arange(length) / 15 + n) ** 2) for n in range(2)]
    for n, pose in enumerate(poses):
        add_sequence(project, f"clip{n}", pose)
    config = project.config(overrides=SETTINGS)
    train(project, config=config, options=TrainOptions("cpu"))
    value = untrained_embedder(config, "penn13", device="cpu")(poses)[0]
    assert value.shape == (length, value.shape[1]) and np.isfinite(value).all()

for n in range(3):  # the allocator keeps more after the first time
    work(f"short{n}", 256)
before = highest_memory()
work("long", int(sys.argv[2]))
print(highest_memory() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_length_of_a_clip(tmp_path: Path) -> None:
    """The heatmaps of a clip of 4,000 frames alone would be 343 MiB."""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = run_python("-c", MEASURE, str(tmp_path), str(LONG), env=os.environ | environment)
    assert float(done.stdout.split()[-1]) < 40


def test_the_network_sees_long_clips_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training pairs of at most `train.frames` frames, windows of at most twice as many."""
    seen: dict[bool, list[tuple[int, ...]]] = {True: [], False: []}
    real = AlignmentNetwork.encode

    def watched(self, maps, joints, mask, generator=None):
        seen[self.training].append(tuple(mask.shape))
        return real(self, maps, joints, mask, generator)

    monkeypatch.setattr(AlignmentNetwork, "encode", watched)
    project = StoredProject.create(tmp_path)
    poses = [sequence(np.sin(np.arange(LONG) / 15 + n) ** 2) for n in range(2)]
    for n, pose in enumerate(poses):
        add_sequence(project, f"clip{n}", pose)
    settings = [*JOINTS, "train.frames=32", "train.steps=2"]
    train(project, config=project.config(overrides=settings), options=TrainOptions("cpu"))
    assert max(shape[1] for shape in seen[True]) == 32
    assert max(shape[1] for shape in seen[False]) == 32
    seen[False].clear()
    assert len(load_embedder(project, device="cpu")(poses[:1])[0]) == LONG
    assert seen[False] == [(1, 64)] * len(window_starts(LONG, 64))
