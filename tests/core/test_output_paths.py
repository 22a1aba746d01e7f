"""Which paths a command may write to."""

from __future__ import annotations

from pathlib import Path

import pytest

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.output_paths import check_suffix, checked_outputs
from la2ds_cli.core.project import Project


def test_another_way_to_write_the_path_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project.create(tmp_path / "swings")
    (project.root / "sources").mkdir()
    monkeypatch.chdir(project.root / "sources")
    with pytest.raises(UserError, match="would be lost"):
        checked_outputs(project, [Path("../phases.csv")], "a table", [".csv"])
    assert checked_outputs(project, [Path("phases.csv")], "a table", [".csv"])


def test_the_hint_names_the_types_that_can_be_written() -> None:
    check_suffix(Path("a.PNG"), "a figure", [".png", ".svg"])
    with pytest.raises(UserError, match=r"cannot write a figure to 'a\.gif'") as refused:
        check_suffix(Path("a.gif"), "a figure", [".png", ".svg"])
    assert refused.value.hint == "end the name in one of: .png, .svg"
    with pytest.raises(UserError) as refused:
        check_suffix(Path("a"), "a page", [".html"])
    assert refused.value.hint == "end the name in .html"
