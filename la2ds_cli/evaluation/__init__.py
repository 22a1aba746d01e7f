"""Evaluation: every metric, shown beside time only, raw pose and the untrained network.

`evaluate.evaluate` is the step: `clips` selects the clips to fit on and to score, `features` lists
the feature sets, `scoring` computes every metric for each of them, `table` shows the result. There
is one file per metric: `event_transfer` (the headline: key events transferred between clips that
were trimmed differently), `kendall` (Kendall's tau of nearest neighbours, which elapsed time alone
nearly maximises), `phase_classification`, `phase_progression` and `frame_retrieval` (AP@K).
`protocol` chooses the definition of each, which docs/explanation/metrics.md states in sentences.

Imports: core, poses, features, embedding, training and alignment; never labels or views, which
use its `measure` and `table`.

To add a metric: add a file with its arithmetic and a function that makes a `Measure`, a call in
`scoring`, its choices in `protocol` and a row of `table`. To add a feature set:
`features.baseline_sets`.
"""
