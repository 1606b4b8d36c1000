import torch

from models.nn.history.visibility import Ordered, before, earlier
from tests.models.nn.history.histories import random_history

TIME = torch.tensor([[7, 3, 99, 3, 5]])
MASK = torch.tensor([[True, True, False, True, True]])


def test_equal_times_share_a_place_and_padding_comes_first() -> None:
    ordered = Ordered.of(TIME, MASK)
    assert ordered.order.tolist() == [[2, 1, 3, 4, 0]]
    assert ordered.mask.tolist() == [[False, True, True, True, True]]
    assert ordered.place.tolist() == [[5, 0, 0, 2, 3]]


def test_a_token_at_the_first_moment_there_is() -> None:
    first = torch.iinfo(torch.int64).min
    ordered = Ordered.of(torch.tensor([[first, 4, first]]), torch.tensor([[True, True, False]]))
    assert sorted(ordered.place.flatten().tolist()) == [0, 1, 3]


def test_tokens_in_order_of_time_are_left_as_they_are() -> None:
    time, mask = torch.tensor([[0, 1, 1, 4]]), torch.tensor([[False, True, True, True]])
    assert Ordered.of(time, mask).order.tolist() == [[0, 1, 2, 3]]


def test_tokens_come_back_where_they_were() -> None:
    tokens, time, mask = random_history(0, 4, 9)
    ordered = Ordered.of(time, mask)
    again = ordered.restore(ordered.arrange(tokens))
    assert torch.equal(again, tokens.masked_fill(~mask.unsqueeze(-1), 0))


def test_a_token_sees_itself_and_strictly_earlier_ones() -> None:
    place = Ordered.of(TIME, MASK).place
    assert earlier(place, 0, 5)[0, 0, 1:].int().tolist() == [
        [0, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 1, 1, 1, 1],
    ]
    assert torch.equal(earlier(place, 2, 4), earlier(place, 0, 5)[:, :, 2:4, :4])


def test_a_request_sees_what_is_strictly_before_it() -> None:
    assert before(TIME, MASK, torch.tensor([5])).tolist() == [[False, True, False, True, False]]


def test_padding_that_all_rows_share_is_cut_off() -> None:
    mask = torch.tensor([[False, True, False, False], [True, True, False, False]])
    ordered = Ordered.of(torch.tensor([[4, 2, 0, 0], [9, 9, 1, 1]]), mask)
    cut = ordered.trimmed()
    assert cut.mask.tolist() == [[False, True], [True, True]]
    assert cut.order.tolist()[1] == [0, 1]
    assert torch.equal(earlier(cut.place, 0, 2), earlier(ordered.place, 0, 4)[:, :, 2:, 2:])
    assert Ordered.of(mask.long(), torch.zeros_like(mask)).trimmed().mask.tolist() == [[False], [False]]


def test_no_tokens() -> None:
    ordered = Ordered.of(torch.zeros(2, 0, dtype=torch.int64), torch.zeros(2, 0, dtype=torch.bool))
    assert ordered.place.shape == (2, 0)
    assert ordered.restore(ordered.arrange(torch.zeros(2, 0, 3))).shape == (2, 0, 3)
