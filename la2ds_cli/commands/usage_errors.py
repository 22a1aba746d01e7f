"""A command line that is not understood, as a UserError: Typer itself prints such errors in a form
of its own, which no program can read."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, cast

import typer
from typer.core import TyperGroup

from la2ds_cli.core.errors import UserError

# What Typer raises for a command line; it exports two of its subclasses only.
UsageError = cast("type[Exception]", typer.BadParameter.__mro__[1])


class Group(TyperGroup):
    """A group whose usage errors know their command, so that the hint can say its usage."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UsageError as error:
            name, known = ctx.invoked_subcommand, cast(Any, error)
            if known.ctx is None and name in self.commands:
                known.ctx = type(ctx)(self.commands[name], info_name=name, parent=ctx)
            raise


def is_request_for_help(error: Any) -> bool:
    """Return whether the command line was empty, which shows the help."""
    return type(error).__name__ == "NoArgsIsHelpError"


def check_no_dashed_file(words: Sequence[str]) -> None:
    """Raise UserError (exit 2) if a word of the command line, before `--`, is a file `-photo.mp4`,
    which would be read as `-p hoto.mp4`: another project."""
    for word in takewhile(lambda word: word != "--", words):
        if len(word) > 2 and word.startswith("-") and os.path.lexists(word):
            raise UserError(f"a file whose name begins with a dash is given as ./{word}")


def as_user_error(error: Any, command: str) -> UserError:
    """Return a usage error of Typer as one sentence, with the usage of its command as the hint.

    Parameters
    ----------
    command: with all its words; an error knows the usage of its own if it has a context.
    """
    message = _place_of_argument(error) or _plain(error.format_message())
    if error.ctx is None:
        return UserError(message, hint=f"{command} -h says more")
    usage = " ".join(error.ctx.get_usage().split()).removeprefix("Usage: ")
    usage = re.sub(r"{(.+?)}", r"\1", usage)  # Typer's mark of an argument that is needed
    return UserError(message, hint=f"{usage}; {error.ctx.command_path} -h says more")


def _plain(text: str) -> str:
    """Return Typer's sentence as the other errors are written."""
    sentence = " ".join(text.split()).removesuffix(".")
    return sentence[:1].lower() + sentence[1:]


def _place_of_argument(error: Any) -> str:
    """Return what is wrong with `export --format coco-json`: FORMAT is given without a name; the
    option that is spelled most alike is another one. Empty for other errors."""
    name = getattr(error, "option_name", "")
    for given in error.ctx.command.params if name and error.ctx else ():
        place = given.metavar if given.param_type_name == "argument" else None
        if place == name.lstrip("-").upper():
            return f"{name} is no option: give {place} without a name"
    return ""
