"""The frames of other clips that look most like given ones (paper sec. 4.1.3).

retrieve: the step · result: what it returns · index, index_update: features of all frames in one
file · search: exact search under the rules of retrieval · ivf_search, ivf_file: approximate search.

Imports core to alignment.
To add a way of searching: a function with the signature of search.search.
"""
