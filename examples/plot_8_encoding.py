"""
Encoding models: tuning, fields and decoding
============================================

An encoding model predicts the response of every target - an electrode, a voxel, a unit of a network - from the
stimulus. Here tuning curves are planted in simulated data and found again, for all targets at once, with standard
errors; the same models then tell which stimulus was shown.
"""

# %%
# Tuning curves
# -------------
# Sixty targets prefer different frequencies of a sound. Tuning is Gaussian on a logarithmic axis: ``mu`` in Hz,
# ``sd`` in octaves.

import numpy as np

from eegexplain.encoding import GaussianTuningModel, ParameterFitter, SPMHRFModel, StimulusDecoder
from eegexplain.plotting import CoverageDisplay, HRFDisplay, R2Display, TuningCurveDisplay

rng = np.random.default_rng(0)
n_targets = 60
tone = np.exp2(rng.uniform(7, 12, (400, 1)))
planted = np.column_stack(
    [
        np.exp2(rng.uniform(7.5, 11.5, n_targets)),
        rng.uniform(0.4, 1.0, n_targets),
        rng.uniform(0.5, 2.0, n_targets),
        rng.standard_normal(n_targets),
    ]
)
model = GaussianTuningModel(log=True)
response = model.simulate(tone, planted, noise=0.5, random_state=0)

# %%
# ``ParameterFitter`` compares all targets with a grid of shapes in one matrix product, then refines each target until
# it has converged. The standardised errors show that the standard errors are honest: their spread is about one.

train = np.arange(400) < 300
fitter = ParameterFitter(model).fit(tone[train], response[train])
z = (fitter.parameters_ - planted) / fitter.standard_errors_
print(fitter.parameters_.head(3).round(2))
print(f"steps per target {fitter.n_iter_.mean():.1f}, spread of the standardised errors {z.stack().std():.2f}")
TuningCurveDisplay.from_estimator(fitter, tone[train], response[train]).ax_.set_xlabel("frequency (Hz)")

# %%
# What counts is the prediction of data that were not fitted.

held_out = fitter.score(tone[~train], response[~train], multioutput="raw_values")
R2Display(held_out).plot(xlabel="R², held-out data")

# %%
# Parameters in common
# --------------------
# If theory says that all targets are equally broad, share the width: one value, with a smaller standard error.

shared = ParameterFitter(model, shared_pars=["sd"]).fit(tone[train], response[train])
print(f"shared width {shared.parameters_['sd'].iloc[0]:.3f} +- {shared.standard_errors_['sd'].iloc[0]:.3f} octaves")

# %%
# Which stimulus was it?
# ----------------------
# Bayes' rule turns the encoding model round. The covariance of the residuals says which targets err together, and what
# few samples leave open of the parameters makes the posterior wider. Trials that were not in ``fit`` say whether its
# probabilities keep their word.

decoder = StimulusDecoder(fitter, grid=np.exp2(np.linspace(7, 12, 81))).fit(tone[train], response[train])
mean, std = decoder.predict(response[~train], return_std=True)
error = np.abs(np.log2(decoder.predict_mode(response[~train]) / tone[~train]))
print(f"median error of the most probable frequency {np.median(error):.3f} octaves")
coverage = decoder.calibration(tone[~train], response[~train]).coverage(0.9)
print(f"regions of 90 % probability hold the frequency {100 * coverage:.0f} % of the time")
CoverageDisplay.from_estimator(decoder, tone[~train], response[~train]).plot()

# %%
# Receptive fields behind a slow response
# ---------------------------------------
# Fields in the plane, seen through the haemodynamic response. The model is linear in the stimulus, so the stimulus is
# convolved once, however many targets there are.

HRFDisplay.from_models(
    {"SPM": SPMHRFModel.from_preset("spm", tr=0.1), "Glover": SPMHRFModel.from_preset("glover", tr=0.1)}
).plot()

# %%
# Bars sweep across the screen in eight directions.

axis = np.linspace(-5, 5, 15)
pixels = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
sweeps = [(angle, place) for angle in np.arange(8) * np.pi / 4 for place in np.linspace(-5, 5, 24)]
screen = np.array(
    [np.abs(pixels @ [np.cos(angle), np.sin(angle)] - place) < 0.8 for angle, place in sweeps], dtype=float
)
planted = np.column_stack(
    [
        rng.uniform(-3.5, 3.5, (40, 2)),
        rng.uniform(0.6, 1.6, 40),
        rng.standard_normal(40),
        rng.uniform(0.5, 2.0, 40),
    ]
)
model = GaussianTuningModel(grid_coordinates=pixels, n_dims=2, hrf_model=SPMHRFModel(tr=1.5))
bold = model.predict(screen, planted)
bold += 0.6 * bold.std(axis=0) * rng.standard_normal(bold.shape)
fields = ParameterFitter(model).fit(screen, bold)
distance = np.hypot(*(fields.parameters_[["x", "y"]].to_numpy() - planted[:, :2]).T)
print(f"median distance of centres from the truth {np.median(distance):.2f}")
TuningCurveDisplay.from_estimator(fields)
