"""
Maps on the scalp
=================

One map, a grid of them, spherical splines for potentials, missing channels, and a map in motion.
"""

# %%
# One map
# -------
# Names say where electrodes lie; upper and lower case do not matter, and old names (T3, T5) are understood. Zero is
# white, limits are symmetric. White discs mark electrodes that stand out, for example significant ones.

import pathlib
import tempfile

import numpy as np

from eegexplain.plotting import TopomapDisplay, channel_positions

names = (
    "Fp1 Fp2 F7 F3 Fz F4 F8 FC5 FC1 FC2 FC6 T7 C3 Cz C4 T8 CP5 CP1 CP2 CP6 P7 P3 Pz P4 P8 PO7 PO8 O1 Oz O2"
).split()
plane = channel_positions(names)


def bump(x, y, width=0.03):
    """A hill on the scalp; places in metres."""
    return np.exp(-((plane - [x, y]) ** 2).sum(axis=1) / (2 * width**2))


rng = np.random.default_rng(0)
values = bump(-0.04, 0) - 0.7 * bump(0.045, -0.03) + 0.05 * rng.standard_normal(30)
display = TopomapDisplay.from_values(values, names, label="correlation")
display.plot(names=True, mask=np.abs(values) > 0.4)

# %%
# A grid with shared limits, contour levels and one colour bar
# ------------------------------------------------------------
# The same call draws the ``explanation_`` of any fitted explainer: ``TopomapDisplay.from_estimator(explainer)``.

bands = ["theta", "alpha", "beta", "gamma"]
grid = np.stack([[gain * values for gain in (0.2, 1, 0.6, 0.1)], [-gain * values for gain in (0.3, 0.8, 0.5, 0.0)]])
TopomapDisplay.from_values(grid, names, outputs=["left", "right"], bands=bands, label="correlation").plot_grid()

# %%
# Other interpolations, and the values themselves
# -----------------------------------------------
# The default goes through the values exactly, as an explanation should: a lone electrode is shown at its full height.
# Spherical splines estimate a smooth potential. Without interpolation there are just the values.

import matplotlib.pyplot as plt

lone = np.eye(30)[12]
figure, axes = plt.subplots(1, 3, figsize=(8, 2.8), layout="constrained")
TopomapDisplay.from_values(lone, names).plot(ax=axes[0], title="default", vlim=1, colorbar=False)
TopomapDisplay.from_values(lone, names, method="spherical").plot(ax=axes[1], title="spherical", vlim=1, colorbar=False)
TopomapDisplay.from_values(lone, names).plot(ax=axes[2], title="values", vlim=1, colorbar=False, interpolate=False)

# %%
# In motion
# ---------
# The ending of the file names the format: GIF, animated PNG or WebP, a web page with a slider, or MP4. Colours are
# exact and memory does not grow with the number of frames.

times = np.linspace(0, 0.6, 40)
moving = np.stack([np.sin(8 * t) * bump(0.05 * np.cos(9 * t), 0.05 * np.sin(9 * t)) for t in times])
display = TopomapDisplay.from_values(moving, names, times, label="amplitude")
with tempfile.TemporaryDirectory() as folder:
    for ending in ("gif", "webp", "html"):
        path = display.save(pathlib.Path(folder) / f"moving.{ending}", fps=10, trace="Cz")
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
display.plot_grid(times=5)
plt.show()
