"""What a server process is told, as a JSON file."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from serving.settings.limits import Limits
from serving.settings.private import write_private


@dataclass(frozen=True)
class Settings:
    """One server of one version. Paths are absolute."""

    name: str
    """Model name in the endpoint's addresses."""
    version: str
    bundle: str
    """Folder of the bundle; it is verified whenever it is loaded."""
    store_config: str
    """A feature_store.yaml with absolute paths."""
    served: str
    """Folder of the served log."""
    port: int
    grpc_port: int
    host: str = "127.0.0.1"
    """Address that both ports are bound to; the default is reached from this machine only."""
    limits: Limits = field(default_factory=Limits)
    token_file: str = ""
    """A file with the token that callers must show; "" = none, unless the environment has one (``serving.settings.token``)."""

    digest: str = ""
    """Of the bundle, as the registry had it when the version was put up: checked at every load. "" = not told (of an
    older release): the bundle is checked against its own manifest alone."""
    verify_key: str = ""
    """The key that the version must be signed with, unless the environment says another (``serving.versions.signing``)."""
    slot: str = ""
    """Where the store holds the version's vectors (``models.features.SLOTS``); "" = looked up beside the store."""

    def write(self, path: Path) -> None:
        """As JSON, for its owner alone."""
        write_private(path, json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> "Settings":
        """Back from JSON."""
        document = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**document, "limits": Limits(**document["limits"])})
