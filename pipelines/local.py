"""Run a compiled pipeline on this machine: kfp.local in forks of one process, SQLite and files under one folder."""

import os
import shutil
import sys
import traceback
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.services import Services
from components.step import end_with_runner
from models.spec import Spec, load_spec
from models.storage import join
from models.system import one_line
from pipelines.catalogue import READ_ONLY, arguments, compile_pipeline
from pipelines.compiling import yaml_by_libyaml
from pipelines.console import COLOR, Console
from pipelines.data import data_address
from pipelines.errors import RunError
from pipelines.forked import forked_steps
from pipelines.lock import state_lock
from pipelines.parameters import check_parameters
from pipelines.settings import DEFAULTS, ClusterSettings

ROOT = Path(__file__).resolve().parent.parent


def run_local(
    pipeline: str, spec_path: Path, data: str | None, state: Path, parameters: dict[str, Any] | None = None
) -> Path:
    """Run ``pipeline`` on the spec; return the report's path. ``parameters``: the pipeline's further arguments.

    Raises SpecError, ParameterError or RunError. Writes nothing before spec, data folder and product are checked and
    the lock is taken.
    """
    end_with_runner()
    spec = load_checked_spec(spec_path)
    given = data_address(data)
    check_parameters({"state": str(state.resolve()), "data": given}, {"state": "--state", "data": "--data"})
    check_product(state, spec.name)
    with state_lock(state):
        _remove_old_runs(state, spec.name)
        run = _new_run(state)
        config = ROOT / "feature_repo" / "feature_store.yaml"
        services = Services.embedded(run, state, config, scratch=pipeline in READ_ONLY, pipeline=pipeline)
        folder = state.resolve() / "runs" / run
        log = folder / "run.log"
        _set_environment()
        with forked_steps(log):  # which imports while the pipeline is compiled
            compiled = compile_pipeline(pipeline, folder / "pipeline.yaml", _without_retries())
            values = arguments(spec, services.to_json(), given, join(services.storage, "specs"))
            values |= parameters or {}
            print(f"Heliograph: {pipeline} on {spec_path} (run {run}, log {log})", flush=True)
            _run(compiled, values, state.resolve() / "pipeline", log)
    return services.report_folder / "index.html"


def load_checked_spec(spec_path: Path) -> Spec:
    """Load the spec and check it with its adapter. Raises SpecError, or RunError if the adapter refuses it."""
    from feature_repo.sources import check
    from feature_repo.sources.errors import SourceError

    spec = load_spec(spec_path)
    try:
        check(spec, str(spec_path))
    except SourceError as error:
        raise RunError(str(error)) from error
    return spec


def check_product(state: Path, name: str) -> None:
    """Refuse a state folder of another product, whose endpoint and runs it holds, or of an older release."""
    from feature_repo.applied import products_in
    from feature_repo.views.errors import NotAppliedError

    try:
        others = sorted(set(products_in(state)) - {name})
    except NotAppliedError as error:
        raise RunError(str(error)) from None
    if others:
        raise RunError(
            f"{state}: expected the state of {name}; found that of {', '.join(others)}. Choose another folder, "
            f"for example STATE=state/{name} (python -m pipelines: --state)"
        )


def _remove_old_runs(state: Path, product: str) -> None:
    """Remove the artifacts of earlier runs, complete or not, but the tables that applied feature definitions read."""
    from feature_repo.applied import notes_in, read_applied
    from feature_repo.store import project_of

    notes = [notes_in(state, project_of(product, pipeline)) for pipeline in (None, *READ_ONLY)]
    in_use = [applied.tables for one in notes if one is not None and (applied := read_applied(one)) is not None]
    for run in (state / "pipeline").glob("*"):
        if not any(Path(tables).is_relative_to(run.resolve()) for tables in in_use):
            shutil.rmtree(run)


def _new_run(state: Path) -> str:
    """Name a run after the time, with a number if two runs start within a second."""
    name = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    taken = {path.name for path in (state / "runs").glob(f"{name}*")}
    return name if name not in taken else f"{name}-{len(taken) + 1}"


def _without_retries() -> ClusterSettings:
    """The settings of a run on this machine: no pod is lost here, so a step that failed would fail again, later."""
    return ClusterSettings(tasks={name: one.model_copy(update={"retries": 0}) for name, one in DEFAULTS.items()})


def _set_environment() -> None:
    """What the processes of the run inherit."""
    os.environ["HELIOGRAPH_RUNNER"] = str(os.getpid())
    os.environ["PYTHONUNBUFFERED"] = "1"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


def _run(compiled: Path, values: dict[str, object], root: Path, log: Path) -> None:
    """Run the compiled YAML, the same that a cluster would get, but for retries."""
    from kfp import components, local

    with Console(log) as console, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(root), raise_on_error=True)
        failure: Exception | None = None
        try:
            with yaml_by_libyaml():
                loaded = components.load_component_from_file(str(compiled))
            loaded(**values)
        except Exception as error:  # not of a step: those are RuntimeErrors of kfp that name it
            failure = error
            traceback.print_exc()  # to the log
    if failure is not None:
        if console.failed and (console.unexpected or not console.explained):
            print("\n".join(console.failed), file=sys.stderr)
        message = COLOR.sub("", str(failure))
        if not isinstance(failure, RuntimeError):
            message = f"kfp: expected to run the steps; found {type(failure).__name__}: {one_line(failure)}."
        raise RunError(f"{message} Full log: {log}. Fix the cause and run the same command again.") from failure
