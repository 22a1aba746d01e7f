"""Data sets of papers, one file each: their layout on disk, splits and labels.

Imports core, video and formats. To add a data set, write `datasets/NAME.py` with a function
`import_NAME(project, root, ..., progress)`, as in h2o.py, and a command in commands/imports.py. The
function calls `formats.import_export.import_files` with the paths of its clips; split, group and
phases are set in FileClip. A wrong folder or an unknown choice raises UserError.

`exercises` is a set of our own, computed from the recordings that `ui_prmd` reads.
"""
