"""Recurring runs of Kubeflow Pipelines: one per name, replaced without two of them being enabled at any time."""

from dataclasses import dataclass
from typing import Any

from pipelines.cron import Cron


@dataclass(frozen=True)
class Recurring:
    """A recurring run that was created."""

    id: str
    cron: str
    """KFP's six fields."""
    replaced: int
    """How many recurring runs of the same name were deleted."""

    def __str__(self) -> str:
        instead = f", in place of {self.replaced} of the same name" if self.replaced else ""
        return f"created with {self.cron!r} (seconds first; UTC unless the cluster says otherwise){instead}"


def replace_recurring_run(
    client: Any, experiment: str, name: str, cron: Cron, what: dict[str, Any], namespace: str | None = None
) -> Recurring:
    """Create a recurring run with KFP's client, and delete those of the same name in all experiments of the namespace.

    ``what``: further arguments of ``create_recurring_run`` (pipeline, parameters, service account).

    In this order: create the new one disabled, delete the old ones, enable the new one. If the cluster refuses the new
    one, the old one goes on; after any interruption at most one is enabled, and the same call completes the rest. Runs
    wait for each other, and after an outage one run makes up for all that were missed.
    """
    old = [one.recurring_run_id for one in _all(client, namespace) if one.display_name == name]
    created = client.create_recurring_run(
        experiment,
        name,
        cron_expression=cron.for_cluster,
        max_concurrency=1,
        no_catchup=True,
        enabled=False,
        **what,
    )
    for one in old:
        client.delete_recurring_run(one)
    client.enable_recurring_run(created.recurring_run_id)
    return Recurring(created.recurring_run_id, cron.for_cluster, len(old))


def _all(client: Any, namespace: str | None) -> list[Any]:
    """Every recurring run of the namespace (None: the user's), or of the cluster if KFP serves a single user."""
    found: list[Any] = []
    page = ""
    while True:
        answer = client.list_recurring_runs(
            page_token=page, page_size=100, namespace=namespace or client.get_user_namespace() or None
        )
        found += answer.recurring_runs or []
        page = answer.next_page_token or ""
        if not page:
            return found
