"""What is withheld of Penn Action: labels of another action, and none of the same."""

from __future__ import annotations

import shutil
from pathlib import Path

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.phase_table import PhaseTable
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.datasets.penn_action import import_penn_action
from la2ds_cli.labels.propagate import propagate_labels
from tests.shared_data import PENN, needs_penn


@needs_penn
def test_labels_of_golf_swings_reach_swings_and_no_squats(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    clips = {}
    for action in ("golf_swing", "squat"):
        before = set(project.phases())
        import_penn_action(project, PENN, action)
        shutil.copy(PENN / "phases_kinematic.csv", project.phases_path)
        clips[action] = sorted(set(project.phases()) - before)
    sources, swings = clips["golf_swing"][:3], clips["golf_swing"][3:7]
    squats = clips["squat"][:4]
    table = project.phase_table()
    rows = tuple(row for source in sources for row in project.clip_phases().by_clip[source])
    project.write_phase_table(PhaseTable(rows, table.columns))

    request = AlignRequest(project.config(), features="pose", device="cpu")
    result = propagate_labels(project, sources, [*swings, *squats], request)
    assert list(result.clips) == swings
    assert not any(labels.withheld for labels in result.clips.values())
    assert {item.video: item.code for item in result.items if item.code} == dict.fromkeys(
        squats, "L005"
    )
