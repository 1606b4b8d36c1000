"""Entry point of the stock `feast` command: the definitions of the spec that was applied last.

Spec and tables come from `state/feast/applied.json` (HELIOGRAPH_STATE names another state folder) or, both set, from
the variables HELIOGRAPH_SPEC and HELIOGRAPH_TABLES. The work happens at import time, as Feast requires.
"""

from feature_repo.applied import current
from feature_repo.definitions import build
from feature_repo.views.errors import NotAppliedError
from feature_repo.views.pushed import prepare
from models.spec import SpecError

try:
    _applied = current()
except (NotAppliedError, SpecError) as error:
    raise SystemExit(str(error)) from None  # one line in the shell instead of a traceback
prepare(_applied.spec, _applied.pushed)
for _object in build(_applied.spec, _applied.tables, _applied.pushed):
    globals()[f"{type(_object).__name__}_{_object.name}"] = _object
