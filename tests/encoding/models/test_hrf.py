import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import gamma

from eegexplain.encoding import GaussianTuningModel, HRFModel, SPMHRFModel, spm_hrf

SETS = {
    "default": {},
    "a1_7": {"a1": 7.0},
    "glover": {"a1": 6.0, "d1": 0.9, "a2": 12.0, "d2": 0.9, "c": 0.35},
    "wide": {"a1": 5.0, "d1": 1.4, "a2": 14.0, "d2": 1.2, "c": 0.25},
    "hi05": {"highres_dt": 0.05},
    "hi02_a7": {"a1": 7.0, "c": 0.167, "highres_dt": 0.02},
}


@pytest.mark.parametrize("grid", ["t01", "t1", "t15"])
@pytest.mark.parametrize("name", SETS)
def test_legacy_spm_hrf_equals_oracle(oracle, name, grid):
    assert_allclose(spm_hrf(oracle[grid], **SETS[name], legacy=True), oracle[f"spm_{name}_{grid}"], atol=1e-6)


def test_legacy_spm_hrf_with_several_shapes(oracle):
    hrf = spm_hrf(oracle["t1"], a1=oracle["spm_vec_a1"], legacy=True)
    assert_allclose(hrf, oracle["spm_vec_t1"], atol=1e-6)


@pytest.mark.parametrize("tr", [1.0, 1.5, 2.0])
def test_legacy_model_equals_oracle(oracle, tr):
    key = f"tr{tr}".replace(".", "p")
    model = SPMHRFModel(tr, legacy=True)
    assert_allclose(model.get_times(), oracle[f"hrf_ts_{key}"], rtol=1e-5)
    assert_allclose(model.get_hrf(), oracle[f"hrf_default_{key}"], atol=1e-6)
    assert_allclose(model.get_hrf(4.5, 0.7), oracle[f"hrf_d4p5_s0p7_{key}"], atol=1e-6)


def test_every_parameter_of_the_legacy_model(oracle):
    model = SPMHRFModel(
        tr=1.5, onset=1.0, time_length=24.0, ratio=0.3, undershoot=12.0, u_dispersion=0.8, dispersion=1.2, delay=5.0,
        highres_dt=0.05, legacy=True,
    )  # fmt: skip
    assert_allclose(model.get_hrf(), oracle["hrf_custom"], atol=1e-6)


def test_legacy_convolution_equals_oracle(oracle):
    model = SPMHRFModel(1.5, legacy=True)
    assert_allclose(model.convolve(oracle["conv_in"]), oracle["conv_shared"], atol=1e-5)
    unique = model.convolve(oracle["conv_in"], oracle["conv_delay"], oracle["conv_disp"])
    assert_allclose(unique, oracle["conv_unique"], atol=1e-5)


def test_spm_hrf_is_a_difference_of_gamma_densities():
    t = np.linspace(-1, 30, 200)
    expected = gamma.pdf(t, 5.0, scale=0.8) - 0.2 * gamma.pdf(t, 14.0, scale=1.1)
    assert_allclose(spm_hrf(t, 5.0, 0.8, 14.0, 1.1, 0.2), expected, atol=1e-14)


@pytest.mark.parametrize("normalize", [None, "sum", "peak"])
def test_every_parameter_of_the_model_by_its_formula(normalize):
    """Delays and dispersions in seconds: the shape of a gamma density is their quotient."""
    model = SPMHRFModel(
        0.7, onset=1.2, time_length=20.0, ratio=0.3, undershoot=12.0, u_dispersion=0.8, dispersion=1.3, delay=5.0,
        normalize=normalize,
    )  # fmt: skip
    t = np.arange(29) * 0.7
    assert_allclose(model.get_times(), t)
    for delay, dispersion, found in [
        (5.0, 1.3, model.get_hrf()), (4.0, 0.6, model.get_hrf(4.0, 0.6)),
        (6.5, 1.3, model.get_hrf([4.0, 6.5])[:, 1]), (5.0, 0.5, model.get_hrf(dispersion=[1.0, 0.5])[:, 1]),
    ]:  # fmt: skip
        hrf = gamma.pdf(t - 1.2, delay / dispersion, scale=dispersion) - 0.3 * gamma.pdf(t - 1.2, 15.0, scale=0.8)
        scale = {None: 1.0, "sum": hrf.sum(), "peak": hrf.max()}[normalize]
        assert_allclose(found, hrf / scale, atol=1e-13)


def test_a_vector_of_any_parameter_gives_a_response_each():
    t = np.arange(0, 20, 0.5)
    assert spm_hrf(t).shape == (40,)
    for name, values in [("a1", [5, 6]), ("d1", [1, 0.8]), ("a2", [12, 16]), ("d2", [1, 0.9]), ("c", [0.1, 0.3])]:
        found = spm_hrf(t, **{name: values})
        assert found.shape == (40, 2)
        for k in range(2):
            assert_allclose(found[:, k], spm_hrf(t, **{name: values[k]}))


def test_presets_peak_where_they_should():
    fine = {name: SPMHRFModel.from_preset(name, tr=0.01) for name in ("spm", "glover")}
    peaks = {name: model.get_times()[model.get_hrf().argmax()] for name, model in fine.items()}
    assert peaks == {"spm": pytest.approx(5.0, abs=0.02), "glover": pytest.approx(5.0, abs=0.2)}
    with pytest.raises(ValueError, match="glover"):
        SPMHRFModel.from_preset("glove", tr=1.0)


@pytest.mark.parametrize("tr", [0.5, 1.0, 2.0])
def test_grid_is_exact_and_scale_does_not_depend_on_sampling(tr):
    model = SPMHRFModel(tr)
    assert_allclose(np.diff(model.get_times()), tr)
    assert_allclose(model.get_hrf().sum(), 1.0)
    assert_allclose(SPMHRFModel(tr, normalize="peak").get_hrf().max(), 1.0)
    assert_allclose(SPMHRFModel(tr, normalize=None).get_hrf().sum() * tr, 1 - 0.167, rtol=0.02)
    assert_allclose(model.convolve(np.ones((70, 1))), 1.0)


def naive_convolution(x, h, padding):
    y = np.zeros(len(x))
    for t in range(len(x)):
        for k in range(len(h)):
            if t - k >= 0:
                y[t] += h[k] * x[t - k]
            elif padding == "edge":
                y[t] += h[k] * x[0]
    return y


@given(st.integers(1, 11), st.sampled_from(["edge", "zero"]), st.integers(0, 2**31 - 1))
def test_convolution_equals_loops_within_runs(n_lags, padding, seed):
    rng = np.random.default_rng(seed)
    signals, kernels = rng.standard_normal((37, 3)), rng.standard_normal((n_lags, 3))
    runs = np.repeat([0, 1, 0], [14, 11, 12])
    result = HRFModel(hrf=kernels).convolve(signals, groups=runs, padding=padding)
    for v in range(3):
        expected = [
            naive_convolution(signals[a:b, v], kernels[:, v], padding) for a, b in ((0, 14), (14, 25), (25, 37))
        ]
        assert_allclose(result[:, v], np.concatenate(expected), atol=1e-10)


def test_bounds_of_unique_responses(oracle):
    assert SPMHRFModel(1.0).parameter_bounds() == {}
    delay, dispersion = GaussianTuningModel(hrf_model=SPMHRFModel(1.0, unique_hrfs=True)).get_parameter_space()[-2:]
    assert [delay.lower, delay.upper, dispersion.lower, dispersion.upper] == [3.0, 7.0, 0.3, 2.0]
    assert delay.holds(oracle["hrf_unc_fwd"][:, 0]).all() and dispersion.holds(oracle["hrf_unc_fwd"][:, 1]).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SPMHRFModel(0.0).get_hrf(), "tr must be a finite number above 0"),
        (lambda: SPMHRFModel(-1.0).get_hrf(), "tr must be a finite number above 0"),
        (lambda: SPMHRFModel(1.0, dispersion=0.0).get_hrf(), "dispersion must be above 0"),
        (lambda: SPMHRFModel(1.0, normalize="area").get_hrf(), "normalize"),
        (lambda: SPMHRFModel(1.0, onset=32.0).get_hrf(), "onset .* must come before time_length"),
        (lambda: HRFModel().get_hrf(), "needs hrf"),
        (lambda: HRFModel(True).get_hrf(), "needs hrf"),  # unique_hrfs comes first, as in braincoder
        (lambda: HRFModel(hrf=[np.nan]).get_hrf(), "hrf contains NaN"),
        (lambda: HRFModel(hrf=np.ones((3, 2))).convolve(np.ones((5, 4))), "2 responses for 4 signals"),
        (lambda: HRFModel(hrf=[1.0]).convolve(np.ones((5, 4)), padding="wrap"), "padding"),
        (lambda: SPMHRFModel(1.0).convolve(np.ones((31, 1))), "spans 32 samples, but the run .* has only 31"),
        (
            lambda: HRFModel(hrf=[1.0, 1.0]).convolve(np.ones((4, 1)), groups=[0, 0, 0, 1]),
            "from sample 3 to 4 has only 1",
        ),
        (
            lambda: HRFModel(hrf=[1.0]).convolve(np.ones((4, 1)), groups=[0, 0, 0]),
            r"one label per sample is needed: \(4,\)",
        ),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
