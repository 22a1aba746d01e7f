"""Training methods of other papers, one file each: what la2ds is compared with.

Imports core and training. They register themselves by the plugin names in `NAMES`; nothing imports
them by file. To add one, write `methods/NAME.py` as la2ds_cli/training/losses/__init__.py says.
"""
