"""A spec reaches a component unchanged, whatever its strings hold, under a real kfp.local."""

import json
from pathlib import Path

import pytest
from kfp import components, dsl, local
from kfp.compiler import Compiler

from components.image import component
from components.specs import read_spec, spec_at, write_artifact, write_spec
from models.spec import Spec, SpecError
from models.storage import join, names, write_bytes
from pipelines.resources import imported
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "s3_server"]

TEXTS = [
    "{{$}} {{$.pipeline_job_uuid}} {{$.inputs.parameters['spec']}} {{workflow.name}}",
    "$(id) `id` ${HOME} %s %d \\ \\n \" ' ; | & # /kfp-workspace",
    "\n\t\r \u2028 é 漢 𝔘 \u200b",
    "x" * 100_000,
]


@component
def copied(spec: dsl.Input[dsl.Artifact], out: str) -> None:
    """Write what the component read."""
    from components.specs import read_spec

    with open(out, "w", encoding="utf-8", newline="") as file:
        file.write(read_spec(spec).model_dump_json(by_alias=True))


@component
def ended(spec: str, status: dsl.PipelineTaskFinalStatus) -> None:
    """Take the address of the spec."""
    assert len(spec) < 1000


@dsl.pipeline(name="copy")
def copy(spec: str, out: str) -> None:
    """Import the spec as the real pipelines do."""
    with dsl.ExitHandler(ended(spec=spec), name="pipeline"):
        copied(spec=imported(spec), out=out)


def odd(spec: Spec) -> Spec:
    options = {f"text {place}": text for place, text in enumerate(TEXTS)}
    return spec.model_copy(update={"source": spec.source.model_copy(update={"options": options})})


def test_every_text_of_a_spec_arrives(tiny_spec: Spec, tmp_path: Path) -> None:
    spec, out = odd(tiny_spec), tmp_path / "out.json"
    Compiler().compile(copy, str(tmp_path / "copy.yaml"))
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"), raise_on_error=True)
    given = write_spec(spec, str(tmp_path / "the specs é"))
    components.load_component_from_file(str(tmp_path / "copy.yaml"))(spec=given, out=str(out))
    assert out.read_bytes() == spec.model_dump_json(by_alias=True).encode()


def test_equal_specs_are_one_file_and_others_are_another(tiny_spec: Spec, tmp_path: Path) -> None:
    first, again = (write_spec(tiny_spec, str(tmp_path)) for _ in range(2))
    other = write_spec(odd(tiny_spec), str(tmp_path))
    assert first == again != other
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(Path(file).name for file in (first, other))
    assert read_spec(dsl.Artifact(uri=other)) == odd(tiny_spec)


def test_a_large_spec_may_be_read_with_all_that_it_leaves_to_defaults(tiny_spec: Spec, tmp_path: Path) -> None:
    document = json.loads(tiny_spec.model_dump_json(by_alias=True))
    edge = next(iter(document["edges"].values()))
    document["edges"] |= {f"further_{number}": edge for number in range(400)}
    spec = Spec.model_validate(document)
    assert read_spec(dsl.Artifact(uri=write_spec(spec, str(tmp_path)))) == spec


def test_a_folder_that_takes_nothing_is_an_os_error(tiny_spec: Spec, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        write_spec(tiny_spec, str(tmp_path / "file" / "specs"))


def test_a_spec_that_a_step_wrote_is_checked_by_its_metadata(tiny_spec: Spec, tmp_path: Path) -> None:
    written = dsl.Artifact(name="resolved", uri=str(tmp_path / "ingest" / "resolved"))
    write_artifact(tiny_spec, written)
    assert read_spec(written) == tiny_spec
    Path(written.path).write_text(odd(tiny_spec).model_dump_json(by_alias=True), encoding="utf-8")
    with pytest.raises(SpecError, match="as its metadata says"):
        read_spec(written)
    with pytest.raises(SpecError, match="'resolved', as its name says"):
        read_spec(dsl.Artifact(name="resolved", uri=written.uri))


def test_a_spec_in_object_storage_is_one_file(tiny_spec: Spec, bucket: str) -> None:
    given = write_spec(tiny_spec, join(bucket, "specs"))
    assert given == write_spec(tiny_spec, f"{bucket}/specs/")
    assert names(join(bucket, "specs")) == [given.rpartition("/")[2]]
    assert spec_at(given) == tiny_spec
    write_bytes(given, b"{}")
    with pytest.raises(SpecError, match="as its name says"):
        spec_at(given)
    with pytest.raises(SpecError, match=r"s3://.*none.json.*found FileNotFoundError: no such file"):
        spec_at(f"{bucket}/none.json")
