"""`la2ds remove` killed at each of its operations on files, then run again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from la2ds_cli.core import artifact
from la2ds_cli.core.stored_project import StoredProject
from tests import faults, writing_commands
from tests.movement import add_sequence, sequence, warped_phase
from tests.processes import invoke

LENGTHS = {"anna": 20, "ben": 26, "carla": 31}


class Kills(faults.Faults):
    def fail(self, number: int, *path: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three clips with labels, marks, and files of what was computed for them."""
    project = StoredProject.create(tmp_path / "before")
    for seed, (name, length) in enumerate(LENGTHS.items()):
        add_sequence(project, name, sequence(warped_phase(length, seed)))
        project.mark_video(name, split="test", group=name.title())
        for path in (project.heatmap_path(name), project.embedding_path("run", name)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        project.film_dir(name).mkdir(parents=True)
        (project.film_dir(name) / "0.film").write_bytes(b"x")
    rows = "".join(f"{name},0,9,down\n" for name in ("anna.mat", "ben", "carla"))
    project.phases_path.write_text(f"video,start,end,phase\n{rows}")
    return tmp_path


def remove(root: Path, names: list[str], at: int = 0) -> tuple[int, int]:
    """Status and number of operations of the command in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status, counted = 70, 0
        try:
            artifact._ABANDONED = 0.0
            with Kills(root, at) as operations:
                invoke("remove", *names, "--project", root)
                status, counted = 0, len(operations.operations)
        finally:
            os.write(writer, counted.to_bytes(4, "little"))
            os._exit(status)
    os.close(writer)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    counted = int.from_bytes(os.read(reader, 4), "little")
    os.close(reader)
    return status, counted


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_removed_again_after_a_kill_is_as_if_undisturbed(root: Path) -> None:
    """Wherever it was killed: all of the named clips are there to be named, or all are gone."""
    work, names = root / "work", ["anna", "ben"]
    writing_commands.fresh_copy(root / "before", work)
    status, count = remove(work, names)
    assert status == 0
    expected = writing_commands.contents(work)
    assert [video.id for video in StoredProject.open(work).videos()] == ["carla"]
    assert count > 10
    for at in range(1, count + 1):
        writing_commands.fresh_copy(root / "before", work)
        status = remove(work, names, at)[0]
        # What Python reads at its first command is not read again in the last ones.
        assert status == -signal.SIGKILL or (status == 0 and at > 0.8 * count), (status, at, count)
        left = {video.id for video in StoredProject.open(work).videos()}
        assert left in ({"carla"}, set(LENGTHS)), at
        if left == set(LENGTHS):
            assert remove(work, names)[0] == 0, at
        assert writing_commands.contents(work) == expected, at
        assert not writing_commands.temporary(work), at
