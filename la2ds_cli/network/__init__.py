"""Inference: the weights of a run, its network, and the per-frame embeddings that it computes.

embedder: from poses to embeddings by any network, on arrays alone · base_weights, run_weights: the
weights of the base model and of a run, and what their headers say · training_clips: which clips a
run learns from, and which it holds out · numpy_network: the network of joints in numpy, for a few
clips · torch_network: every network, in torch · trained: the embedder of a run, by one of the two ·
embed: the step, which stores embeddings in the project.

Imports core to features; training imports it. torch_network is imported inside functions, since
torch takes a second to load.
To add an engine, write a function from NetworkInput to (T, D) for embedder.Embedder. To add an
encoder, a line in torch_network.ENCODERS.
"""
