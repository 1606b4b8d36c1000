"""What may be recorded, and that a replay gives the gradients of the step itself, on every GPU at hand."""

import pytest
import torch

from models.graph.fakes import fake_graph
from models.nn.encoded import encode_graph
from models.nn.encoding import Encoding
from models.nn.model import Ranker
from models.training.batches import Batches
from models.training.config import TrainingConfig
from models.training.distributed import Ranks
from models.training.recorder import Recorder, recordable
from models.training.slices import cut, one_each
from models.training.step import gradient
from tests.graph.worlds import varied
from tests.training.test_step import STILL

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
GRAPH = fake_graph()


def test_only_steps_that_are_the_same_for_any_seeds_are_recorded() -> None:
    gpu = torch.device("cuda")
    assert recordable(GRAPH.schema, gpu)
    assert not recordable(GRAPH.schema, torch.device("cpu"))
    assert not recordable(varied(GRAPH, pageranks=()).schema, gpu)
    assert not recordable(varied(GRAPH, strategies=("most_recent",)).schema, gpu)


def test_full_batches_of_single_seeds_fit() -> None:
    rows = torch.arange(8)
    recorder = Recorder([], size=8)
    assert recorder.fits(one_each(rows))
    assert not recorder.fits(one_each(rows[:7]))
    assert not recorder.fits(cut(rows, torch.zeros(8), torch.zeros(8), size=2, hours=1.0))


@pytest.mark.parametrize("device", DEVICES)
def test_replayed_gradients_are_those_of_the_step(device: str) -> None:
    graph = GRAPH.to(device)
    encoding = Encoding.fit(graph, graph.schema.window("train").end)
    torch.manual_seed(0)
    ranker, encoded = Ranker(STILL, graph.schema, encoding).to(device), encode_graph(encoding, graph.schema, graph)
    batches, rows = Batches(encoded, STILL.activities), graph.seeds.rows("train")
    recorder = Recorder(list(ranker.parameters()), size=32) if torch.device(device).type == "cuda" else None
    for part in rows[:96].split(32):
        seen, found = torch.arange(32, device=device) % 3, []
        for how in (None, recorder):
            loss = gradient(ranker, encoded, batches, one_each(part), seen, 1, TrainingConfig(), Ranks(), how)
            grads = {name: p.grad.clone() for name, p in ranker.named_parameters() if p.grad is not None}
            found.append((float(loss), grads))
        (loss, expected), (again, replayed) = found
        assert again == pytest.approx(loss, rel=1e-5)
        assert expected.keys() == replayed.keys()
        for name, value in expected.items():
            torch.testing.assert_close(replayed[name], value, atol=1e-5, rtol=1e-4)
