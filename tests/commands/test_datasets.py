"""`la2ds datasets ls` and the list behind it."""

from __future__ import annotations

import json
import shlex

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from la2ds_cli.formats.datasets import DataSet, data_sets
from la2ds_cli.main import app

OF_DATA_SETS = {"penn_action", "ikea_asm", "h2o", "casa_npy"}


def test_every_importer_of_a_data_set_is_in_the_list():
    named = {data.importer.replace("-", "_") for data in data_sets()}
    assert named == OF_DATA_SETS


@pytest.mark.parametrize("data", data_sets(), ids=lambda data: data.name)
def test_every_entry_is_whole_and_its_example_is_a_command(data: DataSet):
    for text in (data.title, data.what, data.terms, data.splits, data.cite):
        assert text.strip() == text != ""
    assert data.get
    assert all(place.label and place.url.startswith("http") for place in data.get)
    program, group, name, *arguments = shlex.split(data.example)
    assert (program, group, name) == ("la2ds", "import", data.importer)
    with get_command(app).make_context("la2ds", ["import", name, *arguments]) as context:
        # Parsing the arguments of the sub-command finds a wrong option; nothing is run.
        command = get_command(app).commands["import"].commands[name]  # type: ignore[attr-defined]
        command.make_context(name, list(arguments), parent=context)


def test_ls_prints_every_entry_and_says_that_terms_were_not_read():
    result = CliRunner().invoke(app, ["datasets", "ls"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    for data in data_sets():
        assert f"{data.name}  {data.title}" in lines
        assert f"  read    {data.example}" in lines
        for place in data.get:
            assert any(place.url in line for line in lines)
    unread = sum(not data.terms_checked for data in data_sets())
    assert " ".join(result.stdout.split()).count("not checked for this list") == unread
    # Addresses and commands are to be copied, so they are never broken; text is.
    whole = ("  get ", "  read ")
    assert all(len(line) <= 96 for line in lines if not line.startswith(whole))


def test_ls_as_json():
    result = CliRunner().invoke(app, ["datasets", "ls", "--json"])
    document = json.loads(result.stdout)
    assert (document["schema_version"], document["command"]) == (1, "datasets ls")
    found = {row["name"]: row for row in document["data_sets"]}
    assert list(found) == [data.name for data in data_sets()]
    h2o = found["h2o"]
    assert h2o["importer"] == "h2o"
    assert h2o["get"][0] == {"label": "page", "url": "https://h2odataset.ethz.ch"}
    assert h2o["terms_checked"] is False


def test_the_group_explains_itself():
    result = CliRunner().invoke(app, ["datasets"])
    assert result.exit_code == 0
    assert "la2ds datasets ls" in result.stdout
