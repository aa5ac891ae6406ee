"""Output folders that change as a whole: built beside, published by renames that can be undone.

A run owns what its manifest lists, with the bytes that it lists, and nothing else. It builds in a hidden folder inside
the output folder (the same file system), writes down every rename that it is about to do, and does them: first the
earlier files out, then the new ones in, so that at no moment files of two runs lie side by side. A run that is stopped
between two renames undoes them; one that is killed leaves its list to the next run, which undoes them before it begins.
"""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import warnings

try:
    import fcntl
except ImportError:  # Windows: nothing is locked, so nothing of another run is cleaned away either
    fcntl = None  # type: ignore[assignment]

MANIFEST = "eegexplain-manifest.json"
PREFIX = ".eegexplain-"  # names that begin so, in any folder, are ours: work of runs that still run, or died
LOCK = f"{PREFIX}lock"
JOURNAL = "journal.json"


@contextlib.contextmanager
def publish_folder(out, reserved=()):
    """Give an empty folder whose files replace those of the earlier run in `out` on success and vanish on failure.

    Parameters
    ----------
    out : str or path-like
        Folder; made when missing. Files that its manifest does not list, or that were changed since, are the user's:
        they stay as they are. One that lies where a file of this run must go keeps its content under another name.
    reserved : sequence of str
        Names that the run is going to write, the most telling first: it is the first to go and the last to come, so
        where it is, its run is complete. A trailing slash marks a folder. Where something of the user's has such a
        name, that is an error before the work begins.

    Yields
    ------
    pathlib.Path
        The empty folder.

    Raises
    ------
    FileExistsError
        When something that is not ours has a reserved name.
    BlockingIOError
        When another run is writing into the folder.
    OSError
        When the folder cannot be made or written.

    Warns
    -----
    UserWarning
        Naming files of the user that had to take another name.
    """
    given, out = out, pathlib.Path(out).absolute()
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"{given} is a file: give the name of a folder")
    missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        with contextlib.ExitStack() as stack:
            try:
                locked = stack.enter_context(_locked(out))
                if locked:
                    recover_folder(out)
                work = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=out))
                stack.callback(shutil.rmtree, work, ignore_errors=True)
                (work / "new").mkdir()
            except BlockingIOError:
                raise
            except OSError as error:
                raise OSError(f"The folder {given} cannot be written ({error.strerror})") from error
            for name, why in _in_the_way(out, reserved, read_manifest(out)["files"]):
                raise FileExistsError(f"{out / name} {why}: move it, or give another folder")
            yield work / "new"
            _publish(work, out, reserved)
    finally:
        for folder in missing:
            with contextlib.suppress(OSError):  # not empty: published, or in use by others
                folder.rmdir()


def read_manifest(folder):
    """What the last run left in a folder.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    dict
        ``files``, a dict from name to SHA-256, and ``folders``, a list of names; both empty where there is no manifest
        that can be read.
    """
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        _check_inside([*found["files"], *found["folders"]])
        return {"files": dict(found["files"]), "folders": list(found["folders"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {"files": {}, "folders": []}


def _check_inside(names):
    """Refuse names that lead out of the folder: the file that holds them was not written here."""
    for name in names:
        path = pathlib.PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{name} leads out of the folder")


def recover_folder(out):
    """Undo what a killed run left half done, and remove what dead runs left; to be called under the lock."""
    for work in out.glob(f"{PREFIX}*"):
        if work.is_dir() and not work.is_symlink():
            _undo(work, out)
            shutil.rmtree(work, ignore_errors=True)


@contextlib.contextmanager
def _locked(out):
    """Hold the folder for this run, made where missing; the system lets go of it when the process dies."""
    path = out / LOCK
    while True:
        out.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # another run removed its empty folder
            continue
        try:
            held = try_lock(handle)
            if held is None or (held and _is_same(handle, path)):
                break
        except BaseException:
            os.close(handle)
            raise
        owner = os.read(handle, 32).decode("ascii", "replace")
        os.close(handle)
        if not held:
            who = f" (process {owner})" if owner else ""
            raise BlockingIOError(f"Another run{who} is writing into {out}: wait for it, or give another folder")
    try:
        os.truncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        yield bool(held)
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(handle)


def try_lock(handle):
    """Lock an open file without waiting: True, False where another holds it, None where locks do not work."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EAGAIN, errno.EACCES) else None
    return True


def _is_same(handle, path):
    """Whether an open file still has its name: another run may have finished and removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _in_the_way(out, names, owned):
    """Yield what keeps files of these names from being written without loss: its name, and what it is."""
    seen = set()
    for name in names:
        path = pathlib.PurePosixPath(name)
        folders = [*reversed(path.parents)][1:] + [path] * name.endswith("/")
        for folder in folders:
            if folder not in seen and (why := _no_folder(out / folder, out)):
                yield str(folder), why
            seen.add(folder)
        if not name.endswith("/") and os.path.lexists(out / path) and not _is_owned(out, name, owned):
            changed = "was changed since eegexplain wrote it" if name in owned else "was not written by eegexplain"
            yield name, changed


def _no_folder(path, out):
    """Why files cannot be renamed into a folder, if they cannot."""
    if not os.path.lexists(path):
        return None
    if path.is_symlink() or not path.is_dir():
        return f"is {'a link' if path.is_symlink() else 'a file'} where a folder must be"
    if path.stat().st_dev != out.stat().st_dev:
        return "is on another file system"
    return None if os.access(path, os.W_OK | os.X_OK) else "cannot be written"


def _is_owned(out, name, owned):
    """Whether a file is as an earlier run left it."""
    path = out / name
    if path.is_symlink() or not path.is_file():
        return False
    return name == MANIFEST or (name in owned and _digest(path) == owned[name])


def _digest(path):
    """SHA-256 of a file, which is on the disk when this returns."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return digest


def _publish(work, out, reserved):
    """Replace the files of the earlier run by those in ``work/new``, or leave everything as it was."""
    new, before = work / "new", read_manifest(out)
    names = sorted(path.relative_to(new).as_posix() for path in new.rglob("*") if not path.is_dir())
    folders = sorted(path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_dir())
    made = [name for name in folders if not (out / name).is_dir()]
    ours = made + [name for name in folders if name in before["folders"] and name not in made]
    content = {"made_by": "eegexplain", "files": {name: _digest(new / name) for name in names}, "folders": ours}
    _write_json(new / MANIFEST, content)

    last = {name: rank for rank, name in enumerate([MANIFEST, *reserved])}
    arriving = sorted([*names, MANIFEST], key=lambda name: -last.get(name, len(last)))
    leaving = [name for name in {**last, **before["files"]} if _is_owned(out, name, before["files"])]
    aside = [(name, _free_name(out, name)) for name, _ in _in_the_way(out, names, before["files"])]
    moves = [(name, f"{work.name}/old/{name}") for name in leaving] + aside
    moves += [(f"{work.name}/new/{name}", name) for name in arriving]
    _write_json(work / JOURNAL, {"moves": moves, "made": made})
    try:
        for _, target in moves[: len(leaving)]:
            (out / target).parent.mkdir(parents=True, exist_ok=True)
        for source, target in moves:
            if source.startswith(work.name):
                (out / target).parent.mkdir(parents=True, exist_ok=True)
            os.rename(out / source, out / target)
    except BaseException:
        _undo(work, out)
        raise
    (work / JOURNAL).unlink()
    for name in sorted(set(before["folders"]) - set(folders), reverse=True):
        with contextlib.suppress(OSError):  # holds files of the user's
            (out / name).rmdir()
    if aside:
        told = ", ".join(f"{name} (now {other})" for name, other in aside)
        warnings.warn(f"Files in {out} that this run did not write had to make way: {told}", stacklevel=5)


def _write_json(path, content):
    """Write a file that is whole, and on the disk, once it has its name."""
    temporary = path.with_name(f"{PREFIX}{path.name}")
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _free_name(out, name):
    """Another name for a file, in the same folder, that nothing has."""
    path, number = pathlib.PurePosixPath(name), 1
    while os.path.lexists(out / (other := path.with_name(f"{path.stem}.kept-{number}{path.suffix}"))):
        number += 1
    return str(other)


def _undo(work, out):
    """Take back the renames of a run that was stopped between them."""
    try:
        journal = json.loads((work / JOURNAL).read_text(encoding="utf-8"))
        moves, made = journal["moves"], journal["made"]
        _check_inside([*made, *(name for move in moves for name in move)])
    except (OSError, ValueError):  # it had not begun, or it was done
        return
    if not any(os.path.lexists(out / source) for source, _ in moves if source.startswith(f"{work.name}/new/")):
        return  # every file had come
    for source, target in reversed(moves):
        if os.path.lexists(out / target) and not source.startswith(f"{work.name}/"):
            # What has taken the place since is the user's.
            os.rename(out / target, out / (_free_name(out, source) if os.path.lexists(out / source) else source))
        elif os.path.lexists(out / target) and not os.path.lexists(out / source):
            os.rename(out / target, out / source)
    for name in sorted(made, reverse=True):
        with contextlib.suppress(OSError):
            (out / name).rmdir()
