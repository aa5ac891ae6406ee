"""One self-contained page with a moving map: play, pause and a slider, no library, no network."""

import base64
import html
import json
from io import BytesIO

from eegexplain._text import readable
from eegexplain.plotting.motion._containers import as_image, webp_bytes

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>%(title)s</title>
<style>
body { margin: 0; font-family: "DejaVu Sans", Verdana, sans-serif; background: white; color: #262626; }
main { width: %(width)dpx; max-width: 100vw; margin: auto; }
canvas { width: 100%%; display: block; }
.controls { display: flex; gap: 8px; align-items: center; padding: 4px 12px; }
button { font-size: 16px; width: 40px; height: 32px; }
input { flex: 1; } output { min-width: 5em; text-align: right; }
</style></head><body><main>
<canvas id="canvas" width="%(width)d" height="%(height)d" role="img" aria-label="%(title)s"></canvas>
<div class="controls"><button id="play" aria-label="Play or pause">&#9654;</button>
<input id="slider" type="range" min="0" max="%(last)d" value="0" aria-label="Frame"><output id="label"></output></div>
</main><script>
const scene = %(scene)s;
const maps = [
"""

_SCRIPT = """];
const canvas = document.getElementById("canvas"), context = canvas.getContext("2d");
const play = document.getElementById("play"), slider = document.getElementById("slider");
const label = document.getElementById("label"), page = new Image();
let current = 0, timer = null, wanted = 0;
function show(k) {
  current = k; slider.value = k; label.textContent = scene.labels[k];
  const turn = ++wanted, map = new Image();
  map.onload = () => {
    if (turn !== wanted) return;
    context.drawImage(page, 0, 0);
    context.drawImage(map, scene.map[0], scene.map[1]);
    context.fillStyle = "#262626"; context.textAlign = "center"; context.font = scene.font;
    context.fillText(scene.labels[k], scene.label[0], scene.label[1]);
    if (scene.cursors) {
      context.fillStyle = "black"; context.fillRect(scene.cursors[k], scene.trace[1], 2, scene.trace[3]);
    }
    canvas.dataset.frame = k;
  };
  map.src = "data:image/webp;base64," + maps[k];
}
function pause() { clearInterval(timer); timer = null; play.innerHTML = "&#9654;"; }
function start() {
  if (current === maps.length - 1) show(0);
  play.innerHTML = "&#10074;&#10074;";
  timer = setInterval(() => {
    if (current + 1 < maps.length) show(current + 1); else if (scene.loop) show(0); else pause();
  }, scene.interval);
}
play.onclick = () => timer === null ? start() : pause();
slider.oninput = () => { pause(); show(Number(slider.value)); };
page.onload = () => {
  const first = Number(location.hash.slice(1));
  if (location.hash) show(Math.min(Math.max(first || 0, 0), maps.length - 1)); else { show(0); start(); }
};
page.src = "data:image/png;base64," + scene.page;
</script></body></html>
"""


def write_html(file, scene, *, fps, loop):
    """Write the page; adding ``#12`` to its address opens it at frame 12, paused."""
    background = scene.background()
    left, top, side = scene.map_box
    facts = {
        "page": base64.b64encode(_png(background, scene.palette)).decode(),
        "map": [left, top],
        "label": [left + side // 2, scene.baseline],
        "font": f'{scene.font_pixels}px "DejaVu Sans", Verdana, sans-serif',
        "trace": scene.trace_box,
        "labels": [scene.frame_label(k) for k in range(scene.n_frames)],
        "cursors": None if scene.trace is None else [scene.cursor(k) for k in range(scene.n_frames)],
        "interval": 1000 / fps,
        "loop": bool(loop),
    }
    width, height = scene.size
    title = html.escape(readable(scene.title) or scene.display.label or "Scalp maps", quote=True)
    described = json.dumps(facts).replace("<", "\\u003c")  # a label cannot end the script
    head = {"title": title, "width": width, "height": height, "last": scene.n_frames - 1, "scene": described}
    file.write((_PAGE % head).encode())
    for picture in scene.maps():
        file.write(b'"' + base64.b64encode(webp_bytes(picture, scene.palette)) + b'",\n')
    file.write(_SCRIPT.encode())


def _png(indices, palette):
    buffer = BytesIO()
    as_image(indices, palette).save(buffer, "PNG")
    return buffer.getvalue()
