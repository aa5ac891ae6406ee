"""What is kept of cells has a limit, and hybrids are the same whatever it is."""

import tracemalloc

import numpy as np
import pytest

from eegexplain.information import _hybrids
from eegexplain.information._asked import Asked
from eegexplain.information._cells import Cell, Pair, Part
from eegexplain.information._hybrids import Exchange, Parts, cross, cross_all, stacks_of_parts
from eegexplain.information._partners import draw_partners, fit_effects

X = np.random.default_rng(0).standard_normal((1500, 4, 64)).astype(np.float32)
CELLS = [
    Cell(Part(f"{part}", weights=np.arange(64) // 16 == part), Pair(f"{one}", np.eye(4)[:, [one]], np.eye(4)[:, [one]]))
    for part in range(4)
    for one in range(3)
]


def parts_of(trials):
    return Parts(trials, np.arange(len(trials))[::-1], Asked(np.asarray, lambda hybrids: hybrids.std(axis=-1)))


@pytest.mark.parametrize("limit", [2, 3, 5])
def test_what_is_kept_has_a_limit_and_is_never_held_twice(limit, monkeypatch):
    monkeypatch.setattr(_hybrids, "KEPT", limit * X.nbytes)
    parts = parts_of(X)
    parts.whole()
    tracemalloc.start()
    before = sum(one.nbytes for one in parts._kept.values())
    for cell in CELLS:
        parts.of(cell, np.arange(3))
        part = 0 if parts._part[1] is None else parts._part[1].nbytes
        assert part + sum(one.nbytes for one in parts._kept.values()) <= limit * X.nbytes
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert before == X.nbytes and None in parts._kept
    assert peak <= (limit - 1) * X.nbytes + 5 * X[: _hybrids.BLOCK_SIZE].nbytes


def test_cells_that_do_not_fit_together_are_not_kept_in_turn(monkeypatch):
    monkeypatch.setattr(_hybrids, "KEPT", 4 * X.nbytes)
    parts = parts_of(X)
    for cell in CELLS[:5]:
        parts.of(cell, np.arange(3), n_cells=5)
    assert not parts._kept
    parts.of(CELLS[0], np.arange(3), n_cells=3)
    assert list(parts._kept) == CELLS[:1]


@pytest.mark.slow
@pytest.mark.parametrize("alone", [False, True])
def test_effects_are_those_of_all_hybrids_at_once_whatever_is_kept(alone, monkeypatch):
    few = X[:300]
    partners = draw_partners(np.arange(300), 4, np.random.RandomState(0))
    exchanges = [Exchange([cell], alone) for cell in CELLS] + [Exchange(CELLS[1:4], alone)]
    outputs = []
    for one in exchanges:
        taken = sum(cell.of(few[::-1]) for cell in one.cells)  # in the order of the parts
        own = few[::-1] - taken
        hybrids = own[partners] + taken[:, None] if alone else own[:, None] + taken[partners]
        outputs.append(hybrids.std(axis=-1))
    expected = fit_effects(np.stack(outputs), partners)
    found = []
    for limit in (0, 3, 100):
        monkeypatch.setattr(_hybrids, "KEPT", limit * few.nbytes)
        found.append(cross_all(parts_of(few), partners, exchanges, stacks_of_parts(exchanges), n_jobs=1))
        for name in ("rows", "columns", "interaction"):
            np.testing.assert_array_equal(getattr(found[-1], name), getattr(found[0], name))
            np.testing.assert_allclose(getattr(found[-1], name), getattr(expected, name), atol=1e-6)
    assert cross(parts_of(few), partners, CELLS[:1]).shape == (300, 4, 4)
