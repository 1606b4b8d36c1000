"""The default world, simulated once for all tests that read it."""

import pandas as pd
import pytest

from feature_repo.sources import professional
from models.spec import load_spec
from tests.conftest import PROFESSIONAL


@pytest.fixture(scope="session")
def default_tables() -> dict[str, pd.DataFrame]:
    return professional.read(load_spec(PROFESSIONAL), None)
