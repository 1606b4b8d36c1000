"""A bundle with another calibration: a whole one, on the same vectors."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from models.calibration import Calibration, Platt
from models.training.artifact import change_calibration, load_model, save_model
from models.training.encoder import encoder_in
from serving.errors import RegistryError
from serving.versions.bundle import read_bundle, write_bundle
from serving.versions.recalibrated import calibration_of, recalibrated_bundle
from tests.serving.world import DOCUMENT, tiny_graph, tiny_model, world_spec

SPEC = world_spec()
NEW = Calibration({"click": Platt(0.9, -0.4), "dwell": Platt()})
VERDICT = {"decision": "promote", "reasons": ["Better."], "versions": {"champion": "1"}}


@pytest.mark.parametrize("refit", [False, True])
def test_only_the_calibration_and_what_is_said_about_it_change(refit: bool, tmp_path: Path) -> None:
    artifact = save_model(tiny_model(tiny_graph(SPEC)), tmp_path / "model")
    metrics = {"test": {"rows": 120}, "gate": {"decision": "promote", "reasons": []}}
    before = write_bundle(
        artifact, SPEC, metrics, {"tables": "aa"}, tmp_path / "before", None, artifact if refit else None, {"of": "1"}
    )
    facts = {"version": "1", "rows": 10}
    after = recalibrated_bundle(before, NEW, VERDICT, facts, tmp_path / "after", {"of": "2"})
    old, new = read_bundle(before), read_bundle(after)
    assert {name for name in new.files if new.files[name] != old.files.get(name)} == {
        "calibration.json", "training.json", "manifest.json", "metrics.json", "MODEL_CARD.md", "profile.json",
    }  # fmt: skip
    assert new.files.keys() == old.files.keys()
    assert encoder_in(after) == encoder_in(before)
    assert load_model(after).calibration == calibration_of(new) == NEW != calibration_of(old)
    assert load_model(after).training["recalibrated"] == facts
    assert json.loads(new.files["metrics.json"]) == {"test": {"rows": 120}, "gate": VERDICT}
    assert json.loads(new.files["profile.json"]) == {"of": "2"}
    without = recalibrated_bundle(before, NEW, VERDICT, facts, tmp_path / "without")
    assert "profile.json" not in read_bundle(without).files  # the champion's is about other probabilities
    with pytest.raises(RegistryError, match="expected no such folder"):
        recalibrated_bundle(before, NEW, VERDICT, facts, after)


def test_a_bundle_that_was_changed_is_refused(tmp_path: Path) -> None:
    artifact = save_model(tiny_model(tiny_graph(SPEC)), tmp_path / "model")
    before = write_bundle(artifact, SPEC, {}, {}, tmp_path / "before")
    (before / "calibration.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RegistryError, match="sha256"):
        recalibrated_bundle(before, NEW, VERDICT, {}, tmp_path / "after")
    assert not (tmp_path / "after").exists()


def test_the_card_speaks_of_the_new_calibration(tmp_path: Path) -> None:
    """On served outcomes probabilities that were relative become those of the product."""
    spec = world_spec(impressions={**DOCUMENT["impressions"], "sample_negatives": {}})
    artifact = save_model(tiny_model(tiny_graph(SPEC)), tmp_path / "model")
    change_calibration(artifact, replace(NEW, relative=("click",)))
    before = write_bundle(artifact, spec, {}, {}, tmp_path / "before")
    after = recalibrated_bundle(before, NEW, VERDICT, {}, tmp_path / "after")
    cards = [read_bundle(folder).files["MODEL_CARD.md"].decode() for folder in (before, after)]
    assert ["Probabilities of `click` are relative" in card for card in cards] == [True, False]
