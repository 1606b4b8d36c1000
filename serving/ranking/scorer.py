"""Scorer: maps tokens, counters and context to one calibrated probability per task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.features import impression_features
from models.graph.schema import FeatureColumn, SeedSchema
from models.nn.clock import local_clock
from models.nn.inputs import DecoderInputs
from models.sealed import SealError, plain_files, read_plain
from models.spec import Spec, parse_spec
from models.time_units import SECOND
from models.training.artifact import MANIFEST, model_of
from models.training.cold import never_shown
from models.training.encoder import encoder_of
from models.training.errors import ArtifactError
from models.trees.inputs import TreeInputs
from serving.ranking.traced import traced
from serving.versions.bundle import SPEC


@dataclass(frozen=True)
class SlateInputs:
    """The model's inputs for one slate of C items."""

    member_tokens: np.ndarray | None
    """(H * w,) float32, H of the member side. This and the next three are None for a cold member."""
    activity_tokens: np.ndarray | None
    """(N * w,) float32."""
    activity_times: np.ndarray | None
    """(N,) int64 microseconds UTC, 0 = none."""
    as_of: int | None
    """As-of time of the member's vectors, microseconds UTC."""
    item_tokens: np.ndarray
    """(C, H * w) float32, H of the item side."""
    item_known: np.ndarray
    """(C,) bool: False for a cold item, whose tokens are ignored."""
    features: Mapping[str, np.ndarray | float | str]
    """The decoder's raw inputs by name: (C,), or one value (scalar or (1,)) for all; NaN or absent = missing."""
    surface: str
    time: int
    """Time of the request, microseconds UTC; activities at or after it are masked."""

    def __len__(self) -> int:
        """C."""
        return len(self.item_known)


class Scorer:
    """A loaded model artifact that scores slates on the CPU in float32."""

    def __init__(self, folder: Path, files: Mapping[str, bytes] | None = None) -> None:
        """Load the artifact in ``folder``.

        ``files``: its files as ``serving.versions.bundle.read_bundle`` verified them; None = read them from the folder.
        Raises ArtifactError where a digest differs, or the bundle's spec is not the one the model was trained with.
        """
        files = _read(folder) if files is None else files
        self._model = model_of(files, folder)
        self.encoder = encoder_of(files)
        """Digest of the encoder, whose vectors alone the decoder can read."""
        if SPEC in files:
            spec = parse_spec(files[SPEC].decode("utf-8"), str(folder / SPEC))
            _check(folder, self._model.schema.seeds, spec)
        self.ranker = ranker = self._model.ranker.eval()
        self.tree_inputs = TreeInputs.of(ranker.config, self._model.schema, self._model.encoding)
        with torch.inference_mode():
            cold_member, cold_item = ranker.cold_member_tokens(), ranker.cold_item_tokens()  # (H, w)
        self._cold_member, self._cold_item = cold_member.numpy().ravel(), cold_item.numpy().ravel()
        self.tasks, self.relative = self._model.tasks, self._model.calibration.relative
        self.features: tuple[FeatureColumn, ...] = self._model.schema.seeds.features
        self.width = ranker.config.width
        self.activities = ranker.sequence_length
        """N: activities of a member; 0 where the model reads none."""
        self.member_token_size, self.item_token_size = len(self._cold_member), len(self._cold_item)
        """H * width: sizes of a member's and an item's tokens; H may differ between the two."""
        self.activity_size = self.activities * self.width
        """N * width: size of a member's activity tokens."""
        self._decode = traced(ranker, self.arguments([self._cold(3)] * 2))

    def score(self, inputs: SlateInputs) -> dict[str, np.ndarray]:
        """Score one slate: by task, (C,) float64 calibrated probabilities."""
        return self.calibrate(self.logits(inputs), inputs)

    def calibrate(self, logits: np.ndarray, inputs: SlateInputs) -> dict[str, np.ndarray]:
        """Map logits (C, T) of ``inputs`` to calibrated probabilities: by task, (C,) float64."""
        probabilities = self._model.calibration.apply(logits.astype(np.float64), self._cold_rows(inputs))
        return {task: probabilities[:, place] for place, task in enumerate(self.tasks)}

    def logits(self, inputs: SlateInputs) -> np.ndarray:
        """Run the model on one slate: (C, T) float32."""
        return self.logits_many([inputs])[0]

    def logits_many(self, slates: Sequence[SlateInputs]) -> list[np.ndarray]:
        """Run the model once on S slates of any sizes: (C, T) float32 each. Slates do not influence each other."""
        return self.decode(self.arguments(slates), slates)

    def decode(self, arguments: DecoderInputs, slates: Sequence[SlateInputs]) -> list[np.ndarray]:
        """Run the model on the arguments of these S slates: (C, T) float32 each."""
        if (trees := self._model.trees) is None:
            return self._network(arguments, slates)
        rows = np.concatenate(_without_padding(self.tree_inputs.values(arguments), slates))
        of_trees = trees.logits(rows)
        # Where the trees serve alone the network is not run.
        network = np.zeros_like(of_trees) if trees.serve_alone else np.concatenate(self._network(arguments, slates))
        means = trees.mean(network, of_trees)
        return np.split(means, np.cumsum([len(slate) for slate in slates])[:-1])

    def _network(self, arguments: DecoderInputs, slates: Sequence[SlateInputs]) -> list[np.ndarray]:
        with torch.inference_mode():
            return _without_padding(self._decode(*arguments).numpy(), slates)

    def arguments(self, slates: Sequence[SlateInputs]) -> DecoderInputs:
        """Build the decoder's inputs for S slates; shorter slates are padded with cold items."""
        encoding, zone = self._model.encoding, self._model.schema.seeds.timezone_offset
        longest = max(map(len, slates))
        times = np.array([slate.time for slate in slates])
        activities = [self._activities(slate) for slate in slates]
        numbers, categories = encoding.encode_impressions([slate.features for slate in slates], longest)
        hour, weekday = local_clock(torch.from_numpy(times), zone)
        return DecoderInputs(
            member_tokens=self._stack([self._member(slate) for slate in slates]),
            activity_tokens=self._stack([tokens for tokens, _, _, _ in activities]),
            activity_age=torch.from_numpy(np.stack([age for _, age, _, _ in activities])),
            activity_mask=torch.from_numpy(np.stack([seen for _, _, seen, _ in activities])),
            item_tokens=self._stack([self._items(slate, longest) for slate in slates]),  # (S, C, H, w)
            numbers=torch.from_numpy(numbers),
            categories=torch.from_numpy(categories),
            surface=torch.tensor([encoding.surface_code(slate.surface) for slate in slates]),
            hour=hour,
            weekday=weekday,
            state_age=torch.from_numpy(np.array([_age(slate) for slate in slates])),
            activity_time=torch.from_numpy(np.stack([time for _, _, _, time in activities])),
        )

    def _cold_rows(self, inputs: SlateInputs) -> np.ndarray:
        """(C,) bool: items that nobody was shown, or that have no vectors (``models.training.cold``)."""
        exposures = self._model.schema.seeds.exposures
        if exposures is None:
            return ~inputs.item_known
        return ~inputs.item_known | never_shown(inputs.features.get(exposures), len(inputs))

    def _cold(self, candidates: int) -> SlateInputs:
        """A slate of unknown keys."""
        return SlateInputs(
            member_tokens=None,
            activity_tokens=None,
            activity_times=None,
            as_of=None,
            item_tokens=np.zeros((candidates, self.item_token_size), np.float32),
            item_known=np.zeros(candidates, bool),
            features={},
            surface="",
            time=0,
        )

    def _member(self, slate: SlateInputs) -> np.ndarray:
        return self._cold_member if slate.member_tokens is None else slate.member_tokens  # (H * w,)

    def _items(self, slate: SlateInputs, rows: int) -> np.ndarray:
        """(rows, H * w): cold items and padding get the cold item's tokens."""
        known = slate.item_known
        if len(known) == rows and known.all():
            return slate.item_tokens
        tokens = np.tile(self._cold_item, (rows, 1))
        tokens[: len(known)][known] = slate.item_tokens[known]
        return tokens

    def _activities(self, slate: SlateInputs) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Tokens (N * w,), ages (N,) in seconds, mask (N,), times (N,) from the request; masked activities come first,
        as in training."""
        tokens, times = slate.activity_tokens, slate.activity_times
        if tokens is None or times is None:
            tokens, times = np.zeros(self.activity_size, np.float32), np.zeros(self.activities, np.int64)
        seen = (times > 0) & (times < slate.time)
        order = np.argsort(seen, kind="stable")
        seen, times = seen[order], times[order]
        age = (slate.time - times).astype(np.float32) / np.float32(SECOND) * seen  # bit-identical to training
        kept = tokens.reshape(self.activities, self.width)[order] * seen[:, None]
        return kept.ravel(), age, seen, (times - slate.time) * seen

    def _stack(self, slates: Sequence[np.ndarray]) -> Tensor:
        """Stack S arrays (..., n * w) into one tensor (S, ..., n, w)."""
        stacked = np.stack(slates)
        return torch.from_numpy(stacked.reshape(*stacked.shape[:-1], -1, self.width))


def _read(folder: Path) -> dict[str, bytes]:
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(f"{folder}: expected a model artifact; found no {MANIFEST}: train or download it again")
    try:
        return {name: read_plain(folder, name) for name in plain_files(folder)}
    except SealError as error:
        raise ArtifactError(f"{error}: train or download it again") from None


def _check(folder: Path, model: SeedSchema, spec: Spec) -> None:
    """Raise ArtifactError unless the spec's features, tasks and surfaces are those of the model."""
    features = {(feature.name, feature.kind) for feature in impression_features(spec)}
    for thing, expected, found in (
        ("features", {(feature.name, feature.kind) for feature in model.features}, features),
        ("tasks", {task.name for task in model.tasks}, set(spec.tasks)),
        ("surfaces", set(model.surfaces), set(spec.impressions.surfaces)),
    ):
        if expected != found:
            raise ArtifactError(
                f"{folder / SPEC}: expected the {thing} that the model was trained with; found a difference in "
                f"{sorted(map(str, expected ^ found))}. Train with this spec, or register the model with its own"
            )


def _without_padding(rows: np.ndarray, slates: Sequence[SlateInputs]) -> list[np.ndarray]:
    """(S, C, n) -> each slate's own candidates, (C, n)."""
    return [part[: len(slate)] for part, slate in zip(rows, slates, strict=True)]


def _age(slate: SlateInputs) -> np.float32:
    """Age of the member's vectors at the request, in seconds; 0 for a cold member."""
    micros = 0 if slate.as_of is None else max(0, slate.time - slate.as_of)
    return np.float32(micros) / np.float32(SECOND)  # bit-identical to training
