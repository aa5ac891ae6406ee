"""Sections of one's own, and how findings are put together."""

import json

import matplotlib.pyplot as plt
import pytest
import xarray as xr
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Bunch

from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.report import Figure, Findings, Options, Section, make_report
from eegexplain.report import _models as models_module
from eegexplain.report._findings import joined


@pytest.fixture
def data(monkeypatch):
    """Trials, and a network that needs no training to speak of."""

    class Flat(LogisticRegression):
        def fit(self, X, y):
            return super().fit(X.reshape(len(X), -1), y)

        def decision_function(self, X):
            return super().decision_function(X.reshape(len(X), -1))

    monkeypatch.setitem(models_module.MODELS, "syncnet", lambda sfreq: Flat())
    return make_oscillatory_eeg(24, ["C3", "C4", "Oz"], duration=0.5, random_state=0)


def test_a_section_of_ones_own_is_printed_written_and_drawn(data, tmp_path):
    def loudest(job):
        power = job.data.X.var(axis=(0, 2))
        figure, ax = plt.subplots(figsize=(3, 2))
        ax.bar(job.data.ch_names, power)
        return Findings(
            lines=["one line"],
            html=["<p>one paragraph</p>"],
            figures=[Figure("power", figure, "Power of the channels")],
            variables={"power": xr.DataArray(power, dims="channel")},
            summary={"loudest": job.data.ch_names[power.argmax()]},
        )

    sections, before = [Section("Loudest", loudest), Section("Never", None, lambda job: False)], plt.get_fignums()
    found = make_report(data, Options(n_folds=2, n_seeds=1), tmp_path, sections=sections)
    assert found.lines == ["one line"] and {file.name for file in tmp_path.iterdir()} == {
        "report.html", "summary.json", "explanation.nc", "figures", "eegexplain-manifest.json"
    }  # fmt: skip
    page = (tmp_path / "report.html").read_text()
    assert "one paragraph" in page and "Power of the channels" in page and "data:image/png;base64" in page
    assert (tmp_path / "figures" / "power.png").exists() and xr.load_dataset(tmp_path / "explanation.nc")["power"].size
    assert json.loads((tmp_path / "summary.json").read_text())["loudest"] in data.ch_names
    assert plt.get_fignums() == before


def test_a_section_that_returns_nothing_is_named_and_leaves_nothing(data, tmp_path):
    with pytest.raises(TypeError, match="the section 'Empty' must return Findings, got NoneType"):
        make_report(data, Options(n_folds=2, n_seeds=1), tmp_path, sections=[Section("Empty", lambda job: None)])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("part", ["tables", "variables", "attributes", "summary"])
def test_sections_cannot_overwrite_each_other(part):
    first, second = Findings(**{part: {"a": 1, "b": 2}}), Findings(**{part: {"b": 3}})
    with pytest.raises(ValueError, match=f"{part} of the same name: b"):
        joined([first, second])
    assert dict(getattr(joined([first, Findings(**{part: {"c": 3}})]), part)) == {"a": 1, "b": 2, "c": 3}


def test_figures_have_names_of_their_own():
    with pytest.raises(ValueError, match="figures of the same name: map"):
        joined([Findings(figures=[Figure("map", None, "")]), Findings(figures=[Figure("map", Bunch(), "")])])
    both = joined([Findings(lines=["a"], html=["b"]), Findings(lines=["c"])])
    assert both.lines == ["a", "c"] and both.html == ["b"]
