"""Label propagation: phases labelled on some clips, propagated to others along their alignments.

`propagate.py` is the step that the command calls: `inputs.py` gathers the clips and their features,
`pairs.py` aligns many clips with many at little cost, `vote.py` maps the phases of each labelled
clip onto another one and lets several vote, `clip_labels.py` turns the result into whole frames and
tables. `check.py` measures all this on clips whose own labels are held back.

Imports core to evaluation. To add a voting method: a function in vote.py, and its row in check.py,
which measures it.
"""
