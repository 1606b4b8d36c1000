"""What the tests of the baselines share: tiny graphs, untrained networks, a graph that ends at a moment."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from models.baselines.dcn import CrossRanker
from models.baselines.hgt import HgtRanker
from models.baselines.sage import SageRanker
from models.baselines.transformer import TransformerRanker
from models.configs.training import TrainingConfig
from models.graph.csr import csr_offsets
from models.graph.fakes import DAY, fake_graph
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.encoding import Encoding
from models.training.batches import Batch, Batches, MemberState
from models.training.slices import one_each

TRAINING = TrainingConfig(epochs=1, batch_size=64, learning_rate=0.005)
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "dcn": CrossRanker,
    "transformer": TransformerRanker,
    "sage": SageRanker,
    "hgt": HgtRanker,
}


def small_graph() -> TemporalGraph:
    """Node versions come in all windows."""
    graph = fake_graph(members=10, items=12, seed=3, impressions=900)
    nodes = {name: replace(node, version_time=node.version_time + 5 * DAY) for name, node in graph.nodes.items()}
    return replace(graph, nodes=nodes)


def untrained(name: str, graph: TemporalGraph) -> tuple[nn.Module, Encoding]:
    """A network in evaluation mode whose weights are all other than zero: whatever it reads, it shows."""
    encoding = Encoding.fit(graph, graph.schema.window("validate").end)
    torch.manual_seed(0)
    network = NETWORKS[name](graph.schema, encoding).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return network, encoding


def batch_of(encoded: EncodedGraph, network: nn.Module, rows: Tensor, state: MemberState = "as_of") -> Batch:
    return Batches(encoded, int(network.activities), hops=0).make(one_each(rows), state)  # type: ignore[arg-type]


@torch.inference_mode()
def logits(network: nn.Module, encoding: Encoding, graph: TemporalGraph, rows: Tensor, state: MemberState) -> Tensor:
    encoded = encode_graph(encoding, graph.schema, graph)
    found = network(encoded, batch_of(encoded, network, rows, state))
    assert isinstance(found, Tensor)
    return found


def ended_at(graph: TemporalGraph, moment: int) -> TemporalGraph:
    """Without the edges at or after the moment, with other node versions from then on, and with every outcome that had
    not settled before it turned around."""
    seeds = graph.seeds
    labels = torch.where((seeds.settled >= moment).unsqueeze(1), 1 - seeds.labels, seeds.labels)
    nodes = {}
    for name, node in graph.nodes.items():
        late = (node.version_time >= moment).unsqueeze(1)
        numbers, vectors = (torch.where(late, values + 1, values) for values in (node.numbers, node.vectors))
        nodes[name] = replace(node, numbers=numbers, vectors=vectors)
    edges = {name: _ended_at(edge, moment) for name, edge in graph.edges.items()}
    return replace(graph, edges=edges, nodes=nodes, seeds=replace(seeds, labels=labels))


def _ended_at(edge: EdgeTensors, moment: int) -> EdgeTensors:
    keep = edge.time < moment
    owner = torch.repeat_interleave(edge.offsets.diff())[keep]
    return EdgeTensors(
        offsets=csr_offsets(owner.numpy(), len(edge.offsets) - 1),
        target=edge.target[keep],
        time=edge.time[keep],
        weight=edge.weight[keep] if len(edge.weight) else edge.weight,
        numbers=edge.numbers[keep],
        categories=edge.categories[keep],
    )
