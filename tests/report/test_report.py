"""The main job and its command line: files, banner, exit status, nothing half-written."""

import html
import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.frozen import FrozenEstimator

from eegexplain import FLEXAttributor, cli
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.information import InformationMapper
from eegexplain.inspection import artifact_audit, evidence_contrast
from eegexplain.report import SECTIONS, Options, run_job
from eegexplain.report import _models as models_module
from eegexplain.report._filters import contributions
from eegexplain.report._writing import write_job

FILES = {"report.html", "summary.json", "explanation.nc", "filters.csv", "figures"}
CHANNELS = ["Fz", "C3", "C4", "Pz", "O1", "O2"]


@pytest.fixture(scope="module", autouse=True)
def _short_training():
    """Train for few epochs: these tests are about files, not about accuracy."""
    from eegexplain.models import SyncNetClassifier

    def make(sfreq):
        return SyncNetClassifier(num_filters=6, max_epochs=12, sfreq=sfreq)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models_module.MODELS, "syncnet", make)
        yield


def easy_eeg(n_trials=80, **options):
    return make_oscillatory_eeg(n_trials, CHANNELS, duration=1.0, snr=4.0, random_state=0, **options)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Folder, job and part of a small run on simulated data with groups."""
    out = tmp_path_factory.mktemp("report")
    options = Options(n_folds=2, n_seeds=2, title="a test", group_by="subject")
    job = run_job(easy_eeg(n_subjects=4), options)
    return out, job, write_job(job, out)


def test_every_file_is_there_and_complete(demo):
    out, job, part = demo
    assert {file.name for file in out.iterdir()} == FILES
    assert {file.stem for file in (out / "figures").iterdir()} == {figure.name for figure in part.figures}
    html = (out / "report.html").read_text()
    assert "<title>a test</title>" in html and html.count("data:image/png;base64") >= len(part.figures)
    assert not re.search(r"""<(script|link|img)[^>]+(src|href)=["']https?:""", html), (
        "the report must be self-contained"
    )
    for section in SECTIONS:
        assert (f"<h2>{section.title}</h2>" in html) == bool(section.needed(job))
    table = pd.read_csv(out / "filters.csv")
    assert len(table) == 6 and "amplitude_O1" in table and "contribution_1" in table


def test_summary_and_explanation_hold_the_numbers(demo):
    out, job, part = demo
    summary = json.loads((out / "summary.json").read_text(), parse_constant=pytest.fail)
    assert list(summary)[:3] == ["verdict", "banner", "decoding"] and summary["verdict"] == "decodes"
    accuracy = np.mean(job.predicted.together == job.data.y)
    assert summary["decoding"]["accuracy"] == accuracy > 0.6 and summary["banner"] is None
    assert summary["truth"]["network"]["average_precision"] > 3 * summary["truth"]["network"]["chance"]
    stored = xr.load_dataset(out / "explanation.nc")
    assert stored["value"].sizes == {"output": 2, "channel": 6, "band": 5}
    best = summary["strongest"]["1"][0]
    cell = stored.sel(output="1", channel=best["channel"], band=best["band"])
    assert np.abs(stored["value"].sel(output="1")).max() == abs(best["value"]) == abs(float(cell["value"]))
    assert best["standard_error"] == float(cell["standard_error"]) > 0
    assert stored.attrs["response"] == "centered_logit" and stored.attrs["noise"] == "data"
    assert 0.9 < summary["perturbed_score"] == stored.attrs["perturbed_score"] <= 1.1
    assert {"contrast_value", "value_by_frequency", "fold_sd"} <= set(stored)
    settings = {"sfreq": job.data.sfreq, "groups": job.data.groups}
    found = artifact_audit(job.perturbation.by_band, job.data.X, job.data.y, **settings)
    assert summary["artifacts"]["muscle"]["share"] == found.shares[1].share
    assert summary["artifacts"]["flagged"] == list(found.flagged)
    assert html.escape(f"; {found.shares[1]}; line") in (out / "report.html").read_text()


def test_filters_respond_at_their_own_frequency_or_to_a_planted_rhythm(demo):
    out, _, part = demo
    own = pd.read_csv(out / "filters.csv")["peak_frequency"].to_numpy()
    assert set(part.summary["layers"]) == {"conv_out"}  # logarithms of power have no power to be moved
    peaks = np.array(part.summary["layers"]["conv_out"])
    distance = np.abs(peaks[:, None] - np.column_stack([own, np.full_like(own, 10), np.full_like(own, 22)]))
    strongest = np.abs(part.variables["layers_layer_conv_out"]).max(("channel", "frequency")).values
    assert (strongest > 0.2).sum() >= 3 and distance.min(axis=1)[strongest > 0.2].max() <= 2
    assert part.variables["layers_layer_conv_out"].dims == ("unit_conv_out", "channel", "frequency")


def test_attribution_adds_up_to_the_same_logit_in_bands_and_bins(demo):
    _, _, part = demo
    bands = part.variables["flex_value"].sum("band") + part.variables["flex_residual"]
    bins = part.variables["flex_value_by_frequency"].sum("frequency") + part.variables["flex_residual_by_frequency"]
    np.testing.assert_allclose(bands, bins, atol=1e-4 * np.abs(bins).max())


def test_evidence_of_unseen_trials_is_tested(demo):
    out, job, part = demo
    evidence = np.zeros((len(job.data.y), 2, len(CHANNELS), len(job.data.bands)))
    for fold in job.folds:
        for net in fold.nets:
            flex = FLEXAttributor(FrozenEstimator(net), basis="bands", bands=job.data.bands, tol=0.05, **job.data.axes)
            found = flex.fit(job.data.X[:2], job.data.y[:2]).explain(job.data.X[fold.test])["value"]
            evidence[fold.test] += found.sel(band=list(job.data.bands)).values / len(fold.nets)
    folds = np.argmax([np.isin(np.arange(len(job.data.y)), fold.test) for fold in job.folds], axis=0)
    again = evidence_contrast(evidence, job.data.y, folds=folds, groups=job.data.groups, random_state=job.options.seed)
    np.testing.assert_allclose(job.evidence.tested.statistic, again.statistic, atol=1e-5)
    np.testing.assert_allclose(job.evidence.tested.p_values, again.p_values, atol=0.003)
    stored = json.loads((out / "summary.json").read_text())["evidence_in_unseen_trials"]
    assert stored["p_value"] == job.evidence.tested.p_value <= 0.05
    cells = {(cell["channel"], cell["band"]) for cell in stored["cells"]}
    assert {("C3", "beta"), ("O2", "alpha")} <= cells and {band for _, band in cells} == {"alpha", "beta"}  # planted
    assert any(line.startswith(f"Evidence in unseen trials: {len(stored['cells'])} of 30") for line in part.lines)


def test_bits_are_those_of_the_networks_beside_the_exact_ones(demo):
    out, job, part = demo
    stored = xr.load_dataset(out / "explanation.nc")
    told = json.loads((out / "summary.json").read_text())["information"]
    values = []
    for fold in job.folds:
        for net in fold.nets:  # two groups per fold cannot be crossed
            mapper = InformationMapper(FrozenEstimator(net), bands=job.data.bands, n_permutations=19, random_state=0,
                                       **job.data.axes)  # fmt: skip
            values.append(mapper.fit(job.data.X[fold.test], job.data.y[fold.test]).information_)
    np.testing.assert_allclose(stored["information_value"], np.mean(values, axis=0), atol=0.08)  # other partners
    bands = list(stored["band"].values)
    assert {bands[k] for k in np.argsort(stored["information_value"].values)[-2:]} == {"alpha", "beta"}  # planted
    assert told["bands"]["beta"]["unique"] == float(stored["information_value"].sel(band="beta"))
    assert told["total"] == float(stored["information_total_value"]) < told["exact_total"] < told["entropy"] * 1.01
    assert told["shown"] == (told["p_value"] <= 0.05)
    assert stored["information_by_channel_value"].dims == ("channel", "band")
    assert any(line.startswith("Decodes") and "bits" in line for line in part.lines)
    assert {"information_by_band", "information_by_channel"} <= {figure.name for figure in part.figures}


@pytest.mark.filterwarnings("ignore:training in closed form")
def test_trials_too_few_for_bits_are_said():
    job = run_job(easy_eeg(20), Options(n_folds=4, n_seeds=1))
    found = next(one for one in SECTIONS if one.title == "How much it knows").find(job)
    assert found.summary == {"information": None} and "Information was not measured" in found.lines[0]


def test_evidence_that_no_permutation_can_test_is_said():
    data = easy_eeg(40)
    data.subject = np.array(list("aabb"))[np.arange(40) % 4]  # the label is the subject's, and there are but two
    data.y = (data.subject == "b").astype(int)
    job = run_job(data, Options(n_folds=2, n_seeds=1))
    assert job.evidence.tested is not None  # trials were exchanged: the banner says what that may mean
    data.recording = np.array(list("abcd"))[np.arange(40) % 4]
    data.y = np.isin(data.recording, ["a", "b"]).astype(int)
    job = run_job(data, Options(n_folds=2, n_seeds=1, group_by="recording"))
    assert job.evidence.tested is None and "arrangements" in job.evidence.untested
    section = next(one for one in SECTIONS if one.title == "What the evidence is made of")
    findings = section.find(job)
    assert "was not tested" in findings.lines[0] and findings.summary["evidence_in_unseen_trials"] is None


def test_maps_are_of_trials_the_networks_never_saw(demo):
    _, job, _ = demo
    for fold in job.folds:
        assert not set(fold.train) & set(fold.test)
        assert not set(job.data.groups[fold.train]) & set(job.data.groups[fold.test])
    assert sorted(np.concatenate([fold.test for fold in job.folds])) == list(range(len(job.data.y)))


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    """Folder, job and part of a run on data whose names are markup, formulas and half characters, and no electrodes."""
    out = tmp_path_factory.mktemp("nasty")
    data = easy_eeg(40)
    data.pop("truth")
    data.y = np.array(["a$b$ <i>", "$x_{$ \ud800"])[data.y]
    data.subject = np.array(["=1+1 $", "@s$\ud801", "_$\\frac$", "\n"])[np.arange(40) % 4]
    data.ch_names = ["=C$a$", "$x_{$", "_\ud800", "-a", "+b", "@c"]
    job = run_job(data, Options(n_folds=2, n_seeds=1, group_by="subject"))
    return out, job, write_job(job, out)


def test_any_name_of_the_data_survives_the_whole_report(nasty):
    out, _, part = nasty
    print("\n".join(part.lines).encode().decode())
    html, summary = (out / "report.html").read_text(encoding="utf-8"), (out / "summary.json").read_text()
    assert "<i>" not in html.replace("<i>co-varies", "") and "\\ud800" in html and json.loads(summary)["strongest"]
    assert not (pd.read_csv(out / "filters.csv").stack().astype(str).str.match(r"[=@]|[+-][a-z]")).any()


def test_channels_without_a_place_are_explained_without_maps(nasty):
    _, job, part = nasty
    names = {figure.name for figure in part.figures}
    assert not job.data.on_scalp and "by_frequency_0" in names and "network_by_band" not in names
    assert "There are no scalp maps" in (nasty[0] / "report.html").read_text(encoding="utf-8")


def test_contributions_follow_from_setting_a_filter_to_nothing(demo):
    import torch

    _, job, _ = demo
    net, X = job.folds[0].net, job.data.X[job.folds[0].test]
    found = contributions(net, X)
    layer = net.net_.module_.final_layer

    def centered_logits():
        logits = net.decision_function(X)  # the difference of two logits is twice the centred one
        return np.stack([-logits, logits]) / 2

    before, weight = centered_logits(), layer.weight.detach().clone()
    n_pools = weight.shape[1] // 6
    with torch.no_grad():
        layer.weight[:, 2 * n_pools : 3 * n_pools] = 0
    np.testing.assert_allclose(found[:, 2], (before - centered_logits()).std(axis=1), rtol=1e-3, atol=1e-5)
    with torch.no_grad():
        layer.weight.copy_(weight)


@pytest.mark.slow
def test_network_at_chance_carries_the_banner_everywhere(tmp_path):
    data = easy_eeg(60)
    data.y = np.random.default_rng(0).permutation(data.y)
    data.pop("truth")
    job = run_job(data, Options(n_folds=3, n_seeds=1))
    assert not job.decoding.above_chance
    part = write_job(job, tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text())["banner"] == job.banner
    assert "Not shown to decode: balanced accuracy" in part.lines[1] and "(95 % interval" in part.lines[1]
    assert json.loads((tmp_path / "summary.json").read_text())["verdict"] == "not shown to decode"
    html = (tmp_path / "report.html").read_text()
    assert html.index(job.banner) < html.index("<p>Held-out balanced accuracy") < html.index("<p>Correlation of")
    assert all("Not shown to decode" in figure.figure.get_suptitle() for figure in part.figures)
    assert (tmp_path / "figures" / "network_by_band.png").exists()


def empty_figure(figure, folder, warning):
    """Stands for the drawing, which takes longer than the networks of a small report."""
    path = folder / f"{figure.name}.png"
    plt.imsave(path, np.zeros((2, 2)))
    plt.close(figure.figure)
    return path


def save(path, **changes):
    data = easy_eeg(24, n_subjects=2)
    arrays = {"X": data.X, "y": data.y, "ch_names": data.ch_names, "sfreq": data.sfreq, "subject": data.subject}
    np.savez(path, **(arrays | changes))
    return str(path)


def test_explain_prints_a_summary_and_returns_0(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("eegexplain.report._writing._write_figure", empty_figure)  # drawn by the other reports
    path, out = save(tmp_path / "eeg.npz"), tmp_path / "out"
    bands = "low=2-8,alpha=8-13"
    options = ["--bands", bands, "--folds", "2", "--seeds", "2", "--seed", "3", "--jobs", "1"]
    status = cli.main(["explain", path, "--out", str(out), *options])
    printed, notes = capsys.readouterr()
    assert (
        status == 0
        and printed.startswith("Verdict: decodes\n")
        and printed.splitlines()[2].startswith("Held-out balanced accuracy")
        and printed.endswith(f"Report: {out}/report.html\n")
    )
    assert "--group-by subject prevents it" in printed and "training 4 networks on " in notes
    assert "perturbation correlation ± total error" in printed
    assert list(xr.load_dataset(out / "explanation.nc")["band"].values) == ["low", "alpha"]
    summary = json.loads((out / "summary.json").read_text())
    assert "alone: 0." in printed and len(summary["decoding"]["balanced_accuracy_of_seeds"]) == 2
    assert summary["options"]["seed"] == 3 and summary["decoding"]["shared_subjects"]


@pytest.mark.slow
def test_a_resumed_run_gives_the_report_of_an_uninterrupted_one_and_leaves_nothing(tmp_path, capsys, monkeypatch):
    path, options = save(tmp_path / "eeg.npz"), ["--bands", "alpha=8-13", "--folds", "2", "--jobs", "1"]

    def explain(name, *more):
        return cli.main(["explain", path, "--out", str(tmp_path / name), *options, *more])

    def fail(*_, **__):
        raise OSError("the power is gone")

    with monkeypatch.context() as patch:
        patch.setattr("eegexplain.report._job.evidence_maps", fail)
        assert explain("resumed", "--resume") == 2
    kept = tmp_path / "resumed.checkpoint"
    assert len(list(kept.rglob("*.unit"))) == 10  # of two folds: networks, maps by band and by bin, information twice
    with monkeypatch.context() as patch:
        patch.setattr("eegexplain.models.SyncNetClassifier.fit", fail)
        assert explain("resumed", "--resume") == 0
    assert f"going on from {kept}" in capsys.readouterr().err and not kept.exists()
    assert explain("whole") == 0
    one, other = (xr.load_dataset(tmp_path / name / "explanation.nc") for name in ("resumed", "whole"))
    xr.testing.assert_identical(one, other)
    first, second = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("resumed", "whole"))
    assert first["decoding"] == second["decoding"] and first["evidence_in_unseen_trials"] == second[
        "evidence_in_unseen_trials"
    ]


@pytest.mark.slow
def test_explain_reads_the_original_files(real_data, tmp_path, capsys):
    arguments = ["explain", str(real_data / "uci_eeg_raw"), "--group-by", "subject", "--folds", "2", "--seeds", "1"]
    assert cli.main([*arguments, "--jobs", "1", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "4 groups" in printed and "Not shown to decode" in printed  # four subjects prove nothing
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["data"]["n_channels"] == 61 and summary["data"]["left_out"] == ["X", "nd", "Y"]


def save_epochs(path, **info):
    """Epochs of eight recordings, each of one class, as MNE stores them."""
    import mne
    import pandas as pd

    data = easy_eeg(48, n_subjects=2)
    made = mne.create_info(CHANNELS, data.sfreq, "eeg")
    with made._unlock():
        made.update(info)
    events = np.column_stack([np.arange(48) * 200, np.zeros(48, int), np.arange(48) % 2 + 1])
    metadata = pd.DataFrame({"recording": [f"r{i % 8}" for i in range(48)], "trial": np.arange(48)})
    options = {"event_id": {"left": 1, "right": 2}, "metadata": metadata, "verbose": False}
    mne.EpochsArray(1e-6 * data.X[np.argsort(data.y)].reshape(2, 24, 6, -1).swapaxes(0, 1).reshape(data.X.shape),
                    made, events, **options).save(path, verbose=False)  # fmt: skip
    return str(path)


@pytest.mark.slow
def test_recordings_of_one_class_are_recognized_and_kept_apart_on_request(tmp_path, capsys):
    """The label is a property of the recording: success without --group-by carries the banner, in a passband."""
    path = save_epochs(tmp_path / "eeg-epo.fif", highpass=8.0, lowpass=30.0)
    options = ["--folds", "2", "--seeds", "1"]
    assert cli.main(["explain", path, "--out", str(tmp_path / "mixed"), *options]) == 0
    printed = capsys.readouterr().out
    summary = json.loads((tmp_path / "mixed" / "summary.json").read_text())
    assert summary["verdict"] == "may recognize subjects" and summary["decoding"]["recognizable"] == ["recording"]
    assert "Labels are a property of the recording" in summary["banner"]
    assert summary["banner"] in printed and summary["banner"] in (tmp_path / "mixed" / "report.html").read_text()
    assert printed.count("highpass 8 Hz, lowpass 30 Hz") == 1
    assert summary["data"]["bands_left_out"] == ["delta", "theta", "gamma"]
    stored = xr.load_dataset(tmp_path / "mixed" / "explanation.nc")
    assert list(stored["band"].values) == ["alpha", "beta"] and stored.attrs["verdict"] == summary["verdict"]
    assert cli.main(["explain", path, "--group-by", "recording", "--out", str(tmp_path / "apart"), *options]) == 0
    assert "8 groups" in capsys.readouterr().out
    apart = json.loads((tmp_path / "apart" / "summary.json").read_text())
    assert apart["decoding"]["recognizable"] == [] and apart["verdict"] != "may recognize subjects"


BAD = {
    "missing": (["explain", "nowhere.npz"], "no file or folder nowhere.npz"),
    "nan": (["explain", "nan.npz"], "nan.npz: trial 3 holds NaN"),
    "cut": (["explain", "cut.npz"], "cut.npz is not a readable .npz archive"),
    "one class": (["explain", "one.npz"], "at least 2 classes"),
    "array": (["explain", "array.npz"], "array.npz is not a readable .npz archive"),
    "pickled": (["explain", "pickled.npz"], "holds pickled Python objects"),
    "dates": (["explain", "dates.npz"], "y must hold classes as integers or strings, got datetime64"),
    "values": (["explain", "values.npz"], "but trial 0 has 0.5"),
    "flat": (["explain", "flat.npz"], "every trial is flat"),
    "huge": (["explain", "huge.npz"], "no EEG in any unit"),
    "square groups": (["explain", "square.npz"], "subject has shape (24, 2)"),
    "no group": (["explain", "holes.npz", "--group-by", "subject"], "trial 5 has no group"),
    "one group": (["explain", "eeg.npz", "--group-by", "session"], "needs at least 2 groups"),
    "nameless band": (["explain", "eeg.npz", "--bands", "=5-8"], "--bands must read name=low-high"),
    "group": (["explain", "eeg.npz", "--group-by", "subjct"], "Did you mean 'subject'"),
    "band": (["explain", "eeg.npz", "--bands", "eg"], "Did you mean 'eeg'"),
    "band limits": (["explain", "eeg.npz", "--bands", "a=5"], "--bands must read name=low-high"),
    "above Nyquist": (["explain", "eeg.npz", "--bands", "a=5-70"], "Nyquist"),
    "empty band": (["explain", "eeg.npz", "--bands", "a=5.2-5.4"], "contains no frequency bin"),
    "seeds": (["explain", "eeg.npz", "--seeds", "0"], "number of seeds is 0"),
    "noise": (["explain", "eeg.npz", "--noise", "dat"], "Did you mean 'data'"),
    "model": (["explain", "eeg.npz", "--model", "syncent"], "Did you mean 'syncnet'"),
    "folds": (["explain", "eeg.npz", "--group-by", "subject", "--folds", "3"], "(2), got 3"),
    "out": (["explain", "eeg.npz", "--out", "eeg.npz"], "eeg.npz is a file"),
    "below a file": (["explain", "eeg.npz", "--out", "eeg.npz/deeper"], "eeg.npz/deeper cannot be written"),
    "demo model": (["demo", "--model", "x"], "model='x' is not valid"),
}


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory):
    """Folder with a good file and bad ones."""
    folder = tmp_path_factory.mktemp("bad")
    data = easy_eeg(24, n_subjects=2)
    good = {"X": data.X, "y": data.y, "ch_names": data.ch_names, "sfreq": data.sfreq, "subject": data.subject}

    def save(name, **changes):
        np.savez(folder / name, **(good | changes))

    save("eeg.npz", session=np.zeros(24))
    save("pickled.npz", y=np.array(["a", 1] * 12, dtype=object))
    save("dates.npz", y=np.arange(24).astype("datetime64[D]"))
    save("values.npz", y=np.arange(24) + 0.5)
    save("flat.npz", X=np.ones((24, 6, 128)))
    save("huge.npz", X=1e39 * data.X)
    save("square.npz", subject=np.zeros((24, 2)))
    save("holes.npz", subject=np.where(np.arange(24) == 5, np.nan, 1))
    np.save(folder / "array.npy", np.ones(3))
    (folder / "array.npy").rename(folder / "array.npz")
    X = data.X.copy()
    X[3, 0, 0] = np.nan
    save("nan.npz", X=X)
    save("one.npz", y=np.zeros(24))
    (folder / "cut.npz").write_bytes((folder / "eeg.npz").read_bytes()[:-500])
    return folder


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_status_2(bad_files, monkeypatch, capsys, case):
    monkeypatch.chdir(bad_files)
    before = sorted(bad_files.rglob("*"))
    arguments, message = BAD[case]
    assert cli.main(arguments) == 2
    printed, notes = capsys.readouterr()
    errors = [line for line in notes.splitlines() if "error" in line]
    assert printed == "" and len(errors) == 1 and message in errors[0] and "Traceback" not in notes
    assert sorted(bad_files.rglob("*")) == before, "nothing may be left behind"


@pytest.mark.parametrize("arguments", [[], ["explian"], ["explain"], ["demo", "--seed", "x"], ["demo", "--ot", "x"]])
def test_wrong_commands_are_one_sentence(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_traceback_on_request(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError):
        cli.main(["explain", "nowhere.npz", "--traceback"])


def test_interrupt_is_quiet(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run_demo", interrupted)
    assert cli.main(["demo"]) == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.slow
def test_electrodes_of_ones_own_have_all_their_scalps(tmp_path):
    """Names of no montage, places from the file: every map by band is on the scalp, and so is the one to touch."""
    import mne

    data = easy_eeg(120)
    info = mne.create_info([f"E{n}" for n in range(len(CHANNELS))], data.sfreq, "eeg")
    places = [(0, 6, 7), (-6, 0, 7), (6, 0, 7), (0, -6, 7), (-3, -9, 2), (3, -9, 2)]  # cm: right, front, up
    own = {name: np.array(place) / 100 for name, place in zip(info.ch_names, places, strict=True)}
    info.set_montage(mne.channels.make_dig_montage(own, coord_frame="head"))
    events = np.column_stack([np.arange(120) * 200, np.zeros(120, int), data.y.astype(int) + 1])
    path = tmp_path / "own-epo.fif"
    mne.EpochsArray(1e-6 * data.X, info, events, event_id={"a": 1, "b": 2}, verbose=False).save(path, verbose=False)
    assert cli.main(["explain", str(path), "--out", str(tmp_path / "out"), "--folds", "3"]) == 0
    drawn = {file.stem for file in (tmp_path / "out" / "figures").iterdir()}
    assert {"network_by_band", "data_by_band", "attribution_by_band", "information_by_channel"} <= drawn
    assert '"places":[[' in html.unescape((tmp_path / "out" / "report.html").read_text())
