"""The commands of `la2ds`, related ones in one file: parse, call one function of a step, print.

Imports any room; no room imports commands. To add a command:

1. Write its function, in `commands/NAME.py` or beside a related command; in `NAME_command.py` if
   the file of a step has that name. Its docstring is the help text: a sentence, then examples below
   a line that holds only `\\b`, then details.
   Declare options with `option`, `out_option`, `flag` and `argument` of `options.py`, and shared
   ones with its groups. Import the step inside the function, so that `la2ds --help` stays fast.
2. Add it to a panel of COMMANDS in `app.py`, at most six to each, or to a group in MEMBERS. What
   the Tab key offers for a value is in COMPLETERS of `options.py`. If an option needs or excludes
   another one, add a row to RULES in `command.py`.
3. Run `python scripts/write_docs.py`, and check the difference of `tests/snapshots/commands.txt`.
   An option is for what changes from call to call; everything else is a setting of project.toml.
4. Add its output to `tests/commands/test_printed.py`, and its errors to `test_refused.py`.
"""
