"""Everything that answers, into memory: bundle, store, served log. The same for every runtime; knows no server."""

from pathlib import Path

from models.features import SLOTS
from serving.answering import Answering
from serving.bundle import read_spec
from serving.prior import FILE, Prior
from serving.served import ServedLog
from serving.service import RankingService
from serving.settings import Settings


def load(settings: Settings) -> Answering:
    """Load and warm the model of the settings; ``Answering.start`` then waits for the store, in the caller's loop."""
    import torch

    from feature_repo.push import slot_of
    from serving.reader import OnlineReader
    from serving.scorer import Scorer

    torch.set_num_threads(1)  # slates are small and come side by side
    bundle, limits = Path(settings.bundle), settings.limits
    spec = read_spec(bundle)
    store = Path(settings.store_config)
    # Where nothing was pushed yet every member is answered cold, from whichever slot.
    slot = settings.slot or slot_of(store.parent.parent, settings.version) or SLOTS[0]
    reader = OnlineReader(store, spec, slot, limits.store_seconds)
    service = RankingService(spec, Scorer(bundle), reader, settings.version, Prior.read(bundle / FILE))
    service.warm()
    return Answering(settings.name, service, ServedLog(Path(settings.served), settings.name), limits)
