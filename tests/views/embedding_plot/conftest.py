"""Three clips of one movement with phases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.views.embedding_plot import drawing
from la2ds_cli.views.embedding_plot.plot import EmbeddingPlot, plot_embeddings
from tests.movement import add_sequence, sequence, warped_phase

LENGTH = {"anna": 41, "ben": 61, "cleo": 51}


def written(
    project: Project, names: Sequence[str], out: Sequence[Path] = (), **options: Any
) -> EmbeddingPlot:
    result = plot_embeddings(project, names, AlignRequest(project.config()), **options)
    return drawing.write(project, result, out, Progress())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project.create(tmp_path / "project")
    for seed, (name, length) in enumerate(LENGTH.items()):
        add_sequence(made, name, sequence(warped_phase(length, seed)))
    rows = ["video,start,end,phase", "anna,0,20,down", "anna,20,41,up"]
    rows += ["ben,5,30,down", "ben,30,61,up"]  # nothing before frame 5; cleo has no labels
    made.phases_path.write_text("\n".join(rows) + "\n")
    return made
