import pathlib

import numpy as np
import pytest


@pytest.fixture(scope="session")
def oracle():
    """Values of an earlier encoding-model package (single precision)."""
    path = pathlib.Path(__file__).resolve().parents[1] / "oracles" / "braincoder.npz"
    with np.load(path) as file:
        return {key: values.astype(float) for key, values in file.items()}
