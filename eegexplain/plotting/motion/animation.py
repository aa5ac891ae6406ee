"""Maps in motion: a matplotlib animation for notebooks, and files that need nothing but a viewer."""

import numbers
import os
import pathlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eegexplain._io import atomic_write
from eegexplain._text import plain
from eegexplain._validation import lookup
from eegexplain.plotting._selection import pick_label
from eegexplain.plotting.motion._containers import find_ffmpeg, write_apng, write_gif, write_mp4, write_webp
from eegexplain.plotting.motion._player import write_player
from eegexplain.plotting.motion._scene import Scene, Trace
from eegexplain.plotting.motion._smooth import smoothed
from eegexplain.plotting.scalp._contours import draw_contours
from eegexplain.plotting.scalp._head import move_sensors

_WRITERS = {".gif": write_gif, ".png": write_apng, ".webp": write_webp, ".html": write_player, ".mp4": write_mp4}


def save(
    display: Any,
    path: str | os.PathLike[str],
    *,
    fps: float = 5,
    output: Any = None,
    size: tuple[int, int] = (600, 500),
    loop: bool = True,
    trace: str | ArrayLike | None = None,
    trace_error: ArrayLike | None = None,
    trace_label: str | None = None,
    trace_baseline: float = 0.0,
    names: bool = False,
    mask: ArrayLike | None = None,
    contours: int | ArrayLike = 6,
    sensors: bool = True,
    vlim: float | tuple[float | None, float | None] | None = None,
    cmap: Any = None,
    sequential: bool = False,
    title: str | None = None,
    smooth: float | None = None,
    verbose: int = 0,
) -> pathlib.Path:
    """Save all frames of a display as a moving picture.

    The scene is drawn once; each frame is one product with the interpolation operator, written at once. So memory does
    not grow with the number of frames, and colours are exact: frames hold palette indices.

    Parameters
    ----------
    display : TopomapDisplay
        With several frames.
    path : str or path-like
        The ending names the format: ``.gif``, ``.png`` (animated PNG), ``.webp``, ``.mp4`` (needs ffmpeg), ``.html``:
        one file with the values themselves, whose map is drawn by the browser, to play at any speed, hover and click.
        The file appears when it is complete; an interrupt leaves none.
    fps : float
        Frames per second. GIF rounds the duration of a frame to 10 ms, at least 20 ms.
    output : label or int, optional
        Which output; None is the first.
    size : (int, int)
        Width and height in pixels, up to 2000 each; of a page the largest width.
    loop : bool
        Start again at the end.
    trace : str or array of shape (n_frames,), optional
        Curve over time under the map, with a cursor at the frame: the name of a channel, or your own values (decoding
        scores, for example).
    trace_error : array of shape (n_frames,), optional
        Standard error of `trace`, drawn as a 95 % confidence band. For a channel it is taken from the display.
    trace_label : str, optional
        Label of the curve's axis.
    trace_baseline : float
        Height of the thin line across the curve: zero, or chance.
    names, mask, contours, sensors, vlim, cmap, sequential
        As in `TopomapDisplay.plot`.
    title : str, optional
        Written at the upper left; None is the label of the output where there are several.
    smooth : float, optional
        Smooth over time by a Gaussian of this full width at half maximum, in seconds: attributions flicker from sample
        to sample. A trace given as an array stays as it is. Errors become weighted means of errors, upper bounds.
    verbose : int
        1 shows a progress bar.

    Returns
    -------
    pathlib.Path
        Where the file is.

    Raises
    ------
    ValueError
        For an unknown ending, rate, size or trace, and `smooth` without evenly spaced times.
    OSError
        When the folder cannot be written.
    RuntimeError
        For MP4 without ffmpeg, naming the alternatives.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile
    >>> from eegexplain.plotting import TopomapDisplay
    >>> values = np.sin(np.linspace(0, 3, 8))[:, None] * [0.1, -1.0, 0.0, 1.0, 0.2, 0.0]
    >>> display = TopomapDisplay.from_values(values, ["Fz", "C3", "Cz", "C4", "Pz", "Oz"], times=np.arange(8) / 100)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = display.save(pathlib.Path(folder) / "map.gif", size=(300, 250))
    ...     path.read_bytes()[:6]
    b'GIF89a'
    """
    path = pathlib.Path(path)
    writer = lookup(_WRITERS, path.suffix.lower(), "the ending of path")
    if writer is write_mp4:
        find_ffmpeg()
    if isinstance(fps, bool) or not isinstance(fps, numbers.Real) or not 0 < fps <= 1000:
        raise ValueError(f"fps must be a number of frames per second above 0 and up to 1000; got {fps!r}.")
    size = _check_size(size)
    display = display if smooth is None else smoothed(display, smooth)
    row, _ = display.locate(output=output, frame=0)
    look = display.look(vlim=vlim, cmap=cmap, sequential=sequential, contours=contours)
    display.mask_of(mask, row, 0)
    curve = _check_trace(display, row, trace, trace_error, trace_label, float(trace_baseline))
    title = display.row_label(row) if title is None else title
    shown = {"size": size, "look": look, "trace": curve, "sensors": sensors, "names": names, "mask": mask,
             "title": title}  # fmt: skip
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        if writer is write_player:
            writer(file, display, row, fps=fps, loop=loop, **shown)
        else:
            writer(file, Scene(display, row, verbose=verbose, **shown), fps=fps, loop=loop)
    return path


def animate(
    display: Any,
    *,
    fps: float = 5,
    output: Any = None,
    mask: ArrayLike | None = None,
    contours: int | ArrayLike = 6,
    **plot_options: Any,
) -> Any:
    """Animate the frames of a display in a matplotlib figure.

    Parameters
    ----------
    display : TopomapDisplay
        With several frames.
    fps : float
        Frames per second.
    output : label or int, optional
        Which output; None is the first.
    mask, contours, **plot_options
        As in `TopomapDisplay.plot`.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        Keep a reference to it while it runs.
    """
    from matplotlib.animation import FuncAnimation

    row, _ = display.locate(output=output, frame=0)
    display.plot(output=output, frame=0, mask=mask, contours=contours, **plot_options)
    image, lines, ax, sensors = display.im_, [display.contours_], display.ax_, display.sensors_
    scale = {key: plot_options[key] for key in ("vlim", "cmap", "sequential") if key in plot_options}
    levels = display.look(contours=contours, **scale).levels
    ax.set_title(plain(display.title(row, 0) or "frame 0"))

    def show(frame):
        """Put one frame into the artists of the first."""
        picture = display.maps(row, frame)
        image.set_data(picture)
        if lines[0] is not None:
            lines[0].remove()
        lines[0] = draw_contours(ax, display.topography, picture, levels)
        if sensors is not None and mask is not None:
            move_sensors(sensors, display.kept_positions, display.mask_of(mask, row, frame))
        ax.title.set_text(plain(display.title(row, frame) or f"frame {frame}"))
        return ()

    return FuncAnimation(display.figure_, show, frames=display.values.shape[1], interval=1000 / fps, blit=False)


def _check_size(size):
    try:
        width, height = (int(n) for n in size)
    except (TypeError, ValueError):
        raise ValueError(f"size must be (width, height) in pixels; got {size!r}.") from None
    if not (200 <= width <= 2000 and 160 <= height <= 2000):  # the operator grows with the square of the size
        raise ValueError(f"size must lie between (200, 160) and (2000, 2000) pixels; got ({width}, {height}).")
    return width, height


def _check_trace(display, row, trace, error, label, baseline):
    """Curve under the map: a channel by name, or values given."""
    n_frames, channel = display.values.shape[1], None
    if trace is None:
        return None
    if isinstance(trace, str):
        place = pick_label(display.ch_names, trace, "trace")
        channel = place if error is None and baseline == 0 else None
        values, label = display.values[row, :, place], label or plain(display.ch_names[place])
        if error is None and display.standard_error is not None:
            error = np.asarray(display.standard_error)[row, :, place]
    else:
        values = np.asarray(trace, dtype=float)
    for name, given in (("trace", values), ("trace_error", error)):
        if given is not None and (np.shape(given) != (n_frames,) or not np.isfinite(given).all()):
            raise ValueError(
                f"{name} must be {n_frames} finite values, one per frame; got shape {np.shape(given)}"
                f"{'' if np.isfinite(given).all() else ', not all finite'}."
            )
    error = None if error is None else np.asarray(error, dtype=float)
    return Trace(values, error, label or "", baseline, channel)
