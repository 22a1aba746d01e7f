"""Label propagation: phases labelled on some clips, propagated to others along their alignments.

`propagate.py` is the step that the command calls: `inputs.py` gathers the clips and their features,
`pairs.py` aligns many clips with many at little cost, `vote.py` maps the phases of each labelled
clip onto another one and lets several vote, `clip_labels.py` turns the result into whole frames and
tables. How far events are transferred wrong is measured by `la2ds evaluate`.

Imports core to evaluation. To add a voting method: a function in vote.py.
"""
