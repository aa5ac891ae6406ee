"""Is noise as likely to give a map as its opposite? What flips of signs need, and where it is not so."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BALANCE = 0.05  # how far the share of a class may be from equal shares


def refuse_asymmetric(dataset: Any) -> None:
    """Refuse maps of groups that noise does not make positive as often as negative.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of a `GroupExplanation`.

    Raises
    ------
    ValueError
    """
    maps = dataset["group_value"]
    shares = imbalance(dataset)
    if shares.max() > BALANCE:
        worst = shares.argmax()
        raise ValueError(told_of_shares(dataset["group"].values[worst], dataset["n_trials"].values[worst]))
    if "class" in dataset.dims and dataset.sizes["class"] == 2 and maps.sizes.get("output") == 2 and not mirrored(maps):
        raise ValueError(
            f"The two outputs (response={dataset.attrs.get('response')!r}) do not mirror each other: exchanging the "
            "names of the classes does not flip the signs of their maps, so flips tell nothing about noise. Explain "
            "the difference of the outputs: response='centered_logit'."
        )
    refuse_unsigned(maps.values)


def imbalance(dataset: Any) -> np.ndarray:
    """How far the largest share of a class is from equal shares, in each group.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of a `GroupExplanation`.

    Returns
    -------
    ndarray of shape (n_groups,)
        0 for numbers.
    """
    counts = dataset["n_trials"].values
    return share_error(counts) if counts.ndim == 2 else np.zeros(len(counts))


def share_error(counts: NDArray) -> NDArray:
    """How far the share of some class is from equal shares.

    Parameters
    ----------
    counts : ndarray of shape (n_groups, n_classes)

    Returns
    -------
    ndarray of shape (n_groups,)
    """
    return np.abs(counts / counts.sum(axis=1, keepdims=True) - 1 / counts.shape[1]).max(axis=1)


def told_of_shares(name: Any, counts: NDArray) -> str:
    """What to say of a group with unequal shares of the classes.

    Parameters
    ----------
    name : str or number
    counts : ndarray of shape (n_classes,)

    Returns
    -------
    str
    """
    return (
        f"Classes have unequal shares in group {np.asarray(name).item()!r} ({', '.join(map(str, counts.tolist()))} "
        "trials): networks of noise may lean towards one of them, so flipping signs tells nothing about it and "
        "significance() is refused. Leave out trials of the larger class at random."
    )


def mirrored(maps: Any) -> bool:
    """Whether there are two outputs and each is the other's opposite, as of two classes.

    Parameters
    ----------
    maps : xarray.DataArray

    Returns
    -------
    bool
    """
    if "output" not in maps.dims or maps.sizes["output"] != 2:
        return False
    one, other = (maps.isel(output=place).values for place in (0, 1))
    return bool(np.abs(one + other).max() <= 1e-4 * np.abs(maps.values).max())


def refuse_unsigned(values: NDArray) -> None:
    """Refuse values that all have one sign.

    Parameters
    ----------
    values : ndarray

    Raises
    ------
    ValueError
    """
    if (values >= 0).all() or (values <= 0).all():
        raise ValueError(
            "No two of these values have different signs. Flipping signs needs maps that noise makes positive as often "
            "as negative: sensitivities, information in bits and accuracies are not, even without any effect. Give "
            "differences from what noise gives, or, where these are differences already, signed=True."
        )
