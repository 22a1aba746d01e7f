"""A function as a command: groups of options taken apart for Typer, and contradictions refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property
from inspect import Parameter, Signature
from typing import Any, NamedTuple, get_type_hints

from typer.models import OptionInfo

from la2ds_cli.commands.options import OFFLINE, forbid_network
from la2ds_cli.core.errors import UserError


class Command:
    """What Typer runs for a function: a parameter whose type is a dataclass stands for the options
    that its fields declare, and every command takes --offline. Nothing is inspected before the
    command is needed, since that takes longer than its import."""

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function
        self.__name__, self.__doc__ = function.__name__, function.__doc__
        self.__annotations__ = {}  # Typer reads those of the signature

    @cached_property
    def __signature__(self) -> Signature:
        options = [one for _, group in self._groups for one in group]
        if not self._own_offline:
            options.append(
                Parameter("offline", Parameter.KEYWORD_ONLY, default=OFFLINE, annotation=bool)
            )
        return Signature(options)

    @cached_property
    def _own_offline(self) -> bool:
        """Whether the function has a meaning of its own for --offline."""
        return "offline" in inspect.signature(self.function).parameters

    @cached_property
    def _groups(self) -> list[tuple[Parameter, list[Parameter]]]:
        """Each parameter of the function, with those that Typer reads for it."""
        hints = get_type_hints(self.function)
        return [
            (given.replace(annotation=hints[name]), list(_options(given, hints[name])))
            for name, given in inspect.signature(self.function).parameters.items()
        ]

    def __call__(self, **given: Any) -> None:
        command = self.__name__.replace("_", "-")
        refuse_contradictions(command, self.__signature__.parameters.values(), given)
        if not self._own_offline and given.pop("offline"):
            forbid_network()
        for group, options in self._groups:
            if is_dataclass(group.annotation):
                values = {one.name: given.pop(one.name) for one in options}
                given[group.name] = group.annotation(**values)  # pyright: ignore
        self.function(**given)


def _options(given: Parameter, kind: Any) -> Iterator[Parameter]:
    if not is_dataclass(kind):
        yield given.replace(annotation=kind, kind=Parameter.KEYWORD_ONLY)
        return
    hints = get_type_hints(kind)
    for field in fields(kind):
        yield Parameter(
            field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )


# --- which options need which, and which exclude each other: one table for all commands -----------

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
_OWN_FACTS = "leave it out: the video has its own frame rate and size"
_ATTEMPTS = "la2ds compare REFERENCE OTHER, or la2ds compare REFERENCE --attempts 'me-*.mp4'"
_ONE_CLOCK = "leave it out: recordings of one performance are matched by their clocks alone"

RULES = (
    Rule("align", "--anchor", EXCLUDES, "--repetition", "align the two clips without it"),
    *(
        Rule(command, other, EXCLUDES, "--same-performance", _ONE_CLOCK)
        for command in ("report", "sync")
        for other in ("--anchor", "--method", "--view", "--features", "--run")
    ),
    Rule("sync", "--privacy", EXCLUDES, "--no-skeleton", "leave one of them out: nothing is left"),
    Rule("timeline", "--group", EXCLUDES, "CLIP", "leave out the clips or --group"),
    Rule("compare", "OTHER", OR, "--attempts", _ATTEMPTS),
    Rule("compare", "--anchor", EXCLUDES, "--attempts", "compare the two clips without the others"),
    Rule("retrieve", "--index=approximate", NEEDS, "--store", "--store FOLDER"),
    Rule("transfer-labels", "--overwrite", NEEDS, "--write", "add --write"),
    Rule("train", "--engine=ray", NEEDS, "--seeds", "--seeds 0,1,2"),
    Rule("reproduce", "--preset", EXCLUDES, "TABLE=table1", _OWN_PRESETS),
    Rule("reproduce", "--preset", EXCLUDES, "TABLE=table2", _OWN_PRESETS),
    Rule("reproduce", "--preset", EXCLUDES, "TABLE=table3", _OWN_PRESETS),
    Rule("import", "--fps", EXCLUDES, "--video", _OWN_FACTS),
    Rule("import", "--size", EXCLUDES, "--video", _OWN_FACTS),
    Rule("pull", "NAME", OR, "--all", "la2ds models ls shows the names"),
)


def refuse_contradictions(
    command: str, declared: Iterable[Parameter], values: Mapping[str, Any]
) -> None:
    """Check the parameters of a command, which count as given if they differ from their defaults.

    Raises
    ------
    UserError: exit 2 if the values of a command's parameters break one of its rules.
    """
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
    """Yield the parameters that are given, by the names that a user sees."""
    for parameter in declared:
        info, value = parameter.default, values[parameter.name]
        if value not in (info.default, None, []):
            names = [f"--{parameter.name.replace('_', '-')}", *(info.param_decls or ())]
            for name in names if isinstance(info, OptionInfo) else [info.metavar]:
                yield name, value


def _holds(term: str, given: Mapping[str, Any]) -> bool:
    name, sign, value = term.partition("=")
    return name in given and (not sign or given[name] == value)
