"""Evaluation: every metric, printed beside time only, raw pose and the untrained network.

`evaluate.evaluate` is the step: `clips` selects what is fitted on and what is scored, `features`
lists the feature sets, `scoring` runs every metric over each of them, `table` shows the result. One
file per metric: `event_transfer` (the headline: key events transferred between clips that were
trimmed differently), `kendall` (Kendall's tau of nearest neighbours, which a mere clock nearly
satisfies), `phase_classification`, `phase_progression` and `frame_retrieval` (AP@K). `protocol`
says which definition of each is meant, and `definitions` says it in sentences.

Imports: core, poses, features, embedding, training and alignment; never labels or views, which
use its `measure` and `table`.

To add a metric: a file with its arithmetic, a function in `scoring` that makes a `Measure` of it,
its choices in `protocol` and its sentence in `definitions`; `table.figures` gives it a row. To add
a feature set: `features.baseline_sets`.
"""
