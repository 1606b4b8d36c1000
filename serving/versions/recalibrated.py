"""The bundle of a version that differs from another one in its calibration alone."""

import json
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from models.calibration import Calibration
from models.files import new_folder
from serving.errors import RegistryError
from serving.versions.bundle import JUDGED, MANIFEST, PROFILE, Bundle, profile_bytes, read_bundle
from serving.versions.card import model_card


def calibration_of(bundle: Bundle) -> Calibration:
    """The calibration of the weights that serve."""
    return Calibration.from_json(json.loads(bundle.files["calibration.json"]))


def recalibrated_bundle(
    before: Path,
    calibration: Calibration,
    verdict: Mapping[str, Any],
    facts: Mapping[str, Any],
    folder: Path,
    profile: Mapping[str, Any] | None = None,
) -> Path:
    """Write the bundle ``before`` with another calibration to a new ``folder``, atomically; return ``folder``.

    Weights, configuration, spec and prior keep their bytes, so the version shares the vectors. The figures of
    ``metrics.json`` stay those of the weights; its entry ``gate`` is ``verdict``, on the new calibration. ``facts``
    about what fitted it are kept in ``training.json``. ``profile``: that of the new version; None = it has none.
    Raises RegistryError for a bundle that was changed, or where ``folder`` exists.
    """
    bundle = read_bundle(before)
    metrics = {**json.loads(bundle.files["metrics.json"]), "gate": dict(verdict)}
    files = {**bundle.files, **_artifact(bundle, calibration, facts), "metrics.json": _json(metrics)}
    files.pop(PROFILE, None)
    files |= {} if profile is None else {PROFILE: profile_bytes(profile)}
    training = json.loads(files["training.json"])
    kept = files.get(f"{JUDGED}/training.json")
    card = model_card(
        bundle.spec,
        metrics,
        json.loads(files["data.json"]),
        training,
        calibration,
        None if kept is None else json.loads(kept),
    )
    files["MODEL_CARD.md"] = card.encode()
    digests = {name: sha256(content).hexdigest() for name, content in files.items()}
    try:
        with new_folder(folder) as draft:
            for name, content in {**files, MANIFEST: _json({"format": 1, "files": digests})}.items():
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                (draft / name).write_bytes(content)
    except FileExistsError as error:
        raise RegistryError(str(error)) from None
    return folder


def _artifact(bundle: Bundle, calibration: Calibration, facts: Mapping[str, Any]) -> dict[str, bytes]:
    """The model artifact of a bundle with another calibration, by file."""
    from models.training.artifact import MANIFEST as ARTIFACT
    from models.training.artifact import change_calibration

    names = [ARTIFACT, *json.loads(bundle.files[ARTIFACT])["files"]]
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        model.mkdir()
        for name in names:
            (model / name).write_bytes(bundle.files[name])
        change_calibration(model, calibration, recalibrated=dict(facts))
        return {name: (model / name).read_bytes() for name in names}


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True).encode()
