import stat
import tracemalloc

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image, ImageSequence

from eegexplain.plotting import TopomapDisplay
from eegexplain.plotting.motion._scene import N_COLOURS, Scene, Trace
from eegexplain.plotting.motion._smooth import smoothed
from eegexplain.plotting.scalp.positions import HEAD_RADIUS
from eegexplain.plotting.scalp.topography import interpolation_matrix

NAMES = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 Oz O2".split()
TIMES = np.arange(6) / 20
VALUES = np.random.default_rng(0).standard_normal((6, 20))
SIZE = (260, 220)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def make_display(values=VALUES, times=TIMES, **options):
    return TopomapDisplay.from_values(values, NAMES, times, **options)


def make_scene(display, size=SIZE, trace=None, **options):
    settings = {"sensors": True, "names": False, "mask": None, "title": "", **options}
    return Scene(display, 0, size=size, look=display.look(), trace=trace, **settings)


def read_frames(path):
    with Image.open(path) as image:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


def expected_values(scene, values):
    """Value at the centre of every pixel of the map's square, computed point by point; rows from top to bottom."""
    side, radius = scene.map_box[2], scene.operator.radius
    axis = (np.arange(side) + 0.5) / side * 2 * radius - radius
    x, y = np.meshgrid(axis, axis[::-1])
    points = np.column_stack([x.ravel(), y.ravel()])
    inside = np.hypot(x, y) <= HEAD_RADIUS
    return (interpolation_matrix(scene.display.positions, points) @ values).reshape(side, side), inside


def decode(picture, scene):
    """Values of the pixels whose colours are those of the map or their dark twins; NaN elsewhere."""
    palette = scene.palette.astype(int)
    packed = picture.astype(int) @ [65536, 256, 1]
    table = {}
    for k in range(2 * N_COLOURS):
        table.setdefault(int(palette[k] @ [65536, 256, 1]), k % N_COLOURS)
    index = np.vectorize(lambda colour: table.get(int(colour), -1))(packed)
    low, high = scene.look.vlim
    return np.where(index < 0, np.nan, low + index / (N_COLOURS - 1) * (high - low))


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_colours_decode_back_to_the_values(ending, tmp_path):
    display = make_display()
    frames = read_frames(display.save(tmp_path / f"map.{ending}", size=SIZE))
    scene = make_scene(display)
    left, top, side = scene.map_box
    half_step = (scene.look.vlim[1] - scene.look.vlim[0]) / (N_COLOURS - 1) / 2
    assert len(frames) == 6 and frames[0].shape == (SIZE[1], SIZE[0], 3)
    for values, frame in zip(VALUES, frames, strict=True):
        truth, inside = expected_values(scene, values)
        shown = decode(frame[top : top + side, left : left + side], scene)
        low, high = scene.look.vlim
        readable = inside & np.isfinite(shown) & (truth > low) & (truth < high)
        assert readable.sum() > 0.85 * inside.sum()  # the rest: dots of electrodes, the outline
        assert np.abs(shown - truth)[readable].max() <= half_step * (1 + 1e-4)


def test_every_format_shows_the_same_frames(tmp_path):
    display = make_display()
    gif, png, webp = (read_frames(display.save(tmp_path / f"map.{e}", size=SIZE)) for e in ("gif", "png", "webp"))
    scene = make_scene(display)
    ours = [scene.palette[frame] for frame in scene.frames()]
    for one, two, three, four in zip(gif, png, webp, ours, strict=True):
        assert np.array_equal(one, four) and np.array_equal(two, four) and np.array_equal(three, four)


def test_frames_last_as_long_as_asked_and_loop(tmp_path):
    for ending, loop in (("gif", True), ("png", True), ("webp", True), ("png", False), ("webp", False)):
        with Image.open(make_display().save(tmp_path / f"map.{ending}", size=SIZE, fps=4, loop=loop)) as image:
            image.seek(1)
            image.load()
            assert image.info["duration"] == 250
            assert image.info["loop"] == (0 if loop else 1)
    with Image.open(make_display().save(tmp_path / "once.gif", size=SIZE, loop=False)) as image:
        assert "loop" not in image.info


def test_the_notebook_animation_shows_the_static_maps():
    display = make_display()
    mask = np.zeros((6, 20), dtype=bool)
    mask[4, 3] = True
    animation = display.animate(mask=mask, fps=10)
    for frame in (0, 4, 2, 4):
        animation._func(frame)
        shown = np.ma.filled(display.im_.get_array(), np.nan)
        assert np.array_equal(shown, display.maps(0, frame), equal_nan=True)
        assert display.ax_.get_title() == f"{50 * frame} ms"
        assert len(display.sensors_[1].get_xdata()) == (frame == 4)
        assert len([c for c in display.ax_.collections if hasattr(c, "levels")]) == 1
    assert animation._interval == 100
    animation._draw_was_started = True  # never shown: nothing to warn about


@pytest.mark.parametrize("size", [(200, 160), (600, 500), (500, 600), (1600, 900)])
@pytest.mark.parametrize("positions", [None, "colin27_1005"])
def test_the_label_never_touches_the_nose(size, positions):
    scene = make_scene(make_display(positions=positions), size=size)
    left, top, width, height = scene.label_box
    figure = scene._figure()
    axes = scene._head_axes(figure)
    figure.draw_without_rendering()
    boxes = [line.get_window_extent() for line in axes.lines] + [a.get_window_extent() for a in axes.artists]
    assert size[1] - max(box.y1 for box in boxes) >= top + height
    assert min(box.x0 for box in boxes) >= 0 and min(box.y0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= scene._bar_left


def test_a_dark_style_leaves_files_as_they_are(tmp_path):
    paths = []
    for style in ("default", "dark_background"):
        with plt.style.context(style):
            paths.append(make_display(label="weight").save(tmp_path / f"{style}.png", size=SIZE, trace="C3", title="t"))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_contours_below_zero_are_dashed():
    slope = TopomapDisplay.from_values([[-1.0, 1.0, 0.0, 0.0]], ["T7", "T8", "Fz", "Oz"])
    scene = make_scene(slope, sensors=False)
    picture, side = next(scene.maps()), scene.map_box[2]
    rows = slice(side // 3, 2 * side // 3)  # where contours run from the front to the back
    dark = (picture[rows] >= N_COLOURS) & (picture[rows] < 2 * N_COLOURS)
    left, right = dark[:, : side // 2].sum(), dark[:, side // 2 :].sum()
    assert 0.5 * right < left < 0.8 * right


def test_smoothing_takes_flicker_and_leaves_the_scale():
    rng, times = np.random.default_rng(0), np.arange(400) / 200
    slow = np.sin(2 * np.pi * times)[:, None] * rng.normal(size=20)
    display = make_display(slow + 0.5 * rng.normal(size=(400, 20)), times)
    display.standard_error = np.full((1, 400, 20), 0.5)
    made, seconds = smoothed(display, 0.05), 0.05
    deviation = seconds / np.sqrt(8 * np.log(2))
    weights = np.exp(-0.5 * ((times[:, None] - times) / deviation) ** 2)
    expected = (weights / weights.sum(axis=1, keepdims=True)) @ display.values[0]
    inside = slice(30, -30)  # at the ends the last map goes on
    np.testing.assert_allclose(made.values[0][inside], expected[inside], atol=1e-3)
    np.testing.assert_allclose(made.standard_error, 0.5)
    rough, smooth = (np.diff(one.values[0], axis=0).std() for one in (display, made))
    assert smooth < 0.2 * rough and not np.shares_memory(made.values, display.values)
    for wrong, message in ((make_display(times=None), "no times"), (make_display(times=TIMES**2), "even steps")):
        with pytest.raises(ValueError, match=message):
            smoothed(wrong, 0.1)


def test_smoothed_maps_are_saved(tmp_path):
    display = make_display()
    plain, smooth = (read_frames(display.save(tmp_path / f"{k}.gif", size=SIZE, smooth=k)) for k in (None, 0.2))
    assert not np.array_equal(plain[2], smooth[2])
    with pytest.raises(ValueError, match="smooth must be"):
        display.save(tmp_path / "no.gif", smooth=0)


def test_masks_may_change_from_frame_to_frame():
    mask = np.zeros((6, 20), dtype=bool)
    mask[2, [3, 4]] = True
    display = make_display()
    plain = list(make_scene(display).frames())
    marked = list(make_scene(display, mask=mask).frames())
    assert [np.array_equal(a, b) for a, b in zip(plain, marked, strict=True)] == [True, True, False, True, True, True]


def test_the_cursor_moves_along_the_trace():
    display = make_display()
    scene = make_scene(display, trace=Trace(VALUES[:, 0], np.full(6, 0.2), "Fp1"))
    left, top, width, height = scene.trace_box
    columns = [scene.cursor(k) for k in range(6)]
    assert columns[0] == left and columns[-1] == left + width - 2 and (np.diff(columns) > 0).all()
    background = scene.background()
    for column, frame in zip(columns, scene.frames(), strict=True):
        changed = (frame != background)[top : top + height].any(axis=0).nonzero()[0]
        assert set(changed) <= {column, column + 1} and len(changed)


def test_the_trace_of_a_channel_takes_its_standard_error(tmp_path):
    display = make_display()
    display.standard_error = np.full((1, 6, 20), 0.5)
    with_band = read_frames(display.save(tmp_path / "a.gif", size=SIZE, trace="C3"))
    display.standard_error = None
    without = read_frames(display.save(tmp_path / "b.gif", size=SIZE, trace="C3"))
    own = read_frames(display.save(tmp_path / "c.gif", size=SIZE, trace=VALUES[:, 8], trace_label="C3"))
    assert not np.array_equal(with_band[0], without[0])
    assert np.array_equal(own[2], without[2])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_frames(tmp_path):
    def peak(n_frames):
        wave = np.sin(np.arange(n_frames) / 9)[:, None] * VALUES[0]
        display = make_display(wave, np.arange(n_frames) / 100)
        tracemalloc.start()
        display.save(tmp_path / "long.gif", size=(200, 160))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(10)  # the operator is built and cached
    few, many = peak(30), peak(1500)
    assert many - few < 1500 * 200 * 160 / 20  # a twentieth of what holding the frames would take


class Interrupted(TopomapDisplay):
    def column_label(self, column):
        if column == 3:
            raise KeyboardInterrupt
        return super().column_label(column)


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "html"])
def test_an_interrupt_leaves_no_half_file(ending, tmp_path):
    (tmp_path / f"map.{ending}").write_text("the earlier file")
    with pytest.raises(KeyboardInterrupt):
        Interrupted.from_values(VALUES, NAMES, TIMES).save(tmp_path / f"map.{ending}", size=SIZE)
    assert [path.name for path in tmp_path.iterdir()] == [f"map.{ending}"]
    assert (tmp_path / f"map.{ending}").read_text() == "the earlier file"


def test_unwritable_paths_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        make_display().save(tmp_path / "no" / "map.gif", size=SIZE)
    (tmp_path / "folder.gif").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        make_display().save(tmp_path / "folder.gif", size=SIZE)


def test_mp4_without_ffmpeg_names_the_alternatives(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"\.gif, \.png \(animated\), \.webp or \.html"):
        make_display().save(tmp_path / "map.mp4", size=SIZE)
    assert not list(tmp_path.iterdir())


def stand_in_for_ffmpeg(folder, script):
    folder.mkdir()
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_mp4_pipes_every_frame_into_ffmpeg(tmp_path, monkeypatch):
    stand_in_for_ffmpeg(tmp_path / "bin", 'for last; do :; done; cat > "$last"')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    display = make_display()
    data = np.frombuffer(display.save(tmp_path / "map.mp4", size=SIZE).read_bytes(), dtype=np.uint8)
    scene = make_scene(display)
    ours = np.stack([scene.palette[frame] for frame in scene.frames()])
    assert np.array_equal(data.reshape(ours.shape), ours)


def test_a_failing_ffmpeg_leaves_no_file(tmp_path, monkeypatch):
    stand_in_for_ffmpeg(tmp_path / "bin", "cat > /dev/null; echo no such encoder >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    with pytest.raises(RuntimeError, match="no such encoder"):
        make_display().save(tmp_path / "map.mp4", size=SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("map.giff", {}, "Did you mean '.gif'"),
        ("map", {}, "ending of path"),
        ("map.gif", {"fps": 0}, "fps"),
        ("map.gif", {"fps": "fast"}, "fps"),
        ("map.gif", {"size": (50, 50)}, "size"),
        ("map.gif", {"size": 500}, "size"),
        ("map.gif", {"trace": "Q1"}, "trace='Q1'"),
        ("map.gif", {"trace": np.ones(5)}, "6 finite values"),
        ("map.gif", {"trace": "C3", "trace_error": np.full(6, np.nan)}, "trace_error"),
        ("map.gif", {"mask": np.ones(4)}, "mask must have shape"),
        ("map.gif", {"vlim": (1, 0)}, "vlim must rise"),
    ],
)
def test_bad_options_are_named_and_leave_nothing(path, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        make_display().save(tmp_path / path, **{"size": SIZE, **options})
    assert not list(tmp_path.iterdir())


def test_a_progress_bar_only_when_asked(tmp_path, capsys):
    make_display().save(tmp_path / "map.gif", size=SIZE)
    assert capsys.readouterr() == ("", "")
    make_display().save(tmp_path / "map.gif", size=SIZE, verbose=1)
    out, err = capsys.readouterr()
    assert out == "" and "frames" in err


@pytest.mark.parametrize("values", [np.zeros((3, 20)), np.ones((1, 20)), np.full((2, 20), 1e-30)])
def test_plain_and_single_frames(values, tmp_path):
    frames = read_frames(make_display(values, None).save(tmp_path / "map.gif", size=SIZE, trace="Cz"))
    assert len(frames) == len(values)


def test_maps_stop_at_the_hull_when_asked(tmp_path):
    display = make_display(extrapolate="hull")
    scene = make_scene(display)
    left, top, side = scene.map_box
    frame = next(iter(scene.frames()))
    page = scene.background()
    x, y = (display.positions[0] / scene.operator.radius + 1) / 2 * side  # Fp1, on the border: its dot is whole
    assert frame[top + side - round(y) - 1, left + round(x)] >= 2 * N_COLOURS
    corner = frame[top + side // 2, left + 1 + side // 60]  # inside the head, left of T7
    assert corner == page[top + side // 2, left + 1 + side // 60]
    assert frame[top + side // 2 + 3, left + side // 3] < 2 * N_COLOURS
