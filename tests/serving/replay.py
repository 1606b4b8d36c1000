"""Replay of impressions: resets the online store to a past time and sends an impression of that time as a request."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feature_repo.materialise import materialize
from feature_repo.packed.keys import view_prefix
from feature_repo.push import push
from feature_repo.store import open_store
from feature_repo.stores.online.bulk import rows_of
from models.graph.store import TemporalGraph
from models.spec import Spec
from models.time_units import iso
from models.training.artifact import Model
from models.training.embed import embed
from models.training.encoder import encoder_in
from serving.server.loading import load
from serving.settings.limits import Limits
from serving.settings.settings import Settings

VECTOR_AGE = 1
"""Vectors are 1 microsecond older than the request, which sees only what is strictly before it."""


@dataclass(frozen=True)
class Product:
    """A registered version, the graph it is evaluated on, and an online store to rewind."""

    folder: Path
    """Holds ``state`` (the applied store) and ``bundle`` (the version's); vectors and served log go here."""
    spec: Spec
    name: str
    version: str
    graph: TemporalGraph
    model: Model

    @property
    def state(self) -> Path:
        """Folder of the store."""
        return self.folder / "state"

    @property
    def store_config(self) -> Path:
        """Configuration of the store, with absolute paths."""
        return self.state / "feast" / "feature_store.yaml"

    def rewind_to(self, time: int) -> None:
        """Replace the store's content by what a request at ``time`` would have found."""
        store = open_store(self.store_config)
        for view in store.list_feature_views():
            rows_of(store).delete(view_prefix(store.project, view.name))
        self.materialize_until(time)
        vectors = self.folder / "vectors"
        embed(self.model, self.graph, time - VECTOR_AGE, vectors)
        push(store, self.spec, vectors, self.version, encoder_in(self.folder / "bundle"))

    def materialize_until(self, time: int) -> None:
        """Materialize the counters up to a later time without a push: the vectors grow older."""
        materialize(open_store(self.store_config), self.spec, time)

    def instance(self, row: int, further: Sequence[int] = ()) -> dict[str, Any]:
        """A seed as an instance of the v1 protocol; ``further``: indices of items beside its own."""
        seeds, schema = self.graph.seeds, self.graph.schema.seeds
        members, items = self.graph.keys(schema.member), self.graph.keys(schema.item)
        shown = [int(seeds.item[row]), *(item for item in further if item != int(seeds.item[row]))]
        own, given = self._given(row), self.spec.impressions
        context = {name: value for name, value in own.items() if name in given.context}
        candidates = {name: [own.get(name), *[None] * (len(shown) - 1)] for name in given.candidate_context}
        return {
            "member": members[int(seeds.member[row])].as_py(),
            "items": [items[item].as_py() for item in shown],
            "context": {
                "surface": schema.surfaces[int(seeds.surface[row])],
                "time": iso(int(seeds.time[row])),
                **context,
            },
            **({"candidates": candidates} if candidates else {}),
        }

    def predict(self, *instances: dict[str, Any]) -> list[dict[str, Any]]:
        """The predictions of the runtime, without a server around it."""
        settings = Settings(
            name=self.name,
            version=self.version,
            bundle=str(self.folder / "bundle"),
            store_config=str(self.store_config),
            served=str(self.folder / "served"),
            port=0,
            grpc_port=0,
            limits=Limits(store_seconds=20.0, deadline_seconds=60.0),
        )

        async def predictions() -> list[dict[str, Any]]:
            runtime = load(settings)
            try:
                return (await runtime.predict({"instances": list(instances)}))["predictions"]
            finally:
                runtime.close()

        return asyncio.run(predictions())

    def _given(self, row: int) -> dict[str, float | str]:
        """The features of the seed that are not missing."""
        found: dict[str, float | str] = {}
        features, seeds = self.graph.schema.seeds.features, self.graph.seeds
        for place, feature in enumerate(feature for feature in features if feature.kind == "category"):
            if code := int(seeds.categories[row, place]):
                found[feature.name] = feature.vocabulary[code - 1]
        for place, feature in enumerate(feature for feature in features if feature.kind == "number"):
            if not seeds.numbers[row, place].isnan():
                found[feature.name] = float(seeds.numbers[row, place])
        return found
