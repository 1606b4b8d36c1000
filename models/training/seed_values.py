"""``SeedValues``: the trees' columns of a graph's seeds, without the encoder."""

import numpy as np
import torch
from torch import Tensor

from models.configs.model import ModelConfig
from models.graph.schema import GraphSchema
from models.graph.store import TemporalGraph
from models.graph.tree import Tree
from models.nn.encoded import encode_graph
from models.nn.encoding import Encoding
from models.nn.profile import ProfileLayout
from models.training.batches import FRESH, FROZEN, Batches, MemberState, Tokens, decoder_inputs
from models.training.slices import one_each
from models.trees.inputs import TreeInputs

_BATCH = 16_384


class SeedValues:
    """Fills the columns of any seeds of one graph, on the CPU."""

    def __init__(self, config: ModelConfig, schema: GraphSchema, encoding: Encoding, graph: TemporalGraph) -> None:
        """For a model of these three. Raises EncodingError if the graph is not of the schema."""
        self.inputs = TreeInputs.of(config, schema, encoding)
        self._encoded = encode_graph(encoding, schema, graph.to("cpu"))
        # The columns read of a tree its root alone, and no activity.
        self._batches = Batches(self._encoded, activities=0, hops=0)

    @torch.inference_mode()
    def of(self, rows: Tensor, member_states: Tensor | MemberState = "as_of", lag: int = 0) -> np.ndarray:
        """(n, columns) float32 of the seeds ``rows`` (n,) int64; ``member_states`` (n,) and ``lag`` as in a batch."""
        rows = rows.cpu()
        if isinstance(member_states, str):
            member_states = torch.full_like(rows, FROZEN if member_states == "frozen" else FRESH)
        values = np.empty((len(rows), len(self.inputs.names)), np.float32)
        for start in range(0, len(rows), _BATCH):
            part = slice(start, start + _BATCH)
            batch = self._batches.make(one_each(rows[part]), member_states[part], lag)
            tokens = Tokens(
                member=self._profile(self.inputs.member, batch.member),
                activities=batch.age.unsqueeze(-1),
                mask=batch.activities.mask,
                item=self._profile(self.inputs.item, batch.item),
            )
            values[part] = self.inputs.values(decoder_inputs(batch, tokens))[:, 0]
        return values

    def _profile(self, layout: ProfileLayout, tree: Tree) -> Tensor:
        return layout.pack_roots(self._encoded, tree)
