import subprocess
import sys

import pytest
import typeguard

from feature_repo.import_feast import typechecked


def test_feasts_classes_are_left_as_they_are() -> None:
    """A method that typeguard has rewritten imports typeguard when it is called."""
    for before, rewritten in (("feature_repo", "False"), ("typeguard", "True")):
        code = f"import {before}, feast; print('typeguard' in feast.Field.__init__.__code__.co_names)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == rewritten


def test_other_code_is_checked_as_before() -> None:
    @typechecked
    def double(number: int) -> int:
        return 2 * number

    @typechecked(collection_check_strategy=typeguard.CollectionCheckStrategy.FIRST_ITEM)
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    assert (double(2), total([1, 2])) == (4, 3)
    for wrong in (lambda: double("2"), lambda: total(["1"])):
        with pytest.raises(typeguard.TypeCheckError):
            wrong()
