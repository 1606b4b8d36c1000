"""The spec's names and values, how it reaches the steps of a pipeline, and the registry's models."""

import contextlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.faults.fault import Fault, expect
from components.services import Services

ROOT = Path(__file__).resolve().parent.parent.parent
WORKED = ROOT / "configs" / "professional.yaml"
SMALL = """
name: small
source: {adapter: professional}
nodes:
  member: {key: member_id, views: {profile: {table: members, features: {age: number}}}}
  post: {key: post_id}
edges:
  clicked: {table: impressions, source: {node: member, column: member_id}, target: {node: post, column: post_id},
            time: settled_time, kind: engagement, domain: feed, filter: {clicked: [1]}}
impressions:
  member: {node: member, column: member_id}
  item: {node: post, column: post_id}
  surfaces: [feed, mail]
  context: {hour: number}
  outcomes: [clicked, seconds]
tasks: {click: {label: clicked, primary: true}}
windows: {start: 2026-01-01, train: {days: 14}}
home_domain: feed
"""
NAMES = (
    *("position", "score", "slate", "served", "item_cold", "member_cold", "model", "model_version", "request", "item"),
    *("member", "as_of", "fallback", "capped", "probability_click", "Score", "POSITION", "Probability_click", "window"),
    *("frozen_time", "Window", "created", "file_row_number", "items", "explain"),
)
SURPRISES = (  # text, replacement, key that the error names
    *(("days: 14", f"days: {text}", "windows.train.days") for text in ("true", "yes", "014", "1_4", "0:14", '"14"')),
    *(("days: 14", f"days: {text}", "windows.train.days") for text in ("14.0", "1e1", "null", "0x0e", "!!int 14")),
    *(("2026-01-01", text, "windows.start") for text in ("1767225600", "true", "2026-01-01 10:00:00", "'20260101'")),
    *(("domain: feed", f"domain: {text}", "edges.clicked.domain") for text in ("no", "12:30:00", "2026-01-01", "~")),
    *(("[feed, mail]", f"[feed, {text}]", "impressions.surfaces.1") for text in ("off", "010", "true", "null")),
    *(("[1]", text, "edges.clicked.filter.clicked.0") for text in ("[~]", "[2026-01-01]", "[no]", "[.inf]")),
    *(("hour: number", f"{text}: number", "impressions.context") for text in ("on", "1", "null", "true")),
    *(("primary: true", f"primary: {text}", "tasks.click.primary") for text in ("1", "on", "'true'")),
)
HANGS = {
    "nine nested aliases": "\n".join(
        ["a0: &i0 [x]", *(f"a{n}: &i{n} [{', '.join([f'*i{n - 1}'] * 10)}]" for n in range(1, 10))]
    ),
    "merges": "a0: &a0 {x: 1}\n" + "\n".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 26)),
    "deep": "a: " + "[" * 200_000,
    "deep JSON": '{"a": ' * 200_000,
    "wide JSON": "{" + ", ".join(f'"a{n}": 1' for n in range(60_000)) + "}",
}
LOAD = """
import sys, time
from models.spec import SpecError, load_spec
for file in sys.argv[1:]:
    began = time.process_time()
    try:
        load_spec(file)
        print("accepted")
    except SpecError as error:
        print(f"{time.process_time() - began:.2f} {str(error)[:200]}")
"""
ODD = "{{$}} {{$.pipeline_job_uuid}} {{workflow.name}} $(id) `id` %s \\ \" ' \n\t é 漢 \u2028 " + "x" * 100_000


def _refused(text: str, folder: Path) -> str | None:
    """The error for a spec; None where it is accepted."""
    from models.spec import SpecError, load_spec

    file = folder / "spec.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        load_spec(file)
    except SpecError as error:
        return str(error)
    return None


def _names(folder: Path) -> str:
    expect(_refused(SMALL, folder) is None, "the plain spec to be taken", _refused(SMALL, folder))
    for name in NAMES:
        for old in ("context: {", "features: {"):
            message = _refused(SMALL.replace(old, f"{old}{name}: number, "), folder)
            expect(
                message is not None and f".{name}: expected" in message, f"{old}{name}}} to be refused by name", message
            )
    twice = ("{hour: number, Hour: number}", "{hour: number, Clicked: number}", "{Age: number}", "{SECONDS: number}")
    for context in twice:
        message = _refused(SMALL.replace("{hour: number}", context), folder)
        expect(
            message is not None and "upper or lower case alike" in message, f"context {context} to be refused", message
        )
    message = _refused(SMALL.replace("primary: true}", "primary: true}, Click: {label: clicked}"), folder)
    expect(message is not None and "tasks.Click" in message, "tasks click and Click to be refused", message)
    return f"{len(NAMES)} names refused as context and feature, {_log_keeps_its_own(folder)} columns of the log kept"


def _log_keeps_its_own(folder: Path) -> int:
    """Every built-in column of the served log against a feature with the same name."""
    from models.served import COLUMNS, read

    own = {"served": 1, "request": "r", "slate": 0, "time": 2, "as_of": 3, "member": 4, "member_cold": False}
    own |= {"surface": "feed", "model": "m", "model_version": "5", "fallback": False, "rank": 0, "item": 6}
    own |= {"impression": "c/0/0", "propensity": 1.0}
    own |= {"cold": True, "capped": False, "score": 0.5, "adjustments": [], "probabilities": {"click": 0.25}}
    lines = [{**own, "features": features} for features in ({}, dict.fromkeys((*COLUMNS, "probability_click"), -7))]
    frames = []
    for number, line in enumerate(lines):
        (folder / f"log{number}").mkdir()
        (folder / f"log{number}" / "2026-01-01.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
        frames.append(read(folder / f"log{number}"))
    plain, odd = frames
    expect(plain.equals(odd[plain.columns]), "the log's own columns", odd.iloc[0].to_dict())
    return len(COLUMNS)


def _values(folder: Path) -> str:
    for old, new, key in SURPRISES:
        message = _refused(SMALL.replace(old, new, 1), folder)
        expect(
            message is not None and f": {key}" in message and "found" in message,
            f"{new!r} to be refused at {key}",
            message,
        )
    files = []
    for number, text in enumerate(HANGS.values()):
        files.append(str(folder / f"hang{number}.yaml"))
        Path(files[-1]).write_text(text, encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-c", LOAD, *files], capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        expect(False, "a result for every spec within a second", "none after a minute")
    lines = done.stdout.splitlines()
    expect(len(lines) == len(files), "an error of each", done.stderr[-200:])
    slowest = max(float(line.split()[0]) if line[0].isdigit() else 99 for line in lines)
    expect(slowest < 1, "a result within a second", lines)
    from serving.errors import EndpointError
    from serving.settings.limits import parse_limits

    for text in ('{"waiting": 1, "waiting": 9}', "[" * 100_000):
        with contextlib.suppress(EndpointError):
            parse_limits(text, "limits")
            expect(False, f"limits {text[:30]} to be refused", "them taken")
    return f"{len(SURPRISES)} values refused by key; {len(files)} that expand refused within {slowest:.2f} s"


def _run(command: Callable[[list[str]], Any], arguments: list[str]) -> tuple[Any, str]:
    """Run a command; return its status and output."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            status = command(arguments)
        except SystemExit as error:
            status = error.code
    return status, out.getvalue()


def _handed(folder: Path) -> str:
    """Pass a spec through `kfp.local` as the pipelines do; then specs that the command refuses."""
    from kfp import components, dsl, local
    from kfp.compiler import Compiler

    from components.image import component
    from components.specs import write_spec
    from models.spec import load_spec
    from pipelines.__main__ import main
    from pipelines.catalogue import PIPELINES, compile_pipeline
    from pipelines.resources import imported

    @component
    def read(spec: dsl.Input[dsl.Artifact], services: dict) -> None:
        from pathlib import Path

        from components.step import Step

        with Step("read", spec, services) as step:
            Path(services["storage"], "read.json").write_bytes(step.spec.model_dump_json(by_alias=True).encode())

    @dsl.pipeline(name="handed")
    def handed(spec: str, services: dict) -> None:
        read(spec=imported(spec), services=services)

    spec = load_spec(WORKED)
    options = {"size": "tiny", "odd": ODD}
    spec = spec.model_copy(update={"source": spec.source.model_copy(update={"options": options})})
    state = folder / "a state é"
    services = Services.embedded("run-1", state, WORKED).to_json()
    Compiler().compile(handed, str(folder / "handed.yaml"))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "root"), raise_on_error=True)
        given = write_spec(spec, str(state / "specs"))
        components.load_component_from_file(str(folder / "handed.yaml"))(spec=given, services=services)
    arrived = (state / "read.json").read_bytes() == spec.model_dump_json(by_alias=True).encode()
    expect(arrived, "the spec byte for byte in the step", "another one")
    for name in PIPELINES:
        text = compile_pipeline(name, folder / f"{name}.yaml").read_text(encoding="utf-8")
        expect("exec-importer" in text, f"an importer of the spec in the pipeline {name}", "none")
    send = ["submit", "--spec", str(WORKED), "--host", "http://127.0.0.1:9", "--tracking-uri", "http://127.0.0.1:9"]
    send += ["--storage", "s3://bucket"]
    refusals = list(_refusals())
    for arguments, expected in refusals:
        status, message = _run(main, [*send, *arguments])
        expect(status == 1 and re.search(expected, message) is not None, f"{arguments} to be refused", message[-300:])
    return f"{len(ODD)} odd characters arrived under kfp.local; {len(refusals)} parameters refused by option"


def _refusals() -> Iterator[tuple[list[str], str]]:
    good = ["--specs", "s3://bucket/specs"]
    yield ["--specs", ""], "error: --specs: expected an address"
    yield ["--specs", "s3://key:secret@bucket/x"], "without a password; found 'bucket/x'"
    yield [*good, "--data", "s3://{{$.pipeline_job_uuid}}"], "error: --data: expected a text without"
    yield [*good, "--data", "s3://" + "x" * 10_000], "characters together"
    yield [*good, "--run-name", "{{workflow.name}}"], "error: --run-name: expected"
    yield [*good, "--node-selector", '{"a": "{{$}}"}'], "error: --node-selector: expected a text without"


def _models(folder: Path) -> str:
    from mlflow import MlflowClient

    from serving.__main__ import main
    from serving.versions.registry import Registry

    uri, names = f"sqlite:///{folder}/mlflow.db", [f"model-{number:03}" for number in range(103)]
    client = MlflowClient(uri, uri)
    for name in names:
        client.create_registered_model(name)
    for number in range(3):
        client.create_model_version("model-102", f"file:///nowhere/{number}", tags={"gate": "hold"})
    found = Registry(uri).names()
    expect(found == names, f"{len(names)} models", len(found))
    _, message = _run(main, ["versions", "--tracking-uri", uri, "--state", str(folder / "state")])
    expect("model-102" in message, "a command that knows the last model", message[-200:])
    search = MlflowClient.search_model_versions
    MlflowClient.search_model_versions = lambda *given, **named: search(*given, **{"max_results": 2, **named})
    try:
        versions = Registry(uri).versions("model-102")
    finally:
        MlflowClient.search_model_versions = search
    expect(versions == ["1", "2", "3"], "every version, two to a page", versions)
    expect(Registry(uri).versions("o'brien") == [], "no version of a name with a quote", "some")
    return f"{len(found)} models and {len(versions)} versions over several pages"


FAULTS = (
    Fault(5, "a spec names no column that the served log, a request or our own tables have", _names),
    Fault(9, "a value of a spec has one meaning and its own type, and nothing in it expands without end", _values),
    Fault(10, "any spec reaches the steps unchanged; other parameters do too, or are refused", _handed),
    Fault(11, "every model and version of a registry is seen", _models),
)
