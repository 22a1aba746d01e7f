"""What the help of a command says of its arguments and options; docs/reference/cli.md says it too.

Typer writes arguments as `{A}` and `A <str>`, limits as `1<=x<=100000`, and a default that was set
in the text of an option in a second pair of brackets. Here a required argument is a plain word, and
limits are words."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


def name_in_usage(argument: Any) -> str:
    """Return an argument as in the usage of its command: in brackets if it may be left out."""
    name = argument.metavar if argument.required else f"[{argument.metavar}]"
    return name + "..." * (argument.nargs == -1)


def usage_words(command: Any) -> list[str]:
    """Return the words of a command's usage after its name."""
    names = [name_in_usage(p) for p in command.params if p.param_type_name == "argument"]
    return ["[OPTIONS]", *names, *(["COMMAND ..."] if isinstance(command, TyperGroup) else [])]


def default_in_words(parameter: Any) -> str:
    """Return what applies without an argument or option, empty if that needs no word."""
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    default = parameter.default
    if default is True and getattr(parameter, "secondary_opts", None):
        return parameter.opts[0]
    plain = callable(default) or default in (None, False, (), "")
    return "" if plain else str(default)


def limits_in_words(parameter: Any) -> str:
    """Return the numbers that an option takes, empty if it has no limits; 0 as the least number
    only says that it is not negative, which nobody would try."""
    least, most = (getattr(parameter, name, None) for name in ("min", "max"))
    if least is None or (most is None and least == 0):
        return ""
    return f"at least {least:,}" if most is None else f"{least:,} to {most:,.10g}"


def help_row(parameter: Any, ctx: Any) -> tuple[str, str] | None:
    """Return the name of an argument or option and what the help says of it, None if hidden."""
    row = None if parameter.hidden else parameter.get_help_record(ctx)
    if row is None:
        return None
    name = row[0]
    if parameter.param_type_name == "argument":
        name = parameter.metavar
    default = default_in_words(parameter)
    facts = [f"default: {default}"] if default else []
    facts += [limits] if (limits := limits_in_words(parameter)) else []
    facts += [f"variable: {parameter.envvar}"] if parameter.envvar else []
    text = f"{parameter.help} [{'; '.join(facts)}]" if facts else parameter.help
    return name, text


def write_rows(command: Any, ctx: Any, formatter: Any) -> None:
    """Write a section for the arguments of a command, and one for its options."""
    for title, kind in (("Arguments", "argument"), ("Options", "option")):
        those = [p for p in command.get_params(ctx) if p.param_type_name == kind]
        rows = [row for parameter in those if (row := help_row(parameter, ctx))]
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


class HelpfulCommand(TyperCommand):
    """A command whose help is written here."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage after the name."""
        return usage_words(self)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options."""
        write_rows(self, ctx, formatter)


class HelpfulGroup(TyperGroup):
    """A group whose help is written here."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage after the name."""
        return usage_words(self)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write options, then commands."""
        write_rows(self, ctx, formatter)
        self.format_commands(ctx, formatter)
