"""Addresses of the services that components use: one pipeline parameter, equal for all components."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from models.addresses import sqlite_address


@dataclass(frozen=True)
class Services:
    """Where Feast, MLflow and the endpoint are. Everything else is a KFP artifact or parameter."""

    run: str
    """Name of this pipeline run, under which its ledger and report are kept. Empty in parameters on a cluster."""
    tracking_uri: str
    """Address of MLflow."""
    feature_store: str
    """Path of feature_store.yaml in the image."""
    state: str
    """Embedded mode: the folder of SQLite files, the endpoint's process file and reports."""
    features: str
    """Embedded mode: the folder of Feast's registry and online store; not ``state`` for a read-only pipeline."""
    pipeline: str = ""
    """Name of the pipeline, for the history."""

    @classmethod
    def of(cls, parameter: dict[str, str], job: str) -> "Services":
        """A component's services: the pipeline's parameter, with ``job``, KFP's id of the run, where it names none.

        One parameter serves every recurrence of a run, so the name cannot be in it. KFP keeps the id when it retries.
        """
        services = cls(**parameter)
        return services if services.run else replace(services, run=job)

    @classmethod
    def embedded(
        cls, run: str, state: Path, feature_store: Path, scratch: bool = False, pipeline: str = ""
    ) -> "Services":
        """All services on this machine, in files under ``state``; ``scratch``: separate feature store."""
        state = state.resolve()
        return cls(
            run=run,
            tracking_uri=sqlite_address(state / "mlflow" / "mlflow.db"),
            feature_store=str(feature_store.resolve()),
            state=str(state),
            features=str(state / "scratch" if scratch else state),
            pipeline=pipeline,
        )

    def to_json(self) -> dict[str, str]:
        """The value of the pipeline parameter."""
        return asdict(self)

    @property
    def folder(self) -> Path:
        """``state`` as a path."""
        return Path(self.state)

    @property
    def feature_folder(self) -> Path:
        """``features`` as a path."""
        return Path(self.features)

    @property
    def report_folder(self) -> Path:
        """The folder of this run's report."""
        return self.folder / "runs" / self.run / "report"
