"""What fits into memory at a time."""

import numpy as np
import pytest

from eegexplain.encoding._chunks import CHUNK_BYTES, target_chunks


@pytest.mark.parametrize(("n_targets", "n_values", "limit"), [(10, 100, 2400.0), (10, 100, 1.0), (7, 0, 16.0),
                                                             (1000, 4096, np.inf), (0, 5, 80.0)])  # fmt: skip
def test_chunks_cover_all_targets_once_and_hold_no_more_than_the_limit(n_targets, n_values, limit):
    chunks = target_chunks(n_targets, n_values, limit)
    assert [k for chunk in chunks for k in range(chunk.start, chunk.stop)] == list(range(n_targets))
    sizes = [chunk.stop - chunk.start for chunk in chunks]
    most = max(1, int(min(limit, CHUNK_BYTES) // (8 * max(n_values, 1))))
    assert all(size == most for size in sizes[:-1]) and all(1 <= size <= most for size in sizes)
