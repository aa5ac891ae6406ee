"""Several networks as one: filters side by side, heads averaged; the result is a SyncNet again."""

import numpy as np
import torch

# Where the filters of a network lie: parameters and buffers of one network are joined along this axis.
_FILTER_AXES = {"amplitude": 3, "omega": 3, "bias": 0, "phi_ini": 3, "beta": 3, "power_floor": 0}


def join_networks(whole, members):
    """Write the members into one module whose outputs are the mean of theirs.

    The mean of ``W_m r_m + b_m`` over members is one linear layer, ``[W_1 ... W_n] / n`` and the mean of ``b_m``, on
    what is read out of all filters.

    Parameters
    ----------
    whole : SyncNet
        With as many filters as all members together.
    members : list of SyncNet
        Of the same sizes, trained on trials of the same input scale.

    Raises
    ------
    ValueError
        When the members differ in what one module holds once: the weights of their activation.
    """
    states = [member.state_dict() for member in members]
    joined = {name: torch.cat([state[name] for state in states], axis) for name, axis in _FILTER_AXES.items()
              if name in states[0]}  # fmt: skip
    # filters come before pools when activations are flattened, so members lie one after another here, too
    joined["final_layer.weight"] = torch.cat([state["final_layer.weight"] for state in states], 1) / len(members)
    joined["final_layer.bias"] = torch.stack([state["final_layer.bias"] for state in states]).mean(0)
    for name in states[0].keys() - joined.keys():
        if not all(torch.equal(state[name], states[0][name]) for state in states):
            raise ValueError(
                f"n_networks is {len(members)}, but {name} is trained and every network has its own: one network "
                "cannot hold them all. Take an activation without weights, or n_networks=1."
            )
        joined[name] = states[0][name]
    whole.load_state_dict(joined)


def stacked_histories(histories):
    """Losses per epoch of several networks, ``{name: (n_networks, most epochs)}``, NaN after a network's last epoch."""
    names = [name for name in histories[0] if all(name in history for history in histories)]
    longest = max((len(history[name]) for history in histories for name in names), default=0)
    stacked = {name: np.full((len(histories), longest), np.nan) for name in names}
    for row, history in enumerate(histories):
        for name in names:
            stacked[name][row, : len(history[name])] = history[name]
    return stacked
