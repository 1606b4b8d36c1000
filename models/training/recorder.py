"""CUDA graph of a training step: a GPU replays its thousands of small kernels without waiting for the CPU.

A step has thousands of kernels, and launching them one by one takes several times as long as computing them.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from models.graph.schema import GraphSchema
from models.training.slices import Slices

_WARM_UP = 2

Backward = Callable[[Slices, Tensor, Tensor], Tensor]
"""(slices, member states (slices,), defined labels (tasks,)) -> loss (), after adding its gradients to ``grad``."""


def recordable(schema: GraphSchema, device: torch.device) -> bool:
    """Whether a step's kernels are the same for any seeds: on a GPU, without random strategies and PageRanks.

    A ranker with PageRanks in its attention is not recorded either (``Family.recordable``).
    """
    return device.type == "cuda" and not schema.pageranks and all(e.strategy == "most_recent" for e in schema.edges)


class Recorder:
    """Records the step of the first full batch and replays it for all full batches, with their seeds."""

    def __init__(self, parameters: Sequence[Parameter], size: int) -> None:
        """``size``: seeds of a full batch, one per slice."""
        self.parameters, self.size = parameters, size
        self._graph: torch.cuda.CUDAGraph | None = None

    def fits(self, slices: Slices) -> bool:
        """Whether this is a full batch with one seed per slice."""
        return len(slices) == len(slices.rows) == self.size

    def run(self, backward: Backward, slices: Slices, member_states: Tensor, defined: Tensor) -> Tensor:
        """The loss (); sets every ``grad``. ``backward`` must do the same computation in every call.

        ``member_states`` (slices,) int64; ``defined`` (tasks,) int64.
        """
        if self._graph is None:
            self._record(backward, slices, member_states, defined)
        assert self._graph is not None
        for buffer, value in zip(
            (self._slices.rows, *self._others), (slices.rows, member_states, defined), strict=True
        ):
            buffer.copy_(value)
        self._graph.replay()
        for parameter, gradient in zip(self.parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._loss

    def _record(self, backward: Backward, slices: Slices, member_states: Tensor, defined: Tensor) -> None:
        device = member_states.device
        # Every replay reads its inputs from these tensors.
        self._slices = Slices(slices.rows.clone(), slices.offsets.clone())
        self._others = member_states.clone(), defined.clone()
        # Warm-up runs compile kernels and reserve memory, which must not be recorded. The random state is restored.
        with torch.random.fork_rng(devices=[device]):
            stream = torch.cuda.Stream(device)
            stream.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UP):
                    backward(self._slices, *self._others)
            torch.cuda.current_stream(device).wait_stream(stream)
            for parameter in self.parameters:
                parameter.grad = None
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._loss = backward(self._slices, *self._others)
        self._gradients = [parameter.grad for parameter in self.parameters]
