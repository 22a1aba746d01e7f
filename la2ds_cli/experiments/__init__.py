"""Experiments: many training runs scored alike, as the tables of the paper and our own.

`benchmark` (methods beside each other: Tables 1 to 3), `reproduce` (parts of the method switched
off: Tables 4 to 8) and `robustness` (a run on worse joints) are the steps. They share `runs`
(training one run), `scores` (scoring it), `metrics` (what is a column) and `result` (the rows as
they grow). `benchmark_tables` lays a benchmark out, `benchmark_pages` and `ablation_table` write.

Imports: every room up to views; nothing of demo or commands.

To add a metric: one line of METRICS in `metrics`, which makes it a column of every table. To add a
row to an ablation: a Row in `ablations`. To add a method: docs/extending.md; `methods` finds it by
its name.
"""
