// The player: a map that moves, the course of a channel under it, and the hands that lead both.

const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];

/** A scalp map with the interpolation, limits, contours and cut that were asked for. */
class MovingMap extends ScalpMap {
  weigh(wanted) {
    const { places, head, player } = this.data;
    if (player.method === "spherical") return splineWeights(places, head, wanted);
    return player.method === "linear" ? linearWeights(this.data, wanted) : super.weigh(wanted);
  }

  trace(context, cut) {
    const { hull } = this.data.player;
    if (!hull) return super.trace(context, cut);
    hull.forEach(([x, y], k) => context[k ? "lineTo" : "moveTo"](this.x + x * this.radius, this.y - y * this.radius));
    context.closePath();
  }

  drawOver(context) {
    const { levels, middle } = this.data.player;
    const field = new Float32Array(PIXELS * PIXELS).fill(NaN);
    this.pixels.forEach((pixel, k) => { field[pixel] = this.shown[k]; });
    const scale = (2 * this.radius) / PIXELS;
    context.strokeStyle = "#000000b0";
    context.lineWidth = 0.8;
    for (const level of levels) {
      context.beginPath();
      for (const line of contours(field, level - middle, level < 0)) {
        line.forEach(([u, v], k) => context[k ? "lineTo" : "moveTo"](
          this.x - this.radius + (u + 0.5) * scale, this.y - this.radius + (v + 0.5) * scale));
      }
      context.stroke();
    }
  }

  drawElectrode(context, c, mean, threshold, chosen) {
    if (this.data.player.sensors || chosen || mean.z) super.drawElectrode(context, c, mean, threshold, chosen);
  }

  drawNames(context, channel) {
    if (this.data.player.names) super.drawNames(context, channel);
    else this.drawName(context, channel);
    for (const [x, y] of this.data.player.missing) {
      write(context, "\u00d7", this.x + x * this.radius, this.y - y * this.radius + 4, { color: "#333", bold: true });
    }
  }

  drawName(context, channel) {
    const [x, y] = this.place(channel);
    write(context, this.data.channels[channel], x, y - 10, { color: "#111", halo: "#ffffffb0", bold: true });
  }

  drawScale(context, x, limit, color) {
    const [top, length] = [this.y - 0.62 * this.radius, 1.24 * this.radius];
    for (let i = 0; i < length; i++) {
      context.fillStyle = `rgb(${colorOf(this.data.colors, 1 - (2 * i) / length)})`;
      context.fillRect(x - 5, top + i, 10, 1.5);
    }
    const { low, high, unit } = this.data.player;
    write(context, digits(high), x + 22, top - 7, { color, align: "right", size: 11 });
    write(context, digits(low), x + 22, top + length + 15, { color, align: "right", size: 11 });
    if (low < 0 && high > 0) {
      write(context, "0", x - 8, top + (length * high) / (high - low) + 4, { color, align: "right", size: 11 });
    }
    write(context, unit, x + 22, top - 24, { color, align: "right", size: 11 });
  }
}

/** Weights of all electrodes at points, linear on each triangle. */
function linearWeights({ places, triangles: { ring, corners } }, wanted) {
  const [points, n] = [places.concat(ring), places.length];
  const triangles = describeTriangles(points, corners);
  const values = ringValues(points.length, corners, n);
  const weights = new Float32Array(wanted.length * n);
  let last = 0;
  wanted.forEach((point, k) => {
    last = findTriangle(triangles, point, last);
    barycentric(triangles[last], point).forEach((share, corner) => {
      const row = triangles[last].corners[corner] * n;
      for (let j = 0; j < n; j++) weights[k * n + j] += share * values[row + j];
    });
  });
  return weights;
}

/** Lines where a field on the grid of pixels crosses a level: from side to side of squares whose corners differ. */
function contours(field, level, dashed) {
  const lines = [];
  for (let row = 0; row + 1 < PIXELS; row++) {
    for (let column = 0; column + 1 < PIXELS; column++) {
      if (dashed && (row + column) % 3 === 0) continue;
      const at = row * PIXELS + column;
      const [a, b, c, d] = [field[at], field[at + 1], field[at + PIXELS + 1], field[at + PIXELS]];
      const above = [a > level, b > level, c > level, d > level];
      if (above[0] === above[1] && above[1] === above[2] && above[2] === above[3]) continue;
      if (!Number.isFinite(a + b + c + d)) continue;
      const share = (from, to) => (level - from) / (to - from);
      const crossed = [];
      if (above[0] !== above[1]) crossed.push([column + share(a, b), row]);
      if (above[1] !== above[2]) crossed.push([column + 1, row + share(b, c)]);
      if (above[3] !== above[2]) crossed.push([column + share(d, c), row + 1]);
      if (above[0] !== above[3]) crossed.push([column, row + share(a, d)]);
      lines.push(crossed.slice(0, 2));
      if (crossed.length === 4) lines.push(crossed.slice(2));
    }
  }
  return lines;
}

class Player {
  constructor(root, data) {
    Object.assign(this, { root, data, settings: data.player, playing: false, hovered: null });
    this.layer = new Layer(data.layers[0], data.channels.length);
    this.own = data.player.trace && new Layer(data.player.trace, 1);
    this.masks = data.player.masks.map(bytesOf);
    this.last = this.layer.nCells - 1;
    this.state = { frame: 0, channel: data.start.channel, own: Boolean(this.own) };
    this.build();
    this.listen();
    const asked = Number(window.location.hash.slice(1));
    if (window.location.hash) this.show(asked || 0);
    else if (!window.matchMedia("(prefers-reduced-motion: reduce)").matches) this.play();
    this.draw();
  }

  build() {
    const { data, root } = this;
    this.readout = element(root, "p", { class: "readout" });
    const figure = element(root, "figure");
    const label = `${data.title || "Scalp map"}, frame by frame. Arrow keys choose a channel, the space bar plays and pauses.`;
    this.scalp = new MovingMap(root, this.canvas(figure, label), data);
    const canvas = this.canvas(element(root, "figure"),
      "Course of the chosen channel. Left and right move by a frame, with Shift by ten; the space bar plays and pauses.");
    this.course = new Spectrum(root, canvas, data);
    const alone = { ...data, bands: [], channels: [this.settings.traceLabel], baseline: this.settings.baseline };
    this.ownCourse = new Spectrum(root, canvas, alone);
    const bar = element(root, "div", { class: "bar" });
    this.button = element(bar, "button", { type: "button" });
    this.slider = element(bar, "input", { type: "range", min: 0, max: this.last, step: 1, "aria-label": "Frame" });
    this.speed = choice(bar, "Speed", SPEEDS.map((one) => `${one}\u00d7`), SPEEDS.indexOf(1));
    const names = [...(this.own ? [this.settings.traceLabel || "given curve"] : []), ...data.channels];
    this.curve = choice(bar, "Curve", names, this.state.own ? 0 : this.state.channel);
  }

  canvas(figure, label) {
    return element(figure, "canvas", { tabindex: 0, role: "application", "aria-label": label });
  }

  listen() {
    this.button.onclick = () => (this.playing ? this.pause() : this.play());
    this.slider.oninput = () => this.seek(Number(this.slider.value));
    this.curve.onchange = () => {
      const place = Number(this.curve.value) - (this.own ? 1 : 0);
      this.choose(place < 0 ? this.state.channel : place, place < 0);
    };
    this.listenToScalp(this.scalp.canvas);
    this.listenToCourse(this.course.canvas);
    new ResizeObserver(() => this.draw()).observe(this.root);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  listenToScalp(canvas) {
    canvas.onpointermove = (event) => {
      if (event.pointerType === "mouse") this.hover(this.scalp.nearest(event.offsetX, event.offsetY));
    };
    canvas.onpointerleave = () => this.hover(null);
    canvas.onpointerdown = (event) => this.choose(this.scalp.nearest(event.offsetX, event.offsetY), false);
    canvas.onkeydown = (event) => {
      if (this.toggled(event) || !ARROWS[event.key]) return;
      event.preventDefault();
      this.choose(this.scalp.neighbor(this.state.channel, ARROWS[event.key]), false);
    };
  }

  listenToCourse(canvas) {
    const there = (event) => this.layer.within(this.axis.value(event.offsetX), this.axis.value(event.offsetX))[0];
    let dragging = false;
    canvas.onpointerdown = (event) => {
      dragging = true;
      canvas.setPointerCapture(event.pointerId);
      this.seek(there(event));
    };
    canvas.onpointermove = (event) => { if (dragging) this.seek(there(event)); };
    canvas.onpointerup = canvas.onpointercancel = () => { dragging = false; };
    canvas.onkeydown = (event) => {
      if (this.toggled(event)) return;
      const by = event.shiftKey ? 10 : 1;
      const { frame } = this.state;
      const to = { ArrowLeft: frame - by, ArrowRight: frame + by, Home: 0, End: this.last }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.seek(to);
    };
  }

  toggled(event) {
    if (event.key !== " ") return false;
    event.preventDefault();
    this.button.click();
    return true;
  }

  get axis() {
    return (this.state.own ? this.ownCourse : this.course).axis;
  }

  hover(channel) {
    if (this.hovered === channel) return;
    this.hovered = channel;
    this.draw();
  }

  choose(channel, own) {
    Object.assign(this.state, { channel, own });
    this.curve.value = own ? 0 : channel + (this.own ? 1 : 0);
    this.draw();
  }

  /** Go to a frame and stay there: what hands do. */
  seek(frame) {
    this.pause();
    this.show(frame);
  }

  show(frame) {
    this.state.frame = Math.max(0, Math.min(this.last, Math.round(frame)));
    this.draw();
  }

  play() {
    if (this.state.frame === this.last) this.state.frame = 0;
    this.playing = true;
    this.since = null;
    this.draw();
    requestAnimationFrame((now) => this.advance(now));
  }

  pause() {
    this.playing = false;
    this.draw();
  }

  advance(now) {
    if (!this.playing) return;
    if (this.since === null) this.since = now;
    const steps = Math.floor(((now - this.since) / 1000) * this.settings.fps * SPEEDS[this.speed.value]);
    if (steps > 0) {
      this.since = now;
      const next = this.state.frame + steps;
      if (next > this.last && !this.settings.loop) return this.seek(this.last);
      this.show(next > this.last ? 0 : next);
    }
    requestAnimationFrame((later) => this.advance(later));
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      this.redraw();
    });
  }

  redraw() {
    const { data, layer, settings, state } = this;
    const { frame } = state;
    const channel = this.hovered ?? state.channel;
    const mask = this.masks.length ? this.masks[Math.min(frame, this.masks.length - 1)] : null;
    const marked = (c) => mask !== null && ((mask[c >> 3] >> (7 - (c & 7))) & 1) === 1;
    const values = data.channels.map((_, c) => ({
      value: layer.value(0, c, frame) - settings.middle, z: marked(c) ? 1e9 : NaN }));
    this.scalp.draw(values, (settings.high - settings.low) / 2, { threshold: 0, channel });
    this.drawCourse(state.own && this.hovered === null, channel, frame);
    this.slider.value = frame;
    this.slider.setAttribute("aria-valuetext", settings.labels[frame]);
    this.button.textContent = this.playing ? "\u275a\u275a Pause" : "\u25b6 Play";
    this.readout.setAttribute("aria-live", this.playing ? "off" : "polite");
    this.root.dataset.frame = frame;
    this.tell(channel, frame);
  }

  drawCourse(own, channel, frame) {
    const [course, layer] = own ? [this.ownCourse, this.own] : [this.course, this.layer];
    const place = layer.middle(frame);
    const state = { output: 0, channel: own ? 0 : channel, low: place, high: place };
    course.draw(layer, null, state, layer.largest || 1);
    const context = course.canvas.getContext("2d");
    context.fillStyle = shade(this.root, "--front");
    context.fillRect(course.axis.at(place) - 0.75, 18, 1.5, 154);
  }

  tell(channel, frame) {
    const { data, layer, settings } = this;
    this.readout.replaceChildren();
    element(this.readout, "b", {}, settings.labels[frame]);
    const error = layer.error(0, channel, frame);
    const told = `${signed(layer.value(0, channel, frame))}${Number.isFinite(error) ? ` \u00b1 ${digits(error)} SE` : ""}`;
    element(this.readout, "span", {}, ` \u00b7 ${data.channels[channel]}: ${told}`);
    if (!this.own) return;
    const value = this.own.value(0, 0, frame) + settings.baseline;
    element(this.readout, "span", { class: "other" }, ` \u00b7 ${settings.traceLabel || "given curve"}: ${digits(value)}`);
  }
}

for (const root of document.querySelectorAll(".eegexplain-player:not([data-ready])")) {
  root.dataset.ready = "";
  root.player = new Player(root, JSON.parse(root.querySelector("script[type='application/json']").textContent));
}
