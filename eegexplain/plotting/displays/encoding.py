"""Pictures of encoding models: haemodynamic responses, tuning, temporal response functions, explained variance."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from eegexplain._text import legend_name
from eegexplain._validation import check_array_like
from eegexplain.plotting._drafts import draft, replace_draft
from eegexplain.plotting._ink import ink, tone

# Okabe and Ito's colours, told apart by colour-blind readers; black is left for summaries.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
N_BINS = 12


def _axes(ax, size):
    """Return the given axes, or those of a new figure, without the upper and right frame."""
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _color(i):
    return COLORS[i % len(COLORS)]


class HRFDisplay:
    """Haemodynamic responses over time.

    Parameters
    ----------
    times : list of array of shape (n_lags,)
        Seconds after the event, for each response.
    responses : list of array of shape (n_lags,)
        Responses.
    labels : list of str
        Their names.

    Attributes
    ----------
    ax_, figure_, lines_
        Artists of the last `plot`.

    Examples
    --------
    >>> from eegexplain.encoding import SPMHRFModel
    >>> from eegexplain.plotting import HRFDisplay
    >>> display = HRFDisplay.from_models({"SPM": SPMHRFModel(0.5), "later": SPMHRFModel(0.5, delay=7.0)})
    >>> len(display.plot().lines_)
    2
    """

    def __init__(self, times: Sequence[ArrayLike], responses: Sequence[ArrayLike], labels: Sequence[Any]):
        self.times, self.responses = (
            [check_array_like(name, each, ndim=1, dtype=float) for each in lists]
            for name, lists in (("times", times), ("responses", responses))
        )
        self.labels = [str(label) for label in labels]
        if not len(self.times) == len(self.responses) == len(self.labels):
            raise ValueError("times, responses and labels must have one entry per response.")
        if any(a.shape != b.shape for a, b in zip(self.times, self.responses, strict=True)):
            raise ValueError("times and responses must have the same lengths.")

    @classmethod
    def from_models(cls, models):
        """Make a display of one or several models.

        Parameters
        ----------
        models : SPMHRFModel or dict of str to SPMHRFModel
            Responses, with ``get_times`` and ``get_hrf``.

        Returns
        -------
        HRFDisplay
        """
        models = models if isinstance(models, dict) else {"": models}
        return cls([m.get_times() for m in models.values()], [m.get_hrf() for m in models.values()], list(models))

    def plot(self, *, ax=None, line_kw=None):
        """Draw the responses.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; None makes a figure.
        line_kw : dict, optional
            Further arguments of ``Axes.plot``.

        Returns
        -------
        self : HRFDisplay
        """
        self.ax_ = ax = _axes(ax, (4.2, 2.8))
        self.figure_ = ax.figure
        ax.axhline(0, color=tone(ax, 0.4), linewidth=0.7, zorder=0)
        self.lines_ = [
            ax.plot(t, response, color=_color(i), label=legend_name(label), **{"linewidth": 1.8, **(line_kw or {})})[0]
            for i, (t, response, label) in enumerate(zip(self.times, self.responses, self.labels, strict=True))
        ]
        ax.set(xlabel="time after the event (s)", ylabel="response", xlim=(0, max(t[-1] for t in self.times)))
        if any(self.labels):
            ax.legend(frameon=False)
        return self


class TuningCurveDisplay:
    """Fitted tuning curves with the data they were fitted to, or receptive fields in the plane.

    Parameters
    ----------
    curves : array of shape (n_positions, n_targets) or None
        Predicted responses along one dimension.
    positions : array of shape (n_positions,) or None
        Where.
    circles : array of shape (n_targets, 3) or None
        Centre and width of fields in the plane.
    labels : list of str
        Names of the targets.
    r2 : array of shape (n_targets,), default=None
        Share of the variance explained.
    points : list of tuple of arrays (position, mean, standard error), default=None
        Binned data of each target.
    log : bool
        Whether the axis is logarithmic.

    Attributes
    ----------
    ax_, figure_, lines_, points_, circles_
        Artists of the last `plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.encoding import GaussianTuningModel, ParameterFitter
    >>> from eegexplain.plotting import TuningCurveDisplay
    >>> x = np.linspace(-3, 3, 200)[:, None]
    >>> y = GaussianTuningModel().simulate(x, np.array([[0.5, 1.0, 2.0, 0.3]]), noise=0.1, random_state=0)
    >>> fitter = ParameterFitter(GaussianTuningModel()).fit(x, y)
    >>> len(TuningCurveDisplay.from_estimator(fitter, x, y).lines_)
    1
    """

    def __init__(
        self,
        curves: ArrayLike | None = None,
        positions: ArrayLike | None = None,
        circles: ArrayLike | None = None,
        *,
        labels: Sequence[Any],
        r2: ArrayLike | None = None,
        points: Sequence[tuple[ArrayLike, ArrayLike, ArrayLike]] | None = None,
        log: bool = False,
    ):
        self.curves, self.positions, self.circles = (
            None if given is None else check_array_like(name, given, ndim=ndim, dtype=float)
            for name, given, ndim in (("curves", curves, 2), ("positions", positions, 1), ("circles", circles, 2))
        )
        self.labels = [str(label) for label in labels]
        self.r2, self.points, self.log = r2, points, log
        if (curves is None) == (circles is None):
            raise ValueError("Give curves with their positions, or circles.")
        if self.curves is not None and (self.positions is None or len(self.positions) != len(self.curves)):
            raise ValueError("Give one position for each row of curves.")

    @classmethod
    def from_estimator(cls, fitter, X=None, y=None, *, targets=None, **plot_options):
        """Draw the tuning of a fitted ``ParameterFitter``; a later `plot` takes the place of this figure.

        Parameters
        ----------
        fitter : fitted ParameterFitter
            Of a ``GaussianTuningModel``, or any model of one stimulus feature.
        X : array-like of shape (n_times, 1), optional
            Stimulus; sets the range and, with ``y``, the data points.
        y : array-like of shape (n_times, n_targets), optional
            Data; means of bins with equally many samples are drawn. Not for models with a haemodynamic response.
        targets : sequence of labels, optional
            Which targets; None is the six best for curves, all for fields in the plane.
        **plot_options : dict
            For `plot`.

        Returns
        -------
        TuningCurveDisplay
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(fitter)
        model, r2 = fitter.model, fitter.r2_
        plane = getattr(model, "n_dims", 1) == 2
        if targets is None:
            targets = r2.dropna().index if plane else r2.nlargest(len(COLORS)).sort_index().index
        parameters, columns = fitter.parameters_.loc[targets], r2.index.get_indexer(targets)
        common = {"labels": list(targets), "r2": r2.loc[targets].to_numpy()}
        if plane:
            display = cls(circles=parameters[["x", "y", "sd"]].to_numpy(), **common).plot(**plot_options)
            return draft(display, plot_options.get("ax"))
        log, grid = getattr(model, "log", False), getattr(model, "grid_coordinates", None)
        places = (
            np.asarray(X if grid is None else grid, dtype=float).ravel() if X is not None or grid is not None else None
        )
        positions = _curve_positions(parameters, places, log)
        points = None
        if X is not None and y is not None and grid is None and not getattr(model, "has_memory", False):
            points = [_binned(np.ravel(X), np.asarray(y, dtype=float).reshape(len(y), -1)[:, v]) for v in columns]
        curves = _instant_curves(model, parameters, positions)
        display = cls(curves, positions, points=points, log=log, **common).plot(**plot_options)
        return draft(display, plot_options.get("ax"))

    def plot(self, *, ax=None, xlabel="stimulus", ylabel="response"):
        """Draw curves, or circles of one standard deviation coloured by explained variance.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; None makes a figure.
        xlabel, ylabel : str
            What the axes are.

        Returns
        -------
        self : TuningCurveDisplay
        """
        replace_draft(self)
        self.ax_ = ax = _axes(ax, (4.4, 3.2) if self.circles is None else (4.2, 3.6))
        self.figure_ = ax.figure
        self.lines_, self.points_, self.circles_ = [], [], None
        if self.circles is not None:
            self._plot_circles(ax)
        else:
            self._plot_curves(ax)
            ax.set(xlabel=xlabel, ylabel=ylabel)
        return self

    def _plot_curves(self, ax):
        for i, label in enumerate(self.labels):
            if self.points is not None:
                place, mean, error = self.points[i]
                style = {"fmt": "o", "markersize": 3, "elinewidth": 0.8, "alpha": 0.7, "color": _color(i)}
                self.points_.append(ax.errorbar(place, mean, error, **style))
            name = legend_name(label) + ("" if self.r2 is None else f" (R² {self.r2[i]:.2f})")
            self.lines_ += ax.plot(self.positions, self.curves[:, i], color=_color(i), linewidth=1.8, label=name)
        if self.log:
            ax.set_xscale("log", base=2)
            ax.xaxis.set_major_formatter("{x:g}")
        ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))

    def _plot_circles(self, ax):
        from matplotlib.collections import EllipseCollection

        order = np.argsort(-self.circles[:, 2])
        x, y, sd = self.circles[order].T
        style = {"facecolors": "none", "linewidths": 1.2, "cmap": "viridis", "transOffset": ax.transData}
        self.circles_ = EllipseCollection(2 * sd, 2 * sd, np.zeros(len(sd)), units="xy", offsets=np.c_[x, y], **style)
        ax.add_collection(self.circles_)
        ax.plot(x, y, ".", color=tone(ax, 0.7), markersize=2)
        reach = 1.05 * np.abs(np.concatenate([x - sd, x + sd, y - sd, y + sd])).max()
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel="x", ylabel="y", aspect="equal")
        if self.r2 is not None:
            self.circles_.set_array(np.asarray(self.r2)[order])
            ax.figure.colorbar(self.circles_, ax=ax, shrink=0.8, label="R²")


def _curve_positions(parameters, places, log):
    """Positions that cover the stimulus or, if unknown, the curves."""
    if places is None:
        if not {"mu", "sd"} <= set(parameters.columns):
            raise ValueError("X is needed to know the range of the stimulus.")
        reach = 3 * parameters["sd"]
        places = np.r_[parameters["mu"] * 2.0**-reach, parameters["mu"] * 2.0**reach] if log else (
            np.r_[parameters["mu"] - reach, parameters["mu"] + reach]
        )  # fmt: skip
    space = np.geomspace if log else np.linspace
    return space(places.min(), places.max(), 200)


def _instant_curves(model, parameters, positions):
    """Amplitude times basis plus baseline, before any haemodynamic response."""
    space = [par for par in model.get_parameter_space() if not par.label.startswith("hrf_")]
    shape = [parameters[par.label].to_numpy() for par in space if par.role == "shape"]
    point = model
    if getattr(model, "grid_coordinates", None) is not None:
        from sklearn.base import clone

        point = clone(model).set_params(grid_coordinates=None)
    curves = point.basis(positions[:, None], *shape)
    for par in space:
        column = parameters[par.label].to_numpy()
        curves = curves * column if par.role == "amplitude" else curves + column if par.role == "baseline" else curves
    return curves


class _Points(NamedTuple):
    """Mean place, mean and standard error of each bin."""

    place: np.ndarray
    mean: np.ndarray
    error: np.ndarray


def _binned(x, y):
    """Data in bins of equally many samples."""
    parts = [part for part in np.array_split(np.argsort(x), N_BINS) if len(part) > 1]
    mean, error = [y[part].mean() for part in parts], [y[part].std(ddof=1) / np.sqrt(len(part)) for part in parts]
    return _Points(np.array([x[part].mean() for part in parts]), np.array(mean), np.array(error))


class R2Display:
    """Histogram of the variance explained over targets.

    Parameters
    ----------
    r2 : array-like of shape (n_targets,)
        R2 of each target, best on held-out data; NaN is left out.
    null : array-like, default=None
        R2 where nothing can be explained, for example of shuffled data.

    Attributes
    ----------
    ax_, figure_, bars_, median_
        Artists of the last `plot`.

    Examples
    --------
    >>> from eegexplain.plotting import R2Display
    >>> R2Display([0.1, 0.2, 0.6]).plot().median_.get_xdata()[0]
    0.2
    """

    def __init__(self, r2: ArrayLike, null: ArrayLike | None = None):
        gaps: dict[str, Any] = {"dtype": float, "allow_nan": True, "allow_inf": True}
        self.r2 = check_array_like("r2", r2, **gaps).ravel()
        self.r2 = self.r2[np.isfinite(self.r2)]
        self.null = None if null is None else check_array_like("null", null, **gaps).ravel()
        if not len(self.r2):
            raise ValueError("There is no finite R2 to draw.")

    def plot(self, *, ax=None, bins=30, xlabel="R²"):
        """Draw the histogram.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; None makes a figure.
        bins : int or array
            Number of bins, or their borders.
        xlabel : str
            What was measured, such as "R², held-out trials".

        Returns
        -------
        self : R2Display
        """
        self.ax_ = ax = _axes(ax, (4.2, 2.8))
        self.figure_ = ax.figure
        everything = self.r2 if self.null is None else np.concatenate([self.r2, self.null[np.isfinite(self.null)]])
        borders = np.histogram_bin_edges(everything, bins)
        label = None if self.null is None else "data"
        self.bars_ = ax.hist(self.r2, borders, color=COLORS[0], alpha=0.85, label=label)[2]
        if self.null is not None:
            weights = np.full(len(self.null), len(self.r2) / len(self.null))
            style = {"histtype": "step", "color": ink(ax), "linewidth": 1.2, "label": "nothing to explain"}
            ax.hist(self.null, borders, weights=weights, **style)
            ax.legend(frameon=False, fontsize=8)
        middle = float(np.median(self.r2))
        self.median_ = ax.axvline(middle, color=COLORS[1], linewidth=1.5)
        ax.annotate(
            f"median {middle:.2f}", (middle, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 2),
            textcoords="offset points", color=COLORS[1], ha="center", va="bottom", fontsize=8,
        )  # fmt: skip
        ax.set(xlabel=xlabel, ylabel="targets")
        return self
