"""Columns of joined rows, and the SQL that makes them from lines and parts of the served log."""

from collections.abc import Mapping
from dataclasses import dataclass

from models.columns import FEATURES, PROBABILITIES, PROBABILITY
from models.features import impression_features
from models.parquet import json_lines_source, parquet_files_source
from models.served import model_name
from models.spec import Spec
from models.sql import identifier, literal

KEY = "_key"
"""Column that tells a candidate from all others: its impression id, or slate and rank of older rows without one.

A name of a spec begins with a letter."""
TORN = "_torn"
"""Column that says whether a line could not be read."""
_NEEDED = ("served", "slate", "rank", "item", "member", PROBABILITIES, FEATURES)
"""Fields without which a line is not one."""
_LINE = {
    **{"served": "BIGINT", "request": "VARCHAR", "slate": "BIGINT", "as_of": "BIGINT", "member": "VARCHAR"},
    **{"member_cold": "BOOLEAN", "surface": "VARCHAR", "model": "VARCHAR", "model_version": "VARCHAR"},
    **{"fallback": "BOOLEAN", "stale": "VARCHAR[]", "latency": "DOUBLE", "rank": "INTEGER", "impression": "VARCHAR"},
    **{"item": "VARCHAR", "cold": "BOOLEAN", "score": "DOUBLE", "propensity": "DOUBLE"},
}
"""Fields of a line and their types; a value of another type is null."""


@dataclass(frozen=True)
class Columns:
    """Columns of a product's served rows, and their DuckDB types."""

    model: str
    """The registered model, whose rows are taken."""
    slate: Mapping[str, str]
    """Of the slate and of the candidate."""
    probabilities: Mapping[str, str]
    features: Mapping[str, str]

    @classmethod
    def of(cls, spec: Spec) -> "Columns":
        """The columns of a spec."""
        shown = spec.impressions
        member, item = (
            "VARCHAR" if spec.nodes[role.node].key_type == "string" else "BIGINT" for role in (shown.member, shown.item)
        )
        slate = {
            **{"served": "BIGINT", "slate": "VARCHAR", "impression": "VARCHAR", "member": member, "item": item},
            **{"surface": "VARCHAR", "model_version": "VARCHAR", "position": "INTEGER", "fallback": "BOOLEAN"},
            **{"member_cold": "BOOLEAN", "item_cold": "BOOLEAN", "stale": "VARCHAR", "score": "DOUBLE"},
            **{"propensity": "DOUBLE", "as_of": "BIGINT", "latency": "DOUBLE"},
        }
        ours = {*slate, *(f"{name}_{task}" for name in ("label", "happened") for task in spec.tasks)}
        features = {one.name: "FLOAT" if one.kind == "number" else "VARCHAR" for one in impression_features(spec)}
        return cls(
            model_name(spec),
            slate,
            {f"{PROBABILITY}{task}": "DOUBLE" for task in spec.tasks},
            {name: kind for name, kind in features.items() if name not in ours},
        )

    @property
    def every(self) -> dict[str, str]:
        """All columns in order."""
        return {**self.slate, **self.probabilities, **self.features}

    def of_lines(self, files: list[str]) -> str:
        """Rows of files of JSON lines: ``every``, KEY and TORN."""
        columns = {
            **_LINE,
            PROBABILITIES: _struct({name.removeprefix(PROBABILITY): kind for name, kind in self.probabilities.items()}),
            FEATURES: _struct(self.features),
        }
        of_line = {
            "slate": "CASE WHEN impression IS NULL THEN served || ' ' || slate || ' ' || request "
            "ELSE regexp_replace(impression, '/[^/]*$', '') END",
            "position": '"rank"',
            "item_cold": "cold",
            "stale": "coalesce(array_to_string(stale, ','), '')",
            **{name: f"{PROBABILITIES}.{identifier(name.removeprefix(PROBABILITY))}" for name in self.probabilities},
            **{name: f"{FEATURES}.{identifier(name)}" for name in self.features},
        }
        torn = " OR ".join(f"{identifier(name)} IS NULL" for name in _NEEDED)
        return (
            f"SELECT {self._cast(of_line)}, {_key('served || ' + literal(' ') + ' || slate')} AS {KEY}, {TORN} FROM ("
            f"SELECT *, {torn} AS {TORN} FROM {json_lines_source(files, columns)}) "
            f"WHERE model = {literal(self.model)} OR ({TORN} AND model IS NULL)"
        )

    def of_parts(self, files: list[str], present: Mapping[str, str]) -> str:
        """Rows of Parquet parts, as those of lines. ``present``: the columns that some part has, and their types."""
        of_part = {name: _scalar(name, present.get(name, "")) for name in self.every}
        of_part["stale"] = (
            "coalesce(array_to_string(json_extract_string(TRY_CAST(stale AS JSON), '$[*]'), ','), '')"
            if "stale" in present
            else "''"
        )
        torn = "served IS NULL OR item IS NULL OR member IS NULL"
        impression = "impression" if "impression" in present else "NULL::VARCHAR"
        return (
            f"SELECT {self._cast(of_part)}, coalesce({impression}, slate || '/' || position) AS {KEY}, "
            f"{torn} AS {TORN} FROM {parquet_files_source(files)}"
        )

    def none(self) -> str:
        """No rows, with the columns of ``of_lines``."""
        nothing = ", ".join(f"NULL::{kind} AS {identifier(name)}" for name, kind in self.every.items())
        return f"SELECT {nothing}, NULL::VARCHAR AS {KEY}, NULL::BOOLEAN AS {TORN} WHERE false"

    def _cast(self, expressions: Mapping[str, str]) -> str:
        return ", ".join(
            f"TRY_CAST({expressions.get(name, identifier(name))} AS {kind}) AS {identifier(name)}"
            for name, kind in self.every.items()
        )


def _scalar(name: str, kind: str) -> str:
    """A column of parts; where its values were of several types they are JSON texts (``models.served_parts``)."""
    if not kind:
        return "NULL"
    column = identifier(name)
    if kind != "VARCHAR":
        return column
    text = (
        f"CASE WHEN {column} LIKE '\"%\"' THEN coalesce(json_extract_string(TRY_CAST({column} AS JSON), '$'), {column})"
    )
    return f"{text} ELSE {column} END"


def _struct(fields: Mapping[str, str]) -> str:
    """A type with these fields, one at least."""
    return f"STRUCT({', '.join(f'{identifier(name)} {kind}' for name, kind in (fields or {'none': 'DOUBLE'}).items())})"


def _key(slate: str) -> str:
    return f"coalesce(impression, {slate} || ' ' || request || '/' || \"rank\")"
