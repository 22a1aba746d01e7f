"""Experiments: many training runs scored in the same way, for the tables of the paper and our own.

The steps are `benchmark` (comparison of methods: Tables 1 to 3) and `reproduce` (ablations of the
method: Tables 4 to 8, the last two by `robustness`: a run on worse joints). They share `runs`
(training one run), `scores` (scoring it), `metrics` (the columns) and `result` (the rows, filled
run by run). `benchmark_tables` and `ablation_table` lay out tables and write files.

Imports: every package up to views; nothing of demo or commands.

To add a metric: add a line to METRICS in `metrics`, which makes it a column of every table. To add
a row to an ablation: add a Row in `ablations`. To add a method: see docs/how-to/extend.md;
`methods` finds it by its name.
"""
