"""Files of moving pictures, written frame by frame: GIF, animated PNG, animated WebP, MP4.

Pillow collects all frames of a sequence in memory before it writes; these writers keep one. Pillow still compresses the
pixels of GIF and WebP. Every writer takes an open binary file, a `Scene`, the rate in frames per second, and whether to
loop.
"""

import shutil
import struct
import subprocess
import zlib
from io import BytesIO

import numpy as np


def write_gif(file, scene, *, fps, loop):
    """Write a GIF; each frame stores the rectangle that changed."""
    from PIL import GifImagePlugin

    hundredths = max(2, round(100 / fps))  # viewers slow down faster ones
    file.write(b"GIF89a" + struct.pack("<HHBBB", *scene.size, 0xF7, 255, 0) + scene.palette.tobytes())
    if loop:
        file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
    for (left, top), part in _changed_parts(scene.frames()):
        image = as_image(part, scene.palette)
        for piece in GifImagePlugin.getdata(image, (left, top), duration=10 * hundredths, disposal=1):
            file.write(piece)
    file.write(b";")


def write_apng(file, scene, *, fps, loop):
    """Write an animated PNG; each frame stores the rectangle that changed."""

    def chunk(kind, data):
        """Length, kind, data and checksum, big-endian."""
        file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))

    file.write(b"\x89PNG\r\n\x1a\n")
    chunk(b"IHDR", struct.pack(">IIBBBBB", *scene.size, 8, 3, 0, 0, 0))
    chunk(b"acTL", struct.pack(">II", scene.n_frames, 0 if loop else 1))
    chunk(b"PLTE", scene.palette.tobytes())
    sequence = 0
    for number, ((left, top), part) in enumerate(_changed_parts(scene.frames())):
        height, width = part.shape
        place = struct.pack(">IIIIIHHBB", sequence, width, height, left, top, 1000, round(1000 * fps), 0, 0)
        chunk(b"fcTL", place)
        # Filter 0 before every row: palette indices do not gain from differences.
        rows = np.concatenate([np.zeros((height, 1), dtype=np.uint8), part], axis=1)
        data = zlib.compress(rows.tobytes(), 6)
        if number == 0:
            chunk(b"IDAT", data)
            sequence += 1
        else:
            chunk(b"fdAT", struct.pack(">I", sequence + 1) + data)
            sequence += 2
    chunk(b"IEND", b"")


def write_webp(file, scene, *, fps, loop):
    """Write a lossless animated WebP; each frame stores the rectangle that changed."""
    milliseconds = max(1, round(1000 / fps))

    def chunk(kind, data):
        """Kind, length, data and a zero where these are odd, little-endian."""
        return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    start = file.tell()
    file.write(b"RIFF\0\0\0\0WEBP")
    file.write(chunk(b"VP8X", b"\x02\0\0\0" + _uint24(scene.size[0] - 1) + _uint24(scene.size[1] - 1)))
    file.write(chunk(b"ANIM", struct.pack("<IH", 0xFFFFFFFF, 0 if loop else 1)))
    for (left, top), part in _changed_parts(scene.frames(), even=True):
        height, width = part.shape
        place = b"".join(_uint24(n) for n in (left // 2, top // 2, width - 1, height - 1, milliseconds)) + b"\x02"
        file.write(chunk(b"ANMF", place + webp_bytes(part, scene.palette)[12:]))
    end = file.tell()
    file.seek(start + 4)
    file.write(struct.pack("<I", end - start - 8))
    file.seek(end)


def webp_bytes(part, palette):
    """Compress one picture as lossless WebP, losing nothing."""
    buffer = BytesIO()
    as_image(part, palette).convert("RGB").save(buffer, "WEBP", lossless=True, quality=20, method=0)
    return buffer.getvalue()


def write_mp4(file, scene, *, fps, loop):
    """Pipe frames into ffmpeg, which writes H.264 into the file's path."""
    width, height = scene.size
    command = [
        find_ffmpeg(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}",
        "-r", str(fps), "-i", "-", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white", "-c:v", "libx264", "-crf", "18",
        "-pix_fmt", "yuv420p", "-f", "mp4", file.name,
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            for frame in scene.frames():
                process.stdin.write(scene.palette[frame].tobytes())
            process.stdin.close()
            message = process.stderr.read().decode(errors="replace").strip()
        except BrokenPipeError:
            message = process.stderr.read().decode(errors="replace").strip() or "ffmpeg closed its input"
        except BaseException:
            process.kill()
            raise
        if process.wait() != 0:
            raise RuntimeError(f"ffmpeg could not write the film: {message}")


def find_ffmpeg():
    """Path of ffmpeg, or an error that names the formats that need none."""
    path = shutil.which("ffmpeg")
    if path is None:
        raise RuntimeError(
            "MP4 needs ffmpeg, which is not on the PATH: install it, or save as .gif, .png (animated), .webp or .html, "
            "which need nothing else."
        )
    return path


def _changed_parts(frames, even=False):
    """Yield, for each frame, the corner and the pixels of the rectangle that differs from the frame before."""
    before = None
    for frame in frames:
        if before is None:
            yield (0, 0), frame
        else:
            changed = frame != before
            rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
            top, bottom = (rows[0], rows[-1] + 1) if len(rows) else (0, 1)
            left, right = (columns[0], columns[-1] + 1) if len(columns) else (0, 1)
            if even:  # WebP stores halves of the corner
                top, left = top - top % 2, left - left % 2
            yield (int(left), int(top)), frame[top:bottom, left:right]
        before = frame


def as_image(part, palette):
    """Pillow image of palette indices."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(part))
    image.putpalette(palette.tobytes())
    return image


def _uint24(number):
    return struct.pack("<I", int(number))[:3]
