"""Counts of rows, and the block that sums them."""

from feature_repo.stream.outcome import Outcome, collect, collecting


def test_counts_begin_at_zero_and_add_up() -> None:
    total = Outcome()
    assert total == Outcome(rows=0, new=0, duplicates=0, late=0, unused=0)
    total.add(Outcome(15, 1, 2, 4, 8))
    total.add(Outcome(150, 10, 20, 40, 80))
    assert total == Outcome(165, 11, 22, 44, 88)


def test_a_block_sums_what_is_pushed_within_it() -> None:
    with collecting() as outer:
        collect(Outcome(rows=1, new=1))
        with collecting() as inner:
            collect(Outcome(rows=2, late=2))
        collect(Outcome(rows=4, unused=4))
    collect(Outcome(rows=8))
    assert inner == Outcome(rows=2, late=2)
    assert outer == Outcome(rows=5, new=1, unused=4)
