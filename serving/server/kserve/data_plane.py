"""KServe's data plane and model repository for one model that is loaded for the life of the process."""

from collections.abc import Callable
from typing import Any

from kserve import ModelRepository
from kserve.errors import InvalidInput, ModelNotFound
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension

from serving.untrusted import quoted


class OneModelDataPlane(DataPlane):
    """A data plane whose probes return ``ready()``."""

    def __init__(self, models: ModelRepository, ready: Callable[[], bool]) -> None:
        super().__init__(models)
        self._ready = ready

    async def ready(self) -> bool:
        """Readiness of the server."""
        return self._ready()

    async def model_ready(self, model_name: str, disable_predictor_health_check: bool = False) -> bool:
        """Readiness of the model. Predictions pass ``True``: they are made whatever the probes return."""
        self.get_model_from_registry(model_name)
        return disable_predictor_health_check or self._ready()

    def get_model_from_registry(self, name: str) -> Any:
        """The model. Raises ModelNotFound, with only the beginning of the name, for another name."""
        if (model := self.model_registry.get_model(name)) is None:
            raise ModelNotFound(quoted(name))
        return model

    async def get_model(self, name: str) -> Any:
        """As ``get_model_from_registry``: the model is always loaded."""
        return self.get_model_from_registry(name)


class FixedRepository(ModelRepositoryExtension):
    """A repository from which no request can load or unload a model."""

    async def load(self, model_name: str) -> None:
        """Raise InvalidInput."""
        raise InvalidInput("models are not loaded by request: use `python -m serving up`")

    async def unload(self, model_name: str) -> None:
        """Raise InvalidInput."""
        raise InvalidInput("models are not unloaded by request: use `python -m serving down`")
