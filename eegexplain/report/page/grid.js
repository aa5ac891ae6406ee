// All channels by all cells, front to back.

class Grid {
  constructor(root, canvas, data) {
    Object.assign(this, { root, canvas, data });
    const places = data.places || [];
    this.order = [...data.channels.keys()];
    if (places.length) this.order.sort((a, b) => places[b][1] - places[a][1] || a - b);
    this.picture = document.createElement("canvas");
  }

  draw(layer, state, limit) {
    const n = this.data.channels.length;
    const { context, width, height } = prepared(this.canvas, Math.max(40, Math.min(16 * n, 480)));
    const axis = (this.axis = new Axis(layer, width));
    const step = (this.step = height / n);
    const chosen = this.order.indexOf(state.channel);
    this.paint(context, layer, state, limit, axis, step);
    context.strokeStyle = shade(this.root, "--chosen");
    context.lineWidth = 2;
    context.strokeRect(LEFT, chosen * step, width - LEFT - RIGHT, step);
    context.strokeRect(axis.at(state.low), 0, axis.at(state.high) - axis.at(state.low), height);
    const every = Math.ceil(11 / step);
    this.order.forEach((c, row) => {
      if (row !== chosen && (row % every || Math.abs(row - chosen) < every)) return;
      write(context, this.data.channels[c].slice(0, 9), LEFT - 5, (row + 0.5) * step + 4,
        { color: shade(this.root, "--front"), align: "right", size: 11, bold: c === state.channel });
    });
  }

  /** The picture of all cells: painted anew only where something else is shown than the last time. */
  paint(context, layer, state, limit, axis, step) {
    const { width, height } = this.canvas;
    const asked = [state.layer, state.output, state.threshold, width, height].join();
    if (asked !== this.painted) {
      Object.assign(this.picture, { width, height });
      const own = this.picture.getContext("2d");
      own.setTransform(context.getTransform());
      this.paintCells(own, layer, state, limit, axis, step);
      this.painted = asked;
    }
    context.save();
    context.resetTransform();
    context.drawImage(this.picture, 0, 0);
    context.restore();
  }

  paintCells(context, layer, state, limit, axis, step) {
    const n = this.order.length;
    context.fillStyle = "#fff";
    context.fillRect(LEFT, 0, axis.width - LEFT - RIGHT, n * step);
    for (let row = 0; row < n; row++) {
      for (let cell = 0; cell < layer.nCells; cell++) {
        const value = layer.value(state.output, this.order[row], cell);
        if (Number.isNaN(value)) continue;
        const error = layer.error(state.output, this.order[row], cell);
        const faded = state.threshold > 0 && !(Math.abs(value) >= state.threshold * error);
        const [from, to] = [axis.at(layer.lows[cell]), axis.at(layer.highs[cell])];
        context.fillStyle = `rgba(${colorOf(this.data.colors, value / limit).map(Math.round)},${faded ? FADED : 1})`;
        context.fillRect(from, row * step, to - from + 0.5, step + 0.5);
      }
    }
  }

  channel(y) {
    return this.order[Math.max(0, Math.min(this.order.length - 1, Math.floor(y / this.step)))];
  }
}
