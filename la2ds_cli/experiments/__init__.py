"""Experiments: many training runs scored in the same way, for the tables of the paper and our own.

The steps are `benchmark` (comparison of methods: Tables 1 to 3) and `reproduce` (ablations of the
method: Tables 4 to 8, the last two on worse joints). Both describe their rows; `runner` trains and
scores them; `tables` writes a Markdown page, a tidy CSV and a JSON document. `scores` scores single
runs and defines the columns. `leaderboard` trains nothing: it scores other people's embeddings on
the frozen set of `datasets.exercises`.

Imports: the library, datasets and evaluation.

To add a metric: add a line to METRICS in `scores`, and a column to a task. To add a row to an
ablation: add an Ablation in `reproduce`. To add a method: see docs/how-to/extend.md;
`benchmark` finds it by its name.
"""
