"""The tiny professional network that many tests share."""

from pathlib import Path

import pytest
import yaml

from feature_repo.sources import ingest
from models.spec import Spec, parse_spec

PROFESSIONAL = Path(__file__).parent.parent / "configs" / "professional.yaml"


@pytest.fixture(scope="session")
def tiny_spec() -> Spec:
    """The default spec with a tiny world (6 thousand impressions) and a model that trains in seconds."""
    document = yaml.safe_load(PROFESSIONAL.read_text(encoding="utf-8"))
    document["source"]["options"]["size"] = "tiny"
    document["model"] = {"width": 16, "graph_tokens": 2, "activities": 8}
    document["training"] = {"epochs": 1}
    return parse_spec(yaml.safe_dump(document, sort_keys=False), "professional.yaml (tiny)")


@pytest.fixture(scope="session")
def tiny_tables(tiny_spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny world's canonical tables. Shared: read only."""
    folder = tmp_path_factory.mktemp("tiny") / "tables"
    ingest(tiny_spec, None, folder)
    return folder
