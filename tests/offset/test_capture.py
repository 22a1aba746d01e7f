"""What motion capture holds beside joints, at the moments of a film of the same performance."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.features.resample import interpolate
from la2ds_cli.formats.c3d import Recorded
from la2ds_cli.offset.find_offsets import align_recordings, match_by_clock
from la2ds_cli.offset.offset_result import Clock
from la2ds_cli.views.report.pair_data import recorded_json
from tests.formats.c3d_files import C3dFile, event_group, force_plates
from tests.movement import add_sequence
from tests.offset.recordings import film, performed
from tests.processes import invoke
from tests.studio.browsing import asked

LAG, STEP = 0.4, 2.0  # seconds: of the capture where the film begins, and when a plate is loaded


def capture() -> C3dFile:
    """Joints at 120 Hz, two plates at 1,200 Hz, one loaded from STEP on, and a strike then."""
    points = performed(1)
    shown = np.arange(0, (len(points) - 1) / 30, 1 / 120)
    joints = 1000 * interpolate(points, np.arange(len(points)) / 30, shown)[:, :17]
    channels = np.zeros((10 * len(joints), 12))
    channels[round(1200 * STEP) :, 2] = -650
    more = force_plates(2, 2) | event_group(("Left", "Foot Strike", STEP), ("Right", "Off", 90))
    labels = list(get_skeleton("coco17").joints)
    return C3dFile(joints, labels, rate=120, channels=channels, parameters=more)


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    """front: a film of 25 frames a second. walk: the capture."""
    project = StoredProject.create(tmp_path / "project")
    begins = 30 * LAG / (len(performed(1)) - 1)
    add_sequence(project, "front", film(performed(1), 0, 25, (begins, 0.9), lag=-LAG))
    run(project, "import", "c3d", str(capture().write(tmp_path / "walk.c3d")))
    return project


def run(project: StoredProject, *arguments: str) -> str:
    return invoke(*arguments, "--project", project.root).stdout


def data_of(project: StoredProject, *names: str, option: str = "--same-performance") -> Any:
    out = project.root / "page.html"
    run(project, "report", *names, option, "--out", str(out))
    return json.loads(re.findall(r'id="data">(.*?)</script>', out.read_text(), re.DOTALL)[0])


def loaded(recorded: dict[str, Any]) -> float:
    """The second of A from which on the first plate is loaded."""
    return recorded["time"][next(k for k, newtons in enumerate(recorded["force"][0]) if newtons)]


def test_forces_and_events_are_at_the_moments_of_the_film(project: StoredProject):
    recorded = data_of(project, "front", "walk")["recorded"]
    assert len(recorded["force"]) == 2
    assert {*recorded["force"][0]} == {0, 650}
    assert {*recorded["force"][1]} == {0}
    ((moment, within, name),) = recorded["events"]  # the other one comes after the film
    assert name == "left foot strike"
    assert 0 < within < 0.05
    assert moment == pytest.approx(STEP - LAG, abs=0.02)
    assert loaded(recorded) == pytest.approx(moment, abs=0.005)
    reverse = data_of(project, "walk", "front")["recorded"]
    assert loaded(reverse) == pytest.approx(STEP, abs=0.005)
    assert [event[:2] for event in reverse["events"]] == [[STEP, 0]]
    with asked(project) as client:  # the studio shows the same
        how = {"a": "front", "b": "walk", "view": "performance"}
        shown = client.get("/pair/data", params=how).json()
        assert (shown["recorded"], shown["warnings"]) == (recorded, [])
    project.source(project.clip("walk")).unlink()
    with asked(project) as client:
        warnings = client.get("/pair/data", params=how).json()["warnings"]
        assert any("forces and events of walk.c3d not shown" in warning for warning in warnings)


def test_a_capture_that_was_replaced_or_moved_is_said(project: StoredProject, tmp_path: Path):
    (tmp_path / "walk.c3d").write_bytes(b"other")
    replaced = data_of(project, "front", "walk")
    (tmp_path / "walk.c3d").unlink()
    moved = data_of(project, "front", "walk")
    for data, why in ((replaced, "the file has changed"), (moved, "No such file")):
        assert data["recorded"] is None
        assert any(
            f"forces and events of walk.c3d not shown: {why}" in note for note in data["notes"]
        )


def test_only_recordings_of_one_performance_share_their_forces(project: StoredProject):
    assert data_of(project, "front", "walk", option="--force")["recorded"] is None


def test_a_trc_is_placed_as_the_capture_that_it_was_made_of(project: StoredProject, tmp_path: Path):
    run(project, "export", "trc", "walk", "--out", str(tmp_path / "trc"))
    (path,) = (tmp_path / "trc").iterdir()
    run(project, "import", "trc", str(path))
    told = json.loads(run(project, "offset", "front", path.stem, "--json"))
    assert told["offset_seconds"] == pytest.approx(LAG, abs=0.02)
    assert told["sure"]


# --- by a clock that is known ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Alignment:
    project = StoredProject.create(tmp_path_factory.mktemp("clocks"))
    for name, side, fps in (("a", 0, 25), ("b", 60, 120)):
        add_sequence(project, name, film(performed(1), side, fps))
    request = AlignRequest(project.config(), same_only=True)
    return align_recordings(project, "a", "b", request, Progress())


def by(result: Alignment, clock: Clock) -> Alignment:
    """The result as if the clock of B were this one."""
    poses = result.pose_a, result.pose_b
    found, sure = match_by_clock(poses, clock, result_pair())
    return replace(result, position=found.position, low=sure.low, high=sure.high)


def result_pair() -> Any:
    from la2ds_cli.offset.pair_offset import pair_offset

    poses = film(performed(1), 0, 25), film(performed(1), 60, 120)
    return replace(pair_offset(poses, (0, 1), ("a", "b")), rivals=())


@pytest.mark.parametrize("drift", [None, 0.004, -0.004])
@pytest.mark.parametrize("lag", [0.0, 1.234, -0.7])
def test_lag_and_drift_place_a_step_of_the_force(
    result: Alignment, lag: float, drift: float | None
):
    clock = Clock(lag, 0.03, drift, 1e-4, 1.0, sure=True)
    time = np.arange(0, 5, 1 / 1000)
    force = np.where(time >= 2.5, 500.0, 0.0)[None]
    force[0, 2600:2610] = np.nan
    recorded = Recorded(time, force, ((2.5, "clap"), (-3.0, "before"), (40.0, "after")))
    found = recorded_json(by(result, clock), recorded, "b")
    assert loaded(found) == pytest.approx(clock.first(2.5), abs=0.002)
    ((moment, within, name),) = found["events"]
    assert (moment, name) == (pytest.approx(clock.first(2.5), abs=1e-4), "clap")
    assert within == pytest.approx(0.03, abs=1e-4)
    assert None in found["force"][0]
    low, high = result.pose_a.time[[0, -1]]
    assert low <= found["time"][0] < found["time"][-1] <= high


def test_recordings_without_a_moment_in_common_share_nothing(result: Alignment):
    recorded = Recorded(np.arange(3.0), np.zeros((1, 3)), ((1.0, "clap"),))
    apart = by(result, Clock(500.0, 0.01, None, None, 1.0, sure=False))
    assert recorded_json(apart, recorded, "b") == {"time": [], "force": [[]], "events": []}


def test_long_forces_are_thinned(result: Alignment):
    recorded = Recorded(np.arange(0, 5, 1e-4), np.ones((2, 50_000)), ())
    found = recorded_json(by(result, Clock(0.0, 0.01, None, None, 1.0, sure=True)), recorded, "b")
    assert {len(plate) for plate in found["force"]} == {len(found["time"])}
    assert 1500 < len(found["time"]) <= 4000
