"""The learned filters of the network of the first fold."""

import numpy as np

from eegexplain._torch import TorchNet

N_SHOWN = 4


def contributions(net, X):
    """How much each filter moves each output: standard deviation over trials of its part of the centred logit.

    Parameters
    ----------
    net : SyncNetClassifier
        Fitted.
    X : ndarray of shape (n_trials, n_channels, n_times)

    Returns
    -------
    ndarray of shape (n_outputs, n_filters)
    """
    view = TorchNet(net, X.shape[1:])
    pooled = np.concatenate([layers["pool_out"] for _, layers in view.activations(X, ["pool_out"])])
    weights = view.module.final_layer.weight.detach().cpu().numpy().reshape(-1, *pooled.shape[1:])
    return np.einsum("nfp,ofp->ofn", pooled, weights - weights.mean(axis=0)).std(axis=-1)


def filters(job, part):
    """Table of all filters, and pictures of those that move the outputs most."""
    fold = job.folds[0]
    X = job.held_out(fold)[0]
    share = contributions(fold.net, X)
    table = fold.net.filter_table_.copy()
    names = job.data.ch_names
    table.columns = [_channel_column(column, names) for column in table.columns]
    for output, row in zip(fold.net.classes_, share, strict=True):
        table.insert(0, f"contribution_{output}", row)
    part.tables["filters.csv"] = table
    order = np.argsort(-share.max(axis=0))[:N_SHOWN]
    peaks = table["peak_frequency"].to_numpy()
    part.summary["filters"] = [
        {"filter": int(k), "peak_frequency": float(peaks[k]), "contribution": float(share[:, k].max())} for k in order
    ]
    part.lines.append(f"Filters that move the outputs most peak at {', '.join(f'{peaks[k]:.1f}' for k in order)} Hz")
    part.html.append(
        "<p>Filters of the first fold's network, ordered by how much they move an output on held-out trials. Map: "
        "amplitude at each electrode times the cosine of its phase. Curves: the filter at its three strongest "
        "electrodes. The whole table is in <code>filters.csv</code>.</p>"
    )
    part.figures.append(("filters", draw(fold.net, table, order, job.data.ch_names, job.data.sfreq), "Learned filters"))


def _channel_column(column, names):
    """Name the columns ``amplitude_ch0, ...`` by channel."""
    kind, _, index = column.partition("_ch")
    return f"{kind}_{names[int(index)]}" if kind in ("amplitude", "phase") and index.isdigit() else column


def draw(net, table, order, ch_names, sfreq):
    """Map, waveform and spectrum of some filters."""
    import matplotlib.pyplot as plt

    from eegexplain.plotting import TopomapDisplay

    templates = net.templates_
    figure, axes = plt.subplots(
        len(order), 3, figsize=(9, 1.9 * len(order) + 0.4), layout="constrained", squeeze=False,
        gridspec_kw={"width_ratios": [1, 1.7, 1.7]},
    )  # fmt: skip
    times = 1000 * (np.arange(templates.shape[2]) - templates.shape[2] // 2) / sfreq
    for row, k in zip(axes, order, strict=True):
        amplitude = table.iloc[k][[f"amplitude_{name}" for name in ch_names]].to_numpy(dtype=float)
        phase = table.iloc[k][[f"phase_{name}" for name in ch_names]].to_numpy(dtype=float)
        top = np.argsort(-amplitude)[:3]
        display = TopomapDisplay.from_values(amplitude * np.cos(phase - phase[top[0]]) / amplitude.max(), ch_names)
        display.plot(ax=row[0], colorbar=False, title=f"filter {k}")
        for place, style in zip(top, ("-", "--", ":"), strict=False):
            row[1].plot(times, templates[k, place] / np.abs(templates[k]).max(), style, label=ch_names[place])
        row[1].legend(fontsize=7, frameon=False, loc="upper right")
        frequencies, power = spectrum(templates[k], sfreq)
        row[2].plot(frequencies, power / power.max(), color="0.2")
        peak = table["peak_frequency"].iloc[k]
        row[2].axvline(peak, color="C3", linewidth=1)
        row[2].set_title(f"{peak:.1f} Hz, {table['bandwidth'].iloc[k]:.1f} Hz wide", fontsize=9)
        row[2].set_xlim(0, min(50, sfreq / 2))
        for ax in row[1:]:
            ax.spines[["top", "right"]].set_visible(False)
            ax.tick_params(labelsize=8)
    axes[-1, 1].set_xlabel("time (ms)")
    axes[-1, 2].set_xlabel("frequency (Hz)")
    axes[0, 1].set_title("waveform", fontsize=9)
    return figure


def spectrum(template, sfreq, n_fft=1024):
    """Power of a filter over frequency, summed over channels."""
    return np.fft.rfftfreq(n_fft, 1 / sfreq), (np.abs(np.fft.rfft(template, n_fft)) ** 2).sum(axis=0)
