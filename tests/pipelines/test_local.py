"""A local run whose runner fails, outside of the steps."""

from pathlib import Path

import pytest
from kfp import components

from pipelines.errors import RunError
from pipelines.local import _run


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            ValueError("a number\nthat is none"),
            "kfp: expected to run the steps; found ValueError: a number that is none",
        ),
        (RuntimeError("\x1b[31mtask failed\x1b[0m"), "task failed"),
    ],
)
def test_it_is_one_sentence_and_the_log_has_the_trace(
    error: Exception,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(**values: object) -> None:
        raise error

    monkeypatch.setattr(components, "load_component_from_file", lambda path: broken)
    with pytest.raises(RunError) as caught:
        _run(tmp_path / "pipeline.yaml", {}, tmp_path, tmp_path / "run.log")
    assert str(caught.value).startswith(message)
    assert f"Full log: {tmp_path / 'run.log'}" in str(caught.value)
    assert "Traceback" in (tmp_path / "run.log").read_text(encoding="utf-8")
    assert "".join(capsys.readouterr()) == ""
