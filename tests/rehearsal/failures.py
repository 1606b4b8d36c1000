"""Scenario 5: services, rights and packages that are missing. A run ends with one error that says what to do."""

import html
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from deploy.images.build import name_of
from deploy.images.engine import output
from models.spec import Spec
from tests.rehearsal.dag import FAILED
from tests.rehearsal.kfp_api import Submitted
from tests.rehearsal.rehearse import Rehearsal
from tests.rehearsal.services import free_ports
from tests.rehearsal.setting import Setting
from tests.rehearsal.table import expect

_PRINTED = re.compile(r"^\| [a-z ]+: FAILED after [\d.]+ s: (.*)$", re.MULTILINE)
"""The line of a component that failed."""
_TASKS = ("champion", "ingest", "materialize", "deploy", "report")
"""Those that fail here; they are not tried again."""
_LACKING = "localhost/heliograph-lacking:duckdb"


@dataclass(frozen=True)
class Fault:
    """A run that cannot end well."""

    name: str
    pipeline: str
    task: str
    """The task that fails."""
    words: tuple[str, ...]
    """What its error must name."""
    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    reported: bool = True
    """Whether the run's report can be written."""


def failing_runs(at: Rehearsal, spec: Spec) -> None:
    """Give every run that cannot end well."""
    at.table.run("5 an image without a package", lambda: _image_without("duckdb"))
    for fault in faults(at.setting, spec):
        at.table.run(f"5 {fault.name}", partial(_fails, at, spec, fault))


def faults(setting: Setting, spec: Spec) -> list[Fault]:
    """The faults, with what their runs are given."""
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    known, secrets = dict(setting.secret), setting.pipelines.world.secrets
    redis = known["FEAST_REDIS"].split(",", 1)
    secrets["no-redis"] = {**known, "FEAST_REDIS": f"{nobody},{redis[1]}"}
    secrets["no-storage"] = {**known, "AWS_ENDPOINT_URL": f"http://{nobody}"}
    document = json.loads(setting.endpoint(spec).read_text(encoding="utf-8"))
    never = setting.folder / "endpoint-never-ready.json"
    never.write_text(json.dumps({**document, "secret": "no-redis", "ready_seconds": 15}), encoding="utf-8")
    away, account = f"http://{nobody}", "heliograph-monitor"
    return [
        Fault("a secret that is not there", "refresh", "champion", ("nowhere",), ("--secret", "nowhere"), {}, False),
        Fault("Redis away", "refresh", "ingest", ("online store", nobody), ("--secret", "no-redis")),
        Fault("object storage away", "refresh", "ingest", ("storage",), ("--secret", "no-storage")),
        Fault("MLflow away", "refresh", "champion", (nobody,), ("--tracking-uri", away), {}, False),
        Fault("an image without duckdb", "refresh", "ingest", ("duckdb",), (), {"HELIOGRAPH_IMAGE": _LACKING}),
        Fault("a Role without rights", "training", "deploy", ("403", "Role"), ("--service-account", account)),
        Fault("a version that is never ready", "training", "deploy", ("15 s",), ("--endpoint", str(never))),
    ]  # fmt: skip


def _fails(at: Rehearsal, spec: Spec, fault: Fault) -> str:
    """The run fails at its task, with one error in the log and in the report; the aliases are where they were."""
    aliases = _serving(at, spec)
    once = at.setting.folder / "once.yaml"
    once.write_text("".join(f"{task}: {{retries: 0}}\n" for task in _TASKS))
    options = ("--resources", str(once), *fault.options)
    submitted = at.setting.submit(spec, fault.pipeline, *options, variables=fault.variables)
    failed = [one for one in submitted.run.ended if one.state == FAILED and (fault.reported or one.task != "report")]
    expect(submitted.state == FAILED and failed, f"expected a run that fails; found {submitted.state}")
    found = [one.task for one in failed]
    expect(set(found) == {fault.task}, f"expected {fault.task} to fail; found {found}: {failed[0].reason}")
    printed = _PRINTED.findall(failed[-1].printed())
    error = printed[-1] if printed else failed[-1].reason
    for word in fault.words:
        expect(word in error, f"expected {word!r} in the error; found {error}")
    if fault.reported:
        expect(
            error[:60] in _report(at, submitted), f"expected the error in the report too; found it in the log: {error}"
        )
    changed = _serving(at, spec)
    expect(changed == aliases, f"expected the aliases {aliases}; found {changed}")
    return error


def _serving(at: Rehearsal, spec: Spec) -> dict[str, str]:
    """The aliases of versions that serve."""
    aliases = at.versions(spec)["aliases"]
    return {name: aliases[name] for name in ("champion", "canary", "previous") if name in aliases}


def _report(at: Rehearsal, submitted: Submitted) -> str:
    """The text of a run's report."""
    (artifact,) = submitted.run.outcomes["report"].artifacts["page"]
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page"
        at.setting.pipelines.world.storage.fetch(artifact["uri"], page)
        return html.unescape(page.read_text(encoding="utf-8"))


def _image_without(package: str) -> str:
    """Make the pipeline's image without one package; return its name."""
    lines = (
        f"FROM {name_of('pipeline')}",
        "USER 0",
        f"RUN rm -rf /opt/heliograph/lib/python3*/site-packages/{package}",
        "USER 1000:1000",
    )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Dockerfile").write_text("\n".join(lines), encoding="ascii")
        output(["buildah", "bud", "--isolation", "chroot", "--pull-never", "--layers=false", "--tag", _LACKING, folder])
    return _LACKING
