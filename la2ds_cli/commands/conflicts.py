"""Which options need which, and which cannot be combined: the one table for all commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import Parameter
from typing import Any, NamedTuple

from typer.models import OptionInfo

NEEDS, EXCLUDES, OR = "needs", "cannot be combined with", "or"


class Rule(NamedTuple):
    """first, other: `--option`, `--option=value`, ARGUMENT or ARGUMENT=value. `OR`: one of the two
    has to be given, and not both. command: the name of its function, with - for _."""

    command: str
    first: str
    rule: str
    other: str
    hint: str


_OWN_PRESETS = "leave --preset out: each method has its own; --set changes a setting of all"
_ATTEMPTS = "la2ds compare REFERENCE OTHER, or la2ds compare REFERENCE --attempts 'me-*.mp4'"

RULES = (
    Rule("align", "--repetition-of-a", NEEDS, "--repetition", "add --repetition best or all"),
    Rule("align", "--anchor", EXCLUDES, "--repetition", "align the two clips without it"),
    Rule("timeline", "--group", EXCLUDES, "CLIP", "leave out the clips or --group"),
    Rule("compare", "OTHER", OR, "--attempts", _ATTEMPTS),
    Rule("retrieve", "--group", NEEDS, "--store", "--store FOLDER"),
    Rule("retrieve", "--index=approximate", NEEDS, "--store", "--store FOLDER"),
    Rule("retrieve", "--phase", NEEDS, "--store", "--store FOLDER"),
    Rule("transfer-labels", "--overwrite", NEEDS, "--write", "add --write"),
    Rule("train", "--engine=ray", NEEDS, "--seeds", "--seeds 0,1,2"),
    Rule("reproduce", "--preset", EXCLUDES, "TABLE=table1", _OWN_PRESETS),
    Rule("reproduce", "--preset", EXCLUDES, "TABLE=table2", _OWN_PRESETS),
    Rule("reproduce", "--preset", EXCLUDES, "TABLE=table3", _OWN_PRESETS),
    Rule("pull", "NAME", OR, "--all", "la2ds models ls shows the names"),
)


def refuse_contradictions(
    command: str, declared: Iterable[Parameter], values: Mapping[str, Any]
) -> None:
    """Raises UserError (exit 2) if the values of a command's parameters break one of its rules.

    A parameter counts as given if it differs from its default.
    """
    from la2ds_cli.core.errors import UserError

    rules = [rule for rule in RULES if rule.command == command]
    if not rules:
        return
    given = dict(_given(declared, values))
    for _, first, rule, other, hint in rules:
        here, there = (_holds(term, given) for term in (first, other))
        if rule == OR and not here and not there:
            raise UserError(f"{command} needs {first} or {other}", hint=hint)
        if here and there == (rule != NEEDS):
            verb = NEEDS if rule == NEEDS else EXCLUDES
            raise UserError(f"{first} {verb} {other.removeprefix('TABLE=')}", hint=hint)


def _given(declared: Iterable[Parameter], values: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """The parameters that are given, by the names that a user sees."""
    for parameter in declared:
        info, value = parameter.default, values[parameter.name]
        if value not in (info.default, None, []):
            names = [f"--{parameter.name.replace('_', '-')}", *(info.param_decls or ())]
            for name in names if isinstance(info, OptionInfo) else [info.metavar]:
                yield name, value


def _holds(term: str, given: Mapping[str, Any]) -> bool:
    name, sign, value = term.partition("=")
    return name in given and (not sign or given[name] == value)
