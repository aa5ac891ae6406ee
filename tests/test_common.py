"""scikit-learn's battery for every estimator, with the number of checks asserted, and checks that it does not run."""

import pytest
import torch
from sklearn.utils import estimator_checks as checks

from tests.estimators import CASES, FEW_TRIALS

# the battery's classes differ in ways that amplitudes need not show
pytestmark = [
    pytest.mark.filterwarnings("ignore:after [0-9]+ draws per trial"),
    # of few samples
    pytest.mark.filterwarnings("ignore:trials of .* tell apart", "ignore:.*trials have (no|next to no) power"),
    *FEW_TRIALS,
]

EXTRA = [
    checks.check_transformer_get_feature_names_out,
    checks.check_transformer_get_feature_names_out_pandas,
    checks.check_get_feature_names_out_error,
    checks.check_set_output_transform,
    checks.check_set_output_transform_pandas,
    pytest.param(checks.check_global_output_transform_pandas, marks=pytest.mark.slow),  # the same switch, elsewhere
    checks.check_dataframe_column_names_consistency,
    checks.check_param_validation,
]


@pytest.fixture(autouse=True)
def double_precision():
    """The battery asks for subset invariance to 1e-7, which float32 convolutions cannot give."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def made(case):
    """The case's estimator, its network trained in larger batches: of up to 300 trials here, twelve elsewhere."""
    estimator = case.make()
    batches = {name: size for name, size in estimator.get_params().items() if name.endswith("batch_size") and size}
    return estimator.set_params(**dict.fromkeys(batches, 64))


def collected(case):
    return list(checks.estimator_checks_generator(made(case), legacy=True))


def named(check):
    return getattr(check, "__name__", getattr(getattr(check, "func", None), "__name__", str(check)))


QUICK = {"SyncNetClassifier", "EEGNetRegressor", "EnsembleClassifier", "PerturbationCorrelator", "FLEXAttributor",
         "ReverseCorrelator", "TimeResolvedCoefficients"}  # one of each kind of machinery: the others stand on the same


def tier(case, check):
    """Slow where a sibling says the same: training on mapped trials, beside mapped ones in single precision."""
    if case.name not in QUICK:
        return pytest.mark.slow
    mapped = getattr(check, "keywords", None) == {"readonly_memmap": True}
    return pytest.mark.slow if mapped and named(check).endswith("_train") else ()


PAIRS = [
    pytest.param(estimator, check, id=f"{case.name}-{i}-{named(check)}", marks=tier(case, check))
    for case in CASES
    for i, (estimator, check) in enumerate(collected(case))
]


@pytest.mark.filterwarnings("ignore:The whole map is 0")  # of one sample, or one that is always the same
@pytest.mark.parametrize(("estimator", "check"), PAIRS)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_number_of_checks(case):
    assert len(collected(case)) == case.n_checks


@pytest.mark.filterwarnings("ignore:The whole map is 0")  # relations of one channel
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")  # the checks do so on purpose
@pytest.mark.parametrize("check", EXTRA, ids=named)
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=() if case.name in QUICK else pytest.mark.slow) for case in CASES]
)
def test_extra_check(case, check):
    if not hasattr(case.make(), "transform") and ("transform" in named(check) or "feature_names" in named(check)):
        pytest.skip("no transformer")
    if check is checks.check_param_validation and not hasattr(case.make(), "_parameter_constraints"):
        pytest.skip("checks its parameters with errors of its own, in its own tests")
    check(type(case.make()).__name__, made(case))
