"""Addresses of the services that components use: one pipeline parameter, equal for all components."""

import os
import shlex
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from models.addresses import sqlite_address
from models.served_parts import FOLDER
from models.storage import join

EMBEDDED, CLUSTER = "embedded", "cluster"
ACT = "act"
"""Name of the pipeline that acts on verdicts."""
UNTRAINED = ("refresh", "monitoring")
"""Names of the pipelines that train nothing."""
RUN = "HELIOGRAPH_RUN"
"""Environment variable of every task on a cluster: the id that KFP gave to the run."""


class ServicesError(ValueError):
    """Raised where a component cannot know which run it belongs to; the message says what to do."""


@dataclass(frozen=True)
class Services:
    """Where MLflow, Feast, storage and the endpoint are. Everything else is a KFP artifact or parameter."""

    run: str
    """Name of this pipeline run, under which its ledger and report are kept. Empty in parameters on a cluster."""
    tracking_uri: str
    """Address of MLflow."""
    feature_store: str
    """Path of feature_store.yaml in the image."""
    storage: str
    """Address of the files that outlive a run (specs, checkpoints, rows of raw files, files of pushed views): the state
    folder on this machine, or a folder in object storage."""
    scratch: bool = False
    """Whether the pipeline only looks: its Feast project is not the one that serves."""
    pipeline: str = ""
    """Name of the pipeline, for the history and for the project of one that only looks."""
    target: str = EMBEDDED
    """Where versions are deployed: on this machine (EMBEDDED) or as an InferenceService (CLUSTER)."""
    endpoint: dict[str, Any] = field(default_factory=dict)
    """CLUSTER: settings of the endpoint, fields of ``serving.deployment.cluster_settings.Deployment``."""

    @property
    def options(self) -> str:
        """Options of ``python -m serving`` that lead to what this run deploys."""
        embedded = ["--state", self.storage]
        cluster = ["--target", CLUSTER, "--tracking-uri", self.tracking_uri]
        return shlex.join(cluster if self.target == CLUSTER else embedded)

    @classmethod
    def of(cls, parameter: dict[str, Any]) -> "Services":
        """A component's services: the pipeline's parameter; where it names no run, with that of the environment.

        The run is not a parameter on a cluster: one set of parameters serves every recurrence, and a name that differs
        from run to run would keep KFP from using its cache. Raises ServicesError if neither names a run.
        """
        services = cls(**parameter)
        if services.run:
            return services
        run = os.environ.get(RUN, "")
        if not run:
            raise ServicesError(
                f"run: expected KFP's id of the run in the environment variable {RUN}; found none. Compile and submit "
                "the pipeline again: python -m pipelines submit"
            )
        return replace(services, run=run)

    @classmethod
    def embedded(
        cls, run: str, state: Path, feature_store: Path, scratch: bool = False, pipeline: str = ""
    ) -> "Services":
        """All services on this machine, in files under ``state``; ``scratch``: a project of the pipeline's own."""
        state = state.resolve()
        return cls(
            run=run,
            tracking_uri=sqlite_address(state / "mlflow" / "mlflow.db"),
            feature_store=str(feature_store.resolve()),
            storage=str(state),
            scratch=scratch,
            pipeline=pipeline,
        )

    def to_json(self) -> dict[str, Any]:
        """The value of the pipeline parameter."""
        return asdict(self)

    def project(self, product: str) -> str:
        """The run's Feast project: the product's, or that of its pipeline that only looks."""
        from feature_repo.store import project_of

        return project_of(product, self.pipeline if self.scratch else None)

    @property
    def folder(self) -> Path:
        """``storage`` as a path."""
        return Path(self.storage)

    @property
    def served(self) -> Path | str:
        """Where the endpoint's served log is read: a folder on this machine, or an address."""
        return self.folder / "endpoint" / FOLDER if self.target == EMBEDDED else join(self.storage, FOLDER)

    @property
    def report_folder(self) -> Path:
        """The folder of this run's report."""
        return self.folder / "runs" / self.run / "report"
