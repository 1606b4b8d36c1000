"""Settings of one server process, stored as a JSON file."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from serving.errors import EndpointError
from serving.settings.limits import Limits
from serving.settings.private import write_private


@dataclass(frozen=True)
class Settings:
    """One server of one version. Paths are absolute."""

    name: str
    """Model name, as in the endpoint's addresses."""
    version: str
    bundle: str
    """Folder of the bundle, which is verified at every load."""
    store_config: str
    """A feature_store.yaml with absolute paths."""
    served: str
    """Folder of the served log."""
    port: int
    grpc_port: int
    host: str = "127.0.0.1"
    """Address that both ports are bound to; the default is reachable from this machine only."""
    limits: Limits = field(default_factory=Limits)
    token_file: str = ""
    """File with the API token; "" = no token, unless the environment has one (``serving.settings.token``)."""

    digest: str = ""
    """The bundle's digest in the registry at deployment, checked at every load. "" (settings of an older release): the
    bundle is checked against its own manifest only."""
    verify_key: str = ""
    """Public key that verifies the version's signature; the environment's goes first (``serving.versions.signing``)."""

    def write(self, path: Path) -> None:
        """Write as JSON, readable by the owner only."""
        write_private(path, json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> "Settings":
        """Read what ``write`` wrote. Raises EndpointError for settings of an older release."""
        document = json.loads(path.read_text(encoding="utf-8"))
        if unknown := sorted(set(document) - {one.name for one in fields(cls)}):
            raise EndpointError(
                f"{path}: expected settings of this release; found {', '.join(unknown)} of an older one. Start the "
                "endpoint anew: python -m serving down, then up"
            )
        return cls(**{**document, "limits": Limits(**document["limits"])})
