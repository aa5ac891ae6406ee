// Canvases: sharp on every screen, in the colors of the page.

const FONT = 'system-ui, "DejaVu Sans", sans-serif';

const shade = (root, name) => getComputedStyle(root).getPropertyValue(name).trim();

/** Give a canvas its height, clear it, and return its context and its size in CSS pixels. */
function prepared(canvas, height) {
  const width = canvas.clientWidth;
  const sharpness = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * sharpness);
  canvas.height = Math.round(height * sharpness);
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(sharpness, 0, 0, sharpness, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

function write(context, text, x, y, { color, align = "center", size = 12, bold = false, halo = null }) {
  context.font = `${bold ? "bold " : ""}${size}px ${FONT}`;
  context.textAlign = align;
  if (halo) {
    Object.assign(context, { strokeStyle: halo, lineWidth: 3, lineJoin: "round" });
    context.strokeText(text, x, y);
  }
  context.fillStyle = color;
  context.fillText(text, x, y);
}

/** Few round numbers between two limits. */
function ticks(low, high, most) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((one) => one >= rough);
  const found = [];
  for (let x = Math.ceil(low / step) * step; x <= high + 1e-9 * step; x += step) found.push(Number(x.toPrecision(6)));
  return found;
}
