"""Evaluation: every metric, shown beside time only, raw pose and the untrained network.

`evaluate.evaluate` is the step: `clips` selects the clips to fit on and to score, `features` lists
the feature sets, `evaluate.score` computes every metric for each of them, `evaluation_table` shows
the result. The metrics: `event_transfer` (the headline: key events transferred between clips that
were trimmed differently), `nearest_frames` (Kendall's tau, which elapsed time alone nearly
maximises, and AP@K) and `phase_metrics` (classification, progression). `protocol` chooses the
definition of each, which docs/explanation/metrics.md states in sentences.

Imports: core, poses, features, network and alignment; never views, which show its tables.

To add a metric: add a function that makes a `Measure`, a call in `evaluate.score`, its choices in
`protocol` and a row of `evaluation_table`. To add a feature set: `features.baseline_sets`; those of
other people's embeddings are in `other_methods`.
"""
