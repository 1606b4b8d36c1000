"""Addresses of the services that components reach: one pipeline parameter, the same for every component."""

from dataclasses import asdict, dataclass
from pathlib import Path

from models.addresses import sqlite_address


@dataclass(frozen=True)
class Services:
    """Where Feast, MLflow and the endpoint are. Everything else travels as KFP artifacts and parameters."""

    run: str
    """Name of this pipeline run: the key of its ledger and of its report."""
    tracking_uri: str
    """MLflow's address."""
    feature_store: str
    """Path of the feature_store.yaml (in the image)."""
    state: str
    """Embedded mode: the folder that holds SQLite files, the endpoint's process file and reports."""
    features: str
    """Embedded mode: the folder of Feast's registry and online store; not ``state`` where a pipeline only looks."""

    @classmethod
    def embedded(cls, run: str, state: Path, feature_store: Path, scratch: bool = False) -> "Services":
        """Everything on this machine, in files under ``state``; ``scratch``: leave the served features alone."""
        state = state.resolve()
        return cls(
            run=run,
            tracking_uri=sqlite_address(state / "mlflow" / "mlflow.db"),
            feature_store=str(feature_store.resolve()),
            state=str(state),
            features=str(state / "scratch" if scratch else state),
        )

    def to_json(self) -> dict[str, str]:
        """As the pipeline parameter."""
        return asdict(self)

    @property
    def folder(self) -> Path:
        """The embedded state's folder."""
        return Path(self.state)

    @property
    def feature_folder(self) -> Path:
        """The folder of the embedded feature store."""
        return Path(self.features)

    @property
    def report_folder(self) -> Path:
        """Where this run's report is written."""
        return self.folder / "runs" / self.run / "report"
