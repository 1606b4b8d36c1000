import json

import pytest

from monitoring.errors import VerdictError
from monitoring.verdict import ACTIONS, EXIT_CODES, Alarm, State, Verdict

ALARM = Alarm("features", "features.null", "country", "country: 30 % without a value", State.DATA_FAULT, {"share": 0.3})


def test_a_verdict_survives_json():
    verdict = Verdict(State.DATA_FAULT, ALARM.cause, "2026-04-01", "2026-04-02", (ALARM,), "freeze", {"champion": "3"})

    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


@pytest.mark.parametrize("document", [{}, {"state": "fine"}, {"evidence": [{}], "state": "healthy"}])
def test_anything_else_is_refused(document):
    with pytest.raises(VerdictError, match="expected what Verdict"):
        Verdict.from_json(document)


def test_every_state_has_an_exit_code_and_an_action():
    assert set(EXIT_CODES) == set(ACTIONS) == set(State)
    assert sorted(EXIT_CODES.values()) == [0, 10, 11, 12, 13, 14]
