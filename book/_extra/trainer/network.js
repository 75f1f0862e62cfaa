/**
 * The package's method, small: a multilayer perceptron with ReLU, five losses, Adam.
 *
 * Everything is a flat Float32Array, one row per image. Weights of a layer have shape (in, out), the
 * transpose of PyTorch's: then each of the three products adds rows to rows (`addProduct`).
 * tests/test_page_scripts.py holds every loss and depth against fmnist_lab.training.
 */

export const INPUTS = 784; // 28 x 28 pixels
export const CLASSES = 10;
export const LOSSES = ["cross_entropy", "mse", "mae", "mse_probabilities", "mae_probabilities"];

// Adam as in PyTorch's defaults, which are those of Kingma & Ba (2015), algorithm 1.
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;
// Moments of pixels that are nearly always black decay below 1e-38, where processors compute many
// times slower; beside EPSILON they are zero long before.
const TINY = 1e-30;

/** @typedef {{weights: Float32Array, biases: Float32Array, inputs: number, outputs: number}} Layer */
/** @typedef {{loss: number, accuracy: number}} Score means over images; accuracy is in [0, 1] */
/**
 * @typedef {object} Part
 * @property {Float32Array} pixels (N, 784) in [0, 1]
 * @property {Uint8Array} labels (N,) in 0..9
 */

/**
 * Returns a generator of numbers in [0, 1) that a seed determines (mulberry32, Tommy Ettinger).
 * @param {number} seed
 * @returns {() => number}
 */
export function uniform(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Returns 0..count-1 in random order (Fisher and Yates).
 * @param {number} count
 * @param {() => number} random
 */
export function shuffled(count, random) {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/**
 * Adds the product of `a` (rows, inner) and `b` (inner, columns) to `c` (rows, columns).
 *
 * Skips what is zero in `a`: half of the pixels are black and about half of the neurons silent.
 * @param {Float32Array} a read at row * down + k * across, so that it can be a transpose
 * @param {number} down
 * @param {number} across
 * @param {Float32Array} b
 * @param {Float32Array} c
 * @param {number} rows
 * @param {number} inner
 * @param {number} columns
 */
function addProduct(a, down, across, b, c, rows, inner, columns) {
  const used = new Int32Array(inner);
  for (let row = 0; row < rows; row++) {
    let count = 0;
    for (let k = 0; k < inner; k++) if (a[row * down + k * across] !== 0) used[count++] = k;
    const to = row * columns;
    let n = 0;
    for (; n + 3 < count; n += 4) {
      const k0 = used[n], k1 = used[n + 1], k2 = used[n + 2], k3 = used[n + 3];
      const x0 = a[row * down + k0 * across], x1 = a[row * down + k1 * across];
      const x2 = a[row * down + k2 * across], x3 = a[row * down + k3 * across];
      const b0 = k0 * columns, b1 = k1 * columns, b2 = k2 * columns, b3 = k3 * columns;
      for (let j = 0; j < columns; j++)
        c[to + j] += x0 * b[b0 + j] + x1 * b[b1 + j] + (x2 * b[b2 + j] + x3 * b[b3 + j]);
    }
    for (; n < count; n++) {
      const x = a[row * down + used[n] * across];
      for (let j = 0; j < columns; j++) c[to + j] += x * b[used[n] * columns + j];
    }
  }
}

/**
 * Turns logits (N, 10) into probabilities in place.
 * @param {Float32Array} values
 */
export function softmax(values) {
  for (let at = 0; at < values.length; at += CLASSES) {
    let most = -Infinity;
    let sum = 0;
    for (let j = at; j < at + CLASSES; j++) most = Math.max(most, values[j]);
    for (let j = at; j < at + CLASSES; j++) sum += values[j] = Math.exp(values[j] - most);
    for (let j = at; j < at + CLASSES; j++) values[j] /= sum;
  }
}

/**
 * Returns the mean loss and accuracy of logits (N, 10), which stay as they are.
 * @param {string} loss
 * @param {Float32Array} logits
 * @param {Uint8Array} labels (N,)
 * @returns {Score}
 */
export function score(loss, logits, labels) {
  const { total, right } = judge(loss, logits.slice(), labels);
  return { loss: total / labels.length, accuracy: right / labels.length };
}

/**
 * Returns the sum of the images' losses and how many are classified right.
 * @param {string} loss one of LOSSES
 * @param {Float32Array} logits (N, 10), replaced by the loss's gradient with respect to them
 * @param {Uint8Array} labels (N,)
 */
function judge(loss, logits, labels) {
  let total = 0;
  let right = 0;
  const squared = loss.startsWith("mse");
  const outputs = logits.slice();
  if (loss !== "mse" && loss !== "mae") softmax(outputs);
  for (let i = 0; i < labels.length; i++) {
    const at = i * CLASSES;
    let answer = 0;
    let value = 0;
    let most = -Infinity;
    let sum = 0;
    for (let j = 0; j < CLASSES; j++) {
      if (logits[at + j] > logits[at + answer]) answer = j;
      most = Math.max(most, logits[at + j]);
    }
    if (answer === labels[i]) right++;
    if (loss === "cross_entropy") {
      for (let j = 0; j < CLASSES; j++) sum += Math.exp(logits[at + j] - most);
      total += most + Math.log(sum) - logits[at + labels[i]];
    }
    let projected = 0; // for the softmax's Jacobian
    for (let j = 0; j < CLASSES; j++) {
      const off = outputs[at + j] - (j === labels[i] ? 1 : 0);
      const gradient = loss === "cross_entropy" ? off : ((squared ? 2 * off : Math.sign(off)) / CLASSES);
      value += (squared ? off * off : Math.abs(off)) / CLASSES;
      projected += gradient * outputs[at + j];
      logits[at + j] = gradient;
    }
    if (loss !== "cross_entropy") total += value;
    if (loss.endsWith("_probabilities"))
      for (let j = 0; j < CLASSES; j++) logits[at + j] = outputs[at + j] * (logits[at + j] - projected);
  }
  return { total, right };
}

/** A network, its gradient and Adam's two moments. */
export class Network {
  /**
   * @param {number} depth hidden layers
   * @param {number} width neurons in each
   * @param {() => number} random draws the initial weights from PyTorch's distribution
   */
  constructor(depth, width, random) {
    const dims = [INPUTS, ...Array(depth).fill(width), CLASSES];
    this.shape = dims.slice(1).map((outputs, i) => ({ inputs: dims[i], outputs }));
    const count = this.shape.reduce((sum, { inputs, outputs }) => sum + (inputs + 1) * outputs, 0);
    /** Weights (in, out), then biases, layer after layer. */
    this.flat = new Float32Array(count);
    this.gradient = new Float32Array(count);
    this.moment1 = new Float32Array(count);
    this.moment2 = new Float32Array(count);
    this.steps = 0;
    this.layers = this.views(this.flat);
    this.gradients = this.views(this.gradient);
    for (const { weights, biases, inputs } of this.layers)
      for (const values of [weights, biases])
        for (let i = 0; i < values.length; i++) values[i] = (2 * random() - 1) / Math.sqrt(inputs);
  }

  /**
   * @param {Float32Array} flat
   * @returns {Layer[]}
   */
  views(flat) {
    let start = 0;
    return this.shape.map(({ inputs, outputs }) => {
      const middle = start + inputs * outputs;
      const weights = flat.subarray(start, middle);
      start = middle + outputs;
      return { weights, biases: flat.subarray(middle, start), inputs, outputs };
    });
  }

  /**
   * Returns the images and each layer's outputs, the last of them the logits.
   * @param {Float32Array} images (count, 784)
   * @param {number} count
   */
  forward(images, count) {
    const values = [images];
    this.layers.forEach(({ weights, biases, inputs, outputs }, layer) => {
      const out = new Float32Array(count * outputs);
      for (let i = 0; i < count; i++) out.set(biases, i * outputs);
      addProduct(values[layer], inputs, 1, weights, out, count, inputs, outputs);
      if (layer < this.layers.length - 1)
        for (let i = 0; i < out.length; i++) if (out[i] < 0) out[i] = 0; // keeps NaN
      values.push(out);
    });
    return values;
  }

  /**
   * Fills the gradient from that of the loss with respect to the logits.
   * @param {Float32Array[]} values what `forward` returned
   * @param {Float32Array} delta (count, 10)
   * @param {number} count
   */
  backward(values, delta, count) {
    this.gradient.fill(0);
    for (let layer = this.layers.length - 1; layer >= 0; layer--) {
      const { weights, inputs, outputs } = this.layers[layer];
      const gradient = this.gradients[layer];
      addProduct(values[layer], 1, inputs, delta, gradient.weights, inputs, count, outputs);
      for (let i = 0; i < delta.length; i++) gradient.biases[i % outputs] += delta[i];
      if (layer === 0) return;
      const across = new Float32Array(weights.length); // the weights' transpose, (out, in)
      for (let k = 0; k < inputs; k++)
        for (let j = 0; j < outputs; j++) across[j * inputs + k] = weights[k * outputs + j];
      const below = new Float32Array(count * inputs);
      addProduct(delta, outputs, 1, across, below, count, outputs, inputs);
      for (let i = 0; i < below.length; i++) if (values[layer][i] <= 0) below[i] = 0;
      delta = below;
    }
  }

  /**
   * Updates all parameters by one step of Adam.
   * @param {number} rate
   */
  adam(rate) {
    const { flat, gradient, moment1, moment2 } = this;
    this.steps++;
    const size = rate / (1 - BETA1 ** this.steps);
    const scale = 1 / Math.sqrt(1 - BETA2 ** this.steps);
    for (let i = 0; i < flat.length; i++) {
      const g = gradient[i];
      let m = BETA1 * moment1[i] + (1 - BETA1) * g;
      let v = BETA2 * moment2[i] + (1 - BETA2) * g * g;
      if (m < TINY && m > -TINY) m = 0;
      if (v < TINY) v = 0;
      moment1[i] = m;
      moment2[i] = v;
      flat[i] -= (size * m) / (Math.sqrt(v) * scale + EPSILON);
    }
  }

  /**
   * Trains once on the images at `order`, one batch per turn; returns their score before each step.
   * @param {Part} part
   * @param {Uint32Array} order
   * @param {{loss: string, batch_size: number, learning_rate: number}} settings
   * @returns {Generator<number, Score, void>} yields how many images a turn took
   */
  *epoch(part, order, settings) {
    let loss = 0;
    let correct = 0;
    for (let start = 0; start < order.length; start += settings.batch_size) {
      const chosen = order.subarray(start, start + settings.batch_size);
      const count = chosen.length;
      const images = new Float32Array(count * INPUTS);
      const labels = new Uint8Array(count);
      chosen.forEach((from, i) => {
        images.set(part.pixels.subarray(from * INPUTS, (from + 1) * INPUTS), i * INPUTS);
        labels[i] = part.labels[from];
      });
      const values = this.forward(images, count);
      const delta = values[values.length - 1];
      const { total, right } = judge(settings.loss, delta, labels);
      loss += total;
      correct += right;
      for (let i = 0; i < delta.length; i++) delta[i] /= count;
      this.backward(values, delta, count);
      this.adam(settings.learning_rate);
      yield count;
    }
    return { loss: loss / order.length, accuracy: correct / order.length };
  }

  /**
   * Returns the logits (N, 10) of all images of a part.
   * @param {Part} part
   */
  predict(part) {
    return this.forward(part.pixels, part.labels.length)[this.layers.length];
  }
}
