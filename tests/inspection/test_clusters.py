"""Neighbors on the scalp and along frequency, and masses of what stands out together."""

import mne
import numpy as np
import pytest
from scipy.ndimage import label

from eegexplain.inspection._clusters import THRESHOLD, cell_adjacency, cluster_masses

CHANNELS = ["Fp1", "Fp2", "F3", "Fz", "F4", "C3", "Cz", "C4", "P3", "Pz", "P4", "O1", "O2"]


def test_neighbors_are_those_of_mne_or_one_step_along_another_axis():
    montage = "colin27_1005" if "colin27_1005" in mne.channels.get_builtin_montages() else "standard_1005"
    info = mne.create_info(CHANNELS, 100.0, "eeg").set_montage(montage)
    on_scalp = mne.channels.find_ch_adjacency(info, "eeg")[0].toarray()
    found = cell_adjacency(CHANNELS, (13, 4), 0).toarray().reshape(13, 4, 13, 4)
    for channel in range(13):
        for band in range(4):
            expected = np.zeros((13, 4), bool)
            expected[:, band] = on_scalp[channel] > 0
            for near in (band - 1, band + 1):
                if 0 <= near < 4:
                    expected[channel, near] = True
            expected[channel, band] = False
            assert (found[channel, band].astype(bool) == expected).all()


def test_nothing_is_printed(capsys):
    with mne.utils.use_log_level("INFO"):
        cell_adjacency(CHANNELS, (13, 1), 0)
    assert not any(capsys.readouterr())


def test_masses_are_those_of_flooded_pictures():
    """Without channels cells are a grid, whose clusters scipy finds in pictures."""
    maps = np.random.default_rng(0).normal(0, 2.5, (3, 2, 8, 9))
    found = cluster_masses(maps.reshape(3, 2, -1), cell_adjacency([], (8, 9), None)).reshape(maps.shape)
    for place in np.ndindex(3, 2):
        for sign in (1, -1):
            numbers, n_clusters = label(sign * maps[place] > THRESHOLD)
            for number in range(1, n_clusters + 1):
                inside = numbers == number
                np.testing.assert_allclose(found[place][inside], np.abs(maps[place][inside]).sum())
    assert (found[np.abs(maps) <= THRESHOLD] == 0).all()


def test_channels_without_a_place_are_refused():
    with pytest.raises(ValueError, match="Neighbors of the channels ch0, ch1.* Give ch_names, or use statistic='max'"):
        cell_adjacency(["ch0", "ch1", "ch2", "ch3"], (4, 3), 0)
