"""Loading of everything a server needs: bundle, store, served log. Independent of the server around it."""

import logging
from pathlib import Path

from serving.errors import EndpointError, UnavailableError
from serving.ranking.service import RankingService
from serving.server.ranking_runtime import RankingRuntime
from serving.server.served_files import ServedFiles
from serving.server.served_log import ServedLog
from serving.settings.settings import Settings
from serving.versions.bundle import Bundle, read_bundle
from serving.versions.signing import check_signature, verify_key

_log = logging.getLogger("heliograph")


def load(settings: Settings) -> RankingRuntime:
    """Load and warm up the model of the settings; then await ``RankingRuntime.start`` in the server's event loop.

    Raises RegistryError for a bundle with another digest than the settings', or without a required signature;
    EndpointError if the online store does not hold the version's vectors: it would treat every member as new. While the
    store does not respond the server is not ready, and ranks by popularity.
    """
    bundle = verified(settings)  # before the slow imports
    import torch

    from serving.ranking.late_reader import LateReader
    from serving.ranking.reader import OnlineReader
    from serving.ranking.scorer import Scorer

    torch.set_num_threads(1)  # slates are small and scored concurrently
    limits, spec = settings.limits, bundle.spec

    def open_reader() -> OnlineReader:
        slot = slot_with_vectors(settings, bundle)
        return OnlineReader(Path(settings.store_config), spec, slot, limits.store_seconds)

    reader: OnlineReader | LateReader
    try:
        reader = open_reader()
    except UnavailableError as error:
        _log.warning("not ready until the online store responds: %s", error)
        reader = LateReader(open_reader)
    scorer = Scorer(bundle.folder, bundle.files)
    service = RankingService(spec, scorer, reader, settings.version, bundle.prior)
    service.warm()
    return RankingRuntime(settings.name, service, ServedLog(ServedFiles(Path(settings.served)), settings.name), limits)


def slot_with_vectors(settings: Settings, bundle: Bundle) -> str:
    """The slot that holds the vectors of the settings' version, made by the bundle's own encoder.

    It does not change while the version serves: the slot table protects it. Raises EndpointError if there is none,
    UnavailableError if the store does not respond.
    """
    from feature_repo.notes import NotesError
    from feature_repo.slots import PushError, check_pushed, read_slots
    from feature_repo.store import open_notes, project_of
    from feature_repo.views.errors import NotAppliedError
    from models.training.encoder import encoder_of

    try:
        notes = open_notes(Path(settings.store_config), None, project_of(bundle.spec.name))
        slot = check_pushed(notes, settings.version)
        found, expected = read_slots(notes)[slot].encoder, encoder_of(bundle.files)
    except NotesError as error:
        raise UnavailableError(str(error)) from error
    except (NotAppliedError, PushError) as error:
        raise EndpointError(f"{settings.name} version {settings.version}: {error}") from error
    if found != expected:
        raise EndpointError(
            f"{settings.name} version {settings.version}: expected vectors of its own encoder, {expected[:12]}...; "
            f"found those of {found[:12]}... in slot {slot}. Push the version's vectors again (pipeline refresh)"
        )
    return slot


def verified(settings: Settings) -> Bundle:
    """Read the bundle of the settings once and verify digest and signature. Raises RegistryError if either fails."""
    if not settings.digest:
        _log.warning(
            "the settings have no digest: the bundle is checked against its own manifest only; deploy it again"
        )
    bundle = read_bundle(Path(settings.bundle), settings.digest)
    key = verify_key(settings.verify_key)
    check_signature(settings.name, settings.version, bundle.digest, bundle.signature, key)
    return bundle
