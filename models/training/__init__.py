"""Training, the model artifact, prediction and embedding; needs torch, numpy, pyarrow and safetensors only."""
