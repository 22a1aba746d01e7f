"""The dense alignment of two clips: which frame of one shows which moment of the other.

`align.py` aligns two clips in memory and reads from top to bottom; `alignment.py` is what it
returns. `project_aligner.py` aligns clips of a project by the options in `request.py`.
`clip_features.py` computes what is compared, and `nearest_view.py` chooses the view of B. Below
them: distances between frames, alignment methods, path arithmetic, consensus through reference
clips, confidence, and the other matches that make it doubtful. `aligned_repetitions.py` cuts a clip
that repeats itself (`repetitions.py`) and aligns its repetitions one at a time. `timeline.py` puts
many clips on one timeline.

Imports core to network. A result is plain data: views/alignment_files.py writes it.
To add a method, put one file into `methods/` (its docstring says what the file must define).
"""
