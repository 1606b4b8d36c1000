"""What is no verdict lets nothing out."""

import json
from pathlib import Path

import pytest

from serving.deployment.errors import VerdictError
from serving.deployment.verdict import check_verdict


@pytest.mark.parametrize("gate", [None, {}, {"decision": 1}, "promote", ["promote"]])
def test_what_is_no_verdict_lets_nothing_out(tmp_path: Path, gate: object) -> None:
    for document in ({"gate": gate}, [gate]):
        (tmp_path / "metrics.json").write_text(json.dumps(document), encoding="utf-8")
        with pytest.raises(VerdictError, match="expected the gate's verdict in its bundle; found none"):
            check_verdict("1", tmp_path)
