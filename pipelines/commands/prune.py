"""``python -m pipelines prune``: remove versions, artifacts, logs and scratch that nothing needs any more."""

import argparse
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from components.services import CLUSTER, EMBEDDED
from feature_repo.lease import Lease
from feature_repo.notes import Notes
from models.addresses import sqlite_address
from models.clock import LONGEST_DAYS, now
from models.time_units import length
from monitoring.ledger import first_line
from pipelines.commands.values import add_state
from pipelines.errors import RunError
from pipelines.lock import state_lock
from pipelines.prune import DAYS, KEEP, Place, held, prune, remove
from serving.deployment.cluster_settings import add_endpoint, check_tracking, deployment_of, endpoint_of


def add_prune(commands: Any) -> None:
    """Add the command to argparse's sub-commands."""
    command = commands.add_parser("prune", help="remove versions, artifacts, logs and scratch that nothing needs")
    add_state(command)
    command.add_argument(
        "--keep", type=_count, default=KEEP, help=f"newest versions besides those in use (default: {KEEP})"
    )
    command.add_argument(
        "--older-than",
        type=_age,
        default=f"{DAYS}d",
        metavar="AGE",
        help=f"age of artifacts, logs and scratch, such as 12h or 30d (default: {DAYS}d)",
    )
    command.add_argument("--dry-run", action="store_true", help="print what would go, and remove nothing")
    command.add_argument("--target", choices=(EMBEDDED, CLUSTER), default=EMBEDDED, help="default: this machine")
    command.add_argument("--product", help="the product's name, on a cluster")
    command.add_argument("--tracking-uri", help="address of MLflow, on a cluster")
    command.add_argument("--storage", help="address of files that outlive a run, on a cluster: as of submit")
    command.add_argument("--feature-store", type=Path, default=Path("feature_repo/feature_store.cluster.yaml"))
    add_endpoint(command)
    command.set_defaults(run=_prune)


def _prune(options: argparse.Namespace) -> int:
    if options.target == EMBEDDED and not (options.state / "mlflow" / "mlflow.db").is_file():
        print(f"no runs in {options.state}: nothing to prune")
        return 0
    from mlflow.exceptions import MlflowException

    lock = state_lock(options.state) if options.target == EMBEDDED and not options.dry_run else nullcontext()
    try:
        with lock, _place(options) as place:
            if place is None:
                print(f"nothing is applied in {options.state}: nothing is pruned")
            else:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)  # MLflow's own, which Feast makes visible
                    _print(place, options)
    except MlflowException as error:
        raise RunError(
            f"expected MLflow to respond; found {first_line(error)}. Check the address and that the server is up, then "
            "run the same command again"
        ) from error
    return 0


def _print(place: Place, options: argparse.Namespace) -> None:
    total, count = 0, 0
    for one in prune(place, options.keep, now() - options.older_than):
        if not options.dry_run and not remove(place, one):
            print(f"{one.kind}  {one.name}  stays: it is in use now")
            continue
        print(f"{one.kind}  {one.name}  {_size(one.size)}", flush=True)
        total, count = total + one.size, count + 1
    done = "would be removed" if options.dry_run else "removed"
    print(f"{count} {done}, {_size(total)}")


@contextmanager
def _place(options: argparse.Namespace) -> Iterator[Place | None]:
    """What the options select; on a cluster with the product's lease, except for a dry run."""
    from feature_repo.store import open_notes, project_of

    if options.target == EMBEDDED:
        yield _on_this_machine(options.state)
        return
    _check_cluster(options)
    notes = open_notes(options.feature_store, None, project_of(options.product))
    with nullcontext() if options.dry_run else held(notes) as lease:
        yield _on_a_cluster(options, notes, lease)  # after the lease: a run may have changed what serves until then


def _on_this_machine(state: Path) -> Place | None:
    """The product of a state folder; None if nothing is applied there."""
    from feature_repo.applied import CONFIG, notes_in, products_in
    from feature_repo.projects import applied_projects
    from feature_repo.store import open_store, project_of
    from serving.deployment.endpoint_processes import EndpointProcesses

    products = list(products_in(state))
    if len(products) > 1:
        raise RunError(f"{state}: expected one product; found {', '.join(products)}")
    if not products:
        return None
    (product,) = products
    notes = notes_in(state, project_of(product))
    assert notes is not None  # it has just been read
    applied = applied_projects(open_store(CONFIG, state, project_of(product))).values()
    endpoint = EndpointProcesses(state).current()
    served: set[str | None] = set()
    if endpoint is not None:
        served = {endpoint.previous, *(one.version for one in endpoint.workers)}
    return Place(
        product=product,
        tracking_uri=sqlite_address(state / "mlflow" / "mlflow.db"),
        storage=str(state.resolve()),
        notes=notes,
        served=frozenset(filter(None, served)),
        tables=tuple(one.tables for one in applied),
        state=state,
    )


def _check_cluster(options: argparse.Namespace) -> None:
    for name in ("product", "tracking_uri", "storage"):
        if getattr(options, name) is None:
            raise RunError(f"--{name.replace('_', '-')}: expected it with --target {CLUSTER}; found none")
    check_tracking(options.tracking_uri)


def _on_a_cluster(options: argparse.Namespace, notes: Notes, lease: Lease | None) -> Place:
    from models.served import model_of
    from serving.deployment.cluster import open_cluster
    from serving.versions.registry import Registry

    model = model_of(options.product)
    deployment = deployment_of(model, "", options.tracking_uri, endpoint_of(options))
    target = open_cluster(deployment, Registry(options.tracking_uri))
    return Place(
        product=options.product,
        tracking_uri=options.tracking_uri,
        storage=options.storage.rstrip("/"),
        notes=notes,
        served=frozenset() if target.state() == "down" else frozenset(target.traffic()),
        lease=lease,
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise argparse.ArgumentTypeError(f"expected a whole number of 0 or more; found {text!r:.40}")
    return int(text)


def _age(text: str) -> int:
    """Microseconds of an age such as 12h or 30d."""
    try:
        return length(text, LONGEST_DAYS, zero=True)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _size(size: int) -> str:
    """Bytes with a unit."""
    number = float(size)
    for unit in ("B", "KB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"
