"""Damaged, crafted and hostile files of every format that is read, and a process that tries them with little memory.

``python -W error -m tests.damage FOLDER N_FILES`` prints what became of them as JSON.
"""

import collections
import gzip
import io
import itertools
import json
import pathlib
import resource
import signal
import struct
import sys
import time
import zipfile
import zlib

import numpy as np

HEADROOM = 2**31  # bytes of address space beyond what the libraries took; nothing may ask for more
SECONDS = 60  # for one file
N_CHANNELS, N_TRIALS, N_TIMES = 3, 6, 20


def npz(**changes):
    """A NumPy archive of trials; a pair (header, data) replaces an array by what no array can be."""
    arrays = {
        "X": np.random.default_rng(0).standard_normal((N_TRIALS, N_CHANNELS, N_TIMES)),
        "y": np.arange(6) % 2,
        "ch_names": ["C3", "Cz", "C4"],
        "sfreq": 100.0,
        "subject": np.arange(6),
    } | changes
    return pack({key: value for key, value in arrays.items() if value is not None})


def pack(arrays, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for key, value in arrays.items():
            archive.writestr(f"{key}.npy", crafted(*value) if isinstance(value, tuple) else npy(value))
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array))
    return buffer.getvalue()


def crafted(header, data=b"", version=b"\1\0"):
    header = header.encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H" if version == b"\1\0" else "<I", len(header)) + header + data


def describe(shape, kind="<f8", order=False):
    return f"{{'descr': {kind!r}, 'fortran_order': {order}, 'shape': {shape}, }}"


def explanation(folder, ending):
    from eegexplain._explanation import make_explanation
    from eegexplain._io import save_explanation

    rng, coords = np.random.default_rng(0), {"output": ["left", "right"], "channel": ["C3", "Cz", "C4"]}
    made = make_explanation(
        rng.random((2, 3)), tuple(coords), coords, standard_error=rng.random((2, 3)), method="x", n=3
    )
    save_explanation(made, folder / f"whole{ending}")
    return (folder / f"whole{ending}").read_bytes()


def epochs(folder):
    import mne

    info = mne.create_info(["C3", "Cz", "C4"], 100.0, "eeg")
    data = 1e-6 * np.random.default_rng(1).standard_normal((N_TRIALS, N_CHANNELS, N_TIMES))
    events = np.column_stack([np.arange(6) * 60, np.zeros(6, int), np.arange(6) % 2 + 1])
    mne.EpochsArray(data, info, events, verbose=False).save(folder / "whole-epo.fif", verbose=False)
    return (folder / "whole-epo.fif").read_bytes()


def uci(period="3.906", value="1.5", trial="7", extra=""):
    lines = ["# co2a0000364.rd", f"# {period} msecs uV", f"# S2 nomatch, trial {trial}"]
    for c, name in enumerate(["FP1", "OZ"]):
        lines += [f"# {name} chan {c}", *(f"{trial} {name} {t} {value if t == 3 else t}" for t in range(5))]
    return ("\n".join(lines) + "\n" + extra).encode()


def zeros(n_bytes, wrap=31):
    """So many zeros, packed: a bomb that is made in pieces."""
    packer, block = zlib.compressobj(9, wbits=wrap), bytes(2**20)
    return b"".join([packer.compress(block) for _ in range(n_bytes >> 20)] + [packer.flush()])


def bomb(n_bytes=2**28):
    """An archive whose X is made of zeros."""
    n_trials = n_bytes // 8000
    header = crafted(describe((n_trials, 10, 100)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        with archive.open("X.npy", "w") as member:
            member.write(header)
            for _ in range(n_trials):
                member.write(bytes(8000))
        for key, value in {"y": np.zeros(n_trials), "ch_names": list("abcdefghij"), "sfreq": 1.0}.items():
            archive.writestr(f"{key}.npy", npy(value))
    return buffer.getvalue()


def encrypted(whole):
    """The bit of encryption set in every header of an archive."""
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        parts = whole.split(mark)
        parts[1:] = [part[: offset - 4] + b"\1" + part[offset - 3 :] for part in parts[1:]]
        whole = mark.join(parts)
    return whole


def random_damage(whole, rng):
    """One kind of accident: cut, flipped, overwritten, zeroed, removed, doubled, or extreme numbers."""
    size = len(whole)
    at = int(rng.integers(size))
    n = int(rng.integers(1, max(2, min(64, size - at))))
    noise = rng.bytes(n)
    flipped = bytearray(whole)
    for place in rng.integers(size, size=rng.choice([1, 1, 2, 8])):
        flipped[place] ^= int(rng.integers(1, 256))
    extreme = struct.pack(">i", int(rng.choice([2**31 - 1, -(2**31), -1, 0, 2**24])))
    return [
        lambda: whole[:at],
        lambda: bytes(flipped),
        lambda: bytes(flipped),
        lambda: whole[:at] + noise + whole[at + n :],
        lambda: whole[:at] + bytes(n) + whole[at + n :],
        lambda: whole[:at] + whole[at + n :],
        lambda: whole[: at + n] + whole[at:],
        lambda: whole[: at & ~3] + extreme + whole[(at & ~3) + 4 :],
    ][int(rng.integers(8))]()


def crafted_trials():
    """Archives that no accident makes."""
    n = "'"
    yield from (npz(**{key: None}) for key in ("X", "y", "ch_names", "sfreq"))
    shapes = [
        (10**6, 10**4, 10**3),
        (6, 3, 21),
        (6, 3, -20),
        (-6, -3, 20),
        (6, 3),
        (2**62, 2**62, 2**62),
        (0, 3, 20),
        (6, 3, 20, 10**9),
        (1,) * 70,
    ]
    yield from (npz(X=(describe(shape), bytes(2880))) for shape in shapes)
    kinds = ["<U0", "|V0", "<U999999999", "|O", "<M8[D]", "<c16", "|b1", "nonsense", "<f2"]
    yield from (npz(X=(describe((6, 3, 20), kind), bytes(2880))) for kind in kinds)
    yield from (npz(ch_names=(describe(shape, "<U0"), b"")) for shape in [(10**15,), (3,), (3, 10**15)])
    yield from (
        npz(subject=(describe((6, 10**14), "<U0"), b""), extra=(describe((6, 10**15), "|V0"), b"")) for _ in "1"
    )
    headers = [
        "(" * 9000,
        "-" * 9000 + "1",
        "[" * 9000,
        "{}",
        "3",
        "",
        "{'descr': [(" + n + "a" + n + ", '<f8')], 'fortran_order': False, 'shape': (6, 3, 20)}",
        describe("()"),
        describe("(6L, 3L, 20L)"),
    ]
    yield from (npz(X=(header, bytes(2880))) for header in headers)
    yield from (npz(X=(describe((6, 3, 20)), bytes(2880), version)) for version in (b"\2\0", b"\3\0", b"\4\0", b"\0\0"))
    values = [np.nan, np.inf, 0, -1, [1.0, 2.0], "100", True, 1j, np.array(3, "M8[s]"), [], 1e-320]
    yield from (npz(sfreq=value) for value in values)
    X = np.ones((6, 3, 20)) * np.arange(20)
    yield from (
        npz(X=value)
        for value in [
            X * np.nan,
            X * 1e39,
            X * 1e300,
            X * 0,
            X.astype(np.longdouble) * 1e16,
            np.full((6, 3, 20), np.iinfo(np.uint64).max),
            X[:0],
            X.astype("U9"),
        ]
    )
    yield from (
        npz(y=value)
        for value in [
            np.full(6, np.inf),
            np.full(6, 0.5),
            np.zeros((6, 2)),
            np.zeros(7),
            3,
            X * 1j,
            np.array([b"\xff"] * 6),
            np.zeros(6, [("a", "f8")]),
            np.zeros(6, "m8[s]"),
        ]
    )
    yield from (
        npz(ch_names=value)
        for value in [
            ["a"] * 3,
            "abc",
            [1, 2, 3],
            [1.5, np.nan, 2],
            [["a"] * 3] * 3,
            [],
            np.zeros(3, "M8[D]"),
            ["a", "b", ""],
        ]
    )
    whole = npz()
    yield from [
        encrypted(whole),
        b"",
        b"PK\5\6" + bytes(18),
        whole.replace(b"X.npy", b"y.npy"),
        whole * 2,
        npy(X),
        pack({"X": X}, zipfile.ZIP_LZMA),
        pack({"X": X}, zipfile.ZIP_BZIP2),
        bomb(),
    ]
    yield from (
        whole.replace(struct.pack("<I", len(npy(X))), struct.pack("<I", size)) for size in (2**32 - 1, 0, 2**31)
    )


def crafted_explanations():
    """Archives whose header contradicts their arrays."""
    value, good = np.zeros((2, 3)), {"dims": {"value": ["a", "b"]}, "coords": [], "attrs": {}}
    headers = [
        good | {"dims": other}
        for other in [
            {"value": ["a"]},
            {"x": []},
            [],
            {"value": 3},
            {"value": ["a", "a"]},
            {"value": [[], {}]},
            None,
            {"value": ["a", "b"], "w": ["b"]},
        ]
    ]
    headers += [good | {"coords": other} for other in [["x"], 3, None, ["value", "value"], [["value"]], {"value": 1}]]
    headers += [good | {"attrs": other} for other in [[1, 2], 3, "x"]] + [{}, [], None, 3, "x"]
    texts = [json.dumps(header) for header in headers] + ["[" * 100_000, "{", "", "1" * 5000, '{"a":' * 50_000]
    yield from (pack({"header": text, "v/value": value, "v/w": np.zeros(4)}) for text in texts)
    good = json.dumps(good)
    yield from (
        pack({"header": header, "v/value": value}) for header in [3.0, value, good.encode(), [good] * 2, "\0" * 9]
    )
    yield from (
        pack({"header": good, "v/value": value})
        for value in [
            (describe((10**9, 10**6)), b""),
            (describe((2, 3), "|O"), b"cos\nsystem\n"),
            np.zeros((3, 2), "U9"),
            np.zeros(6),
        ]
    )
    yield encrypted(pack({"header": good, "v/value": value}))


def crafted_epochs(whole):
    """FIF files with a tag that lies: its size, its successor, its number."""
    position = 0
    while 0 <= position < len(whole):
        kind, _, size, after = struct.unpack(">iIii", whole[position : position + 16])
        numbers = [2**31 - 1, -(2**31), -1, 0, 10**9]
        for number in numbers:
            yield whole[: position + 8] + struct.pack(">i", number) + whole[position + 12 :]
        for number in [0, 16, position, -1, 2**31 - 1]:
            yield whole[: position + 12] + struct.pack(">i", number) + whole[position + 16 :]
        for data in [struct.pack(">i", number) for number in numbers] + [
            b"\x7f\x80\0\0",
            b"\xff\xc0\0\0",
            b"\x7f\x7f\xff\xff",
        ]:
            yield whole[: position + 16] + data + whole[position + 20 :]
        position = position + 16 + size if after == 0 else after


def crafted_uci():
    """Texts that read like trials."""
    for period in ["0", "0.0", "1e39", "9" * 400, "1.2.3", "0." + "0" * 400 + "1", "99999999", "....", "0.0000001"]:
        yield uci(period=period)
    for value in ["1e39", "-1e39", "1e400", "nan", "inf", "1e16", "1_0", "0x10", "1" * 5000, "\u0663", "", "1 2"]:
        yield uci(value=value)
    for trial in ["9" * 30, "9" * 5000, "-1", "x"]:
        yield uci(trial=trial)
    yield from [
        uci(extra=extra) for extra in ["\0\n", "\x85\n", "# OZ chan 0\n", "7 OZ 5 1\n", "\n" * 10**6, "x" * 10**6]
    ]
    yield from [b"\n" * 2**23, b"7 OZ 5 1\n" * 2**19, b"# OZ chan 0\n" * 2**19, b"\xff\xfe" + uci(), b"#"]


def corpus(folder, n_files):
    """Yield kind, ending and content of at least `n_files` damaged files, crafted ones first."""
    fif = epochs(folder)
    netcdf, archive = explanation(folder, ".nc"), explanation(folder, ".npz")
    made = [
        *((("trials", ".npz"), content) for content in crafted_trials()),
        *((("explanation", ".npz"), content) for content in crafted_explanations()),
        *((("trials", ".rd"), content) for content in crafted_uci()),
        *((("trials", ".rd.gz"), gzip.compress(content, mtime=0)) for content in crafted_uci()),
        *(
            (("trials", ".rd.gz"), content)
            for content in (zeros(2**28), b"", b"\x1f\x8b", gzip.compress(uci()) + b"xx")
        ),
        *(
            (("trials", "-epo.fif.gz"), content)
            for content in (zeros(2**28), gzip.compress(fif)[:-9], gzip.compress(b""))
        ),
        *(
            (("trials", ".set"), content)
            for content in (b"", b"MATLAB 5.0 MAT-file".ljust(128) + b"\1\0IM" + b"\xff" * 64)
        ),
        *(
            (("explanation", ".nc"), content)
            for content in (b"", b"CDF\1", b"CDF\2" + b"\xff" * 60, b"\x89HDF\r\n\x1a\n")
        ),
    ]
    lies = list(crafted_epochs(fif))
    rng = np.random.default_rng(0)
    if n_files > len(made):
        made += [(("trials", "-epo.fif"), content) for content in lies]
    else:
        made += [(("trials", "-epo.fif"), lies[i]) for i in rng.choice(len(lies), 20, replace=False)]
    yield from made
    from eegexplain._reading import _SEAL_BYTES

    wholes = [
        (("trials", ".npz"), npz()),
        (("explanation", ".npz"), archive),
        (("trials", "-epo.fif"), fif),
        (("explanation", ".nc"), netcdf),
        (("explanation", ".nc"), netcdf[:-_SEAL_BYTES]),
        (("trials", ".rd"), uci()),
        (("trials", ".rd.gz"), gzip.compress(uci(), mtime=0)),
        (("trials", "-epo.fif.gz"), gzip.compress(fif)),
    ]
    for kind, whole in itertools.islice(itertools.cycle(wholes), max(64, n_files - len(made))):
        yield kind, random_damage(whole, rng)


def attempt(kind, path):
    """What became of one file: "loaded", "refused", or the name of another exception."""
    from eegexplain._io import load_explanation
    from eegexplain.datasets import load_trials

    def late(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        (load_explanation if kind == "explanation" else load_trials)(path)
    except ValueError as error:
        if str(path) not in str(error):
            return f"ValueError without the file: {error}"[:200]
        cause = error
        while cause is not None:
            if isinstance(cause, TimeoutError) or (isinstance(cause, MemoryError) and not in_parser(cause)):
                return f"{type(cause).__name__} inside: {error}"[:200]
            cause = cause.__cause__
        return "refused"
    except Warning as warning:
        return "loaded" if "are flat" in str(warning) else f"{type(warning).__name__}: {warning}"[:200]
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    finally:
        signal.alarm(0)
    return "loaded"


def in_parser(error):
    """Whether Python's own parser ran out of its stack, not the process out of memory."""
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename.endswith("ast.py")


def main(folder, n_files):
    folder = pathlib.Path(folder)
    results, examples, peak = collections.Counter(), {}, 0
    files = list(corpus(folder, n_files))
    for file in sorted(folder.glob("whole*")):
        attempt("explanation" if "epo" not in file.name else "trials", file)  # import what reading needs
    taken = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    resource.setrlimit(resource.RLIMIT_AS, (taken + HEADROOM, taken + HEADROOM))
    start = time.perf_counter()
    for number, ((kind, ending), content) in enumerate(files):
        path = folder / f"{number}{ending}"
        path.write_bytes(content)
        result = attempt(kind, path)
        name = result.split(":")[0]
        if result == "loaded" and "-v" in sys.argv:
            print(path.name, file=sys.stderr)
        results[name, ending if kind == "trials" else f"explanation{ending}"] += 1
        if name not in ("loaded", "refused"):
            examples.setdefault(name, []).append(f"{path.name}: {result}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    counts = {" ".join(key): count for key, count in sorted(results.items())}
    print(
        json.dumps(
            {
                "n_files": len(files),
                "counts": counts,
                "examples": examples,
                "megabytes": peak / 1024,
                "seconds": time.perf_counter() - start,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
