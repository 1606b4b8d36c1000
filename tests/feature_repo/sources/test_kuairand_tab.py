"""The option ``tab`` of the adapter ``kuairand``."""

from pathlib import Path

import numpy as np
import pytest

from feature_repo.sources import check, read_table
from feature_repo.sources.errors import SourceError
from feature_repo.sources.ingest import ingest
from models.spec import load_spec
from tests.feature_repo.sources.fakes import kuairand_folder

SPEC = Path(__file__).parents[3] / "configs" / "kuairand.yaml"


def test_one_tab_knows_nothing_of_the_others(tmp_path: Path) -> None:
    spec = load_spec(SPEC)
    alone = spec.model_copy(update={"source": spec.source.model_copy(update={"options": {"tab": 4}})})
    ingest(alone, kuairand_folder(tmp_path / "raw"), tmp_path / "tables")
    shown = read_table(tmp_path / "tables", "impressions")
    assert shown[["impression_id", "user_id", "video_id", "surface"]].to_numpy().tolist() == [[2, 0, 1, "4"]]
    assert np.expm1(shown["exposures_last_day_log"]).tolist() == [0]
    assert not shown["seen_before"].any()
    assert not len(read_table(tmp_path / "tables", "history_watch"))
    with pytest.raises(SourceError, match=r"source.options.tab: expected a whole number; found 'x'"):
        check(spec.model_copy(update={"source": spec.source.model_copy(update={"options": {"tab": "x"}})}))
