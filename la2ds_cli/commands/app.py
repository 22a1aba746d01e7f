"""The `la2ds` command: the names of its sub-commands, and how errors become exit codes."""

from __future__ import annotations

import copy
import errno
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn, cast

import typer

from la2ds_cli import __version__
from la2ds_cli.commands import (
    align_command,
    exchange_commands,
    exports,
    extract_poses,
    imports,
    laboratory,
    live_command,
    models,
    project_commands,
    repetitions_command,
    retrieve_command,
    runs,
    side_by_side,
    studio,
)
from la2ds_cli.commands.command import Command, add_command
from la2ds_cli.commands.options import OFFLINE, forbid_network
from la2ds_cli.commands.usage_errors import (
    Group,
    UsageError,
    as_user_error,
    check_no_dashed_file,
    is_request_for_help,
)
from la2ds_cli.core import console
from la2ds_cli.core.errors import ExitCode, Unavailable, UserError

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 80}
# The commands as `la2ds --help` lists them.
COMMANDS = {
    "Start here": {
        "demo": project_commands.demo,
        "extract-poses": extract_poses.extract_poses,
        "align": align_command.align,
        "studio": studio.studio,
        "status": project_commands.status,
    },
    "Two clips": {
        "sync": side_by_side.sync,
        "report": side_by_side.report,
        "compare": side_by_side.compare,
        "offset": side_by_side.offset,
        "live": live_command.live,
    },
    "Many clips": {
        "timeline": align_command.timeline,
        "repetitions": repetitions_command.repetitions,
        "retrieve": retrieve_command.retrieve,
        "transfer-labels": exchange_commands.transfer_labels,
    },
    "Train on your clips": {
        "train": runs.train,
        "evaluate": runs.evaluate,
        "embed": runs.embed,
        "lab": laboratory.app,
    },
    "Other tools and tidying": {
        "import": imports.app,
        "export": exports.app,
        "remove": project_commands.remove,
    },
    "Set up": {
        "doctor": project_commands.doctor,
        "models": models.app,
    },
}
# What the groups of other files hold, beside what they hold there.
MEMBERS = {
    "import": {"labels": exchange_commands.import_labels},
    "export": {"labels": exchange_commands.export_labels},
    "models": {"ls": models.ls, "pull": models.pull},
    "lab": {
        "benchmark": laboratory.benchmark,
        "reproduce": laboratory.reproduce,
        "exercises": laboratory.exercises,
        "leaderboard": laboratory.leaderboard,
        "plot-embeddings": runs.plot_embeddings,
        "cache-heatmaps": laboratory.cache_heatmaps,
    },
}
# Not listed, since other commands create projects.
HIDDEN = {"init": project_commands.init}
# Further names of commands, which are not listed: by these they were first called.
OTHER_NAMES = {
    "import-labels": "import labels",
    "export-labels": "export labels",
    "benchmark": "lab benchmark",
    "reproduce": "lab reproduce",
    "plot-embeddings": "lab plot-embeddings",
    "cache-heatmaps": "lab cache-heatmaps",
    "lab embed": "embed",
}

# Errors of file systems and permissions, which are no bugs of la2ds.
_OF_THE_SYSTEM = frozenset(
    getattr(errno, name)
    for name in (
        *("EACCES", "EPERM", "EROFS", "EISDIR", "ENOTDIR", "EEXIST", "ENAMETOOLONG", "ELOOP"),
        *("ENOSPC", "EDQUOT", "EFBIG", "EIO", "ESTALE", "EMFILE", "ENFILE", "ETXTBSY", "EBUSY"),
    )
    if hasattr(errno, name)
)


def _lack_of_the_machine(error: MemoryError | ImportError) -> UserError | None:
    """Return an error for missing memory or a missing system library, None for other problems."""
    message = str(error)
    if isinstance(error, MemoryError) or "failed to map" in message:
        return Unavailable(
            "there is not enough memory",
            hint="close other programs, or raise the limit (ulimit -v); PyTorch alone needs "
            "a few gigabytes of address space. Finished items are kept",
        )
    if "cannot open shared object file" in message:
        return Unavailable(
            f"a system library is missing: {message.partition(':')[0]}",
            hint="install it; for OpenCV on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0",
        )
    return None


def _refuse(error: Any, command: str) -> NoReturn:
    """Print a usage error of Typer, and end with its exit code."""
    if is_request_for_help(error):
        raise error
    console.error(as_user_error(error, command))
    raise typer.Exit(error.exit_code) from error


class Commands(Group):
    """Turns a UserError into two lines and its exit code; bugs keep their traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except UserError as error:
            console.error(error)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            console.warn("")
            console.warn("interrupted; run the same command again to go on")
            raise typer.Exit(ExitCode.INTERRUPTED) from error
        except (MemoryError, ImportError) as error:
            problem = _lack_of_the_machine(error)
            if problem is None:
                raise  # a broken package
            console.error(problem)
            raise typer.Exit(problem.exit_code) from error
        except BrokenPipeError as error:
            # The reader (`| head`) has closed the pipe; nothing more may be flushed at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(ExitCode.OK) from error
        except OSError as error:
            if error.errno not in _OF_THE_SYSTEM:
                raise
            message = f"system error: {error.strerror}"  # for a file that was already open
            hint = "check the disk and its file system, then run the same command again"
            if error.filename is not None:
                message = f"{os.fsdecode(error.filename)}: {error.strerror}"
                hint = "check the path, and your permissions for it"
            problem = UserError(message, hint=hint, exit_code=ExitCode.STORAGE)
            console.error(problem)
            raise typer.Exit(problem.exit_code) from error
        except UsageError as error:
            _refuse(error, f"{ctx.command_path} {ctx.invoked_subcommand or ''}".strip())

    def make_context(self, info_name: Any, args: list[str], **more: Any) -> Any:
        try:
            check_no_dashed_file(args)
            return super().make_context(info_name, args, **more)
        except UserError as error:
            console.error(error)
            raise typer.Exit(error.exit_code) from error
        except UsageError as error:  # in the options before the command
            _refuse(error, str(info_name))

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands in the order of COMMANDS; Typer itself puts groups last."""
        groups = (*COMMANDS.values(), HIDDEN)
        return [name for group in groups for name in group if name in self.commands]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each group of COMMANDS; Typer does so only with rich, whose import
        takes longer than the rest of the help."""
        width = max(map(len, self.commands))
        for title, group in COMMANDS.items():
            rows = [
                (f"{name:{width}}", self.commands[name].get_short_help_str(formatter.width))
                for name in group
                if name in self.commands
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


app = typer.Typer(
    cls=Commands,
    context_settings=SETTINGS,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_show_locals=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"la2ds {__version__}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    offline: bool = OFFLINE,
) -> None:
    """la2ds aligns videos of human movement in time: it finds which frame of one swing, squat or
    throw shows the same moment as which frame of another.

    \b
    See it work on rendered clips (a minute, no download):
      la2ds demo
    \b
    Your own clips, one movement per clip:
      la2ds extract-poses clips/ -p swings
      la2ds align clips/anna.mp4 clips/ben.mp4 -p swings -o ab.png
      la2ds studio -p swings
    """
    if offline:
        forbid_network()
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


for _panel, _group in COMMANDS.items():
    for _name, _command in _group.items():
        if isinstance(_command, typer.Typer):
            app.add_typer(_command, name=_name, rich_help_panel=_panel)
        else:
            add_command(app, _name, _command, rich_help_panel=_panel)
for _name, _command in HIDDEN.items():
    add_command(app, _name, _command, hidden=True)
GROUPS = {
    _name: _group
    for _panel in COMMANDS.values()
    for _name, _group in _panel.items()
    if isinstance(_group, typer.Typer)
}
for _name, _members in MEMBERS.items():
    for _member, _command in _members.items():
        add_command(GROUPS[_name], _member, _command)


def _registered(name: str) -> tuple[typer.Typer, str]:
    """Return the app that a command belongs to, and its name in it."""
    group, _, member = name.rpartition(" ")
    return (GROUPS[group] if group else app), member


for _other, _name in OTHER_NAMES.items():
    _group_of, _member = _registered(_name)
    _found = next(one for one in _group_of.registered_commands if one.name == _member)
    _group_of, _member = _registered(_other)
    add_command(_group_of, _member, cast(Command, _found.callback).function, hidden=True)


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """Return the app with only the command or group that the arguments name, if any: Typer inspects
    the options of all commands before it runs one, which takes as long as importing numpy."""
    called = next((word for word in arguments if not word.startswith("-")), "")
    commands = [command for command in app.registered_commands if command.name == called]
    groups = [group for group in app.registered_groups if group.name == called]
    if not commands and not groups:
        return app
    alone = copy.copy(app)
    alone.registered_commands, alone.registered_groups = commands, groups
    return alone
