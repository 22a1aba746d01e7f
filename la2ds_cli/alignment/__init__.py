"""The dense alignment of two clips: which frame of one shows which moment of the other.

`align.py` is the step and reads from top to bottom: its `PairAligner` aligns any number of pairs.
`request.py` holds its options, `pair.py` the prepared pair and its view,
`clip_features.py` computes what is compared, and `result.py` is what it returns. Below them:
distances between frames, alignment methods, path arithmetic, consensus through reference
clips and confidence. `aligned_repetitions.py` cuts a clip that repeats itself (`repetitions.py`)
and aligns its repetitions one at a time. `timeline.py` puts many clips on one timeline.

Imports core to network. A result is plain data: views/alignment_files.py writes it.
To add a method, put one file into `methods/` (its docstring says what the file must define).
"""
