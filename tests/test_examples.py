"""The examples run without a warning and draw something."""

import pathlib
import runpy

import pytest

EXAMPLES = sorted((pathlib.Path(__file__).resolve().parents[1] / "examples").glob("plot_*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    plt.close("all")
    try:
        with plt.rc_context():
            runpy.run_path(str(path), run_name="__main__")
        assert plt.get_fignums() or list(tmp_path.iterdir()), "neither a figure nor a file"
    finally:
        plt.close("all")
