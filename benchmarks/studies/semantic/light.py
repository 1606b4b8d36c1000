"""A light model of a target's clicks: DCNv2 over counters and content, with the members' vectors in one of their forms.

It stands for the ranker where the question is what a form of the vector is worth; it has no graph and no sequence.
"""

import math
from dataclasses import replace
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.studies.semantic.sample import TEST, TRAIN, VALIDATE, Sample, Vectors
from models.baselines.features import perceptron
from models.configs.training import TrainingConfig
from models.metrics import auc
from models.nn.cross import CrossNetwork
from models.nn.encoders import CategoryEmbedding
from models.nn.semantic import SemanticEmbedding, SemanticSources
from models.semantic.config import QuantizerConfig
from models.semantic.packing import bytes_per_key
from models.semantic.quantizer import Codes, Quantizer, fit_quantizer
from models.training.groups import parameter_groups, set_learning_rates
from models.training.trainer import learning_rate_share, seeded

Form = Literal["none", "profile", "dense", "rq", "fsq", "rq_fsq", "shuffled"]
FORMS: tuple[Form, ...] = get_args(Form)
_WIDTH, _HIDDEN, _LAYERS, _DROPOUT, _CATEGORY = 32, 64, 2, 0.1, 8
_HASHED = 20_011
"""Rows of a table of prefixes."""
_CLAMP = 5.0
CONFIG = TrainingConfig(epochs=6, batch_size=512, learning_rate=0.002, weight_decay=0.01)
RATES = (0.02, 0.002)
"""Peak learning rates of the tables: the paper's, and one at which rows that few members share memorize less."""


class Side(NamedTuple):
    """The vectors of a side as every form, for n rows; 0 = the row has none."""

    dense: Tensor
    """(n, D) float32, scaled as the rounded ones are."""
    codes: Codes
    quantizer: Quantizer

    @property
    def bytes(self) -> dict[str, int]:
        """Bytes of a key by form."""
        config, scalars = self.quantizer.config, len(self.quantizer.frame.scale)
        of_codes = {kind: bytes_per_key(replace(config, kind=kind), scalars) for kind in ("rq", "fsq", "rq_fsq")}
        return {"dense": 4 * self.quantizer.size} | of_codes


def quantized(vectors: Vectors, seed: int) -> Side:
    """Fit the quantizer to the vectors from before the train window; the forms of the vectors that rows read."""
    fitted = torch.from_numpy(vectors.values[vectors.fitted])
    codes = min(1024, 1 << int(math.log2(max(len(fitted) / 10, 2))))
    quantizer = fit_quantizer(fitted, QuantizerConfig(codes=codes, seed=seed))
    place, row = np.unique(vectors.row, return_inverse=True)
    known = torch.from_numpy(place >= 0)
    read = torch.from_numpy(vectors.values[place.clip(min=0)])
    frame = quantizer.frame
    dense = ((read - frame.mean) @ frame.rotation / frame.scale).clamp(-_CLAMP, _CLAMP) * known.unsqueeze(1)
    found = quantizer.encode(torch.where(known.unsqueeze(1), read, torch.nan))
    return Side(dense[row], Codes(found.residual[row].long(), found.scalar[row].long()), quantizer)


def shuffled(side: Side, vectors: Vectors, seed: int) -> Side:
    """Each key's codes given to another key: what is left is what an ID of as many bits says."""
    keys = vectors.key[vectors.row.clip(min=0)]
    random = np.random.default_rng(seed)
    unique, place = np.unique(keys, return_inverse=True)
    some = np.zeros(len(unique), np.int64)
    some[place] = np.arange(len(keys))  # a row of each key
    other = torch.from_numpy(some[random.permutation(len(unique))][place])
    return side._replace(codes=Codes(*(one[other] for one in side.codes)))


class Light(nn.Module):
    """Logits from numbers, categories, and the vectors of each side."""

    def __init__(self, form: Form, numbers: int, sizes: list[int], sides: dict[str, Side]) -> None:
        super().__init__()
        self.form = form
        self.categories = CategoryEmbedding(tuple(("",) * size for size in sizes), _CATEGORY)
        self.dense = nn.ModuleList()
        self.sources: SemanticSources | None = None
        inputs = numbers + self.categories.width
        if form == "dense":
            self.dense.extend(nn.Linear(side.dense.shape[1], _WIDTH, bias=False) for side in sides.values())
        elif form not in ("none", "profile"):
            self.sources = SemanticSources({name: _embedding(form, side.quantizer) for name, side in sides.items()})
        inputs += _WIDTH * len(sides) * (form not in ("none", "profile"))
        self.cross = CrossNetwork(inputs, _LAYERS)
        self.deep = perceptron(inputs, _HIDDEN, _HIDDEN, _DROPOUT)
        self.task = nn.Linear(inputs + _HIDDEN, 1)

    def forward(self, numbers: Tensor, categories: Tensor, sides: dict[str, Side]) -> Tensor:
        """Logits (B,) of rows' numbers (B, F), categories (B, K) and sides."""
        parts = [numbers, self.categories(categories)]
        parts += [layer(side.dense) for layer, side in zip(self.dense, sides.values(), strict=False)]
        if self.sources is not None:
            parts.append(self.sources({name: tuple(side.codes) for name, side in sides.items()}))
        first = torch.cat(parts, dim=1)
        return self.task(torch.cat([self.cross(first), self.deep(first)], dim=1)).squeeze(1)


class Fit(NamedTuple):
    """A fit's best epoch on validate."""

    auc: float
    """Of validate."""
    scores: np.ndarray
    """(test rows,) float64 logits."""
    epoch: int
    rate: float
    """Peak learning rate of the tables."""


def fit_and_score(sample: Sample, form: Form, sides: dict[str, Side], seed: int) -> Fit:
    """Train on train at each rate of the tables; the epoch and the rate with the best AUC on validate."""
    rates = RATES if form in ("rq", "rq_fsq", "shuffled") else RATES[:1]
    return max((_fit(sample, form, sides, seed, rate) for rate in rates), key=lambda fit: fit.auc)


def _fit(sample: Sample, form: Form, sides: dict[str, Side], seed: int, rate: float) -> Fit:
    numbers, categories = _columns(sample, form == "profile")
    label, config = torch.from_numpy(sample.label).float(), replace(CONFIG, codes_learning_rate=rate)
    validate = sample.label[sample.window == VALIDATE]
    best = Fit(-1.0, np.zeros(0), 0, rate)
    with seeded(seed, torch.device("cpu")):
        sizes = [int(size) + 1 for size in categories.max(dim=0).values]
        model = Light(form, numbers.shape[1], sizes, sides)
        optimizer = torch.optim.AdamW(parameter_groups(model, config), fused=True)
        rows = torch.from_numpy(np.flatnonzero(sample.window == TRAIN))
        for epoch in range(config.epochs):
            model.train()
            steps = rows[torch.randperm(len(rows))].split(config.batch_size)
            for step, part in enumerate(steps):
                share = learning_rate_share((epoch + step / len(steps)) / config.epochs, config.warmup)
                set_learning_rates(optimizer, share)
                logits = model(numbers[part], categories[part], _rows(sides, part))
                optimizer.zero_grad(set_to_none=True)
                functional.binary_cross_entropy_with_logits(logits, label[part]).backward()
                optimizer.step()
            found = auc(validate, _score(model, numbers, categories, sides, sample, VALIDATE))
            if found > best.auc:
                best = Fit(found, _score(model, numbers, categories, sides, sample, TEST), epoch + 1, rate)
    return best


@torch.no_grad()
def _score(
    model: Light, numbers: Tensor, categories: Tensor, sides: dict[str, Side], sample: Sample, window: int
) -> np.ndarray:
    model.eval()
    parts = torch.from_numpy(np.flatnonzero(sample.window == window)).split(8192)
    found = [model(numbers[part], categories[part], _rows(sides, part)) for part in parts]
    return torch.cat(found).double().numpy()


def _rows(sides: dict[str, Side], rows: Tensor) -> dict[str, Side]:
    return {
        name: side._replace(dense=side.dense[rows], codes=Codes(*(one[rows] for one in side.codes)))
        for name, side in sides.items()
    }


def _columns(sample: Sample, profile: bool) -> tuple[Tensor, Tensor]:
    """Numbers scaled by the train rows, with missing flags, and categories of which train has seen every value."""
    numbers, categories = sample.numbers, sample.categories
    if profile:
        numbers = np.column_stack([numbers, sample.profile_numbers])
        categories = np.column_stack([categories, sample.profile_categories])
    train = sample.window == TRAIN
    missing = np.isnan(numbers)
    mean, spread = np.nanmean(numbers[train], axis=0), np.nanstd(numbers[train], axis=0)
    scaled = ((numbers - mean) / np.where(spread > 1e-6, spread, 1)).clip(-_CLAMP, _CLAMP)
    flags = missing[:, missing.any(axis=0)]
    known = np.zeros_like(categories)
    for place, column in enumerate(categories.T):
        seen, code = np.unique(column[train], return_inverse=False), column
        at = np.searchsorted(seen, code).clip(max=len(seen) - 1)
        known[:, place] = np.where(seen[at] == code, at + 1, 0)
    whole = np.column_stack([np.where(missing, 0, scaled), flags]).astype(np.float32)
    return torch.from_numpy(whole), torch.from_numpy(known)


def _embedding(form: Form, quantizer: Quantizer) -> SemanticEmbedding:
    config = quantizer.config
    return SemanticEmbedding(
        levels=0 if form == "fsq" else config.levels,
        codes=config.codes,
        rows=_HASHED,
        scalars=0 if form == "rq" else len(quantizer.frame.scale),
        scalar_levels=config.fsq_levels,
        width=_WIDTH,
    )
