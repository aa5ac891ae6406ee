"""One page with a map that moves: the values and positions, and scripts that draw them; no library, no network."""

import html

import numpy as np

from eegexplain._text import readable
from eegexplain.plotting._payload import bits_of, colors, pack_layer, page_file, places_of, script_safe
from eegexplain.plotting.scalp.topography import map_radius

_SCRIPTS = ("triangles.js", "payload.js", "drawing.js", "elements.js", "scalp.js", "spectrum.js",
            "player.js")  # fmt: skip
_STYLE = """html { color-scheme: light dark; } body { margin: 0; }
h1 { font-size: 18px; margin: 0 0 4px; overflow-wrap: anywhere; }
.eegexplain-explorer .bar input[type="range"] { flex: 1; min-width: 120px; } .bar button { min-width: 6.5em; }
@media (prefers-color-scheme: dark) { body { background: #14161a; } }
"""


def write_player(file, display, row, *, size, look, trace, sensors, names, mask, title, fps, loop):
    """Write the page; adding ``#12`` to its address opens it at frame 12, paused."""
    title = readable(title) or readable(display.label) or "Scalp maps"
    low, high = (float(limit) for limit in look.vlim)
    payload = {
        "title": title,
        "channels": [name for name, kept in zip(display.ch_names, display._kept, strict=True) if kept],
        "outputs": [title],
        "axis": _axis(display),
        "bands": [],
        "colors": colors(look.cmap),
        "layers": [_layer(display, row)],
        "start": {"channel": _first_channel(display, row, trace)},
        "player": {
            "fps": float(fps), "loop": bool(loop), "low": low, "high": high, "middle": (low + high) / 2,
            "levels": look.levels.tolist(), "unit": display.label if len(display.label) < 12 else "",
            "labels": [display.column_label(k) or str(k) for k in range(display.values.shape[1])],
            "sensors": bool(sensors), "names": bool(names), "masks": _masks(display, row, mask),
            "method": display.method, **_trace(display, trace),
        },
    }  # fmt: skip
    payload |= places_of(display.kept_positions)
    radius = map_radius(display.kept_positions)
    payload["player"]["missing"] = (display.positions[~display._kept] / radius).round(4).tolist()
    if display.extrapolate == "hull":
        payload["player"]["hull"] = (display.topography.outline / radius).round(4).tolist()
        payload["triangles"] = _within_hull(display.kept_positions, radius)
    file.write(_page(title, payload, size).encode())


def _page(title, payload, size):
    title, width = html.escape(title, quote=True), size[0]
    spline = ("spline.js",) if payload["player"]["method"] == "spherical" else ()
    scripts = "\n".join(map(page_file, (*spline, *_SCRIPTS)))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>{title}</title>\n<style>\n{page_file("explorer.css")}'
        f'{_STYLE}</style></head>\n<body><main class="eegexplain-explorer eegexplain-player" '
        f'style="max-width:{width}px;margin:auto;padding:12px"><h1>{title}</h1>'
        f'<script type="application/json">{script_safe(payload)}</script></main>\n'
        f'<script>\n(function () {{\n"use strict";\n{scripts}}})();\n</script></body></html>\n'
    )


def _axis(display):
    if display.along is None:
        return {"name": "Frame", "unit": ""}
    name, unit = ("Time", "s") if display.frequencies is None else ("Frequency", "Hz")
    return {"name": name, "unit": unit}


def _layer(display, row):
    """Values and errors of all channels, as the explorer packs them."""
    value = display.kept_values(row).T[None]
    error = None if display.standard_error is None else display.standard_error[row][:, display._kept].T[None]
    return _packed(display, value, error)


def _packed(display, value, error=None):
    import xarray as xr

    name = next((key for key, one in (("time", display.times), ("frequency", display.frequencies)) if one is not None),
                "band")  # fmt: skip
    frames = display.along
    if frames is None:
        frames = [display.column_label(k) or str(k) for k in range(value.shape[-1])]
    dims = ("output", "channel", name)
    variables = {"value": (dims, value)} | ({} if error is None else {"standard_error": (dims, error)})
    return pack_layer("", xr.Dataset(variables, {name: frames}), name, short="", beside=False)


def _first_channel(display, row, trace):
    """The channel whose curve was asked for, else the one with the largest value."""
    if trace is not None and trace.channel is not None:
        return int(np.count_nonzero(display._kept[: trace.channel]))
    return int(np.abs(display.kept_values(row)).max(axis=0).argmax())


def _trace(display, trace):
    """The curve that was given, as a map of one channel; nothing for a channel, which the page has."""
    if trace is None or trace.channel is not None:
        return {"trace": None, "traceLabel": "", "baseline": 0.0}
    error = None if trace.error is None else trace.error[None, None]
    packed = _packed(display, trace.values[None, None] - trace.baseline, error)
    return {"trace": packed, "traceLabel": trace.label, "baseline": trace.baseline}


def _masks(display, row, mask):
    """Marks of each frame, or those of all; none without a mask."""
    if mask is None:
        return []
    rows = np.array([display.mask_of(mask, row, k) for k in range(display.values.shape[1])])
    return [bits_of(one) for one in (rows[:1] if (rows == rows[0]).all() else rows)]


def _within_hull(positions, radius):
    """Triangles between the electrodes alone."""
    from scipy.spatial import Delaunay

    return {"ring": [], "corners": Delaunay(positions / radius).simplices.ravel().tolist()}
