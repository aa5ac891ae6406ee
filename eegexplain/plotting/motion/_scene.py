"""Frames of a moving map as palette indices: the scene is drawn once, each frame only fills in the map.

The palette holds the colours of the map, the same at half brightness (contour lines, and the soft edge of what is
drawn over the map), and greys for the rest. So colours are exact: the index of a pixel is the value at the pixel,
to half a colour step.
"""

from dataclasses import dataclass

import numpy as np

from eegexplain._text import plain
from eegexplain.plotting.scalp import _head
from eegexplain.plotting.scalp.topography import map_radius, topography

N_COLOURS = 111  # odd, so that zero has a colour of its own
_N_GREYS = 256 - 2 * N_COLOURS
_FIRST_GREY = 2 * N_COLOURS  # black
_BLOCK = 8  # frames interpolated at once
_DPI = 100
_DARK = "0.15"
_LIGHT = dict.fromkeys(  # the palette's page is white, whatever the style is
    ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), "black"
)


@dataclass(frozen=True)
class Trace:
    """A curve drawn under the map, with its standard error where known."""

    values: np.ndarray
    error: np.ndarray | None
    label: str
    baseline: float = 0.0
    channel: int | None = None  # whose curve it is; None where it was given as an array


class Scene:
    """Everything that frames share, and the frames.

    Parameters
    ----------
    display : TopomapDisplay
        What to draw.
    row : int
        Which output.
    size : (int, int)
        Width and height in pixels.
    look : Look
        Limits, colour map and levels.
    trace : Trace or None
        Curve under the map.
    sensors, names : bool
        As in ``TopomapDisplay.plot``.
    mask : array of bool or None
        As in ``TopomapDisplay.plot``.
    title : str
        Written at the left of the time.
    verbose : int
        1 shows a progress bar.

    Attributes
    ----------
    palette : ndarray of uint8, shape (256, 3)
    map_box : (left, top, side)
        Square of the map, in pixels.
    label_box, trace_box : (left, top, width, height)
        Where the time label and the moving cursor lie, in pixels.
    """

    def __init__(self, display, row, *, size, look, trace, sensors, names, mask, title, verbose=0):
        self.display, self.row, self.size, self.look, self.trace = display, row, size, look, trace
        self.sensors, self.names, self.mask = sensors, names, mask
        self.title, self.verbose = title, verbose
        self.n_frames = display.values.shape[1]
        self.palette = _palette(look)
        self._lay_out()
        self.operator = topography(
            display.kept_positions, method=display.method, extrapolate=display.extrapolate,
            resolution=self.map_box[2], dtype="float32",
        )  # fmt: skip
        visible = self.operator.visible
        self._mask_of_map = visible[::-1]
        self._inside = np.flatnonzero(visible)
        self._weights = self.operator.matrix[visible[self.operator.inside]]
        self._overlays = {}
        rows, columns = np.indices(visible.shape) // max(2, self.map_box[2] // 130)
        self._dashes = (rows + columns) % 3 > 0  # of contours below zero

    # ------------------------------------------------------------------------------------------------------ layout

    def _lay_out(self):
        """Boxes of label, map, colour bar and trace, in whole pixels from the upper left corner."""
        width, height = self.size
        font = self.font_pixels = int(np.clip(height / 28, 10, 40))
        top = int(1.9 * font)
        bottom = int(0.24 * height) if self.trace is not None else int(0.02 * height)
        bar = int(5.5 * font) + (int(1.6 * font) if self.display.label else 0)
        area = (int(0.02 * width), top, width - bar - int(0.02 * width), height - top - bottom)
        radius = map_radius(self.display.kept_positions)
        left, right, low, high = _head.limits(radius)
        scale = min(area[2] / (right - left), area[3] / (high - low))
        side = int(2 * radius * scale)
        if side < 24:
            raise ValueError(f"size={tuple(self.size)} pixels leaves no room for the map: use at least (200, 160).")
        centre = (area[0] + area[2] // 2, area[1] + int(high * scale))
        self.map_box = (centre[0] - side // 2, centre[1] - side // 2, side)
        self.label_box = (area[0], int(0.35 * font), area[2], int(1.4 * font))
        self.trace_box = (int(5 * font), height - bottom + int(0.5 * font), width - bar - int(5 * font), 0)
        self.trace_box = self.trace_box[:3] + (height - int(2.9 * font) - self.trace_box[1],)
        self._area, self._bar_left = area, width - bar + int(0.3 * font)

    @property
    def baseline(self):
        """Row of pixels on which the time label stands."""
        return self.label_box[1] + int(1.05 * self.font_pixels)

    # ------------------------------------------------------------------------------------------------------ drawing

    def _figure(self):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(self.size[0] / _DPI, self.size[1] / _DPI), dpi=_DPI, facecolor="none")
        FigureCanvasAgg(figure)
        return figure

    def _axes(self, figure, box):
        left, top, width, height = box
        return figure.add_axes(
            [left / self.size[0], 1 - (top + height) / self.size[1], width / self.size[0], height / self.size[1]]
        )

    def _head_axes(self, figure):
        """Axes whose data coordinates put the map exactly on its square of pixels."""
        ax = self._axes(figure, (*self.map_box[:2], self.map_box[2], self.map_box[2]))
        ax.patch.set_visible(False)
        _head.draw_head(ax, self.operator)
        ax.set_aspect("auto")
        radius = self.operator.radius
        ax.set(xlim=(-radius, radius), ylim=(-radius, radius))
        return ax

    def background(self):
        """Draw all that never changes; returns palette indices of shape (height, width)."""
        from matplotlib import rc_context

        with rc_context(_LIGHT):
            return self._to_indices(_render(self._draw_background()))

    def _draw_background(self):
        figure = self._figure()
        self._head_axes(figure)
        self._draw_colour_bar(figure)
        if self.trace is not None:
            self._draw_trace(figure)
        font = 72 * self.font_pixels / _DPI
        figure.text(
            self.label_box[0] / self.size[0], 1 - (self.label_box[1] + 0.5 * self.label_box[3]) / self.size[1],
            plain(self.title), fontsize=font, ha="left", va="center", color=_DARK,
        )  # fmt: skip
        return figure

    def overlay(self, column):
        """Draw what lies over the map in this frame: shade (0, 1 or 2 = opaque) and indices, on the map's square."""
        from matplotlib import rc_context

        mask = self.display.mask_of(self.mask, self.row, column)
        key = None if mask is None else mask.tobytes()
        if key not in self._overlays:
            with rc_context(_LIGHT):
                figure = self._figure()
                ax = self._head_axes(figure)
                self.display._draw_electrodes(ax, self.row, column, self.sensors, self.mask, self.names)
            left, top, side = self.map_box
            picture = _render(figure)[top : top + side, left : left + side]
            alpha = picture[..., 3] / 255
            dark = picture[..., :3].mean(axis=-1) < 128
            shade = np.where(alpha >= 0.7, 2, np.where((alpha >= 0.25) & dark, 1, 0)).astype(np.uint8)
            if len(self._overlays) > 64:
                self._overlays.clear()
            self._overlays[key] = shade, self._to_indices(picture)
        return self._overlays[key]

    def _draw_colour_bar(self, figure):
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import ListedColormap, Normalize

        font = self.font_pixels
        top, side = self.map_box[1], self.map_box[2]
        ax = self._axes(figure, (self._bar_left, top + int(0.15 * side), int(0.9 * font), int(0.7 * side)))
        colours = ListedColormap(self.palette[:N_COLOURS] / 255)
        scale, extend = ScalarMappable(Normalize(*self.look.vlim), colours), self.look.extend
        bar = figure.colorbar(scale, cax=ax, extend=extend, extendfrac=0.06)
        size = 0.8 * 72 * font / _DPI
        bar.outline.set_linewidth(0.5)
        bar.ax.tick_params(labelsize=size, width=0.6, length=3, color=_DARK, labelcolor=_DARK)
        bar.ax.hlines(self.look.levels, 0, 1, transform=bar.ax.get_yaxis_transform(), color="black", linewidth=0.5)
        bar.set_label(self.display.label, fontsize=size, color=_DARK)

    def _draw_trace(self, figure):
        ax = self._axes(figure, self.trace_box)
        ax.patch.set_visible(False)
        x = self.trace_x
        size = 0.8 * 72 * self.font_pixels / _DPI
        if self.trace.error is not None:
            half = 1.96 * self.trace.error
            ax.fill_between(x, self.trace.values - half, self.trace.values + half, color="0.8", linewidth=0)
        ax.axhline(self.trace.baseline, color="0.6", linewidth=0.6)
        ax.plot(x, self.trace.values, color=_DARK, linewidth=1.2)
        ax.set_xlim(x[0], x[-1]) if len(x) > 1 else ax.set_xlim(x[0] - 0.5, x[0] + 0.5)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=size, width=0.6, length=3, color=_DARK, labelcolor=_DARK)
        ax.locator_params(axis="y", nbins=3)
        unit = "time (s)" if self.display.times is not None else "frequency (Hz)"
        ax.set_xlabel("frame" if self.display.along is None else unit, fontsize=size, color=_DARK, labelpad=1)
        ax.set_ylabel(self.trace.label, fontsize=size, color=_DARK)

    @property
    def trace_x(self):
        """Horizontal coordinates of the trace: seconds, Hz, or frame numbers."""
        along = self.display.along
        return np.arange(self.n_frames, dtype=float) if along is None else along

    def cursor(self, column):
        """First pixel column of the cursor in this frame."""
        x = self.trace_x
        left, _, width, _ = self.trace_box
        share = (x[column] - x[0]) / (x[-1] - x[0]) if len(x) > 1 else 0.5
        return left + int(np.clip(round(share * width), 0, width - 2))

    def _to_indices(self, picture):
        """Nearest colours of the palette, over a white page."""
        alpha = picture[..., 3:].astype(float) / 255
        flat = np.rint(picture[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint32)
        packed = (flat[..., 0] << 16) | (flat[..., 1] << 8) | flat[..., 2]
        colours, where = np.unique(packed, return_inverse=True)
        colours = np.stack([colours >> 16, (colours >> 8) & 255, colours & 255], axis=1).astype(float)
        usable = np.r_[np.arange(N_COLOURS), np.arange(_FIRST_GREY, 256)]
        distance = ((colours[:, None] - self.palette[usable].astype(float)) ** 2).sum(axis=-1)
        return usable[distance.argmin(axis=1)].astype(np.uint8)[where].reshape(packed.shape)

    # ------------------------------------------------------------------------------------------------------- frames

    def maps(self):
        """Yield the map of every frame as palette indices on its square, with all that lies over it."""
        side = self.map_box[2]
        values = self.display.kept_values(self.row)
        low, high = self.look.vlim
        scale = (N_COLOURS - 1) / (high - low)
        levels = ((self.look.levels - low) * scale).astype(np.float32)
        field = np.zeros(side * side, dtype=np.float32)
        for start in self._blocks():
            block = ((values[start : start + _BLOCK] - low) * scale).astype(np.float32)
            for offset, pixels in enumerate((self._weights @ block.T).T):
                field[self._inside] = pixels
                yield self._compose(field.reshape(side, side)[::-1], levels, *self.overlay(start + offset))

    def _blocks(self):
        starts = range(0, self.n_frames, _BLOCK)
        if not self.verbose:
            return starts
        from tqdm.auto import tqdm

        return tqdm(starts, desc="frames", unit="block", leave=False)

    def _compose(self, field, levels, shade, drawn):
        colour = np.clip(field + 0.5, 0, N_COLOURS - 0.5).astype(np.uint8)
        above = [(field > level).view(np.uint8) for level in levels]
        below = int((self.look.levels < 0).sum())
        line = _borders(sum(above[below:])) if above[below:] else False
        line |= _borders(sum(above[:below])) & self._dashes if below else False
        colour += N_COLOURS * ((shade == 1) | line).astype(np.uint8)
        return np.where((shade == 2) | ~self._mask_of_map, drawn, colour)

    def frames(self):
        """Yield every frame as palette indices of shape (height, width)."""
        background = self.background()
        left, top, side = self.map_box
        write = _LabelWriter(self)
        for column, picture in enumerate(self.maps()):
            frame = background.copy()
            frame[top : top + side, left : left + side] = picture
            write(frame, self.frame_label(column))
            if self.trace is not None:
                x, (_, y, _, height) = self.cursor(column), self.trace_box
                frame[y : y + height, x : x + 2] = _FIRST_GREY
            yield frame

    def frame_label(self, column):
        """Time or band of a frame; its number where there is neither."""
        return self.display.column_label(column) or str(column)


class _LabelWriter:
    """Writes the label of a frame into the strip above the nose, with Pillow (a figure per label would be slow)."""

    def __init__(self, scene):
        from matplotlib.font_manager import findfont
        from PIL import ImageFont

        self._font = ImageFont.truetype(findfont("DejaVu Sans"), scene.font_pixels)
        self._box = scene.label_box
        self._centre = scene.map_box[0] + scene.map_box[2] // 2
        self._baseline = scene.baseline

    def __call__(self, frame, text):
        from PIL import Image, ImageDraw

        left, top, width, height = self._box
        strip = Image.new("L", (width, height), 0)
        ImageDraw.Draw(strip).text((self._centre - left, self._baseline - top), text, 255, self._font, anchor="ms")
        ink = np.asarray(strip)
        greys = _FIRST_GREY + np.rint((255 - 0.85 * ink) / 255 * (_N_GREYS - 1)).astype(np.uint8)
        target = frame[top : top + height, left : left + width]
        target[ink > 0] = greys[ink > 0]


def _palette(look):
    """Map colours, the same at half brightness, greys from black to white."""
    from matplotlib import colormaps

    colormap = colormaps[look.cmap] if isinstance(look.cmap, str) else look.cmap
    colours = np.rint(255 * colormap(np.linspace(0, 1, N_COLOURS))[:, :3])
    greys = np.repeat(np.rint(np.linspace(0, 255, _N_GREYS))[:, None], 3, axis=1)
    return np.concatenate([colours, np.floor(0.5 * colours), greys]).astype(np.uint8)


def _borders(levels):
    """Pixels whose right or lower neighbour lies between other contour levels."""
    border = np.zeros(levels.shape, dtype=bool)
    border[:, :-1] = levels[:, :-1] != levels[:, 1:]
    border[:-1] |= levels[:-1] != levels[1:]
    return border


def _render(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba()).copy()
