"""Replay: the online store as it was at a moment, an impression of then as a request, and the product that answers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feature_repo.materialise import materialize
from feature_repo.push import push
from feature_repo.store import open_store
from feature_repo.stores.online.bulk import rows_of
from feature_repo.stores.online.keys import view_prefix
from models.graph.store import TemporalGraph
from models.spec import Spec
from models.training.artifact import Model
from models.training.embed import embed
from serving.server.loading import load
from serving.settings.limits import Limits
from serving.settings.settings import Settings

LATER = 1
"""Vectors hold from their moment on, and a request sees what is strictly before its own: they are 1 us older."""


@dataclass(frozen=True)
class Product:
    """A registered version, the graph that it is evaluated on, and an online store whose content is made anew."""

    folder: Path
    """Holds ``state``, with the applied store, and ``bundle``, the version's; what is made on the way lies beside."""
    spec: Spec
    name: str
    version: str
    graph: TemporalGraph
    model: Model

    @property
    def state(self) -> Path:
        """The folder of the store."""
        return self.folder / "state"

    @property
    def store_config(self) -> Path:
        """Its configuration, with absolute paths."""
        return self.state / "feast" / "feature_store.yaml"

    def go_back(self, moment: int) -> None:
        """The online store as it was for a request of that moment, and nothing else in it."""
        store = open_store(self.store_config, self.state)
        for view in store.list_feature_views():
            rows_of(store).delete(view_prefix(store.project, view.name))
        self.go_on(moment)
        vectors = self.folder / "vectors"
        embed(self.model, self.graph, moment - LATER, vectors)
        push(store, self.spec, vectors, self.version, self.state)

    def go_on(self, moment: int) -> None:
        """On to a later moment, up to which nothing was pushed: the vectors grow older."""
        materialize(open_store(self.store_config, self.state), self.spec, moment)

    def instance(self, row: int, further: Sequence[int] = ()) -> dict[str, Any]:
        """A seed as an instance of the v1 protocol; ``further``: items beside its own, by index."""
        seeds, schema = self.graph.seeds, self.graph.schema.seeds
        members, items = self.graph.keys(schema.member), self.graph.keys(schema.item)
        shown = [int(seeds.item[row]), *(item for item in further if item != int(seeds.item[row]))]
        return {
            "member": members[int(seeds.member[row])].as_py(),
            "items": [items[item].as_py() for item in shown],
            "context": {
                "surface": schema.surfaces[int(seeds.surface[row])],
                "time": iso(int(seeds.time[row])),
                **self._context(row),
            },
        }

    def ask(self, *instances: dict[str, Any]) -> list[dict[str, Any]]:
        """The predictions, by everything that answers but the protocol's server."""
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

        async def answer() -> list[dict[str, Any]]:
            runtime = load(settings)
            try:
                return (await runtime.predict({"instances": list(instances)}))["predictions"]
            finally:
                runtime.close()

        return asyncio.run(answer())

    def _context(self, row: int) -> dict[str, float | str]:
        """What the caller of a request knows: the columns of the seed that are neither counted nor missing."""
        found: dict[str, float | str] = {}
        features, seeds = self.graph.schema.seeds.features, self.graph.seeds
        for place, feature in enumerate(feature for feature in features if feature.kind == "category"):
            if code := int(seeds.categories[row, place]):
                found[feature.name] = feature.vocabulary[code - 1]
        for place, feature in enumerate(feature for feature in features if feature.kind == "number"):
            if not seeds.numbers[row, place].isnan():
                found[feature.name] = float(seeds.numbers[row, place])
        return {name: value for name, value in found.items() if name in self.spec.impressions.context}


def iso(moment: int) -> str:
    return datetime.fromtimestamp(moment // 1_000_000, UTC).replace(microsecond=moment % 1_000_000).isoformat()
