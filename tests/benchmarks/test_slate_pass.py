import json
from collections.abc import Iterator

import pytest
import torch

from benchmarks.slate_pass import as_sequences, in_one_pass, main, request
from models.nn.history.transformer import HistoryTransformer


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Torch's threads are those of the process: the command sets them."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_history_has_ties_and_settled_actions_among_later_impressions() -> None:
    asked = request(40, 3, 8, "cpu")
    assert (asked.tokens.shape, asked.candidates.shape) == ((1, 80, 8), (1, 3, 8))
    shown, settled = asked.time[0].split(40)
    assert len(shown.unique()) == 4
    assert settled.min() < shown.max() < settled.max() < asked.now


@torch.no_grad()
def test_both_score_the_same_candidates() -> None:
    model, asked = HistoryTransformer(8, 2, 2, 0.0, "rope", 41).eval(), request(20, 5, 8, "cpu")
    found = in_one_pass(model, asked)
    assert found.shape == (5, 8)
    torch.testing.assert_close(found, as_sequences(model, asked))


def test_the_last_line_has_figures_and_bars(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = "--impressions 12 --candidates 3 --width 8 --layers 2 --heads 2 --pairs 1"
    monkeypatch.setattr("sys.argv", ["slate_pass", *small.split()])
    status = main()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert status == (1 if found["broken"] else 0)
    assert found["12 impressions: bytes a member, keys and values, float32"] == 2 * 2 * 24 * 8 * 4
    assert found["12 impressions: bytes a member, tokens, float16"] == 24 * 8 * 2
    assert found["bars"]["12 impressions: the same to 1e-06"]
    assert found["bars"]["50 impressions: the same to 1e-06"]


@pytest.mark.parametrize("wrong", [["--impressions", "0"], ["--pairs", "-1"], ["--device", "nowhere"]])
def test_wrong_options_are_named(
    wrong: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["slate_pass", *wrong])
    with pytest.raises(SystemExit):
        main()
    assert f"{wrong[0]}: expected" in capsys.readouterr().err
