"""A command may change its process; `import la2ds` and its functions may not: a program of somebody
else that uses them loses nothing and finds everything as it was."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import la2ds
from tests.poses.grey_people import film, squats
from tests.processes import run_python
from tests.small_runs import six_clips

ROOT = Path(__file__).parents[1]
# What adds filters of warnings when it is imported, by whomever.
PACKAGES = (
    *("numpy", "torch", "pandas", "scipy.signal", "scipy.optimize", "torchvision", "timm"),
    *("sklearn.linear_model", "sklearn.svm", "matplotlib.figure"),
    *("torch._dynamo", "torch._inductor"),
)


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Of a program outside the repository that finds la2ds, and the networks of these tests."""
    left_out = ("LA2DS_PLUGINS", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "OMP_NUM_THREADS")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    path = os.pathsep.join([str(ROOT), str(ROOT / "models")])
    return kept | {"PYTHONPATH": path, "LA2DS_OFFLINE": "1"}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> dict[str, Any]:
    """What the host saw (tests/host_program.py)."""
    root = tmp_path_factory.mktemp("host")
    project = six_clips(root / "project").root
    for name, count, fps in (("a", 24, 25), ("b", 20, 30), ("c", 30, 24)):
        film(root / f"{name}.mp4", squats(count), fps=fps)
    (root / "here").mkdir()
    words = (project, root, root / "report.json")
    program = str(ROOT / "tests" / "host_program.py")
    run_python(program, *map(str, words), cwd=root / "here", env=environment)
    return json.loads((root / "report.json").read_text("utf-8"))


def test_a_thread_of_the_host_loses_nothing(report: dict[str, Any]):
    assert report["reads"] >= 1_000
    assert report["children"] >= 50
    assert report["wrong"] == []


def test_no_call_changes_the_process(report: dict[str, Any]):
    assert report["changes"] == {}


def test_every_function_was_called(report: dict[str, Any]):
    functions = {name for name in la2ds.__all__ if inspect.isfunction(getattr(la2ds, name))}
    assert functions <= set(report["steps"])


def test_la2ds_adds_no_filter_of_warnings(report: dict[str, Any], environment: dict[str, str]):
    """Those of the host stay, in their order; others come from packages, as at any import."""
    script = "import json, sys, warnings\n"
    script += "".join(f"import {name}\n" for name in PACKAGES)
    script += "print(json.dumps([repr(entry) for entry in warnings.filters]))"
    expected = json.loads(run_python("-c", script, env=environment).stdout)
    assert "of the host" in " ".join(report["filters"])
    own = [entry for entry in report["filters"] if entry not in expected]
    assert len(own) == 1, own


def test_the_judge_sees_what_a_library_may_change(environment: dict[str, str]):
    """Each of these would be seen by `test_no_call_changes_the_process`."""
    script = """
import os, sys, signal, logging, random, torch
from tests.process_state import differences, process_state
before = process_state()
os.chdir("/")
os.environ["NEW"] = "1"
sys.meta_path.append(object())
signal.signal(signal.SIGTERM, lambda *_: None)
logging.disable(logging.INFO)
random.random()
torch.manual_seed(7)
torch.set_num_threads(3)
print(len(differences(before, process_state())))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "8"
