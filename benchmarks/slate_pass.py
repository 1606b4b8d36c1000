"""The slate pass of the sequential ranker: all candidates against a history that is computed once.

Peer, in pairs in the same run: the same candidates as one batch of full sequences, each the history and one candidate.
Random weights; two tokens an impression. On a GPU, flex_attention is also compared with SDPA, outputs and gradients.

    python -m benchmarks.slate_pass --impressions 500 --candidates 100
    python -m benchmarks.slate_pass --device cuda:0
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter, process_time
from typing import NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.table import show
from models.cpus import usable_cpus
from models.nn.history.attention import masks, visible
from models.nn.history.transformer import HistoryTransformer
from models.time_units import SECOND

TIMES, DIFFERENCE = 20, 1e-6
GPU_OUTPUTS, GPU_GRADIENTS = 1e-5, 1e-4
SHORT = 50
"""Impressions of the second history."""
_SHAPES = ((64, 1000), (64, 640), (5, 1000), (3, 130))
"""Members and tokens of the batches on a GPU: sizes that change from batch to batch, as in training."""


class Request(NamedTuple):
    """A member's history and a slate."""

    tokens: Tensor
    time: Tensor
    mask: Tensor
    candidates: Tensor
    now: Tensor


def request(impressions: int, candidates: int, width: int, device: str) -> Request:
    """Ten impressions share a time; their actions settle 90 seconds later, in the midst of other impressions."""
    draw = torch.Generator().manual_seed(0)
    shown = torch.arange(impressions) // 10 * 60 * SECOND
    time = torch.cat([shown, shown + 90 * SECOND]).unsqueeze(0)
    made = Request(
        torch.randn(1, 2 * impressions, width, generator=draw),
        time,
        torch.ones_like(time, dtype=torch.bool),
        torch.randn(1, candidates, width, generator=draw),
        time.amax(dim=1) + SECOND,
    )
    return Request(*(part.to(device) for part in made))


def in_one_pass(model: HistoryTransformer, asked: Request) -> Tensor:
    """(C, w): the history once, then the slate."""
    history = model.encode(asked.tokens, asked.time, asked.mask)
    return model.slate(history, asked.candidates, asked.now)[0]


def as_sequences(model: HistoryTransformer, asked: Request) -> Tensor:
    """(C, w): one batch of C sequences, each the history and one candidate."""
    slate = asked.candidates.shape[1]
    tokens = torch.cat([asked.tokens.expand(slate, -1, -1), asked.candidates.transpose(0, 1)], dim=1)
    time = torch.cat([asked.time, asked.now.unsqueeze(1)], dim=1).expand(slate, -1)
    return model(tokens, time, torch.ones_like(time, dtype=torch.bool))[:, -1]


class Took(NamedTuple):
    """Milliseconds of one call."""

    clock: float
    cpu: float
    """Of this process, which other processes on the machine prolong little."""


def milliseconds(call: Callable[[], object], device: str) -> Took:
    """Of one call."""
    started, busy = perf_counter(), process_time()
    call()
    if device != "cpu":
        torch.cuda.synchronize(device)
    return Took((perf_counter() - started) * 1000, (process_time() - busy) * 1000)


@torch.inference_mode()
def measure(model: HistoryTransformer, asked: Request, pairs: int) -> tuple[dict[str, float | int | str], float, float]:
    """Figures of one history, the factor and the greatest difference."""
    device = str(asked.tokens.device)
    difference = float((in_one_pass(model, asked) - as_sequences(model, asked)).abs().max())
    history = model.encode(asked.tokens, asked.time, asked.mask)
    calls: list[Callable[[], object]] = [
        lambda: in_one_pass(model, asked),
        lambda: as_sequences(model, asked),
        lambda: model.encode(asked.tokens, asked.time, asked.mask),
        lambda: model.slate(history, asked.candidates, asked.now),
    ]
    found = [[milliseconds(call, device) for call in calls] for _ in range(pairs)]
    one, batch, encode, slate = (
        Took(*map(statistics.median, zip(*took, strict=True))) for took in zip(*found, strict=True)
    )
    ratios = [pair[1].clock / pair[0].clock for pair in found]
    times = statistics.median(ratios)
    kept = history.keys.nbytes + history.values.nbytes
    figures: dict[str, float | int | str] = {
        "slate pass, ms": one.clock,
        "slate pass, ms of CPU": one.cpu,
        "history alone, ms of CPU": encode.cpu,
        "slate alone, ms of CPU": slate.cpu,
        "one batch of full sequences, ms": batch.clock,
        "one batch of full sequences, ms of CPU": batch.cpu,
        "times the batch": times,
        "least of the pairs": min(ratios),
        "greatest difference": f"{difference:.1e}",
        "bytes a member, keys and values, float32": kept,
        "bytes a member, keys and values, float16": kept // 2,
        "bytes a member, tokens, float32": asked.tokens.nbytes,
        "bytes a member, tokens, float16": asked.tokens.nbytes // 2,
        "bytes a member, times": asked.time.nbytes,
    }
    return figures, times, difference


def step(model: HistoryTransformer, shape: tuple[int, int], device: str, half: bool = False) -> list[Tensor]:
    """Outputs (B, L, w) of random histories with ties and padding, then the gradients of all weights."""
    draw = torch.Generator().manual_seed(shape[1])
    tokens = torch.randn(*shape, model.width, generator=draw).to(device)
    time = torch.randint(shape[1] // 3 + 1, shape, generator=draw).to(device)
    mask = (torch.rand(shape, generator=draw) < 0.8).to(device)
    model.zero_grad()
    with torch.autocast("cuda", torch.bfloat16, enabled=half):
        outputs = model(tokens, time, mask)
    outputs.square().mean().backward()
    return [outputs.detach(), *(one.grad.clone() for one in model.parameters() if one.grad is not None)]


def compare(model: HistoryTransformer, device: str) -> tuple[dict[str, float | int | str], dict[str, bool]]:
    """flex_attention beside SDPA on a GPU: differences (of gradients relative to the greatest) and times of a step."""
    place = torch.zeros(1, 200, dtype=torch.int64, device=device)
    bars = {"flex_attention is used": not isinstance(visible(place, model.width // model.heads), list)}
    sdpa = patch("models.nn.history.transformer.visible", lambda place, depth: masks(place))
    outputs, gradients = 0.0, 0.0
    for shape in _SHAPES:
        found = step(model, shape, device)
        with sdpa:
            expected = step(model, shape, device)
        differences = [float((one - other).abs().max()) for one, other in zip(found, expected, strict=True)]
        outputs = max(outputs, differences[0])
        greatest = max(float(one.abs().max()) for one in expected[1:])
        gradients = max(gradients, max(differences[1:]) / greatest)
    figures: dict[str, float | int | str] = {
        "flex_attention against SDPA, outputs": f"{outputs:.1e}",
        "flex_attention against SDPA, gradients": f"{gradients:.1e}",
    }
    for half in (False, True):
        call, timed = partial(step, model, _SHAPES[0], device, half), []
        for _ in range(6):
            flex = milliseconds(call, device).clock
            with sdpa:
                timed.append((flex, milliseconds(call, device).clock))
        for name, column in zip(("flex_attention", "SDPA"), zip(*timed[1:], strict=True), strict=True):
            figures[f"step of {_SHAPES[0]}, {'bfloat16' if half else 'float32'}, {name}, ms"] = statistics.median(
                column
            )
    bars[f"outputs within {GPU_OUTPUTS:.0e}"] = outputs <= GPU_OUTPUTS
    bars[f"gradients within {GPU_GRADIENTS:.0e}"] = gradients <= GPU_GRADIENTS
    return figures, bars


def main() -> int:
    """Measure and print; 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slate_pass", description="A slate in one pass.")
    parser.add_argument("--impressions", type=int, default=500, help=f"of the history (500); {SHORT} are measured too")
    parser.add_argument("--candidates", type=int, default=100, help="of the slate (100)")
    parser.add_argument("--width", type=int, default=64, help="of a token (64)")
    parser.add_argument("--layers", type=int, default=2, help="of the transformer (2)")
    parser.add_argument("--heads", type=int, default=4, help="of a layer (4)")
    parser.add_argument("--pairs", type=int, default=7, help="measurements (7)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (1, as at the endpoint)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:0 (cpu)")
    given = parser.parse_args()
    for name in ("impressions", "candidates", "width", "layers", "heads", "pairs", "threads"):
        if getattr(given, name) < 1:
            parser.error(f"--{name}: expected at least 1; found {getattr(given, name)}")
    if given.device != "cpu" and not torch.cuda.is_available():
        parser.error(f"--device: expected cpu, since torch finds no GPU; found {given.device!r:.40}")
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    longest = 2 * max(given.impressions, SHORT, _SHAPES[0][1]) + 1
    model = HistoryTransformer(given.width, given.layers, given.heads, 0.0, "rope", longest).to(given.device).eval()
    figures: dict[str, float | int | str] = {"cores": usable_cpus(), "threads": given.threads}
    bars = {}
    for impressions in (given.impressions, SHORT):
        asked = request(impressions, given.candidates, given.width, given.device)
        found, times, difference = measure(model, asked, given.pairs)
        figures |= {f"{impressions} impressions: {name}": value for name, value in found.items()}
        if given.device == "cpu":
            bars[f"{impressions} impressions: the same to {DIFFERENCE:.0e}"] = difference <= DIFFERENCE
            if impressions != SHORT:
                bars[f"{impressions} impressions: at least {TIMES} times"] = times >= TIMES
    if given.device != "cpu":
        more, bars = compare(model, given.device)
        figures |= more
    sizes = f"width {given.width}, {given.layers} layers, {given.heads} heads"
    return show(f"slate pass: {given.candidates} candidates, {sizes}, {given.device}", figures, bars)


if __name__ == "__main__":
    sys.exit(main())
