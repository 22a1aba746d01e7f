"""Fine-grained frame retrieval: the most similar frames of other clips (paper sec. 4.1.3).

retrieve: the step · result: its result · index: features of all frames in mapped files, and their
update · search: exact search, and the limits of a retrieval · ivf: approximate search by an
inverted file · store, frame_table: several projects in one LanceDB.

Imports core to alignment.
To add a search method: write a function that returns a search.Finder, and call it from
retrieve.py.
"""
