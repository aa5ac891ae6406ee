// The explorer: one state, three linked pictures of it, and the hands that change it.

class Explorer {
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.layers = data.layers.map((packed) => new Layer(packed, data.channels.length));
    const { channel, low, high, output } = data.start;
    this.state = { layer: 0, output, channel, low, high, threshold: this.layers[0].threshold };
    this.spent = [];
    this.build();
    this.listen();
    this.draw();
  }

  get layer() {
    return this.layers[this.state.layer];
  }

  build() {
    const { data, root } = this;
    const bar = element(root, "div", { class: "bar" });
    this.show = choice(bar, "Show", this.layers.map((one) => one.title), 0);
    this.output = choice(bar, "Class", data.outputs, this.state.output);
    if (data.outputs.length < 2) this.output.parentElement.hidden = true;
    this.band = choice(bar, "Band", ["(drag)", ...data.bands.map(([name, a, b]) => `${name} ${a}\u2013${b} ${data.axis.unit}`)], 0);
    if (!data.bands.length) this.band.parentElement.hidden = true;
    const slider = element(bar, "label", {}, "Fade below |z| ");
    this.threshold = element(slider, "input", { type: "range", min: 0, step: 0.1 });
    this.told = element(slider, "output");
    slider.hidden = this.layers.every((one) => one.errors === null);
    const buttons = element(bar, "span", { class: "files" });
    this.csv = element(buttons, "button", { type: "button" }, "CSV");
    if (data.places) {
      this.png = element(buttons, "button", { type: "button" }, "PNG");
      this.svg = element(buttons, "button", { type: "button" }, "SVG");
    }
    this.readout = element(root, "p", { class: "readout", "aria-live": "polite" });
    const grid = element(root, "div", { class: "pictures" });
    this.scalp = new ScalpMap(root, ...this.picture(grid, "Scalp map. Arrow keys choose a channel."), data);
    const beside = element(grid, "div");
    this.spectrum = new Spectrum(root, ...this.picture(beside,
      `${data.axis.name} course of the chosen channel. Left and right move the range, with Shift they widen it.`), data);
    this.grid = new Grid(root, ...this.picture(beside,
      `All channels by ${data.axis.name.toLowerCase()}. Arrow keys choose a cell.`), data);
    [this.underScalp, this.underSpectrum, this.underGrid] = root.querySelectorAll("figcaption");
  }

  picture(parent, label) {
    const figure = element(parent, "figure");
    const canvas = element(figure, "canvas", { tabindex: 0, role: "application", "aria-label": label });
    element(figure, "figcaption");
    return [canvas];
  }

  listen() {
    this.show.onchange = () => this.change({ layer: Number(this.show.value), threshold: this.layers[this.show.value].threshold });
    this.output.onchange = () => this.change({ output: Number(this.output.value) });
    this.band.onchange = () => {
      const band = this.data.bands[this.band.value - 1];
      if (band) this.change({ low: band[1], high: band[2] });
    };
    this.threshold.oninput = () => this.change({ threshold: Number(this.threshold.value) });
    this.listenToScalp();
    this.listenToSpectrum();
    this.listenToGrid();
    const title = () => `${this.layer.title}, ${this.className()}, ${this.rangeText()}`;
    this.csv.onclick = () => save("map.csv", mapAsCSV(this.data, this.means()));
    if (this.png) this.png.onclick = () => save("map.png", this.scalp.canvas.toDataURL());
    if (this.svg) this.svg.onclick = () => save("map.svg", mapAsSVG(this.scalp, this.data, title()));
    new ResizeObserver(() => this.draw()).observe(this.root);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  listenToScalp() {
    const canvas = this.scalp.canvas;
    if (!this.data.places) return;
    canvas.onpointermove = (event) => {
      if (event.pointerType === "mouse") this.hover(this.scalp.nearest(event.offsetX, event.offsetY));
    };
    canvas.onpointerleave = () => this.hover(null);
    canvas.onpointerdown = (event) => this.change({ channel: this.scalp.nearest(event.offsetX, event.offsetY) });
    canvas.onkeydown = (event) => {
      if (!ARROWS[event.key]) return;
      event.preventDefault();
      this.change({ channel: this.scalp.neighbor(this.state.channel, ARROWS[event.key]) });
    };
  }

  listenToSpectrum() {
    const canvas = this.spectrum.canvas;
    let begun = null;
    canvas.onpointerdown = (event) => {
      begun = this.spectrum.axis.value(event.offsetX);
      canvas.setPointerCapture(event.pointerId);
      this.choose(begun, begun);
    };
    canvas.onpointermove = (event) => {
      if (begun === null) return;
      const here = this.spectrum.axis.value(event.offsetX);
      this.choose(Math.min(begun, here), Math.max(begun, here));
    };
    canvas.onpointerup = canvas.onpointercancel = () => { begun = null; };
    canvas.onkeydown = (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.step(step, event.shiftKey);
    };
  }

  listenToGrid() {
    const canvas = this.grid.canvas;
    canvas.onpointerdown = (event) => {
      const x = this.grid.axis.value(event.offsetX);
      this.state.channel = this.grid.channel(event.offsetY);
      this.choose(x, x);
    };
    canvas.onkeydown = (event) => {
      const arrow = ARROWS[event.key];
      if (!arrow) return;
      event.preventDefault();
      if (arrow[0]) return this.step(arrow[0], event.shiftKey);
      const row = this.grid.order.indexOf(this.state.channel) - arrow[1];
      this.change({ channel: this.grid.order[Math.max(0, Math.min(this.grid.order.length - 1, row))] });
    };
  }

  change(changes) {
    Object.assign(this.state, changes);
    this.draw();
  }

  hover(channel) {
    if (this.hovered === channel) return;
    this.hovered = channel;
    this.draw();
  }

  /** Choose the cells between two places of the axis: whole cells, at least one. */
  choose(low, high) {
    const cells = this.layer.within(low, high);
    this.band.value = 0;
    this.change({ low: this.layer.lows[cells[0]], high: this.layer.highs[cells[cells.length - 1]] });
  }

  step(step, wider) {
    const cells = this.layer.within(this.state.low, this.state.high);
    const [first, last] = [cells[0], cells[cells.length - 1]];
    const end = Math.max(0, Math.min(this.layer.nCells - 1, last + step));
    const begin = wider ? Math.min(first, end) : Math.max(0, Math.min(this.layer.nCells - 1, first + step));
    if (!wider && end - begin !== last - first) return;
    this.choose(this.layer.middle(begin), this.layer.middle(end));
  }

  means(layer = this.layer) {
    const cells = layer.within(this.state.low, this.state.high);
    return this.data.channels.map((_, c) => layer.mean(this.state.output, c, cells));
  }

  className() {
    const name = this.data.outputs[this.state.output];
    return Number.isNaN(Number(name)) ? name : `class ${name}`;
  }

  rangeText() {
    const cells = this.layer.within(this.state.low, this.state.high);
    const [first, last] = [cells[0], cells[cells.length - 1]];
    if (this.layer.names) return first === last ? this.layer.names[first] : `${this.layer.names[first]} to ${this.layer.names[last]}`;
    const [a, b] = [this.layer.middle(first), this.layer.middle(last)];
    return `${digits(a)}${first === last ? "" : `\u2013${digits(b)}`} ${this.data.axis.unit}`;
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      const since = performance.now();
      this.redraw();
      this.spent.push(performance.now() - since);
    });
  }

  redraw() {
    const { layer } = this;
    const shown = { ...this.state, channel: this.hovered ?? this.state.channel };
    const means = this.means();
    const limit = layer.largest || 1;
    this.scalp.draw(means, limit, shown);
    const beside = this.layers.find((one) => one.beside && one !== layer);
    this.spectrum.draw(layer, beside, shown, limit);
    this.grid.draw(layer, shown, limit);
    this.threshold.max = Math.max(8, Math.ceil(1.5 * layer.threshold));
    this.threshold.value = shown.threshold;
    this.told.textContent = shown.threshold.toFixed(1);
    this.tell(shown, means, beside);
  }

  tell(shown, means, beside) {
    const { data, layer } = this;
    const mean = means[shown.channel];
    const parts = [`${data.channels[shown.channel]}, ${this.rangeText()}: `];
    this.readout.replaceChildren();
    element(this.readout, "span", {}, parts[0]);
    element(this.readout, "b", {}, `${signed(mean.value)}${layer.unit}`);
    const error = Number.isFinite(mean.error) ? ` \u00b1 ${digits(mean.error)} SE (z = ${signed(mean.z)})` : "";
    element(this.readout, "span", {}, error);
    for (const other of this.layers) {
      if (other === layer) continue;
      const there = this.means(other)[shown.channel];
      const z = Number.isFinite(there.z) ? ` (z = ${signed(there.z)})` : "";
      element(this.readout, "span", { class: "other" }, ` \u00b7 ${other.short}: ${signed(there.value)}${z}`);
    }
    const beyond = means.filter((one) => Math.abs(one.z) >= shown.threshold).length;
    const missing = means.filter((one) => Number.isNaN(one.value)).length;
    this.underScalp.textContent = `${layer.title}, ${this.className()}, ${this.rangeText()}. ` +
      (layer.errors === null ? "" : `White electrodes: |z| \u2265 ${shown.threshold.toFixed(1)} (${beyond} of ${means.length}). `) +
      (missing ? `\u00d7: no value, which counts as 0 between electrodes (${missing}).` : "");
    this.underSpectrum.textContent = "Drag to choose a range. " + (layer.errors === null ? "" : `Shaded: \u00b1 2 standard errors ${layer.errorOf}. `) +
      (beside ? `Thin line: ${beside.title.toLowerCase()}, on its own scale.` : "");
    this.underGrid.textContent = "All channels, front to back; choose a cell." +
      (layer.errors === null ? "" : " Pale cells are within the threshold.");
  }
}

for (const root of document.querySelectorAll(".eegexplain-explorer:not([data-ready])")) {
  root.dataset.ready = "";
  root.explorer = new Explorer(root, JSON.parse(root.querySelector("script[type='application/json']").textContent));
}
