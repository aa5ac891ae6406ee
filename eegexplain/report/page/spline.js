// Spherical splines (Perrin et al., 1989): the same order, terms and smoothing as in Python's TopomapDisplay.

const ORDER = 4;
const SMOOTHING = 1e-6;
const TERMS = 50;

/** The spline's kernel of the cosine between two directions. */
function splineKernel(cosine) {
  const x = Math.max(-1, Math.min(1, cosine));
  let [before, here, sum] = [1, x, 0];
  for (let n = 1; n <= TERMS; n++) {
    sum += ((2 * n + 1) / (n * (n + 1)) ** ORDER) * here;
    [before, here] = [here, ((2 * n + 1) * x * here - n * before) / (n + 1)];
  }
  return sum / (4 * Math.PI);
}

/** Weights of all electrodes at points: a Float32Array of points x electrodes. */
function splineWeights(places, head, wanted) {
  const n = places.length;
  const table = Float64Array.from({ length: 4001 }, (_, k) => splineKernel(k / 2000 - 1));
  const kernel = (cosine) => {
    const place = (Math.max(-1, Math.min(1, cosine)) + 1) * 2000;
    const low = Math.min(3999, Math.floor(place));
    return table[low] + (table[low + 1] - table[low]) * (place - low);
  };
  const direction = ([x, y]) => {
    const distance = Math.hypot(x, y);
    const angle = (distance / head) * (Math.PI / 2);
    const stretch = distance ? Math.sin(angle) / distance : Math.PI / 2 / head;
    return [x * stretch, y * stretch, Math.cos(angle)];
  };
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const at = places.map(direction);
  const matrix = Array.from({ length: n + 1 }, (_, i) => Float64Array.from({ length: n + 1 }, (__, j) => {
    if (i === n || j === n) return i === j ? 0 : 1;
    return splineKernel(dot(at[i], at[j])) + (i === j ? SMOOTHING : 0);
  }));
  const right = Array.from({ length: n + 1 }, (_, i) => Float64Array.from({ length: n }, (__, j) => Number(i === j)));
  solveInPlace(matrix, right);
  const weights = new Float32Array(wanted.length * n);
  wanted.forEach((point, k) => {
    const here = direction(point);
    const near = at.map((one) => kernel(dot(here, one)));
    for (let j = 0; j < n; j++) {
      let sum = right[n][j];
      for (let i = 0; i < n; i++) sum += near[i] * right[i][j];
      weights[k * n + j] = sum;
    }
  });
  return weights;
}
