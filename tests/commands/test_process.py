"""How a process starts and ends: streams that are closed, signals, memory, a project that moves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from tests.processes import run_python
from tests.small_runs import TINY, six_clips
from tests.told import refused

ROOT = Path(__file__).parents[2]
LA2DS = (sys.executable, "-c", "from la2ds_cli.main import main; main()")


def shell(line: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`line` run by a shell, in which "$@" is la2ds with arguments."""
    words = ["sh", "-c", line, "sh", *LA2DS, *arguments]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX closes streams")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_work_is_done_where_a_stream_is_closed(closed: str, tmp_path: Path):
    done = shell(f'"$@" {closed}', "init", str(tmp_path / "swings"))
    assert done.returncode == ExitCode.OK, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "swings" / "project.toml").read_text("utf-8").startswith("preset = ")
    assert ("results are not shown" in done.stderr) == (closed == ">&-")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
def test_too_little_memory_is_a_sentence(tmp_path: Path):
    six_clips(tmp_path / "swings")
    project = ["--project", str(tmp_path / "swings")]
    done = shell('ulimit -v 400000; "$@"', "train", *project, "--set", "train.steps=1")
    assert done.returncode == ExitCode.ENVIRONMENT, done.stderr
    assert "error: there is not enough memory" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_library_of_the_system_is_a_sentence(tmp_path: Path):
    """As in a container, where nothing brought what OpenCV's wheel leaves to the system."""
    said = "libGL.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "cv2.py").write_text(f"raise ImportError({said!r})", "utf-8")
    begin = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
    command = ["-c", begin + LA2DS[2], "demo", tmp_path / "demo"]
    done = run_python(*command, code=ExitCode.ENVIRONMENT)
    assert done.stderr.startswith("error: a system library is missing: libGL.so.1")
    assert "libgl1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")
def test_sigterm_saves_as_an_interrupt_does(tmp_path: Path):
    six_clips(tmp_path / "swings")
    settings = [part for text in (*TINY, "train.steps=100000") for part in ("--set", text)]
    command = [*LA2DS, "train", "--project", str(tmp_path / "swings"), *settings]
    started = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    run = tmp_path / "swings" / "checkpoints" / "default"
    until = time.monotonic() + 240
    while not (run / "loss.jsonl").exists() and time.monotonic() < until:
        time.sleep(0.1)
    started.send_signal(signal.SIGTERM)
    said = started.communicate(timeout=120)[1]
    assert started.returncode == ExitCode.INTERRUPTED, said
    assert "run the same command again to go on" in said
    assert (run / "resume.pt").stat().st_size > 0


def test_a_project_that_moved_is_not_made_again_at_its_old_place(tmp_path: Path):
    project = StoredProject.create(tmp_path / "swings")
    (tmp_path / "swings").rename(tmp_path / "moved")
    with refused(ExitCode.STORAGE, "the project has been moved or removed"):
        project.write_phase_table(project.phase_table())
    assert not (tmp_path / "swings").exists()
    assert StoredProject.create(tmp_path / "swings").root.is_dir()
