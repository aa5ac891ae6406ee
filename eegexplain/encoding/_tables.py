"""pandas in, pandas out; NumPy in, NumPy out."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from eegexplain._validation import check_largest, refuse_masked, refuse_text


@dataclass(frozen=True)
class Table:
    """A two-dimensional array with its row and column labels, if it came with any."""

    values: np.ndarray
    index: Any = None
    columns: Any = None

    @property
    def labelled(self):
        """Whether it came as a pandas object."""
        return self.index is not None


def read_table(data, name):
    """Read a DataFrame, Series or array as two-dimensional floats.

    Parameters
    ----------
    data : DataFrame, Series or array-like of shape (n_rows,) or (n_rows, n_columns)
        What was given; one dimension is one column.
    name : str
        Its name in messages.

    Returns
    -------
    table : Table
        Values and labels.

    Raises
    ------
    ValueError
        If it has another number of dimensions, is not numeric, complex, or a masked array that hides values.
    TypeError
        For text.
    """
    refuse_masked(name, data)
    refuse_text(name, data)
    index, columns = getattr(data, "index", None), getattr(data, "columns", None)
    labelled = hasattr(data, "iloc")
    if labelled and columns is None:
        columns = [data.name if data.name is not None else 0]
    values = np.asarray(data)
    if values.dtype.kind == "c":
        raise ValueError(f"{name} must hold real numbers, got complex numbers.")
    values = values.astype(float, copy=False)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2:
        raise ValueError(f"{name} must have one or two dimensions; its shape is {values.shape}.")
    return Table(values, index, columns) if labelled else Table(values)


def check_same_index(**tables):
    """Refuse pandas objects of as many rows with other labels: rows are matched by position, and one was reordered.

    Parameters
    ----------
    **tables : DataFrame, Series, array-like or None
        By name; what has no labels is not looked at.

    Raises
    ------
    ValueError
        If labels differ, with the first row where they do.
    """
    labelled = [(name, table.index) for name, table in tables.items() if hasattr(table, "iloc")]
    for name, index in labelled[1:]:
        first, known = labelled[0]
        if len(index) == len(known) and not _same_labels(known, index):
            row = next((i for i, pair in enumerate(zip(known, index, strict=True)) if pair[0] != pair[1]), 0)
            raise ValueError(
                f"The indices of {first} and {name} differ: row {row} is {known[row]!r} in {first} and {index[row]!r} "
                f"in {name}. Rows are matched by position: bring both into one order, for example {name} = "
                f"{name}.loc[{first}.index], or give arrays where positions do agree."
            )


def _same_labels(one, other):
    """Whether labels are the same; times may differ by rounding."""
    if one.equals(other):
        return True
    numeric = all(index.nlevels == 1 and index.dtype.kind in "iuf" for index in (one, other))
    return numeric and np.allclose(one.to_numpy(float), other.to_numpy(float), rtol=1e-9, atol=0.0)


def frame(values, index=None, columns=None):
    """Make a DataFrame; ``index`` and ``columns`` default to positions."""
    import pandas as pd

    return pd.DataFrame(values, index=index, columns=columns)


def series(values, index, name):
    """Make a Series."""
    import pandas as pd

    return pd.Series(values, index=index, name=name)


def varying_targets(data, columns):
    """Find targets that vary, with one warning about those that do not.

    Parameters
    ----------
    data : ndarray of shape (n_times, n_targets)
        Data.
    columns : sequence
        Names of the targets.

    Returns
    -------
    varies : ndarray of bool, shape (n_targets,)
        Whether a target has variance.
    """
    return _warn_of_constant(np.ptp(data, axis=0) > 0, columns)


def check_targets(data, columns=None, name="y"):
    """Refuse targets that are not finite or whose squares are out of range, and warn of those that do not vary.

    One pass gives the extremes of each target, which tell all of that.

    Parameters
    ----------
    data : ndarray of shape (n_times, n_targets)
        Data.
    columns : sequence, default=None
        Names of the targets.
    name : str
        Name of the data in messages.

    Returns
    -------
    varies : ndarray of bool, shape (n_targets,)
        Whether a target has variance.

    Raises
    ------
    ValueError
        For NaN, infinities, and values too large or small for their squares.
    """
    low, high = data.min(axis=0), data.max(axis=0)
    largest = float(max(-low.min(), high.max()))
    if not np.isfinite(largest):
        check_finite_targets(data, columns, name)
    check_largest(name, abs(largest))
    return _warn_of_constant(high > low, np.arange(data.shape[1]) if columns is None else columns)


def _warn_of_constant(varies, columns):
    """Warn of targets that do not vary; returns which do."""
    if not varies.all():
        names = [str(columns[i]) for i in np.flatnonzero(~varies)[:10]]
        more = ", ..." if np.sum(~varies) > 10 else ""
        warnings.warn(
            f"{np.sum(~varies)} target(s) never vary: {', '.join(names)}{more}. Their results are undefined.",
            stacklevel=4,
        )
    return varies


def check_finite_targets(data, columns=None, name="data"):
    """Refuse missing and infinite data, naming the targets that hold them.

    Parameters
    ----------
    data : ndarray of shape (n_times, n_targets)
        Data.
    columns : sequence, default=None
        Names of the targets.
    name : str
        Name of the data in the message.

    Raises
    ------
    ValueError
        If a value is not finite.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        sums = data.sum(axis=0)
    if np.isfinite(sums).all():
        return
    for test, what in ((np.isnan, "NaN"), (np.isinf, "infinity or a value too large for dtype('float64')")):
        bad = np.flatnonzero(test(data).any(axis=0))
        if bad.size:
            names = [bad_column if columns is None else columns[bad_column] for bad_column in bad[:10].tolist()]
            more = ", ..." if bad.size > 10 else ""
            listed = ", ".join(map(repr, names)) + more
            raise ValueError(
                f"Input {name} contains {what}. Targets concerned: {listed}. Drop or interpolate these samples first."
            )
