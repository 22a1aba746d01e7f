"""Evaluation: every metric printed beside time only, raw pose and the untrained network.

`evaluate.evaluate` is the step. One file per metric: `event_transfer` (the headline: key events
carried between clips that were trimmed differently), `kendall` (Kendall's tau of nearest
neighbours, which a mere clock nearly satisfies), `phase_classification`, `phase_progression` and
`frame_retrieval` (AP@K). `protocol` says which definition of each is meant.
"""
