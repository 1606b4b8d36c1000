"""Snapshots that are kept from one ingest to the next, by a digest of what they were fitted to.

They hold no rows of members, which every ingest makes anew, and no pair of items that only one member saw.
"""

import logging
from collections.abc import Callable

from feature_repo.collaborative.events import Pairs
from feature_repo.collaborative.snapshot import Snapshot, settings
from models.collaborative.plan import CollaborativePlan
from models.files import sha256_of_json
from models.storage import join, names, read_bytes, remove, write_bytes

_log = logging.getLogger(__name__)
_FORM = 3
"""Raised when snapshots are fitted in another way than by an earlier release."""
_FOLDER, _SUFFIX = "collaborative", ".safetensors"


class KeptSnapshots:
    """Snapshots below an address; None keeps nothing."""

    def __init__(self, address: str | None) -> None:
        self._address = None if address is None else join(address, _FOLDER)
        self._used: set[str] = set()
        self.fitted = 0
        """How many were fitted, since none was kept."""
        self.reused = 0

    def snapshot(self, plan: CollaborativePlan, pairs: Pairs, fit: Callable[[], Snapshot]) -> Snapshot:
        """The kept snapshot of these pairs, or what ``fit`` returns."""
        name = sha256_of_json({"form": _FORM, "plan": settings(plan), "pairs": pairs.digest}) + _SUFFIX
        found = self._read(name)
        if found is None:
            found = fit()
            self.fitted += 1
            self._write(name, found)
        else:
            self.reused += 1
        self._used.add(name)
        return found

    def remove_unused(self) -> None:
        """Remove the snapshots that this ingest did not ask for."""
        for name in names(self._address) if self._address is not None else []:
            if name.endswith(_SUFFIX) and name not in self._used:
                remove(join(str(self._address), name))

    def _read(self, name: str) -> Snapshot | None:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        if self._address is None:
            return None
        address = join(self._address, name)
        try:
            return Snapshot.from_arrays(load(read_bytes(address)))
        except FileNotFoundError:
            return None
        except (SafetensorError, KeyError, OSError) as error:
            _log.warning("%s: cannot be read (%s); the snapshot is fitted again", address, str(error)[:200])
            return None

    def _write(self, name: str, snapshot: Snapshot) -> None:
        from safetensors.numpy import save

        if self._address is not None:
            write_bytes(join(self._address, name), save(snapshot.to_arrays()))
