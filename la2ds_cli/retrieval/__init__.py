"""Fine-grained frame retrieval: the most similar frames of other clips (paper sec. 4.1.3).

retrieve: the step and its result · clip_rows: the features of a project's clips · frame_search:
views of the query, the limits of a retrieval, and exact search in memory · store, frame_table:
several projects in one LanceDB, and approximate search in it.

Imports core to alignment.
To add another place for frames: a class as frame_search.Searched says.
"""
