"""Label propagation: phases labelled on some clips, propagated to others along their alignments.

`propagate.py` is the step that the command calls: it aligns labelled clips with others. `vote.py`
maps the phases of each labelled clip onto another clip and lets several vote, and `propagated.py`
writes the result. `la2ds evaluate` measures the error of transferred events. `exchange.py` writes
and reads labels in files of other tools (`files/`).

Imports core to alignment. To add a tool whose files are read: files/__init__.py.
"""
