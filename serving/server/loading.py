"""Everything that answers, into memory: bundle, store, served log. The same for every runtime; knows no server."""

import logging
from pathlib import Path

from models.features import SLOTS
from serving.ranking.service import RankingService
from serving.server.ranking_runtime import RankingRuntime
from serving.server.served_log import ServedLog
from serving.settings.settings import Settings
from serving.versions.bundle import Bundle, read_bundle
from serving.versions.prior import FILE, Prior
from serving.versions.signing import check_signature, verify_key


def load(settings: Settings) -> RankingRuntime:
    """Load and warm the model of the settings; ``RankingRuntime.start`` then waits for the store, in the caller's loop.

    Raises RegistryError for a bundle that is not the one that was put up, or not signed as it must be.
    """
    bundle = verified(settings)  # before anything slow
    import torch

    from feature_repo.push import slot_of
    from serving.ranking.reader import OnlineReader
    from serving.ranking.scorer import Scorer

    torch.set_num_threads(1)  # slates are small and come side by side
    limits, spec = settings.limits, bundle.spec
    store = Path(settings.store_config)
    # Where nothing was pushed yet every member is answered cold, from whichever slot.
    slot = settings.slot or slot_of(store.parent.parent, settings.version) or SLOTS[0]
    reader = OnlineReader(store, spec, slot, limits.store_seconds)
    scorer, prior = Scorer(bundle.folder, bundle.files), Prior.read(bundle.files[FILE])
    service = RankingService(spec, scorer, reader, settings.version, prior)
    service.warm()
    return RankingRuntime(settings.name, service, ServedLog(Path(settings.served), settings.name), limits)


def verified(settings: Settings) -> Bundle:
    """The bundle of the settings, read once; nothing of its folder is looked at after that. Raises RegistryError."""
    if not settings.digest:
        logging.getLogger("heliograph").warning(
            "the settings name no digest: the bundle is checked against its own manifest alone; put it up again"
        )
    bundle = read_bundle(Path(settings.bundle), settings.digest)
    key = verify_key(settings.verify_key)
    check_signature(settings.name, settings.version, bundle.digest, bundle.signature, key)
    return bundle
