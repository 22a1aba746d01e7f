"""Training methods of other papers, one file each: what la2ds is compared with.

Imports core and training. A method registers itself by the names in its `NAMES`: nothing imports
its file. To add one, write `methods/NAME.py` as la2ds_cli/training/losses/__init__.py says.
"""
