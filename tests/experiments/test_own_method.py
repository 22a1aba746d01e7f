"""The method of docs/how-to/extend.md, in a package outside of la2ds: trained, embedded,
evaluated."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.experiments.benchmark import benchmark, method_rows
from la2ds_cli.experiments.runner import Plan
from la2ds_cli.experiments.scores import scored_inputs
from la2ds_cli.network.load_network import load_embedder, untrained_embedder
from tests.movement import add_sequence, sequence, warped_phase
from tests.processes import invoke
from tests.small_runs import clips

DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "extend.md"
QUICK = [
    *("model.width=24", "train.steps=150", "train.batch_size=4", "train.validate_every=150"),
    *("train.threads=1", "train.precision=fp32", "evaluate.trim_draws=1"),
    "align.reference_clips=0",
]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The code of the page as a module of its own package; its dotted name."""
    section = DOCS.read_text("utf-8").partition("## A loss that trains")[2]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert code is not None
    package = tmp_path / "mypackage"
    package.mkdir()
    write_text(package / "__init__.py", "")
    write_text(package / "moments.py", code[1])
    monkeypatch.syspath_prepend(tmp_path)
    _forget_module()
    yield "mypackage.moments"
    _forget_module()


def _forget_module() -> None:
    """As in a new process, where it is not imported yet."""
    for name in [name for name in sys.modules if name.split(".")[0] == "mypackage"]:
        del sys.modules[name]


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    made = clips(tmp_path / "swings", count=8, length=36)
    for n in range(4):
        add_sequence(made, f"test{n}", sequence(warped_phase(40, 50 + n), scale=80.0), "test")
    return StoredProject.open(made.root)


def _call(project: StoredProject, *arguments: str) -> dict:
    _forget_module()
    return json.loads(invoke(*arguments, "--project", project.root, "--json").stdout)


def test_a_run_of_changed_code_is_refused_and_never_passes_for_its_result(
    module: str, project: StoredProject, tmp_path: Path
) -> None:
    sets = ["model.width=24", "train.steps=2", "train.batch_size=2", "train.threads=1"]
    arguments = ["train", "--method", module, "--run", "mine", "--device", "cpu"]
    arguments += [part for setting in sets for part in ("--set", setting)]
    _call(project, *arguments)
    assert _call(project, *arguments)["already_finished"]
    path = tmp_path / "mypackage" / "moments.py"
    write_text(path, path.read_text("utf-8").replace(".mean()", ".mean() ** 2"))
    refused = invoke(*arguments, "--project", project.root, code=ExitCode.MISMATCH)
    embedding = ["embed", "--run", "mine", "--device", "cpu", "--project", project.root]
    unlike = invoke(*embedding, code=ExitCode.MISMATCH)
    assert unlike.stdout == ""
    assert f"the encoder {module} has changed since" in unlike.stderr
    assert f"trained differently (input code of {module} changed)" in refused.stderr
    assert not _call(project, *arguments, "--overwrite")["already_finished"]
    own, found = project.config(overrides=["align.method=mypackage.ends"]), []
    for body in ("...", "return []"):
        write_text(path.with_name("ends.py"), f"def align(a, b, config): {body}")
        found.append(scored_inputs(project, own)["code of mypackage.ends"])
    assert found[0] != found[1]  # so that scores are computed anew


@pytest.mark.parametrize("option", ["--method=", "--set=model.encoder="])
def test_a_module_that_python_does_not_find_is_said_to_be_missing(
    option: str, module: str, project: StoredProject
) -> None:
    arguments = ["train", f"{option}{module}s", "--project", project.root]
    found = invoke(*arguments, code=ExitCode.USAGE)
    assert f"'{module}s'" in found.stderr
    assert "put the folder above it into PYTHONPATH" in found.stderr


def _moment_error(features: list[np.ndarray], phases: list[np.ndarray]) -> float:
    """Mean distance in phase between each frame and its nearest one of every other clip."""
    errors = []
    for a, pa in zip(features, phases, strict=True):
        for b, pb in zip(features, phases, strict=True):
            if a is not b:
                nearest = ((a[:, None] - b[None]) ** 2).sum(axis=-1).argmin(axis=1)
                errors.append(np.abs(pa - pb[nearest]).mean())
    return float(np.mean(errors))


def test_it_trains_embeds_and_evaluates_by_its_dotted_name(
    module: str, project: StoredProject
) -> None:
    sets = [part for setting in QUICK[:6] for part in ("--set", setting)]
    trained = _call(project, "train", "--method", module, "--run", "mine", "--device", "cpu", *sets)
    assert trained["steps"] == 150
    _call(project, "embed", "--run", "mine", "--device", "cpu")
    embedding, _ = project.read_embedding("mine", "test0")
    assert len(embedding.value) == 40
    write_text(
        project.root / "project.toml",
        'preset = "default"\n[evaluate]\ntrim_draws = 1\n[align]\nreference_clips = 0\n',
    )
    project = StoredProject.open(project.root)
    found = _call(project, "evaluate", "--run", "mine", "--device", "cpu")
    assert found["features"]["model"]["kendalls_tau"]["value"] is not None
    # Known moments: the clips are one movement at other speeds.
    poses = [project.read_pose(f"test{n}")[0] for n in range(4)]
    phases = [warped_phase(40, 50 + n) for n in range(4)]
    embedder = load_embedder(project, "mine", "cpu")
    untrained = untrained_embedder(embedder.config, "penn13", seed=0, device="cpu")
    learned, before = (_moment_error(e(poses), phases) for e in (embedder, untrained))
    assert learned < 0.7 * before


def test_it_stands_in_a_benchmark_beside_the_shipped_ones(
    module: str, project: StoredProject
) -> None:
    config = method_rows([module], QUICK)[0].recipe(project, 3)
    assert (config.model.encoder, config.model.width, config.train.seed) == (module, 24, 3)
    settings = [*QUICK, "train.steps=4", "train.validate_every=4", "model.heads=2"]
    result = benchmark(
        [project],
        Plan(settings=settings, device="cpu"),
        ["la2ds", module],
        out=project.root / "out",
    )
    assert result.exit_code() == ExitCode.OK
    assert list(result.labels.values()) == ["LA2DS", module]
    # Two encoders, so two networks without training.
    assert list(result.rows())[-2:] == ["untrained-la2ds", f"untrained-{module}"]
    assert result.runs()[1].run.startswith(f"benchmark-{module}-")
    assert project.run_dir(result.runs()[1].run).is_dir()
