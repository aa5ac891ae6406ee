"""The tangent space by its definition."""

import numpy as np

from eegexplain.models.syncnet._spectra import Spectra
from eegexplain.models.syncnet._strata import frequency_strata
from eegexplain.models.syncnet._tangent import SHRINKAGE, TangentSpace


def test_features_are_logarithms_of_whitened_cross_spectra():
    rng = np.random.default_rng(0)
    X = np.einsum("cd,ndt->nct", rng.standard_normal((3, 3)), rng.standard_normal((70, 3, 64)))
    spectra = Spectra.of(X, frequency_strata((4.0, 28.0), 64.0, 64, 8.0), 2.0, np.float64)
    weights = np.array([1.0, 0.5, 0.0])
    space = TangentSpace.of(spectra, spectra.moments(), weights)
    gain = weights @ spectra.response
    cross = np.stack([(z * gain) @ z.conj().T for _, block in spectra.blocks() for z in block])
    shrunk = [(1 - SHRINKAGE) * c + SHRINKAGE * np.trace(c).real / 3 * np.eye(3) for c in cross]
    values, vectors = np.linalg.eigh(np.mean(shrunk, axis=0))
    whitener = (vectors / np.sqrt(values)) @ vectors.conj().T
    logs = []
    for c in shrunk:
        values, vectors = np.linalg.eigh(whitener @ c @ whitener)
        logs.append((vectors * np.log(values)) @ vectors.conj().T)
    logs = np.array(logs) - np.mean(logs, axis=0)
    found = space.features * space.scale  # in coordinates of their own: inner products are the same
    np.testing.assert_allclose(found @ found.T, np.einsum("icd,jdc->ij", logs, logs).real, atol=1e-10)
