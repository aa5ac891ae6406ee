// The scalp map of one range of cells, and the electrodes on it.

const PIXELS = 96;
const FADED = 0.3;

class ScalpMap {
  constructor(root, canvas, data) {
    Object.assign(this, { root, canvas, data });
    if (!data.places) return;
    const wanted = [];
    this.pixels = [];
    for (let row = 0; row < PIXELS; row++) {
      for (let column = 0; column < PIXELS; column++) {
        const x = ((2 * column + 1) / PIXELS - 1) * data.reach;
        const y = -((2 * row + 1) / PIXELS - 1) * data.reach;
        if (Math.hypot(x, y) > data.reach * (1 + 4 / PIXELS)) continue;
        wanted.push([x, y]);
        this.pixels.push(row * PIXELS + column);
      }
    }
    this.weights = this.weigh(wanted);
    [this.shades, this.pale] = [shadesOf(data.colors, 1), shadesOf(data.colors, FADED)];
    this.picture = document.createElement("canvas");
    this.picture.width = this.picture.height = PIXELS;
  }

  /** Weights of all electrodes at points. */
  weigh(wanted) {
    const { places, triangles } = this.data;
    return electrodeWeights(places.concat(triangles.ring), triangles.corners, places.length, wanted);
  }

  /** Where the map is cut; what is drawn over it. */
  trace(context, cut) {
    context.arc(this.x, this.y, cut, 0, 2 * Math.PI);
  }

  drawOver() {}

  /** Values of all pixels from values of all electrodes; electrodes without a value count as 0. */
  interpolate(values) {
    const n = values.length;
    const found = new Float32Array(this.pixels.length);
    for (let k = 0; k < found.length; k++) {
      let sum = 0;
      for (let j = 0, at = k * n; j < n; j++, at++) sum += this.weights[at] * (values[j] || 0);
      found[k] = sum;
    }
    return found;
  }

  paint(means, limit, threshold) {
    const value = (this.shown = this.interpolate(means.map((one) => one.value)));
    const fading = threshold > 0;
    const size = fading ? this.interpolate(means.map((one) => Math.abs(one.z))) : value;
    const image = new ImageData(PIXELS, PIXELS);
    const pixels = new Uint32Array(image.data.buffer);
    const half = (this.shades.length - 1) / 2;
    for (let k = 0; k < this.pixels.length; k++) {
      const place = Math.round(half * (1 + Math.max(-1, Math.min(1, value[k] / limit))));
      pixels[this.pixels[k]] = (fading && !(size[k] >= threshold) ? this.pale : this.shades)[place];
    }
    this.picture.getContext("2d").putImageData(image, 0, 0);
  }

  /** Where electrodes are on the canvas. */
  place(channel) {
    const [x, y] = this.data.places[channel];
    return [this.x + (x * this.radius) / this.data.reach, this.y - (y * this.radius) / this.data.reach];
  }

  draw(means, limit, { threshold, channel }) {
    const side = Math.min(this.canvas.clientWidth, 420);
    const { context, width } = prepared(this.canvas, side);
    const [front, quiet, chosen] = ["--front", "--quiet", "--chosen"].map((name) => shade(this.root, name));
    if (!this.data.places) {
      write(context, "No positions: no scalp map", width / 2, 40, { color: quiet });
      return;
    }
    Object.assign(this, { radius: (side - 76) / 2, x: (width - 46) / 2, y: side / 2 + 8 });
    this.paint(means, limit, threshold);
    this.drawHead(context, front);
    for (let c = 0; c < means.length; c++) this.drawElectrode(context, c, means[c], threshold, c === channel && chosen);
    this.drawNames(context, channel);
    this.drawScale(context, width - 24, limit, front);
  }

  drawHead(context, color) {
    const { x, y } = this;
    const head = (this.radius * this.data.head) / this.data.reach;
    const cut = Math.max(head, this.radius * this.data.cut / this.data.reach);
    context.save();
    context.beginPath();
    this.trace(context, cut);
    context.fillStyle = "#f7f7f7";
    context.fill();
    context.clip();
    context.imageSmoothingQuality = "high";
    context.drawImage(this.picture, x - this.radius, y - this.radius, 2 * this.radius, 2 * this.radius);
    this.drawOver(context);
    context.restore();
    context.strokeStyle = color;
    context.lineWidth = 1.5;
    context.beginPath();
    context.arc(x, y, head, 0, 2 * Math.PI);
    context.moveTo(x - 0.12 * head, y - 0.993 * head);
    context.lineTo(x, y - 1.13 * head);
    context.lineTo(x + 0.12 * head, y - 0.993 * head);
    for (const side of [-1, 1]) {
      context.moveTo(x + side * head * 0.99, y - 0.14 * head);
      context.quadraticCurveTo(x + side * head * 1.11, y - 0.17 * head, x + side * head * 1.08, y);
      context.quadraticCurveTo(x + side * head * 1.09, y + 0.17 * head, x + side * head * 0.99, y + 0.15 * head);
    }
    context.stroke();
  }

  drawElectrode(context, c, mean, threshold, chosen) {
    const [x, y] = this.place(c);
    const beyond = Math.abs(mean.z) >= threshold;
    if (Number.isNaN(mean.value)) {
      write(context, "\u00d7", x, y + 4, { color: "#111", size: 13, bold: true });
      return;
    }
    context.beginPath();
    context.arc(x, y, chosen ? 6 : beyond ? 3.4 : 1.7, 0, 2 * Math.PI);
    context.fillStyle = chosen || (beyond ? "#fff" : "#222");
    context.fill();
    context.lineWidth = 1;
    context.strokeStyle = beyond || chosen ? "#111" : "#ffffffb0";
    context.stroke();
  }

  /** Names where there is room, that of the chosen channel first. */
  drawNames(context, channel) {
    const taken = [];
    const order = [channel, ...this.data.channels.keys()];
    order.forEach((c, rank) => {
      if (rank && c === channel) return;
      const [x, y] = this.place(c);
      context.font = `11px ${FONT}`;
      const half = context.measureText(this.data.channels[c]).width / 2 + 2;
      const box = [x - half, x + half, y - 18, y - 5];
      if (taken.some((b) => box[0] < b[1] && b[0] < box[1] && box[2] < b[3] && b[2] < box[3])) return;
      taken.push(box);
      const clear = { color: "#111", halo: "#ffffffb0" };  // on any color of the map, and beyond it in the dark
      write(context, this.data.channels[c], x, y - 8, { ...clear, size: 11, bold: c === channel });
    });
  }

  drawScale(context, x, limit, color) {
    const [top, length] = [this.y - 0.62 * this.radius, 1.24 * this.radius];
    const last = this.data.colors.length - 1;
    const gradient = context.createLinearGradient(0, top + length, 0, top);
    this.data.colors.forEach((one, k) => gradient.addColorStop(k / last, `rgb(${one})`));
    context.fillStyle = gradient;
    context.fillRect(x - 5, top, 10, length);
    write(context, signed(limit), x + 22, top - 7, { color, align: "right", size: 11 });
    write(context, signed(-limit), x + 22, top + length + 15, { color, align: "right", size: 11 });
    write(context, "0", x - 8, top + length / 2 + 4, { color, align: "right", size: 11 });
  }

  /** The electrode nearest to a place on the canvas. */
  nearest(x, y) {
    let best = 0;
    let least = Infinity;
    this.data.places.forEach((_, c) => {
      const [u, v] = this.place(c);
      const distance = Math.hypot(u - x, v - y);
      if (distance < least) [least, best] = [distance, c];
    });
    return best;
  }

  /** The nearest electrode in a direction from another. */
  neighbor(channel, [right, up]) {
    if (!this.data.places) return channel;
    const [x, y] = this.data.places[channel];
    let best = channel;
    let least = Infinity;
    this.data.places.forEach(([u, v], c) => {
      const along = (u - x) * right + (v - y) * up;
      const aside = Math.abs((u - x) * up - (v - y) * right);
      if (along > 1e-6 && aside <= 1.5 * along && along + 2 * aside < least) [least, best] = [along + 2 * aside, c];
    });
    return best;
  }
}
