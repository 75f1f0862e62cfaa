/** Draws learning curves, weights and clothes; what is drawn twice looks the same twice. */

import { INPUTS } from "./network.js";

const WIDTH = 340; // units of the drawing, about a CSS pixel each
const HEIGHT = 220;
const LEFT = 34;
const RIGHT = 66; // room for the names at the lines' ends
const TOP = 8;
const BOTTOM = 34;

/** @typedef {{name: string, kind: string, lines: number[][]}} Curves one line a seed */

/**
 * Returns round numbers that cover a range.
 * @param {number} low
 * @param {number} high
 * @param {number} most how many steps at most
 */
export function ticks(low, high, most) {
  const raw = (high - low) / most;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = unit * ([1, 2, 5].find((times) => times * unit >= raw * 0.999) ?? 10);
  const first = Math.floor(low / step + 1e-9);
  const count = Math.ceil(high / step - 1e-9) - first;
  return Array.from({ length: count + 1 }, (_, i) => (first + i) * step);
}

let drawn = 0; // names the region that a drawing's lines are cut to

/**
 * Returns an SVG drawing of curves: a line a seed, and a band from the lowest to the highest.
 * Accuracies are shown from 12 points below the best up, lower only if a line's best lies lower, as
 * the package's pictures do (`pictures.curves.near_best`): the first epochs would hide the rest.
 * For the same reason losses are cut off at four times the lowest of the worst line.
 * @param {Curves[]} groups
 * @param {{top?: number, percent: boolean, alt: string}} options `top` fixes the axis' upper end
 */
export function curves(groups, { top, percent, alt }) {
  const values = groups.flatMap(({ lines }) => lines.flat()).filter(Number.isFinite);
  const epochs = Math.max(10, ...groups.flatMap(({ lines }) => lines.map((line) => line.length)));
  const best = groups
    .flatMap(({ kind, lines }) => (kind === "train" ? [] : lines))
    .map((line) => Math.max(0, ...line.filter(Number.isFinite)));
  const lowest = percent ? Math.max(0, Math.min(Math.max(...best) - 0.12, Math.min(...best) - 0.01)) : 0;
  const lines = groups.flatMap(({ lines }) => lines).map((line) => line.filter(Number.isFinite));
  const cut = 4 * Math.max(...lines.filter((line) => line.length).map((line) => Math.min(...line)));
  const marks = ticks(lowest, top ?? Math.max(1e-3, Math.min(cut, Math.max(...values))), 5);
  const [low, high] = [marks[0], marks[marks.length - 1]];
  /** @param {number} epoch */
  const x = (epoch) => LEFT + ((epoch - 1) / (epochs - 1)) * (WIDTH - LEFT - RIGHT);
  /** @param {number} value */
  const y = (value) => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  /** @param {number[]} line @param {number} [from] */
  const points = (line, from = 1) =>
    line.map((v, i) => [x(i + from), y(v)].map((c) => c.toFixed(1)).join()).join(" ");
  /** @param {number} mark */
  const text = (mark) => (percent ? `${Math.round(mark * 100)}` : `${+mark.toPrecision(3)}`);
  const parts = marks.map(
    (mark) => `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(mark)}" y2="${y(mark)}"/>
      <text x="${LEFT - 6}" y="${y(mark) + 4}" text-anchor="end">${text(mark)}</text>`,
  );
  for (const epoch of [1, ...ticks(1, epochs, 5).filter((tick) => tick > 1 && tick <= epochs)])
    parts.push(`<text x="${x(epoch)}" y="${HEIGHT - 17}" text-anchor="middle">${epoch}</text>`);
  parts.push(`<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 2}" text-anchor="middle">epoch</text>`);
  const region = `curves-${++drawn}`;
  parts.push(`<clipPath id="${region}"><rect x="0" y="${TOP - 2}" width="${WIDTH}" height="${HEIGHT - BOTTOM - TOP + 4}"/></clipPath>
    <g clip-path="url(#${region})">`);
  /** @type {{name: string, kind: string, x: number, y: number}[]} */
  const ends = [];
  for (const { name, kind, lines } of groups) {
    const finite = lines.map((line) => line.filter(Number.isFinite)).filter((line) => line.length);
    if (!finite.length) continue;
    const longest = Math.max(...finite.map((line) => line.length));
    const columns = Array.from({ length: longest }, (_, i) =>
      finite.filter((line) => line.length > i).map((line) => line[i]),
    );
    const over = columns.map((column) => Math.max(...column));
    const under = columns.map((column) => Math.min(...column));
    const back = points(under).split(" ").reverse().join(" ");
    if (kind !== "before") parts.push(`<polygon class="band ${kind}" points="${points(over)} ${back}"/>`);
    for (const line of finite) {
      const [cx, cy] = [x(line.length), y(line[line.length - 1])];
      parts.push(`<polyline class="${kind}" points="${points(line)}"/>`);
      if (kind !== "before") parts.push(`<circle class="${kind}" cx="${cx}" cy="${cy}" r="2"/>`);
    }
    const middle = (over[longest - 1] + under[longest - 1]) / 2;
    ends.push({ name, kind, x: x(longest) + 6, y: Math.max(TOP, Math.min(y(middle), HEIGHT - BOTTOM)) + 4 });
  }
  parts.push("</g>");
  ends.sort((a, b) => a.y - b.y);
  ends.forEach((end, i) => {
    if (i) end.y = Math.max(end.y, ends[i - 1].y + 13);
    parts.push(`<text class="${end.kind}" x="${end.x}" y="${end.y}">${end.name}</text>`);
  });
  if (!percent && Math.max(...values) > high) {
    const say = `higher losses, up to ${+Math.max(...values).toPrecision(3)}, are cut off`;
    parts.push(`<text x="${WIDTH - RIGHT}" y="${TOP + 12}" text-anchor="end">${say}</text>`);
  }
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${alt}">${parts.join("")}</svg>`;
}

/**
 * Paints weights (tiles, 784) into a canvas, a neuron a tile: orange above zero, blue below, clear
 * at zero, so that they read on light and dark.
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} weights
 * @param {number} columns
 */
export function paintWeights(canvas, weights, columns) {
  const tiles = weights.length / INPUTS;
  const cell = 28 + 2;
  canvas.width = columns * cell - 2;
  canvas.height = Math.ceil(tiles / columns) * cell - 2;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  for (let tile = 0; tile < tiles; tile++) {
    const own = weights.subarray(tile * INPUTS, (tile + 1) * INPUTS);
    const scale = 3 * Math.sqrt(own.reduce((sum, w) => sum + w * w, 0) / INPUTS);
    const image = context.createImageData(28, 28);
    own.forEach((w, i) => {
      const [red, green, blue] = w > 0 ? [213, 94, 0] : [0, 114, 178];
      image.data.set([red, green, blue, Math.min(255, (255 * Math.abs(w)) / scale)], 4 * i);
    });
    context.putImageData(image, (tile % columns) * cell, Math.floor(tile / columns) * cell);
  }
}

/**
 * Returns a canvas with a piece of clothing, dark on white as everywhere in the book.
 * @param {Uint8Array} pixels (784,)
 */
export function clothes(pixels) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 28;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(28, 28);
  pixels.forEach((p, i) => image.data.set([255 - p, 255 - p, 255 - p, 255], 4 * i));
  context.putImageData(image, 0, 0);
  return canvas;
}
