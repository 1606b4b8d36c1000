"""Training, the model artifact, prediction and embedding: torch, numpy, pyarrow and safetensors only."""
