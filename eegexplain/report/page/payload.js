// What Python packed: maps as whole numbers with scales.

function bytesOf(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** One map: value and error of a cell, its range and its limits. */
class Layer {
  constructor(packed, nChannels) {
    Object.assign(this, packed);
    this.nChannels = nChannels;
    this.nCells = packed.lows.length;
    this.values = new Int16Array(bytesOf(packed.values).buffer);
    this.errors = packed.errors === null ? null : bytesOf(packed.errors);
    this.largest = packed.scale * 32000;
  }

  value(output, channel, cell) {
    const code = this.values[(output * this.nChannels + channel) * this.nCells + cell];
    return code === -32768 ? NaN : code * this.scale;
  }

  error(output, channel, cell) {
    if (this.errors === null) return NaN;
    const code = this.errors[(output * this.nChannels + channel) * this.nCells + cell];
    return code === 0 ? NaN : this.smallestError * Math.exp((code - 1) * this.errorStep);
  }

  middle(cell) {
    return (this.lows[cell] + this.highs[cell]) / 2;
  }

  /** Cells whose middle lies in a range; where none does the one that holds the range's middle, or the nearest. */
  within(low, high) {
    const found = [];
    let nearest = 0;
    const wanted = (low + high) / 2;
    const off = (cell) => Math.max(this.lows[cell] - wanted, wanted - this.highs[cell], 0);
    for (let cell = 0; cell < this.nCells; cell++) {
      if (this.middle(cell) >= low && this.middle(cell) <= high) found.push(cell);
      if (off(cell) < off(nearest)) nearest = cell;
    }
    return found.length ? found : [nearest];
  }

  /** Mean value over cells; its error is the mean error, an upper bound; z; -1 stands for no error. */
  mean(output, channel, cells) {
    let value = 0;
    let error = 0;
    for (const cell of cells) {
      value += this.value(output, channel, cell) / cells.length;
      error += this.error(output, channel, cell) / cells.length;
    }
    return { value, error, z: error > 0 ? value / error : NaN };
  }
}

const digits = (x) => (Number.isFinite(x) ? (Math.abs(x) >= 1000 || (x !== 0 && Math.abs(x) < 0.001)
  ? x.toExponential(1) : String(Number(x.toPrecision(3)))).replace("-", "\u2212") : "no value");

const signed = (x) => (x > 0 ? "+" : "") + digits(x);

function colorOf(colors, share) {
  const place = Math.max(0, Math.min(1, (share + 1) / 2)) * (colors.length - 1);
  const low = Math.min(colors.length - 2, Math.floor(place));
  const [a, b] = [colors[low], colors[low + 1]];
  return [0, 1, 2].map((k) => a[k] + (b[k] - a[k]) * (place - low));
}

/** Colors of values from -1 to 1, a pixel each. */
function shadesOf(colors, alpha) {
  const bytes = new Uint8ClampedArray(4 * 513);
  for (let k = 0; k < 513; k++) bytes.set([...colorOf(colors, k / 256 - 1), 255 * alpha], 4 * k);
  return new Uint32Array(bytes.buffer);
}
