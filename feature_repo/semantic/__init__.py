"""Semantic IDs of the spec's blocks: vectors by cut, the kept quantizer, and the tables of codes."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from feature_repo.semantic.codes import codes
from feature_repo.semantic.kept import KeptQuantizers
from models.spec import Spec
from models.spec.semantic_ids import semantic_table


def semantic_tables(
    spec: Spec, tables: Mapping[str, pd.DataFrame], kept: str | None
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The table of every block by name, and what the manifest says of each block.

    ``tables``: the canonical tables; ``kept``: the address below which quantizers are kept from one ingest to the next.
    Raises SemanticError.
    """
    store = KeptQuantizers(kept)
    found = {name: codes(spec, name, tables, store) for name in spec.semantic_ids}
    frames = {semantic_table(name): frame for name, (frame, _) in found.items()}
    return frames, {name: facts for name, (_, facts) in found.items()}
