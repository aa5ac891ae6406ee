// The spectrum of one channel with its error band, the data's contrast beside it, and the chosen range.

const LEFT = 58;
const RIGHT = 12;

/** Places of cells along the horizontal axis that spectrum and grid share. */
class Axis {
  constructor(layer, width) {
    this.low = layer.lows[0];
    this.high = layer.highs[layer.nCells - 1];
    this.width = width;
  }

  at(x) {
    return LEFT + ((this.width - LEFT - RIGHT) * (x - this.low)) / (this.high - this.low);
  }

  value(pixel) {
    const share = (pixel - LEFT) / (this.width - LEFT - RIGHT);
    return this.low + Math.max(0, Math.min(1, share)) * (this.high - this.low);
  }
}

class Spectrum {
  constructor(root, canvas, data) {
    Object.assign(this, { root, canvas, data });
  }

  draw(layer, beside, state, limit) {
    const { context, width, height } = prepared(this.canvas, 200);
    const colors = Object.fromEntries(["front", "quiet", "line", "chosen", "other"].map(
      (name) => [name, shade(this.root, `--${name}`)]));
    const axis = (this.axis = new Axis(layer, width));
    const [top, bottom] = [18, height - 28];
    const y = (value) => bottom - ((bottom - top) * (value / limit / 1.15 + 1)) / 2;
    this.drawRange(context, axis, state, top, bottom, colors);
    this.drawAxes(context, axis, layer, y, limit, bottom, colors);
    context.save();
    context.beginPath();
    context.rect(LEFT, top, width - LEFT - RIGHT, bottom - top);
    context.clip();
    if (beside) {
      const share = (limit / beside.largest) || 0;
      const scaled = (cell) => beside.value(state.output, state.channel, cell) * share;
      this.drawLine(context, axis, beside, (cell) => y(scaled(cell)), colors.other, 1.2);
    }
    this.drawBand(context, axis, layer, state, y, colors.chosen);
    const value = (cell) => y(layer.value(state.output, state.channel, cell));
    this.drawLine(context, axis, layer, value, colors.chosen, 2);
    context.restore();
    write(context, this.data.channels[state.channel], LEFT + 6, top + 14,
      { color: colors.front, align: "left", size: 13, bold: true });
  }

  drawRange(context, axis, state, top, bottom, colors) {
    const [low, high] = [axis.at(state.low), axis.at(state.high)];
    context.fillStyle = `${colors.chosen}2e`;
    context.fillRect(low - 1, top, high - low + 2, bottom - top);
    for (const [name, from, to] of this.data.bands) {
      if (to <= axis.low || from >= axis.high) continue;
      const [a, b] = [axis.at(Math.max(from, axis.low)), axis.at(Math.min(to, axis.high))];
      context.strokeStyle = colors.line;
      context.lineWidth = 1;
      context.beginPath();
      for (const x of [a, b]) {
        context.moveTo(x, top);
        context.lineTo(x, bottom);
      }
      context.stroke();
      context.font = `11px ${FONT}`;
      if (context.measureText(name).width < b - a) {
        write(context, name, (a + b) / 2, top - 6, { color: colors.quiet, size: 11 });
      }
    }
  }

  drawAxes(context, axis, layer, y, limit, bottom, colors) {
    context.strokeStyle = colors.quiet;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(LEFT, y(0));
    context.lineTo(axis.width - RIGHT, y(0));
    context.stroke();
    for (const value of [-limit, 0, limit]) {
      write(context, digits(value + (this.data.baseline || 0)), LEFT - 6, y(value) + 4, { color: colors.quiet, align: "right", size: 11 });
    }
    if (layer.names) {
      layer.names.forEach((name, cell) => write(context, name, axis.at(layer.middle(cell)), bottom + 16,
        { color: colors.quiet, size: 11 }));
      return;
    }
    for (const x of ticks(axis.low, axis.high, axis.width / 90)) {
      write(context, `${digits(x)} ${this.data.axis.unit}`, axis.at(x), bottom + 16, { color: colors.quiet, size: 11 });
    }
  }

  drawLine(context, axis, layer, y, color, width) {
    context.strokeStyle = color;
    context.fillStyle = color;
    context.lineWidth = width;
    context.beginPath();
    let drawing = false;
    for (let cell = 0; cell < layer.nCells; cell++) {
      const at = y(cell);
      if (Number.isFinite(at)) context[drawing ? "lineTo" : "moveTo"](axis.at(layer.middle(cell)), at);
      drawing = Number.isFinite(at);
    }
    context.stroke();
    if (layer.nCells > 12) return;
    for (let cell = 0; cell < layer.nCells; cell++) {
      context.beginPath();
      context.arc(axis.at(layer.middle(cell)), y(cell), width + 1.5, 0, 2 * Math.PI);
      context.fill();
    }
  }

  drawBand(context, axis, layer, state, y, color) {
    context.fillStyle = `${color}3d`;
    context.strokeStyle = color;
    const middle = (cell) => axis.at(layer.middle(cell));
    const limits = (cell) => {
      const [value, error] = [layer.value(state.output, state.channel, cell), layer.error(state.output, state.channel, cell)];
      return [y(value + 2 * error), y(value - 2 * error)];
    };
    for (let cell = 0; cell + 1 < layer.nCells; cell++) {
      const [[a, b], [c, d]] = [limits(cell), limits(cell + 1)];
      if (![a, b, c, d].every(Number.isFinite)) continue;
      context.beginPath();
      [[middle(cell), a], [middle(cell + 1), c], [middle(cell + 1), d], [middle(cell), b]].forEach(
        ([px, py], k) => context[k ? "lineTo" : "moveTo"](px, py));
      context.fill();
    }
    if (layer.nCells > 12) return;
    for (let cell = 0; cell < layer.nCells; cell++) {
      const [a, b] = limits(cell);
      if (!Number.isFinite(a)) continue;
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(middle(cell), a);
      context.lineTo(middle(cell), b);
      context.stroke();
    }
  }
}
