"""Entry point of the stock `feast` command: the definitions of the spec that was applied last.

They are read from the store that HELIOGRAPH_STORE (a feature_store.yaml) names, else from the embedded one of
HELIOGRAPH_STATE, in the project HELIOGRAPH_PROJECT; or spec and tables are named, both, by HELIOGRAPH_SPEC and
HELIOGRAPH_TABLES. The work happens at import time, as Feast requires.
"""

from feature_repo.applied import current
from feature_repo.definitions import build
from feature_repo.notes import NotesError
from feature_repo.views.errors import NotAppliedError
from feature_repo.views.pushed import prepare
from models.spec import SpecError

try:
    _applied = current()
except (NotAppliedError, NotesError, SpecError) as error:
    raise SystemExit(str(error)) from None  # one line in the shell instead of a traceback
prepare(_applied.spec, _applied.pushed)
for _object in build(_applied.spec, _applied.tables, _applied.pushed):
    globals()[f"{type(_object).__name__}_{_object.name}"] = _object
