"""Validation of TrainJobs and their runtimes by the models of kubeflow-trainer-api; the CRDs have further rules."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError


def train_job_faults(document: dict[str, Any]) -> list[str]:
    """Wrong types and missing fields, and fields that the models do not have."""
    from kubeflow_trainer_api.models import TrainerV1alpha1TrainJob

    return _faults(TrainerV1alpha1TrainJob, document)


def runtime_faults(document: dict[str, Any]) -> list[str]:
    """Those of a ClusterTrainingRuntime."""
    from kubeflow_trainer_api.models import TrainerV1alpha1ClusterTrainingRuntime

    return _faults(TrainerV1alpha1ClusterTrainingRuntime, document)


def _faults(model: Any, document: dict[str, Any]) -> list[str]:
    try:
        found = model.from_dict(document)
    except ValidationError as error:
        return [f"{one['loc']}: {one['msg']}" for one in error.errors()]
    assert found is not None
    return list(_lost(document, found.to_dict(), ""))


def _lost(given: Any, kept: Any, path: str) -> Iterator[str]:
    if isinstance(given, dict):
        for name, value in given.items():
            if name not in kept:
                if value not in ({}, []):  # the models leave out what is empty
                    yield f'unknown field "{path}.{name}"'
            else:
                yield from _lost(value, kept[name], f"{path}.{name}")
    elif isinstance(given, list):
        for place, (value, other) in enumerate(zip(given, kept, strict=True)):
            yield from _lost(value, other, f"{path}[{place}]")
