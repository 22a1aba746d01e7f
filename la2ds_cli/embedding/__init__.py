"""A trained run at work: its network, per-frame embeddings, and the way to ONNX and back.

embedder: from poses to embeddings by any network, arrays alone · embed: the step, which keeps
embeddings in the project · onnx_model, exported_embedder: ONNX files as networks · model_export:
the step that writes one.

Imports core to training.
To add an engine: a function from NetworkInput to (T, D) for embedder.Embedder, and its name in
embed.embed.
"""
