"""Where a model trains, scores and embeds unless told otherwise."""

import torch


def best_device() -> str:
    """cuda if this process has a GPU, else cpu."""
    return "cuda" if torch.cuda.is_available() else "cpu"
