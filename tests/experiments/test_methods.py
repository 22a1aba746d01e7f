"""Which methods are compared, with what settings, and what is refused before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.experiments.benchmark import benchmark, check_projects, method_rows, shipped_methods
from la2ds_cli.experiments.printed_tables import paper_methods
from la2ds_cli.experiments.runner import Plan
from la2ds_cli.training.losses import get_method, method_names
from tests.told import refused


def test_the_methods_of_the_paper_come_first_and_none_is_missing() -> None:
    assert shipped_methods()[: len(paper_methods())] == list(paper_methods())
    assert set(method_names()) <= set(shipped_methods())
    for row in method_rows(shipped_methods()):
        config = row.recipe(StoredProject(Path(), {"preset": "default"}), 0)
        assert hasattr(get_method(config.train.method), "loss")


def test_all_methods_get_the_same_steps_and_alignment(tmp_path: Path) -> None:
    project = StoredProject.create(
        tmp_path / "p", {"preset": "default", "align": {"skip_cost": 0.25}}
    )
    settings = ["train.batch_size=3"]
    for name in shipped_methods():
        config = method_rows([name], settings)[0].recipe(project, 7)
        assert (config.train.steps, config.train.batch_size, config.train.seed) == (400, 3, 7)
        assert (config.align.skip_cost, config.align.movement, config.align.base) == (0.25, 0, 0)
    given = method_rows(["lav"], ["train.steps=9", "align.movement=1"])[0].recipe(project, 0)
    assert (given.train.steps, given.align.movement) == (9, 1)


def test_la2ds_is_the_default_where_the_project_has_the_preset_of_another_method(
    tmp_path: Path,
) -> None:
    project = StoredProject.create(tmp_path / "p", {"preset": "casa"})
    config = method_rows(["la2ds"])[0].recipe(project, 0)
    assert (config.train.method, config.model.encoder) == ("la2ds", "vivit")
    project = StoredProject.create(tmp_path / "q", {"preset": "heatmap"})
    assert method_rows(["la2ds"])[0].recipe(project, 0).model.input == "heatmap"


def test_a_preset_may_be_a_row(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path / "p")
    names = ["casa", "casa-compat", "paper-penn"]
    methods = method_rows(names)
    assert [method.label for method in methods] == ["CASA", *names[1:]]
    casa, compat, paper = (method.recipe(project, 0) for method in methods)
    assert (casa.model.encoder, compat.model.encoder) == ("casa", "vivit")
    assert (paper.model.input, paper.train.scaling) == ("heatmap", "plain")
    assert paper.train.steps == casa.train.steps


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": ()}, "the seeds must be"),
        ({"seeds": (1, 1)}, "the seeds must be"),
        ({"methods": ()}, "methods must be"),
        ({"methods": ("tcc", "tcc")}, "methods must be"),
        ({"methods": ("tccc",)}, "unknown training method 'tccc'"),
        ({"methods": ("la2ds_cli.core.errors",)}, "la2ds_cli.core.errors has no PAIRS"),
        ({"settings": ["train.step=1"]}, "unknown setting 'step'"),
        ({"settings": ["train.seed = 5"]}, "train.seed would have no effect"),
        ({"protocol": "papers"}, "unknown protocol 'papers'"),
    ],
)
def test_bad_requests_are_refused_before_any_work(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    project = StoredProject.create(tmp_path / "p")
    methods = options.pop("methods", None)
    with refused(ExitCode.USAGE, message):
        benchmark([project], Plan(**options), methods, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_projects_must_be_different(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path / "p")
    for projects in ([], [project, StoredProject.open(tmp_path / "p")]):
        with pytest.raises(UserError, match="project"):
            check_projects(projects)
