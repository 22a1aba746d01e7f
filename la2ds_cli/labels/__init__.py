"""Phases labelled on some clips, carried to others along their alignments.

`carry.py` moves the phases of one labelled clip into another, `vote.py` makes one answer of several
of them, `pairs.py` aligns many clips with many at little cost, `transfer.py` is the step that the
command calls, and `check.py` measures it on clips whose own labels are held back.

Imports core to evaluation.
To add a way of voting: a function in vote.py, and its row in check.py, which measures it.
"""
