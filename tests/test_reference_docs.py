"""The reference pages say what the code does: commands, settings, exit codes, links."""

from __future__ import annotations

import html
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.main import get_command

from la2ds_cli import __version__
from la2ds_cli.alignment.confidence import tolerance_of
from la2ds_cli.commands.app import app
from la2ds_cli.core.config import load_config, preset_names
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.time_axis import TimeAxis
from la2ds_cli.experiments.benchmark import shipped_methods

ROOT = Path(__file__).parents[1]


def module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    return module_at(ROOT / "scripts" / "write_docs.py")


@pytest.mark.parametrize("page", ["cli.md", "settings.md"])
def test_the_reference_is_what_the_code_says(writer: ModuleType, page: str):
    written = (ROOT / "docs" / "reference" / page).read_text("utf-8")
    assert written == writer.PAGES[page](), "run: python scripts/write_docs.py"


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "results").glob("*.md")), ids=str)
def test_tables_of_results_are_those_of_their_csv_files(writer: ModuleType, path: Path):
    written = path.read_text("utf-8")
    assert written == writer.with_tables(written), "run: python scripts/write_docs.py"


def test_every_setting_says_what_it_is(writer: ModuleType):
    page = (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8")
    for section, values in load_config().to_dict().items():
        if section == "preset":
            continue
        kind = type(getattr(load_config(), section)).__name__
        meanings = writer.source_of(kind)
        assert set(meanings) == set(values)
        for key in values:
            assert len(meanings[key]) > 5, f"{section}.{key} has no comment"
            assert f"| `{section}.{key}` |" in page


def test_the_reference_of_settings_on_lines_known_by_hand(writer: ModuleType):
    page = (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith("| `align.reference_clips` |")]
    assert "| whole number, at least 0 | `8` |" in row
    assert "`0`: casa-compat, paper-h2o, paper-ikea, paper-penn, paper-penn-casa" in row
    (row,) = [line for line in page.splitlines() if line.startswith("| `evaluate.max_trim` |")]
    assert "| number, 0 to 0.49 | `0.3` |" in row


def test_every_command_has_a_section_and_its_options_and_arguments_say_what_they_are(
    writer: ModuleType,
):
    page = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
    for name, command in writer.walk(get_command(app), "la2ds"):
        assert f"\n## {name}\n" in page
        assert command.help, name
        for param in command.params:
            assert param.help, f"{name} {param.name}"
            takes_value = param.param_type_name == "option" and not param.is_flag
            assert param.metavar or not takes_value, f"{name} {param.name}"
            several = param.param_type_name == "option" and param.multiple
            assert "repeatable" in param.help or not several, f"{name} {param.name}"


@pytest.mark.parametrize("text", ["`a|b`", "`FILE|DIR` or `x`, a|b", "`a<b|c`", "`D**2` and **"])
def test_a_cell_shows_its_text_and_no_backslash(writer: ModuleType, text: str):
    """As a renderer that ends a cell at every pipe and takes backslashes in code literally."""
    cell = writer._cell(text)
    assert "|" not in cell
    code = [html.unescape(c) for c in re.findall(r"<code>(.*?)</code>", cell)]
    code += re.findall(r"`(.*?)`", cell)
    assert sorted(code) == sorted(re.findall(r"`(.*?)`", text))


def test_exit_codes_are_documented():
    page = (ROOT / "docs" / "reference" / "codes.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| (\d+) \| `(\w+)` \|", page, re.MULTILINE))
    assert documented == {str(int(code)): code.name for code in ExitCode}


def test_item_codes_are_documented():
    page = (ROOT / "docs" / "reference" / "codes.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `([A-Z]\d{3})` \|", page, re.MULTILINE))
    used: set[str] = set()
    for path in (ROOT / "la2ds_cli").rglob("*.py"):
        used |= set(re.findall(r"\"([A-Z]\d{3})\"", path.read_text("utf-8")))
    assert "V001" in used
    assert documented == used


def test_what_sure_is_in_seconds_is_what_the_code_says():
    page = (ROOT / "docs" / "explanation" / "certainty.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) s \| ±([\d.]+) s \|$", page, re.MULTILINE)
    assert len(rows) == 6
    for length, tolerance in rows:
        axis = TimeAxis(np.arange(0, int(length), 1 / 25), 25.0)
        assert tolerance_of(axis) == pytest.approx(float(tolerance))


FILES = {"model.onnx", "model.safetensors", "train.py"}
PAGES = ["README.md"]
PAGES += [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")]


PARTS = ("tutorials", "how-to", "reference", "explanation")
USER_PAGES = [page for page in PAGES if page == "README.md" or page.split("/")[1] in PARTS]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        shown = shown.replace("&lt;", "<").replace("&gt;", ">")
        found.add(re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-"))
    return found


def test_the_picture_of_the_architecture_has_every_room():
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    (picture,) = [p for p in re.findall(r"```\n(.*?)```", page, re.DOTALL) if "commands" in p]
    rooms = {p.name for p in (ROOT / "la2ds_cli").iterdir() if (p / "__init__.py").exists()}
    assert rooms <= set(re.findall(r"\w+", picture))


def test_every_method_has_a_row_with_its_paper_and_its_tests():
    """That the files which a page names are there is tested below."""
    page = (ROOT / "docs" / "reference" / "methods.md").read_text("utf-8")
    rows = page.partition("| `--method` |")[2].partition("\n\n")[0].splitlines()[2:]
    named = [name for row in rows for name in re.findall(r"`([\w-]+)`", row.split("|")[1])]
    assert sorted(named) == sorted(shipped_methods())
    paper = r"https://(arxiv\.org/abs/\d{4}\.\d{5}|openaccess\.thecvf\.com/\S+_paper\.html)"
    assert [row for row in rows if not re.search(paper, row) or "`tests/" not in row] == []


def test_the_accuracies_of_networks_are_those_of_the_list_of_weights():
    page = (ROOT / "docs" / "how-to" / "poses.md").read_text("utf-8")
    zoo = tomllib.loads((ROOT / "models" / "la2ds_models" / "zoo.toml").read_text("utf-8"))
    published = [one["ap"] for one in zoo.values() if isinstance(one, dict) and "ap" in one]
    assert len(published) > 10
    for value in published:
        assert f"{value:.3f}" in page


@pytest.mark.parametrize("page", PAGES)
def test_no_code_in_a_table_shows_a_backslash_before_a_pipe_or_a_star(page: str):
    rows = [row for row in (ROOT / page).read_text("utf-8").splitlines() if row.startswith("|")]
    code = [code for row in rows for code in re.findall(r"`(.*?)`", row)]
    assert [each for each in code if re.search(r"\\[|*]", each)] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_to_other_pages_lead_somewhere(page: str):
    path = ROOT / page
    text = path.read_text("utf-8")
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(#[^)\s]*)?\)", text):
        there = path.parent / target if target else path
        assert there.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor[1:] in anchors(there), f"{page} links to {target}{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_files_of_the_source_that_a_page_names_are_there(page: str):
    roots = ROOT, ROOT / "la2ds_cli"
    rooms = "|".join(path.name for root in roots for path in root.iterdir() if path.is_dir())
    named = re.findall(rf"`((?:{rooms})/[\w./-]+)`", (ROOT / page).read_text("utf-8"))
    elsewhere = {"poses/partial/"}  # in a project
    elsewhere |= {"la2ds_cli/python/la2ds"}  # a place that decision 14 turned down
    for file in set(named) - elsewhere:
        assert re.search("NAME|NNNN", file) or any((root / file).exists() for root in roots), file


def commands_on(page: str) -> Iterator[str]:
    """The lines `la2ds ...` of the examples on a page, with continued lines joined."""
    text = (ROOT / page).read_text("utf-8")
    for block in re.findall(r"^ *```(?:sh|bash)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            called = re.search(r"(?:^|[ /])la2ds (.*)", line)
            if called and "=" not in line[: called.start()]:
                yield called[1]


def parsed(line: str) -> None:
    """Raises an error of click if the command line is not one that la2ds accepts."""
    words = shlex.split(line, comments=True)
    words = words[: words.index("&&")] if "&&" in words else words
    command: Any = get_command(app)
    words = [word for word in words if word != "--offline"]
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    context = command.make_context(command.name, words, resilient_parsing=False)
    assert context is not None


@pytest.mark.parametrize("page", USER_PAGES)
def test_the_examples_on_a_page_are_command_lines_that_la2ds_accepts(page: str):
    for line in commands_on(page):
        if "$s" in line:  # a loop of the shell
            line = line.partition(";")[0].replace("$s", "0")
        try:
            parsed(line)
        except Exception as error:
            raise AssertionError(f"{page}: la2ds {line}: {error!r}") from error


@pytest.mark.parametrize("page", USER_PAGES)
def test_examples_of_a_width_fit_the_heads(page: str):
    heads = load_config().model.heads
    for width in re.findall(r"--set model\.width=(\d+)", (ROOT / page).read_text("utf-8")):
        assert int(width) % (2 * heads) == 0, f"{page}: model.width={width}"


def test_examples_are_found():
    assert sum(1 for page in USER_PAGES for _ in commands_on(page)) > 150


@pytest.mark.parametrize("page", USER_PAGES)
def test_extras_and_presets_that_a_page_names_are_there(page: str):
    text = (ROOT / page).read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = re.findall(r"la2ds\[([a-z]+)\]", text)
    assert set(named) <= set(project["optional-dependencies"])
    presets = re.findall(r"(?:--preset |preset = \"|preset `)([a-z][\w.-]*)", text)
    assert set(presets) <= set(preset_names())


@pytest.mark.parametrize("page", USER_PAGES)
def test_settings_that_a_page_names_are_there(page: str):
    sections = {k: v for k, v in load_config().to_dict().items() if isinstance(v, dict)}
    text = (ROOT / page).read_text("utf-8")
    for section, key in re.findall(rf"`({'|'.join(sections)})\.([a-z_0-9]+)\b", text):
        assert key in sections[section] or f"{section}.{key}" in FILES, f"{section}.{key}"


def test_the_menu_of_the_site_lists_every_page_and_decisions_last():
    menu = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    listed = re.findall(r": ([\w/-]+\.md)$", menu, re.MULTILINE)
    assert sorted(listed) == sorted(page.removeprefix("docs/") for page in PAGES[1:])
    assert listed == sorted(listed, key=lambda page: page.startswith("decisions/"))


def test_the_search_of_the_site_leaves_out_pages_about_the_making_and_no_others():
    hook = module_at(ROOT / "scripts" / "site_search.py")
    left_out = set[str]()
    for name in (page.removeprefix("docs/") for page in PAGES[1:]):
        page = SimpleNamespace(file=SimpleNamespace(src_uri=name), meta={})
        assert hook.on_page_markdown("text", page=page, config=None, files=None) == "text"
        left_out |= {name} if page.meta else set()
    decisions = {f"decisions/{path.name}" for path in (ROOT / "docs/decisions").iterdir()}
    assert left_out == decisions | {
        "changelog.md",
        "results/mutation.md",
        "results/reliability.md",
    }
    assert "\nhooks: [scripts/site_search.py]\n" in (ROOT / "mkdocs.yml").read_text("utf-8")


def test_the_changelog_names_the_version():
    text = (ROOT / "docs" / "changelog.md").read_text("utf-8")
    assert f"## [{__version__.partition('.dev')[0]}]" in text
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {__version__}\n" in citation
    assert "arXiv:2305.19480" in citation
