"""Turn a function into a command: split groups of options for Typer, and refuse contradictions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property
from inspect import Parameter, Signature
from typing import Any, NamedTuple, get_type_hints

import typer
from typer.models import OptionInfo

from la2ds_cli.commands.help_pages import HelpfulCommand
from la2ds_cli.commands.options import OFFLINE, forbid_network
from la2ds_cli.core.console import sign_of_work
from la2ds_cli.core.errors import UserError


class Command:
    """A function as Typer runs it: a parameter whose type is a dataclass stands for the options of
    its fields, and every command takes --offline. Nothing is inspected before the command is
    needed, since that takes longer than its import."""

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function
        self.__name__, self.__doc__ = function.__name__, function.__doc__
        self.__annotations__ = {}  # Typer reads the signature instead

    @cached_property
    def __signature__(self) -> Signature:
        options = [option for _, group in self._groups for option in group]
        if not self._own_offline:
            options.append(
                Parameter("offline", Parameter.KEYWORD_ONLY, default=OFFLINE, annotation=bool)
            )
        return Signature(options)

    @cached_property
    def _own_offline(self) -> bool:
        """Return whether the function declares --offline itself."""
        return "offline" in inspect.signature(self.function).parameters

    @cached_property
    def _groups(self) -> list[tuple[Parameter, list[Parameter]]]:
        """Return each parameter of the function, with the parameters that Typer reads for it."""
        hints = get_type_hints(self.function)
        return [
            (parameter.replace(annotation=hints[name]), list(_options(parameter, hints[name])))
            for name, parameter in inspect.signature(self.function).parameters.items()
        ]

    def __call__(self, **values: Any) -> None:
        command = self.__name__.replace("_", "-")
        refuse_contradictions(command, self.__signature__.parameters.values(), values)
        if not self._own_offline and values.pop("offline"):
            forbid_network()
        as_json, quiet = (bool(values.get(name)) for name in ("as_json", "quiet"))
        for group, options in self._groups:
            if is_dataclass(group.annotation):
                fields_of_group = {option.name: values.pop(option.name) for option in options}
                values[group.name] = group.annotation(**fields_of_group)  # pyright: ignore
        with sign_of_work(as_json=as_json, quiet=quiet):
            self.function(**values)


def add_command(app: typer.Typer, name: str, function: Callable[..., None], **more: Any) -> None:
    """Add a function to an app as its command.

    Parameters
    ----------
    more: for typer.Typer.command, such as hidden.
    """
    app.command(name, cls=HelpfulCommand, **more)(Command(function))


def _options(parameter: Parameter, kind: Any) -> Iterator[Parameter]:
    if not is_dataclass(kind):
        yield parameter.replace(annotation=kind, kind=Parameter.KEYWORD_ONLY)
        return
    hints = get_type_hints(kind)
    for field in fields(kind):
        yield Parameter(
            field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )


# --- which options need which, and which exclude each other: one table for all commands -----------

NEEDS, EXCLUDES, OR = "needs", "cannot be combined with", "or"


class Rule(NamedTuple):
    """A rule for two options of a command.

    command: the name of its function, with - for _. first, other: `--option`, `--option=value`,
    ARGUMENT or ARGUMENT=value. rule: with `OR`, exactly one of the two must be given.
    """

    command: str
    first: str
    rule: str
    other: str
    hint: str


_OWN_PRESETS = "omit --preset: each method has its own; --set changes a setting for all of them"
_OWN_FACTS = "omit it: frame rate and size are read from the video"
_ATTEMPTS = "la2ds compare REFERENCE OTHER, or la2ds compare REFERENCE --attempts 'me-*.mp4'"
_ONE_CLOCK = "omit it: recordings of one performance are matched only by their clocks"

RULES = (
    Rule("align", "--anchor", EXCLUDES, "--repetition", "omit one of them"),
    *(
        Rule(command, other, EXCLUDES, "--same-performance", _ONE_CLOCK)
        for command in ("report", "sync")
        for other in ("--anchor", "--method", "--view", "--features", "--run")
    ),
    Rule("sync", "--privacy", EXCLUDES, "--no-skeleton", "omit one, or nothing would be shown"),
    Rule("timeline", "--group", EXCLUDES, "CLIP", "omit the clips or --group"),
    Rule("timeline", "--regress", EXCLUDES, "--paired", "omit one of them"),
    Rule("timeline", "--paired", NEEDS, "--by", "--by names the column that says before and after"),
    Rule("timeline", "--regress", NEEDS, "--by", "--by names the column of numbers"),
    Rule("compare", "OTHER", OR, "--attempts", _ATTEMPTS),
    Rule("compare", "--anchor", EXCLUDES, "--attempts", "anchors need exactly two clips"),
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
    """Raise UserError (exit 2) if the values of a command's parameters break one of its rules.

    A parameter counts as given if it differs from its default.
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
    """Yield the given parameters, under all names that a user sees."""
    for parameter in declared:
        info, value = parameter.default, values[parameter.name]
        if value not in (info.default, None, []):
            names = [f"--{parameter.name.replace('_', '-')}", *(info.param_decls or ())]
            for name in names if isinstance(info, OptionInfo) else [info.metavar]:
                yield name, value


def _holds(term: str, given: Mapping[str, Any]) -> bool:
    name, sign, value = term.partition("=")
    return name in given and (not sign or given[name] == value)
