"""Section with the layers of the first fold's first network: which frequency each filter responds to."""

import numpy as np
from sklearn.frozen import FrozenEstimator

from eegexplain._text import plain
from eegexplain.report._findings import Figure, Findings

LAYERS = {"conv_out": "after the convolution", "pool_out": "after rectifying and pooling"}
N_TRIALS, N_DRAWS = 120, 40


def profiles(explanation, variable):
    """Correlations of each unit, at every frequency the strongest channel's, ``(n_units, n_frequencies)``."""
    values = explanation[variable].to_numpy()
    strongest = np.abs(values).argmax(axis=1)
    return np.take_along_axis(values, strongest[:, None], axis=1)[:, 0]


TEXT = (
    "<p>Small changes of amplitude (with the data's own cross-spectrum), correlated with the change of each "
    "filter's power and of each class's output, on held-out trials of the first fold, for the first of its "
    "networks: at each frequency the strongest channel. Dots are the frequencies of the learned filters, rows are "
    "sorted by them. "
    "A filter that responds away from its dot passes on a strong rhythm beside its band.</p>"
)


def shown_layers(net):
    """Titles of layers by name: logarithms of power have no power of their own to be moved."""
    shown = dict(LAYERS)
    if net.net_.module_.readout == "log_power":
        del shown["pool_out"]
    return shown


def layers(job):
    """Perturbation correlation of filters and classes, layer by layer, on held-out trials."""
    from eegexplain.perturbation import PerturbationCorrelator

    net, held_out = job.folds[0].net, job.folds[0].test
    shown = shown_layers(net)
    spread = held_out[np.unique(np.linspace(0, len(held_out) - 1, N_TRIALS).astype(int))]  # files are often sorted
    groups = None if job.data.groups is None else job.data.groups[spread]
    correlator = PerturbationCorrelator(
        FrozenEstimator(net),
        noise="data",
        layers=list(shown),
        difference="power",
        n_iterations=N_DRAWS,
        random_state=job.options.seed,
        **job.data.axes,
    )
    found = correlator.fit(job.data.X[spread], job.data.y[spread], groups=groups).explanation_
    found, own = job.data.inside_passband(found), net.filter_table_["peak_frequency"].to_numpy()
    frequencies = found["frequency"].to_numpy()
    responds = {name: frequencies[profiles(found, f"layer_{name}").argmax(axis=1)] for name in shown}
    caption = "Which frequency each filter and each class responds to"
    return Findings(
        html=[TEXT],
        figures=[Figure("layers", draw(found, own, shown), caption, _seen(found, responds, own, shown))],
        variables={f"layers_{name}": found[name] for name in found if name.startswith("layer_")},
        summary={"layers": {name: [float(peak) for peak in peaks] for name, peaks in responds.items()}},
    )


def _seen(found, responds, own, shown):
    """Where the filters of each layer respond, in words."""
    step = float(found["frequency"][1] - found["frequency"][0])
    told = []
    for name, title in shown.items():
        beside = np.abs(responds[name] - own) <= max(2.0, step)
        told.append(f"{beside.sum()} of {len(own)} filters {title} respond most within 2 Hz of their own frequency")
    return f"{'; '.join(told)}."


def draw(found, own, shown):
    """Rows of filters (by frequency) and of classes, columns of frequencies, one panel per layer."""
    import matplotlib.pyplot as plt

    order = np.argsort(own)
    rows = {title: profiles(found, f"layer_{name}")[order] for name, title in shown.items()}
    rows["classes"] = profiles(found, "value")
    frequencies, outputs = found["frequency"].to_numpy(), found["output"].to_numpy()
    step = frequencies[1] - frequencies[0]
    limit = max(np.abs(values).max() for values in rows.values()) or 1.0
    figure, axes = plt.subplots(1, len(rows), figsize=(3.5 * len(rows), 1.4 + 0.16 * len(own)), layout="constrained")
    for ax, (title, values) in zip(axes, rows.items(), strict=True):
        extent = (frequencies[0] - step / 2, frequencies[-1] + step / 2, -0.5, len(values) - 0.5)
        image = ax.imshow(
            values,
            cmap="RdBu_r",
            interpolation="nearest",
            vmin=-limit,
            vmax=limit,
            aspect="auto",
            origin="lower",
            extent=extent,
        )
        ax.set(title=title, xlabel="frequency (Hz)", xlim=(0, min(frequencies[-1], 1.3 * max(own.max(), 30))))
        if title == "classes":
            ax.set_yticks(range(len(outputs)), [plain(name) for name in outputs])
        else:
            ax.plot(own[order], range(len(own)), ".", color="black", markersize=3)
            ax.set_yticks(range(len(own)), order, fontsize=6)
            ax.set_ylabel("filter")
    figure.colorbar(image, ax=axes, label="correlation", shrink=0.8)
    return figure
