"""Usage errors of Typer as UserError, since programs cannot parse the way Typer prints them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, cast

import typer

from la2ds_cli.commands.help_pages import HelpfulGroup
from la2ds_cli.core.errors import UserError

# The base of Typer's usage errors, of which it exports only two subclasses.
UsageError = cast("type[Exception]", typer.BadParameter.__mro__[1])


class Group(HelpfulGroup):
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
    """Raise UserError (exit 2) if a word before `--` is a file such as `-photo.mp4`, which would be
    read as `-p hoto.mp4`: another project."""
    for word in takewhile(lambda word: word != "--", words):
        if len(word) > 2 and word.startswith("-") and os.path.lexists(word):
            raise UserError(f"write ./{word} for a file whose name begins with a dash")


def as_user_error(error: Any, command: str) -> UserError:
    """Return a usage error of Typer as one sentence, with the command's usage as the hint.

    Parameters
    ----------
    command: the full command, used if the error has no context.
    """
    message = _place_of_argument(error) or _plain(error.format_message())
    if error.ctx is None:
        return UserError(message, hint=f"{command} -h explains the options")
    usage = " ".join(error.ctx.get_usage().split()).removeprefix("Usage: ")
    return UserError(message, hint=f"{usage}; see {error.ctx.command_path} -h")


def _plain(text: str) -> str:
    """Return Typer's sentence in the style of other errors."""
    sentence = " ".join(text.split()).removesuffix(".")
    return sentence[:1].lower() + sentence[1:]


def _place_of_argument(error: Any) -> str:
    """Return a message for `export --format coco-json`, where FORMAT is an argument and not an
    option; empty for other errors."""
    name = getattr(error, "option_name", "")
    for parameter in error.ctx.command.params if name and error.ctx else ():
        metavar = parameter.metavar if parameter.param_type_name == "argument" else None
        if metavar == name.lstrip("-").upper():
            return f"{name} is not an option; write only the value of {metavar}"
    return ""
