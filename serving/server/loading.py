"""Loading of everything a server needs: bundle, store, served log. Independent of the server around it."""

import logging
from pathlib import Path

from models.features import SLOTS
from serving.ranking.service import RankingService
from serving.server.ranking_runtime import RankingRuntime
from serving.server.served_files import ServedFiles
from serving.server.served_log import ServedLog
from serving.settings.settings import Settings
from serving.versions.bundle import Bundle, read_bundle
from serving.versions.prior import FILE, Prior
from serving.versions.signing import check_signature, verify_key


def load(settings: Settings) -> RankingRuntime:
    """Load and warm up the model of the settings; then await ``RankingRuntime.start`` in the server's event loop.

    Raises RegistryError for a bundle with another digest than the settings', or without a required signature.
    """
    bundle = verified(settings)  # before the slow imports
    import torch

    from feature_repo.push import slot_of
    from serving.ranking.reader import OnlineReader
    from serving.ranking.scorer import Scorer

    torch.set_num_threads(1)  # slates are small and scored concurrently
    limits, spec = settings.limits, bundle.spec
    store = Path(settings.store_config)
    # If nothing was pushed yet, every member is cold whatever the slot.
    slot = settings.slot or slot_of(store.parent.parent, settings.version) or SLOTS[0]
    reader = OnlineReader(store, spec, slot, limits.store_seconds)
    scorer, prior = Scorer(bundle.folder, bundle.files), Prior.read(bundle.files[FILE])
    service = RankingService(spec, scorer, reader, settings.version, prior)
    service.warm()
    return RankingRuntime(settings.name, service, ServedLog(ServedFiles(Path(settings.served)), settings.name), limits)


def verified(settings: Settings) -> Bundle:
    """Read the bundle of the settings once and verify digest and signature. Raises RegistryError if either fails."""
    if not settings.digest:
        logging.getLogger("heliograph").warning(
            "the settings have no digest: the bundle is checked against its own manifest only; deploy it again"
        )
    bundle = read_bundle(Path(settings.bundle), settings.digest)
    key = verify_key(settings.verify_key)
    check_signature(settings.name, settings.version, bundle.digest, bundle.signature, key)
    return bundle
