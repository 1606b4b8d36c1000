"""Where a fit keeps its progress: a folder on this machine, and object storage that outlives the machine.

Training reads and writes the folder. Where there is an address, finished parts are copied there, and a machine with an
empty folder gets them back. A part is a folder with a file that is written last: one without it was cut off.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree

from models.storage import download, exists, is_remote, join, names, remove, upload

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CheckpointPlace:
    """A folder that all processes of a training see, and the address of its copy; empty = none."""

    folder: Path
    address: str = ""
    stays: bool = False
    """Whether ``clear`` leaves the copy there: the training's model is not yet where it has to be."""

    @classmethod
    def of(cls, given: "CheckpointPlace | Path | str | None", beside: Path) -> "CheckpointPlace":
        """The place at a local folder or an address; None, like an address, has ``checkpoint`` next to ``beside``."""
        if isinstance(given, CheckpointPlace):
            return given
        if given is None:
            return cls(beside.parent / "checkpoint")
        if is_remote(str(given)):
            return cls(beside.parent / "checkpoint", str(given))
        return cls(Path(given))

    def below(self, name: str) -> "CheckpointPlace":
        """A folder of this place."""
        return replace(self, folder=self.folder / name, address=self.address and join(self.address, name))

    def of_run(self, digest: str) -> "CheckpointPlace":
        """The same folder, with an address of the run's own: trainings on several machines share the one above it."""
        return replace(self, address=self.address and join(self.address, digest))

    def fetch(self, name: str, marker: str) -> None:
        """Copy a part from the address, unless the folder has it, or its file ``marker`` is not there."""
        if not self.address or (self.folder / name).exists():
            return
        if exists(join(self.address, name, marker)):
            download(join(self.address, name), self.folder / name)
            log.info("%s: the training continues from this copy", join(self.address, name))

    def send(self, name: str, marker: str, alone: bool = False) -> None:
        """Copy a part to the address, its file ``marker`` last; ``alone``: then remove what else is there.

        A failure is logged: it does not end the training.
        """
        if not self.address:
            return
        try:
            upload(self.folder / name, join(self.address, name), last=marker)
            for other in names(self.address) if alone else ():
                if other != name:
                    remove(join(self.address, other))
        except OSError as error:
            log.warning("%s: not copied, so that another machine would begin earlier: %s", self.address, error)

    def clear(self) -> None:
        """Remove everything, here and, unless the copy stays, at the address, where a failure is logged."""
        rmtree(self.folder, ignore_errors=True)
        if self.address and not self.stays:
            try:
                remove(self.address)
            except OSError as error:
                log.warning("%s: not removed: %s", self.address, error)
