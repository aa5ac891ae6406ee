// Smooth interpolation between electrodes: the piecewise cubic of Clough and Tocher on given triangles, with the
// gradients that bend its edges least (Nielson, 1983). The same formula as in Python's TopomapDisplay.

/** Weights of all electrodes at points: a Float32Array of points x electrodes. */
function electrodeWeights(points, corners, nElectrodes, wanted) {
  const triangles = describeTriangles(points, corners);
  const values = ringValues(points.length, corners, nElectrodes);
  const slopes = vertexGradients(points, corners, values, nElectrodes);
  const weights = new Float32Array(wanted.length * nElectrodes);
  let last = 0;
  for (let k = 0; k < wanted.length; k++) {
    last = findTriangle(triangles, wanted[k], last);
    const triangle = triangles[last];
    const factors = cubicFactors(triangle, barycentric(triangle, wanted[k]));
    for (let corner = 0; corner < 3; corner++) {
      const row = triangle.corners[corner] * nElectrodes;
      const [f, gx, gy] = factors[corner];
      for (let j = 0; j < nElectrodes; j++) {
        weights[k * nElectrodes + j] += f * values[row + j] + gx * slopes.x[row + j] + gy * slopes.y[row + j];
      }
    }
  }
  return weights;
}

/** Triangles with their corners' places and the neighbor across from each corner. */
function describeTriangles(points, corners) {
  const owner = new Map();
  const triangles = [];
  for (let t = 0; t < corners.length; t += 3) {
    const three = [corners[t], corners[t + 1], corners[t + 2]];
    const [a, b, c] = three.map((p) => points[p]);
    const area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]);
    triangles.push({ corners: three, places: [a, b, c], area, neighbors: [-1, -1, -1] });
    for (let k = 0; k < 3; k++) {
      const edge = [three[(k + 1) % 3], three[(k + 2) % 3]].sort((p, q) => p - q).join();
      const other = owner.get(edge);
      if (other === undefined) owner.set(edge, [t / 3, k]);
      else {
        triangles[t / 3].neighbors[k] = other[0];
        triangles[other[0]].neighbors[other[1]] = t / 3;
      }
    }
  }
  for (const triangle of triangles) triangle.bends = triangle.neighbors.map((n, k) => bend(triangles, triangle, n, k));
  return triangles;
}

/** How the slope across an edge follows the direction to the neighbor's middle. */
function bend(triangles, triangle, neighbor, k) {
  if (neighbor < 0) return -0.5;
  const [a, b, c] = triangles[neighbor].places;
  const at = barycentric(triangle, [(a[0] + b[0] + c[0]) / 3, (a[1] + b[1] + c[1]) / 3]);
  const near = at[(k + 1) % 3];
  const far = at[(k + 2) % 3];
  return (2 * far + near - 1) / (2 - 3 * far - 3 * near);
}

function barycentric(triangle, point) {
  const [a, b, c] = triangle.places;
  const u = ((b[0] - point[0]) * (c[1] - point[1]) - (c[0] - point[0]) * (b[1] - point[1])) / triangle.area;
  const v = ((c[0] - point[0]) * (a[1] - point[1]) - (a[0] - point[0]) * (c[1] - point[1])) / triangle.area;
  return [u, v, 1 - u - v];
}

/** The triangle that holds a point, or the one that it is least outside of; looked for at `first` first. */
function findTriangle(triangles, point, first) {
  let best = first;
  let least = Math.min(...barycentric(triangles[first], point));
  if (least >= 0) return first;
  for (let t = 0; t < triangles.length; t++) {
    const inside = Math.min(...barycentric(triangles[t], point));
    if (inside > least) [least, best] = [inside, t];
    if (inside >= 0) return t;
  }
  return best;
}

/** Identity for electrodes; each point of the ring around them is the mean of the electrodes it is joined to. */
function ringValues(nPoints, corners, nElectrodes) {
  const values = new Float64Array(nPoints * nElectrodes);
  const joined = Array.from({ length: nPoints }, () => new Set());
  for (const [p, q] of edges(corners)) {
    if (q < nElectrodes) joined[p].add(q);
    if (p < nElectrodes) joined[q].add(p);
  }
  for (let p = 0; p < nElectrodes; p++) values[p * nElectrodes + p] = 1;
  const mean = new Float64Array(nElectrodes);
  let nJoined = 0;
  for (let p = nElectrodes; p < nPoints; p++) {
    for (const q of joined[p]) {
      values[p * nElectrodes + q] = 1 / joined[p].size;
      mean[q] += 1 / joined[p].size;
    }
    nJoined += joined[p].size > 0;
  }
  for (let p = nElectrodes; p < nPoints; p++) {
    if (!joined[p].size) for (let j = 0; j < nElectrodes; j++) values[p * nElectrodes + j] = mean[j] / nJoined;
  }
  return values;
}

/** Each edge of the triangles once. */
function edges(corners) {
  const seen = new Map();
  for (let t = 0; t < corners.length; t += 3) {
    for (let k = 0; k < 3; k++) {
      const edge = [corners[t + k], corners[t + ((k + 1) % 3)]].sort((p, q) => p - q);
      seen.set(edge.join(), edge);
    }
  }
  return seen.values();
}

/** Gradients at all points that minimize the curvature along all edges, from values at all points. */
function vertexGradients(points, corners, values, nColumns) {
  const n = points.length;
  const matrix = Array.from({ length: 2 * n }, () => new Float64Array(2 * n));
  const right = Array.from({ length: 2 * n }, () => new Float64Array(nColumns));
  for (const [i, j] of edges(corners)) {
    const step = [points[j][0] - points[i][0], points[j][1] - points[i][1]];
    const cubed = Math.hypot(step[0], step[1]) ** 3;
    for (let a = 0; a < 2; a++) {
      for (let b = 0; b < 2; b++) {
        const part = (step[a] * step[b]) / cubed;
        matrix[2 * i + a][2 * i + b] += 4 * part;
        matrix[2 * j + a][2 * j + b] += 4 * part;
        matrix[2 * i + a][2 * j + b] += 2 * part;
        matrix[2 * j + a][2 * i + b] += 2 * part;
      }
      for (let c = 0; c < nColumns; c++) {
        const rise = (6 * (values[j * nColumns + c] - values[i * nColumns + c]) * step[a]) / cubed;
        right[2 * i + a][c] += rise;
        right[2 * j + a][c] += rise;
      }
    }
  }
  solveInPlace(matrix, right);
  const x = new Float64Array(n * nColumns);
  const y = new Float64Array(n * nColumns);
  for (let p = 0; p < n; p++) {
    x.set(right[2 * p], p * nColumns);
    y.set(right[2 * p + 1], p * nColumns);
  }
  return { x, y };
}

/** Solve a positive definite system by elimination; the solution replaces the right-hand side. */
function solveInPlace(matrix, right) {
  const n = matrix.length;
  for (let i = 0; i < n; i++) {
    for (let k = i + 1; k < n; k++) {
      const factor = matrix[k][i] / matrix[i][i];
      if (factor === 0) continue;
      for (let j = i; j < n; j++) matrix[k][j] -= factor * matrix[i][j];
      for (let c = 0; c < right[i].length; c++) right[k][c] -= factor * right[i][c];
    }
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) {
      const factor = matrix[i][k];
      if (factor === 0) continue;
      for (let c = 0; c < right[i].length; c++) right[i][c] -= factor * right[k][c];
    }
    for (let c = 0; c < right[i].length; c++) right[i][c] /= matrix[i][i];
  }
}

/** What value and gradient of each corner add at a point: three triples. */
function cubicFactors(triangle, at) {
  const least = Math.min(...at);
  const bary = [at[0] - least, at[1] - least, at[2] - least, 3 * least];
  const factors = [];
  for (let corner = 0; corner < 3; corner++) {
    const [here, next, after] = [corner, (corner + 1) % 3, (corner + 2) % 3].map((k) => triangle.places[k]);
    factors.push([0, 1, 2].map((kind) => {
      const value = kind === 0 ? 1 : 0;
      const slope = (to) => (kind === 0 ? 0 : to[kind - 1] - here[kind - 1]);
      return cubic(triangle.bends, bary, corner, value, slope(next), slope(after));
    }));
  }
  return factors;
}

/** The cubic where one corner has a value and slopes towards the other two, and these have none (Farin, 1986). */
function cubic(bends, bary, corner, value, towardsNext, towardsAfter) {
  // Bezier ordinates: v at corners, e[k][l] a third of the way from corner k to corner l, m towards the middle
  const v = [0, 0, 0];
  const e = [[0, 0, 0], [0, 0, 0], [0, 0, 0]];
  const [next, after] = [(corner + 1) % 3, (corner + 2) % 3];
  v[corner] = value;
  e[corner][next] = value + towardsNext / 3;
  e[corner][after] = value + towardsAfter / 3;
  const m = [0, 1, 2].map((k) => (v[k] + e[k][(k + 1) % 3] + e[k][(k + 2) % 3]) / 3);
  // across from each corner: the middle of the subtriangle on that edge
  const across = [0, 1, 2].map((k) => {
    const [p, q] = [(k + 1) % 3, (k + 2) % 3];
    return (bends[k] * (-v[p] + 3 * e[p][q] - 3 * e[q][p] + v[q]) - v[p] + 2 * e[p][q] - e[q][p] + m[p] + m[q]) / 2;
  });
  const inner = [0, 1, 2].map((k) => (across[(k + 1) % 3] + across[(k + 2) % 3] + m[k]) / 3);
  const [b, last] = [bary, bary[3]];
  let sum = (last ** 3 * (inner[0] + inner[1] + inner[2])) / 3;
  for (let k = 0; k < 3; k++) {
    const [p, q] = [(k + 1) % 3, (k + 2) % 3];
    sum += b[k] ** 3 * v[k] + 3 * b[k] ** 2 * (b[p] * e[k][p] + b[q] * e[k][q] + last * m[k]);
    sum += 6 * b[p] * b[q] * last * across[k] + 3 * b[k] * last ** 2 * inner[k];
  }
  return sum;
}
