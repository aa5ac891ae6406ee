"""The pages on encoding models run, and each row of their table of features is what runs here."""

import pathlib
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.model_selection import GridSearchCV

from eegexplain import encoding
from eegexplain.encoding import (
    DelayedModel,
    EncodingModel,
    GaussianTuningModel,
    HRFModel,
    LinearModelWithBaselineHRF,
    Parameter,
    ParameterFitter,
    SPMHRFModel,
    StimulusDecoder,
    WeightFitter,
    score_significance,
)

DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "encoding.md").read_text(encoding="utf-8")
rng = np.random.default_rng(0)
X, RUNS = rng.standard_normal((200, 3)), np.repeat(np.arange(4), 50)
LAGS = DelayedModel(tmax=0.04, sfreq=100.0)
Y = LAGS.predict(X, weights=rng.standard_normal((15, 4)), groups=RUNS) + rng.standard_normal((200, 4))
PLACES = rng.uniform(-3, 3, (120, 1))
TUNING = np.array([[0.5, 1.0, 2.0, 0.3], [-1.0, 0.8, 1.0, 0.0]])
TUNED = GaussianTuningModel().simulate(PLACES, TUNING, noise=0.1, random_state=0)
ALPHAS = np.logspace(-3, 4, 8)


def blocks(page):
    return "".join(re.findall(r"```python\n(.*?)```", page, re.S))


def test_the_page_runs():
    names = {}
    exec(compile(blocks(PAGE), "encoding.md", "exec"), names)  # noqa: S102
    assert 0.8 < names["calibration"].coverage(0.9) <= 1.0


def test_the_walk_through_finds_what_was_planted(capsys):
    page, names = (DOCS / "how-to" / "responses-to-speech.md").read_text(encoding="utf-8"), {}
    exec(compile(blocks(page), "responses-to-speech.md", "exec"), names)  # noqa: S102
    assert names["likeness"] > 0.8
    significant = {names["data"].ch_names[v] for v in np.flatnonzero(names["found"].p_familywise < 0.05)}
    assert {"Fz", "Cz"} <= significant <= {"Fz", "Cz", "Pz"}
    assert float(re.search(r"envelope correlate by (0\.\d+)", capsys.readouterr().out.split("\n")[-2]).group(1)) > 0.5
    assert names["patterns"].shape == (19, 20)


# What each row of the table says of this package ---------------------------------------------------------------------
def tuning():
    assert_allclose(ParameterFitter(GaussianTuningModel()).fit(PLACES, TUNED).parameters_, TUNING, atol=0.2)


def own_models():
    class Ramp(EncodingModel):
        parameter_space = (Parameter("power", lower=0.2, upper=3.0), Parameter("gain", "amplitude"))

        def basis(self, paradigm, power, **_):
            return np.abs(paradigm[:, :1]) ** power

    y = np.abs(PLACES) ** 1.5 * 2.0
    fit = ParameterFitter(Ramp(), grid={"power": [0.5, 1.0, 2.0]}).fit(PLACES, y)
    assert_allclose(fit.parameters_, [[1.5, 2.0]], rtol=1e-4)


def constraints():
    fit = ParameterFitter(GaussianTuningModel(), init_pars=TUNING, fixed_pars=["baseline"], shared_pars=["sd"])
    parameters = fit.fit(PLACES, TUNED).parameters_
    assert parameters["sd"].nunique() == 1
    assert_allclose(parameters["baseline"], TUNING[:, 3])


def errors():
    fit = ParameterFitter(GaussianTuningModel()).fit(PLACES, TUNED)
    assert (fit.standard_errors_ > 0).all(axis=None) and (fit.standard_errors_ < 0.2).all(axis=None)


def autocorrelated_errors():
    white, slow = (ParameterFitter(GaussianTuningModel(), errors=kind).fit(PLACES, TUNED) for kind in ("iid", "ar1"))
    assert_allclose(slow.parameters_, white.parameters_)
    assert (slow.standard_errors_ != white.standard_errors_).all(axis=None)


def bounds():
    fit = ParameterFitter(GaussianTuningModel(), bounds={"sd": (0.1, 0.5)}).fit(PLACES, TUNED)
    assert fit.parameters_["sd"].between(0.1, 0.5).all() and (fit.parameters_["sd"] == 0.5).any()


def hrf():
    response = SPMHRFModel(2.0)
    y = response.convolve(X[:, :1]) * 3
    fit = WeightFitter(LinearModelWithBaselineHRF(hrf_model=response)).fit(X[:, :1], y)
    assert_allclose(fit.weights_, [[3.0]])
    assert HRFModel(hrf=[0.5, 0.5]).convolve(X).shape == X.shape


def decoding():
    decoder = StimulusDecoder(ParameterFitter(GaussianTuningModel()), grid=np.linspace(-3, 3, 25)[:, None])
    assert np.corrcoef(decoder.fit(PLACES, TUNED).predict(TUNED).ravel(), PLACES.ravel())[0, 1] > 0.8


def ridge():
    fit = WeightFitter(alpha=ALPHAS).fit(X, X @ rng.standard_normal((3, 2)) + rng.standard_normal((200, 2)) * [0.01, 3])
    assert len(set(fit.alpha_)) == 2


def bands():
    wide = rng.standard_normal((40, 90))
    y = wide[:, :5] @ rng.standard_normal((5, 2))
    fit = WeightFitter(alpha=ALPHAS, bands=np.repeat([0, 1], [5, 85]), cv=4, random_state=0).fit(wide, y)
    assert (fit.band_alphas_[1] > fit.band_alphas_[0]).all() and fit.alpha_scores_.shape == (8, 2)


def lags():
    assert WeightFitter(LAGS, ALPHAS, cv=4).fit(X, Y, RUNS).kernels_.shape == (4, 3, 5)


def laplacian():
    rough, smooth = (
        WeightFitter(LAGS, 1000.0, penalty=name).fit(X, Y, RUNS).kernels_ for name in ("ridge", "laplacian")
    )
    relative = [np.square(np.diff(kernels)).sum() / np.square(kernels).sum() for kernels in (rough, smooth)]
    assert relative[1] < relative[0]


def backward():
    eeg = X[:, :1] * [1.0, 0.0, 0.5] + rng.standard_normal((200, 1)) * [1.0, 1.0, 0.0]
    fit = WeightFitter(DelayedModel(tmin=-0.02, tmax=0.0, sfreq=100.0), 1.0).fit(eeg, X[:, 0])
    assert fit.patterns_.shape == (9, 1) and fit.score(eeg, X[:, 0]) > 0.5


def runs():
    listed = WeightFitter(LAGS, 1.0).fit(list(X.reshape(4, 50, 3)), list(Y.reshape(4, 50, 4)))
    assert_allclose(listed.weights_, WeightFitter(LAGS, 1.0).fit(X, Y, RUNS).weights_)


def correlations():
    fit = WeightFitter(LAGS, ALPHAS, cv=4, scoring="pearson").fit(X, Y, RUNS)
    assert 0.5 < fit.score(X, Y, groups=RUNS) < 1


def significance():
    prediction = WeightFitter(LAGS, 1.0).fit(X[:100], Y[:100], RUNS[:100]).predict(X[100:], RUNS[100:])
    found = score_significance(Y[100:], prediction, RUNS[100:], n_permutations=99, random_state=0)
    assert (found.p_familywise < 0.05).all()


def gaps():
    y = Y.copy()
    y[70] = np.nan
    assert np.isfinite(WeightFitter(LAGS, 1.0, missing="mask").fit(X, y, RUNS).weights_).all()


def search():
    trials = X.reshape(4, 50, 3), Y.reshape(4, 50, 4)
    assert GridSearchCV(WeightFitter(LAGS, 1.0), {"model__tmax": [0.0, 0.04]}, cv=2).fit(*trials).best_score_ > 0.3


def units():
    assert callable(encoding.unit_responses)  # its own tests train a network


ROWS = {
    "tuning curves and receptive fields, fitted": tuning,
    "models of one's own by declaration": own_models,
    "fixed and shared parameters": constraints,
    "standard errors of parameters": errors,
    "errors under autocorrelated noise": autocorrelated_errors,
    "bounds of every parameter": bounds,
    "haemodynamic responses": hrf,
    "decoding with probabilities": decoding,
    "ridge, a penalty for every target": ridge,
    "banded ridge, more columns than samples": bands,
    "temporal response functions": lags,
    "smooth kernels (Laplacian)": laplacian,
    "backward models with patterns": backward,
    "runs that lags and folds do not cross": runs,
    "correlation as criterion and score": correlations,
    "significance of scores, familywise": significance,
    "samples with gaps": gaps,
    "cross-validation and search by scikit-learn": search,
    "units of a network as targets": units,
}


@pytest.mark.parametrize("row", ROWS)
def test_each_row_of_the_table_runs(row):
    ROWS[row]()


def test_the_table_has_these_rows():
    table = PAGE.split("## Beside other packages")[1].split("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")][2:]
    assert rows == list(ROWS)
