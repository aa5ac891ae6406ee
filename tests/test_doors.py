"""Functions are doors too: what cannot be a number never becomes one, and lists equal arrays.

Walks every ``__all__``; `tests.doors` holds one valid call of everything exported.
"""

import inspect
import itertools
import types
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest

import eegexplain
from tests.doors import DOORS, MODULES, NO_ARRAYS

REFUSED = (ValueError, TypeError)


def exported():
    """Every callable in an ``__all__``, by name."""
    found = {}
    for module in (*MODULES, eegexplain):
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value) and not isinstance(value, types.ModuleType):
                assert found.setdefault(name, value) is value
    return found


def test_every_export_is_declared():
    names = exported()
    without = {name for group in NO_ARRAYS.values() for name in group}
    assert not without & set(DOORS)
    assert set(names) == without | set(DOORS), "declare new functions in tests/doors.py"
    public = {module.__name__.split(".")[-1] for module in MODULES}
    assert public == set(eegexplain._SUBPACKAGES)


@pytest.mark.parametrize("name", sorted(DOORS))
def test_every_array_is_declared(name):
    """An array parameter that nobody feeds would be a door without a lock."""
    function = exported()[name]
    documented = inspect.getdoc(function) or ""
    door = DOORS[name]
    assert door.arrays or door.labels or door.numbers
    if inspect.isfunction(function):
        lines = [line for line in documented.splitlines() if " : " in line and "array" in line.split(" : ")[1]]
        given = {part.strip() for line in lines for part in line.split(" : ")[0].split(",")}
        parameters = set(inspect.signature(function).parameters)
        missing = (given & parameters) - set(door.arrays) - set(door.labels) - {"filling", "segment"}
        assert not missing, f"{name} documents arrays that no test feeds: {missing}"


def one(array, value, dtype=float):
    """A copy with one entry replaced, in the middle."""
    copy = np.array(array, dtype=dtype)
    copy.flat[copy.size // 2] = value
    return copy


def hide_one(array):
    """Masked in the middle."""
    mask = np.zeros(array.shape, dtype=bool)
    mask.flat[array.size // 2] = True
    return np.ma.masked_array(array, mask=mask)


ARRAY_FAULTS = {
    "nan": lambda array: one(array, np.nan),
    "inf": lambda array: one(array, np.inf),
    "-inf": lambda array: one(array, -np.inf),
    "masked": hide_one,
    "complex": lambda array: one(array, 1 + 1e-9j, dtype=complex),
    "empty": lambda array: array[:0],
    "single": lambda array: np.array(array.flat[0]),
    "text": lambda array: array.astype(float).astype(str),
    "objects": lambda array: one(array, {}, dtype=object),
}
LABEL_FAULTS = {name: ARRAY_FAULTS[name] for name in ("nan", "masked", "complex", "empty", "single")}
NUMBER_FAULTS = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf, "text": "1", "complex": 1j, "list": [1.0]}


def allowed(door, argument, fault):
    """What the documentation promises: "nan" in the result, "anything", or None (an error)."""
    if argument in door.left_out and fault in ("nan", "inf", "-inf"):
        return "anything"
    if argument in door.text and fault == "text":
        return "anything"
    if argument in door.filled and fault == "nan":
        return "anything"
    if argument in door.single and fault == "single":
        return "anything"
    if (argument in door.nan and fault == "nan") or (argument in door.inf and fault in ("inf", "-inf")):
        return "nan"
    return None


def values_of(result, depth=0):
    """Every number in a result: arrays, tables, records, fitted attributes, what displays hold."""
    if result is None or isinstance(result, (str, types.FunctionType)) or depth > 5:
        return
    if isinstance(result, (np.ndarray, float, int, np.generic)):
        array = np.asarray(result)
        if array.dtype.kind in "biufc":
            yield array.astype(complex if array.dtype.kind == "c" else float)
    elif isinstance(result, dict):
        for value in result.values():
            yield from values_of(value, depth + 1)
    elif isinstance(result, (list, tuple)):
        for value in result:
            yield from values_of(value, depth + 1)
    elif hasattr(result, "iloc"):
        yield from values_of(result.to_numpy(), depth)
    elif hasattr(result, "data_vars"):
        yield from values_of({key: value.values for key, value in result.data_vars.items()}, depth)
    elif hasattr(result, "get_params"):  # estimators: what they have learned
        fitted = {key: value for key, value in sorted(vars(result).items()) if key.endswith("_")}
        yield from values_of({key: value for key, value in fitted.items() if "estimator" not in key}, depth + 1)
    elif type(result).__module__.startswith("eegexplain") and hasattr(result, "__dict__"):
        yield from values_of(vars(result), depth + 1)


def run(door, **changed):
    """Call with some arguments changed; only our own refusals count, so warnings are let through."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return door.call(**{**door.arrays, **door.labels, **door.numbers, **changed})
        finally:
            plt.close("all")


def becomes_a_number(door, argument, spoiled, promise=None):
    """What is wrong with the answer to a spoiled argument, or None."""
    try:
        result = run(door, **{argument: spoiled})
    except REFUSED:
        return None if promise is None else "is refused"
    except Exception as error:
        return f"ends in {error!r}"
    if promise is None:
        return "is accepted"
    lost = promise == "nan" and all(np.isfinite(values).all() for values in values_of(result))
    return "became a number" if lost else None


@pytest.mark.parametrize("name", DOORS)
def test_what_is_no_number_never_becomes_one(name):
    door, wrong = DOORS[name], {}
    for given, faults in ((door.arrays, ARRAY_FAULTS), (door.labels, LABEL_FAULTS)):
        for argument, fault in itertools.product(given, faults):
            spoiled = faults[fault](np.asarray(given[argument]))
            wrong[argument, fault] = becomes_a_number(door, argument, spoiled, allowed(door, argument, fault))
    for argument, fault in itertools.product(door.numbers, NUMBER_FAULTS):
        wrong[argument, fault] = becomes_a_number(door, argument, NUMBER_FAULTS[fault])
    assert wrong and not {place: told for place, told in wrong.items() if told}


@pytest.mark.parametrize("name", [name for name, door in DOORS.items() if door.arrays or door.labels])
def test_lists_equal_arrays(name):
    door = DOORS[name]
    torch_seed(0)
    expected = list(values_of(run(door)))
    torch_seed(0)
    lists = {key: np.asarray(value).tolist() for key, value in {**door.arrays, **door.labels}.items()}
    found = list(values_of(run(door, **lists)))
    assert len(found) == len(expected) > 0
    for left, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-300)


def torch_seed(seed):
    """Networks of a call without weights of their own start alike."""
    import torch

    torch.manual_seed(seed)
