"""Label propagation: phases labelled on some clips, propagated to others along their alignments.

`propagate.py` is the step that the command calls: it aligns labelled clips with others. `vote.py`
maps the phases of each labelled clip onto another clip and lets several vote, and `propagated.py`
writes what came of it. How far events are transferred wrong is measured by `la2ds evaluate`.
`exchange.py` takes labels to files of other tools and back (`files/`).

Imports core to alignment. To add a tool whose files are read: files/__init__.py.
"""
