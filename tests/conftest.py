"""One torch thread per test process, a headless canvas, small hypothesis runs, and the place of real data."""

import os
import pathlib
import shutil
import signal
import sys

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the test processes already use all cores
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import hypothesis
import pytest
import torch

torch.set_num_threads(1)
hypothesis.settings.register_profile("suite", max_examples=15, deadline=None, derandomize=True)
hypothesis.settings.load_profile("suite")

# A shell that runs its jobs in the background lets them ignore Ctrl-C, and so would the tests of interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def data_folder():
    """Folder with real EEG, or None: the variable EEGEXPLAIN_DATA, else a ``shared/data`` beside the checkout."""
    beside = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = pathlib.Path(os.environ.get("EEGEXPLAIN_DATA", beside))
    return folder if (folder / "uci_eeg_train.npz").exists() else None


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    """Close what a test has drawn: the next one in its process may ask which figures are open."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def real_data():
    """Folder with real EEG; the test is skipped where there is none."""
    folder = data_folder()
    if folder is None:
        pytest.skip("no real EEG here: set EEGEXPLAIN_DATA to the folder that holds uci_eeg_train.npz")
    return folder


@pytest.fixture(scope="session")
def browser():
    """The system's Chromium, without a window; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install 'eegexplain[browser]'")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield found
        found.close()
