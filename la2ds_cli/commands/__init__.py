"""The commands of `la2ds`, one file each: parse, call one function of a step, print.

Imports any room; no room imports commands. To add a command:

1. Write `commands/NAME.py` with one function; its docstring is the help text, and an example
   stands under a line that holds only `\\b`. Declare options with the types of `options.py`;
   import the step inside the function, so that `la2ds --help` stays quick.
2. Add a line to `la2ds_cli/main.py`.
3. Run `python scripts/write_docs.py`, and add the options to the frozen list in
   `tests/test_reference_docs.py`. An option is for what changes from call to call; everything
   else is a setting of project.toml.
4. Test it in `tests/commands/test_NAME.py`.
"""
