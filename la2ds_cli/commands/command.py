"""A function as a command: groups of options taken apart for Typer, and contradictions refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import cached_property
from inspect import Parameter, Signature
from typing import Any, get_type_hints

from la2ds_cli.commands.conflicts import refuse_contradictions


class Command:
    """What Typer runs for a function: a parameter whose type is a dataclass stands for the options
    that its fields declare. Nothing is inspected before the command is needed, since that takes
    longer than its import."""

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function
        self.__name__, self.__doc__ = function.__name__, function.__doc__
        self.__annotations__ = {}  # Typer reads those of the signature

    @cached_property
    def __signature__(self) -> Signature:
        return Signature([one for _, group in self._groups for one in group])

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
