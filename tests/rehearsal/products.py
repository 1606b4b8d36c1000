"""The tiny product that is rehearsed: the default spec with a small world, and a gate that lets every model through."""

from pathlib import Path

import yaml

from models.spec import Spec, parse_spec

_PROFESSIONAL = Path(__file__).resolve().parents[2] / "configs" / "professional.yaml"


def tiny_product(name: str, seed: int) -> Spec:
    """Six thousand impressions and a model that trains in seconds; two seeds give two models of one world."""
    document = yaml.safe_load(_PROFESSIONAL.read_text(encoding="utf-8"))
    document["name"] = name
    document["source"]["options"]["size"] = "tiny"
    document["model"] = {"width": 16, "graph_tokens": 2, "activities": 8}
    document["training"] = {"epochs": 1, "seed": seed}
    margins = dict.fromkeys(("margin", "floor_margin", "other_margin"), 0.45)
    bounds = {"ece": 1.0, "mean_ratio": [0.001, 1000.0], "surface_ratio": [0.001, 1000.0], "bootstraps": 50}
    document["gate"] = {**document.get("gate", {}), **margins, **bounds}
    return parse_spec(yaml.safe_dump(document, sort_keys=False), f"{name} (tiny)")


def write_spec(spec: Spec, folder: Path) -> Path:
    """Write the spec to a file that ``--spec`` takes; return its path."""
    path = folder / f"{spec.name}-{spec.training.seed}.json"
    path.write_text(spec.model_dump_json(by_alias=True), encoding="utf-8")
    return path
