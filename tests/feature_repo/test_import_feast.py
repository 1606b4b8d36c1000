import subprocess
import sys

import pytest
import typeguard

from feature_repo.import_feast import get_torch, typechecked

IMPORT = """
import sys
import feature_repo, feast
print("typeguard" in feast.Field.__init__.__code__.co_names, "torch" in sys.modules)
from feast.torch_wrapper import get_torch
print(get_torch().tensor([1, 2]).sum().item())
"""


def test_feasts_classes_are_left_as_they_are_and_torch_waits_for_its_use() -> None:
    """A method that typeguard has rewritten imports typeguard when it is called."""
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["False False", "3"]


def test_torch_is_the_module() -> None:
    assert get_torch() is sys.modules["torch"]


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
