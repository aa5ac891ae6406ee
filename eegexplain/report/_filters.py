"""The learned filters of the network of the first fold, and what goes with their outputs in the data."""

import html
from dataclasses import asdict

import numpy as np
from sklearn.frozen import FrozenEstimator

from eegexplain._text import legend_name
from eegexplain._torch import TorchNet
from eegexplain.inspection.coverage import class_rhythms, passes
from eegexplain.plotting._waves import oversampled
from eegexplain.report._findings import Figure, Findings
from eegexplain.report._trust import Check

N_SHOWN = 4


def contributions(net, X):
    """How much each filter moves each output: standard deviation over trials of its part of the centered logit.

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


TEXT = (
    "<p>Filters of the first fold's network, those that move an output most on held-out trials first: a map at the "
    "filter's peak, and its waveform at the three strongest electrodes. The pattern beside it is the topography that "
    "goes with the filter's output in the training data, in the filter's band. Right of it the reverse correlation, "
    "the waveform that goes with the filter's output in held-out data; dots are the sinusoid fitted at its strongest "
    "electrode. They differ from the filter where channels share signals, because a filter also subtracts what it does "
    "not look for: of the three maps that of the filter is no topography. The whole table, with the lags between "
    "electrodes, is in <code>filters.csv</code>.</p>"
)
COLUMNS = ["peak_frequency", "bandwidth", "strongest_channel", "reverse_frequency", "reverse_r2"]


def filters(job):
    """Table of all filters with their reverse correlations, and pictures of those that move the outputs most."""
    fold = job.folds[0]
    X, y = job.data.X[fold.test], job.data.y[fold.test]
    share = contributions(fold.net, X)
    reverse, sinusoids = reverse_correlations(job, fold.net, X, y)
    table = filter_table(fold.net, job.data.ch_names, share, reverse, sinusoids)
    order = np.argsort(-share.max(axis=0))[:N_SHOWN]
    peaks = ", ".join(f"{table['peak_frequency'].iloc[k]:.1f}" for k in order)
    nets = [net for fold in job.folds for net in fold.nets]
    missed = missed_rhythms(job.data, [net.filter_table_ for net in nets])
    warned = [tell_missed(rhythm, n, len(nets)) for rhythm, n in missed.items()]
    advice = "More filters, or another seed, may reach it."
    figure = draw(job, fold.net, table, order, reverse, sinusoids)
    return Findings(
        lines=[f"Filters that move the outputs most peak at {peaks} Hz", *warned],
        html=[TEXT, *(f"<p><b>{html.escape(line)}.</b> {advice}</p>" for line in warned)],
        figures=[Figure("filters", figure, "Learned filters and what goes with their outputs", _seen(table, order))],
        tables={"filters.csv": table},
        summary={
            "filters": [{"filter": int(k), **table.iloc[k][COLUMNS].to_dict()} for k in order],
            "uncovered_bands": [asdict(rhythm) | {"n_networks": n} for rhythm, n in missed.items()],
        },
        checks=[Check("doubt", "Rhythms", f"{warned[0].removeprefix('Warning: ')}.") if warned else
                Check("good", "Rhythms", "a filter passes every rhythm that tells the classes apart in the data.")],
    )


def _seen(table, order):
    """The filters that are drawn, in words."""
    rows = (table.iloc[k] for k in order)
    told = (f"{row['strongest_channel']} at {row['peak_frequency']:.1f} Hz" for row in rows)
    return f"A row for each filter, by its strongest channel and peak: {', '.join(told)}."


def missed_rhythms(data, tables):
    """Rhythms that tell the classes apart and that no filter of a network passes: by how many networks each is missed.

    Parameters
    ----------
    data : Trials
    tables : list of pandas.DataFrame
        ``filter_table_`` of each network.

    Returns
    -------
    dict of UncoveredBand to int
    """
    rhythms = class_rhythms(data.X, data.y, bands=data.bands, groups=data.groups, **data.axes)
    counts = {rhythm: sum(not passes(table, rhythm.frequency) for table in tables) for rhythm in rhythms}
    return {rhythm: n for rhythm, n in counts.items() if n}


def tell_missed(rhythm, n, n_networks):
    """A line that says which networks cannot use a rhythm."""
    return (
        f"Warning: the classes differ at {rhythm.frequency:.1f} Hz ({rhythm.band}, {rhythm.channel}), but {n} of "
        f"{n_networks} networks have no filter there and cannot use it"
    )


def reverse_correlations(job, net, X, y):
    """Templates of all filters from held-out trials, and the sinusoids fitted to them."""
    from eegexplain.reverse_correlation import ReverseCorrelator
    from eegexplain.sinusoid import SinusoidFitter

    reverse = ReverseCorrelator(FrozenEstimator(net), **job.data.axes).fit(X, y)
    return reverse, SinusoidFitter(FrozenEstimator(reverse), **job.data.axes).fit(X, y)


def filter_table(net, ch_names, share, reverse, sinusoids):
    """One row per filter: what it is, how much it moves each output, and the sinusoid in its reverse correlation."""
    table = net.filter_table_.copy()
    table.columns = [_channel_column(column, ch_names) for column in table.columns]
    rows = np.arange(len(table))
    amplitude = table[[f"amplitude_{name}" for name in ch_names]].to_numpy()
    strongest = np.abs(reverse.templates_).max(axis=2).argmax(axis=1)
    first = {f"contribution_{name}": row for name, row in zip(net.classes_, share, strict=True)}
    first |= {
        "strongest_channel": np.array(ch_names)[amplitude.argmax(axis=1)],
        "reverse_channel": np.array(ch_names)[strongest],
        "reverse_frequency": sinusoids.params_sin_[rows, strongest, 0],
        "reverse_r2": sinusoids.r2_sin_[rows, strongest],
    }
    lags = _lags(table, amplitude, ch_names)
    return table.assign(**first, **lags)[[*first, *table.columns, *lags]]


def _lags(table, amplitude, ch_names):
    """Milliseconds by which each channel of a filter follows its strongest; NaN below a quarter of its amplitude."""
    phase = table[[f"phase_{name}" for name in ch_names]].to_numpy()
    rows, strongest = np.arange(len(table)), amplitude.argmax(axis=1)
    behind = np.angle(np.exp(1j * (phase[rows, strongest][:, None] - phase)))
    frequency = table["carrier_frequency"].to_numpy()[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        lags = 1000 * behind / (2 * np.pi * frequency)
    lags[(amplitude < 0.25 * amplitude[rows, strongest][:, None]) | ~np.isfinite(lags)] = np.nan
    return {f"lag_ms_{name}": column for name, column in zip(ch_names, lags.T, strict=True)}


def _channel_column(column, names):
    """Name the columns ``amplitude_ch0, ...`` by channel."""
    kind, _, index = column.partition("_ch")
    own = kind.removeprefix("pattern_") in ("amplitude", "phase")
    return f"{kind}_{names[int(index)]}" if own and index.isdigit() else column


def draw(job, net, table, order, reverse, sinusoids):
    """Filter, pattern and reverse correlation of some filters, as maps and as waveforms."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        len(order), 5, figsize=(12.0, 1.9 * len(order) + 0.4), layout="constrained", squeeze=False,
        gridspec_kw={"width_ratios": [1, 1.6, 1, 1, 1.6]},
    )  # fmt: skip
    for row, k in zip(axes, order, strict=True):
        _draw_template(row[:2], net.templates_[k], job)
        row[0].set_title(f"filter {k}", fontsize=9)
        peak, width = table["peak_frequency"].iloc[k], table["bandwidth"].iloc[k]
        row[1].set_title(f"filter: {peak:.1f} Hz, {width:.1f} Hz wide", fontsize=9)
        _draw_pattern(row[2], net, k, job)
        template = reverse.templates_[k]
        times, scale, channel = _draw_template(row[3:], template, job)
        row[3].set_title("goes with output", fontsize=9)
        frequency, height, start, offset = sinusoids.params_sin_[k, channel]
        wave = offset + height * np.cos(2 * np.pi * frequency * (times - times[0]) / 1000 + start)
        row[4].plot(times, wave / scale, ".", color="0.3", markersize=2.5)
        fit = table["reverse_r2"].iloc[k]
        row[4].set_title(f"reverse correlation: {frequency:.1f} Hz, R² {fit:.2f}", fontsize=9)
    for ax in axes[-1, [1, 4]]:
        ax.set_xlabel("time (ms)")
    return figure


def _draw_pattern(ax, net, k, job):
    """Pattern at the phase where it is largest, in units of the peak."""
    from eegexplain.plotting.displays._pattern import in_phase, pattern_title

    topography, share = in_phase(net.patterns_[k])
    _draw_map(ax, topography, job)
    ax.set_title(pattern_title(share), fontsize=9)


def _draw_map(ax, values, job):
    """Values between -1 and 1 on the scalp, or as bars where the channels' names say no place."""
    from eegexplain.plotting import TopomapDisplay

    ch_names = job.data.ch_names
    if job.data.on_scalp:
        display = TopomapDisplay.from_values(values, ch_names, positions=job.data.montage)
        display.plot(ax=ax, colorbar=False, vlim=1.0)
        return
    ax.barh(np.arange(len(ch_names)), values, color="0.5")
    ax.set(xlim=(-1, 1), yticks=[], ylabel=f"{len(ch_names)} channels")
    ax.invert_yaxis()


def _draw_template(axes, template, job):
    """Map at the peak and waveforms at the three strongest electrodes, in units of the peak.

    Returns
    -------
    times : ndarray of shape (width,)
        In milliseconds.
    scale : float
        The unit.
    channel : int
        Where the peak is.
    """
    ch_names = job.data.ch_names
    strength = np.abs(template).max(axis=1)
    channel, scale = int(strength.argmax()), float(strength.max() or 1.0)
    peak = int(np.abs(template[channel]).argmax())
    _draw_map(axes[0], template[:, peak] / scale, job)
    times = 1000 * (np.arange(template.shape[1]) - template.shape[1] // 2) / job.data.sfreq
    fine = np.linspace(times[0], times[-1], len(oversampled(times)))
    for place, style in zip(np.argsort(-strength)[:3], ("-", "--", ":"), strict=False):
        wave = oversampled(template[place] / scale)
        axes[1].plot(fine, wave, style, label=legend_name(ch_names[place]), linewidth=1.3)
    axes[1].legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), handlelength=1.4)
    axes[1].spines[["top", "right"]].set_visible(False)
    axes[1].tick_params(labelsize=8)
    axes[1].set_ylim(-1.15, 1.15)
    return times, scale, channel
