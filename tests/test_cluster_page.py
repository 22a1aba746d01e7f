"""docs/how-to/cluster.md: its job array runs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from la2ds_cli.core.stored_project import StoredProject
from tests.poses.grey_people import film, squats
from tests.processes import run_python

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "how-to" / "cluster.md").read_text("utf-8")


@pytest.mark.heavy
def test_the_job_array_runs_on_this_machine(tmp_path: Path):
    pytest.importorskip("submitit", reason="needs submitit")
    grey = dict.fromkeys(("detector", "pose"), "tests.poses.grey_people")
    film(tmp_path / "reference.mp4", squats(24))
    for number in range(2):
        folder = tmp_path / "shards" / f"00{number}"
        StoredProject.create(folder / "project", {"preset": "default", "poses": grey})
        (folder / "videos").mkdir()
        for clip in range(2):
            length = 20 + 7 * number + 5 * clip
            film(folder / "videos" / f"clip{number}{clip}.mp4", squats(length), 25 + 5 * clip)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    example = example.replace("cpus_per_task=16, mem_gb=16", "cpus_per_task=1, mem_gb=1")
    (tmp_path / "shards.py").write_text(example, "utf-8")
    paths = os.pathsep.join([str(ROOT), str(ROOT / "models")])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = run_python("shards.py", cwd=tmp_path, env=environment, timeout=300)
    assert done.stdout.splitlines() == [
        "000: 3 of 3 clips are on the timeline",
        "001: 3 of 3 clips are on the timeline",
    ]
    for number in range(2):
        project = StoredProject.open(tmp_path / "shards" / f"00{number}" / "project")
        text = (project.results_dir("timeline") / "timeline.json").read_text("utf-8")
        assert Path(json.loads(text)["reference"]["path"]).name == "reference.mp4"
