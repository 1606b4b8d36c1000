"""Everything that answers, into memory: bundle, store, served log. The same for every runtime; knows no server."""

from pathlib import Path

from serving.answering import Answering
from serving.bundle import read_spec
from serving.prior import FILE, Prior
from serving.served import ServedLog
from serving.service import RankingService
from serving.settings import Settings


def load(settings: Settings) -> Answering:
    """Load and warm the model of the settings; ``Answering.start`` then waits for the store, in the caller's loop."""
    import torch

    from serving.reader import OnlineReader
    from serving.scorer import Scorer

    torch.set_num_threads(1)  # slates are small and come side by side
    bundle, limits = Path(settings.bundle), settings.limits
    spec = read_spec(bundle)
    reader = OnlineReader(Path(settings.store_config), spec, limits.store_seconds)
    service = RankingService(spec, Scorer(bundle), reader, settings.version, Prior.read(bundle / FILE))
    service.warm()
    return Answering(settings.name, service, ServedLog(Path(settings.served), settings.name), limits)
