"""What is noted of a running fit."""

from types import SimpleNamespace

import numpy as np
from numpy.testing import assert_allclose

from eegexplain.encoding.parameters._log import FitLog
from eegexplain.encoding.parameters._settings import FitSettings
from eegexplain.encoding.parameters.noise_models import NOISE_MODELS


def log(data, **asked):
    settings = FitSettings(NOISE_MODELS["ssq"], max_n_iterations=5, **asked)
    layout = SimpleNamespace(space=[SimpleNamespace(label="mu"), SimpleNamespace(label="sd")])
    return FitLog(settings, layout, ["a", "b", "c"], data)


def test_the_table_has_parameters_and_explained_variance_of_every_iteration():
    data = np.random.default_rng(0).normal(2, 3, (20, 3))
    total = ((data - data.mean(0)) ** 2).sum(0)
    with log(data, store_intermediate_parameters=True) as notes:
        for iteration, share in enumerate([0.25, 0.75]):
            left = 1 - share * np.array([1.0, 0.8, 0.4])
            notes.note(iteration, left * total, iteration + np.arange(6.0).reshape(3, 2))
    table = notes.table()
    assert list(table.columns) == ["mu", "sd", "r2"] and table.index.names == ["iteration", "target"]
    assert table.index.tolist() == [(k, target) for k in (0, 1) for target in "abc"]
    assert_allclose(table["r2"], [0.25, 0.2, 0.1, 0.75, 0.6, 0.3])
    assert_allclose(table[["mu", "sd"]].loc[1], 1 + np.arange(6.0).reshape(3, 2))


def test_nothing_noted_is_an_empty_table():
    with log(np.ones((4, 3))) as notes:
        notes.note(0, np.ones(3), np.ones((3, 2)))
    table = notes.table()
    assert len(table) == 0 and list(table.columns) == ["mu", "sd", "r2"]
    assert table.index.names == ["iteration", "target"]


def test_scalars_are_the_mean_of_explained_variance_and_the_sum_of_squares(monkeypatch):
    written = {}
    writer = SimpleNamespace(add_scalar=lambda name, value, step: written.update({(name, step): value}),
                             close=lambda: None)  # fmt: skip
    monkeypatch.setattr("eegexplain.encoding.parameters._descent.scalar_writer", lambda folder: writer)
    data = np.random.default_rng(1).normal(size=(20, 3))
    total = ((data - data.mean(0)) ** 2).sum(0)
    with log(data, log_dir="somewhere") as notes:
        notes.note(3, np.array([0.5, 0.7, 0.9]) * total, np.zeros((3, 2)))
    assert_allclose(written["mean_r2", 3], 0.3)
    assert_allclose(written["ssq", 3], np.sum([0.5, 0.7, 0.9] * total))
