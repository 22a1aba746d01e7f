"""Per-frame embeddings by the trained network of a run.

embedder: from poses to embeddings by any network, on arrays alone · trained: the network of a run
in torch · numpy_network: the network of joints in numpy, for a few clips · embed: the step, which
stores embeddings in the project.

Imports core to training.
To add an engine, write a function from NetworkInput to (T, D) for embedder.Embedder.
"""
