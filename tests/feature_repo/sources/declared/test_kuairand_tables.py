"""KuaiRand by the YAML alone reaches the tables of its adapter, but for the lists of the past."""

from pathlib import Path

import pandas as pd

from feature_repo.sources import read_table
from feature_repo.sources.adapters import check
from feature_repo.sources.ingest import ingest
from models.spec import load_spec
from tests.feature_repo.sources.fakes import kuairand_folder

CONFIGS = Path(__file__).parents[4] / "configs"
KEYS = {"impressions": ["user_id", "video_id", "time"], "members": ["user_id"], "videos": ["video_id"]}
KEYS |= {"video_author": ["video_id"], "video_tag": ["video_id", "tag"]}


def test_the_tables_are_those_of_the_adapter(tmp_path: Path) -> None:
    raw = kuairand_folder(tmp_path / "raw")
    for name in ("kuairand", "kuairand_tables"):
        spec = load_spec(CONFIGS / f"{name}.yaml")
        check(spec)
        ingest(spec, raw, tmp_path / name)
    for table, keys in KEYS.items():
        ours, theirs = (
            read_table(tmp_path / name, table).sort_values(keys, ignore_index=True)
            for name in ("kuairand_tables", "kuairand")
        )
        common = [column for column in theirs if column in ours and column not in ("impression_id", *late(table))]
        assert len(common) >= len(keys) + 1
        pd.testing.assert_frame_equal(ours[common], theirs[common], check_dtype=False, rtol=1e-6)


def late(table: str) -> list[str]:
    """What differs, since rows before the first day are rows like others here."""
    return ["seconds_since_last_log", "seen_before"] if table == "impressions" else []
