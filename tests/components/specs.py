"""The spec as a KFP artifact."""

from pathlib import Path

from kfp import dsl

from components.specs import write_spec
from models.spec import Spec


def artifact(spec: Spec, folder: Path) -> dsl.Artifact:
    return dsl.Artifact(name="spec", uri=write_spec(spec, str(folder / "specs")))
