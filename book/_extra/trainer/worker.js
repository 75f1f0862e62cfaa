/**
 * Trains in its own thread: loads the images, gives each seed's network an epoch in turn,
 * tells the page what happened every REPORT milliseconds and hears it every SLICE.
 */

import { CLASSES, INPUTS, Network, score, shuffled, softmax, uniform } from "./network.js";

/** @typedef {import("./network.js").Part} Part */
/** @typedef {import("./network.js").Score} Score */
/**
 * @typedef {{loss: string, depth: number, width: number, batch_size: number,
 *   learning_rate: number, seeds: number}} Settings
 */
/** @typedef {{seed: number, train: Score, validation: Score, stopped_by: string}} EpochReport */
/** @typedef {{pixels: Uint8Array, label: number, answer: number, probability: number}} Mistake */
/**
 * What one network looks like now.
 * @typedef {{seed: number, weights: Float32Array, tiles: number, neurons: number, wrong: number,
 *   mistakes: Mistake[]}} Look weights are (tiles, 784)
 */
/** @typedef {"loading" | "running" | "paused" | "finished" | "failed"} State */
/**
 * @typedef {{start: number, state: State, error?: string, epochs: EpochReport[], rate: number,
 *   look?: Look}} Report `start` is that of the order it is about; rate in images trained per second
 */
/** @typedef {{kind: "start", start: number, settings: Settings, step: boolean}} StartOrder */
/** @typedef {{kind: "run" | "step" | "pause" | "stop"}} PlainOrder */
/** @typedef {{kind: "show", seed: number}} ShowOrder */
/** @typedef {StartOrder | PlainOrder | ShowOrder} Order */

const TRAIN = 4000; // images.bin: these first, then the validation images, then all labels
const PATIENCE = 5; // epochs without a lower validation loss, as fmnist_lab's Config
const EPOCHS = 100; // at most, as fmnist_lab's Config
const SLICE = 30; // ms of work between two looks at the page's messages
const REPORT = 100; // ms between two reports
const LOOK = 700; // ms between two pictures of a network
const TILES = 48; // first-layer weights shown
const MISTAKES = 24;

/** One seed's network and its bookkeeping. */
class Member {
  /**
   * @param {number} seed
   * @param {Settings} settings
   */
  constructor(seed, settings) {
    this.seed = seed;
    this.settings = settings;
    this.random = uniform(seed);
    this.network = new Network(settings.depth, settings.width, this.random);
    this.epochs = 0;
    this.best = { epoch: 0, loss: Infinity, flat: this.network.flat.slice() };
    this.stopped_by = "";
  }

  /**
   * Trains for an epoch, one batch per turn.
   * @param {Part} train
   * @param {Part} validation
   * @returns {Generator<number, EpochReport, void>}
   */
  *epoch(train, validation) {
    const order = shuffled(train.labels.length, this.random);
    const before = yield* this.network.epoch(train, order, this.settings);
    const after = score(this.settings.loss, this.network.predict(validation), validation.labels);
    this.note(before.loss, after.loss);
    return { seed: this.seed, train: before, validation: after, stopped_by: this.stopped_by };
  }

  /**
   * Counts an epoch, remembers the best and decides whether training ends, as the package does.
   * @param {number} trainLoss
   * @param {number} validationLoss
   */
  note(trainLoss, validationLoss) {
    this.epochs++;
    if (validationLoss < this.best.loss)
      this.best = { epoch: this.epochs, loss: validationLoss, flat: this.network.flat.slice() };
    if (!Number.isFinite(trainLoss + validationLoss)) this.stopped_by = "divergence";
    else if (this.epochs - this.best.epoch >= PATIENCE) this.stopped_by = "patience";
    else if (this.epochs >= EPOCHS) this.stopped_by = "epochs";
    if (this.stopped_by) this.network.flat.set(this.best.flat);
  }

  /**
   * @param {Part} validation
   * @returns {Look}
   */
  look(validation) {
    const { weights, outputs } = this.network.layers[0];
    const tiles = Math.min(outputs, TILES);
    const shown = new Float32Array(tiles * INPUTS);
    for (let pixel = 0; pixel < INPUTS; pixel++)
      for (let tile = 0; tile < tiles; tile++)
        shown[tile * INPUTS + pixel] = weights[pixel * outputs + tile];
    const probabilities = this.network.predict(validation);
    softmax(probabilities);
    const wrong = [...validation.labels.keys()].flatMap((i) => {
      const row = probabilities.subarray(i * CLASSES, (i + 1) * CLASSES);
      const answer = row.indexOf(Math.max(...row));
      return answer === validation.labels[i] ? [] : [{ i, answer, probability: row[answer] }];
    });
    wrong.sort((a, b) => b.probability - a.probability);
    const mistakes = wrong.slice(0, MISTAKES).map(({ i, answer, probability }) => ({
      pixels: Uint8Array.from(
        validation.pixels.subarray(i * INPUTS, (i + 1) * INPUTS),
        (x) => x * 255,
      ),
      label: validation.labels[i],
      answer,
      probability,
    }));
    return { seed: this.seed, weights: shown, tiles, neurons: outputs, wrong: wrong.length, mistakes };
  }
}

/** @type {{train: Part, validation: Part} | null} */
let images = null;
/** @type {Member[]} */
let members = [];
let running = false;
let until = Infinity; // the epoch after which to pause
let shown = 0;
let trained = 0; // images since `started`
let started = 0;
let looked = 0;
let reported = 0;
/** @type {EpochReport[]} */
let news = [];
/** @type {Generator<number, EpochReport, void> | null} */
let current = null; // the epoch in progress, which a pause leaves where it is
let working = false;
let start = 0; // the page's number of the order; none after a stop, which counts while images load too
const turn = new MessageChannel(); // unlike a timer, lets messages in without a wait

/** Fetches and unpacks the images. */
async function load() {
  const answer = await fetch(new URL("images.bin", import.meta.url));
  if (!answer.ok || !answer.body) throw new Error(`the server answered ${answer.status}`);
  const unpacked = answer.body.pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(unpacked).arrayBuffer());
  const count = bytes.length / (INPUTS + 1);
  /** @type {(from: number, to: number) => Part} */
  const part = (from, to) => ({
    pixels: Float32Array.from(bytes.subarray(from * INPUTS, to * INPUTS), (x) => x / 255),
    labels: bytes.slice(count * INPUTS + from, count * INPUTS + to),
  });
  return { train: part(0, TRAIN), validation: part(TRAIN, count) };
}

/** @param {State} state @param {boolean} [look] */
function report(state, look = true) {
  const member = members[Math.min(shown, members.length - 1)];
  const seconds = (performance.now() - started) / 1000;
  /** @type {Report} */
  const message = {
    start,
    state,
    epochs: news,
    rate: trained / seconds,
    look: look && member && images ? member.look(images.validation) : undefined,
  };
  postMessage(message);
  news = [];
  reported = performance.now();
  if (message.look) looked = reported;
}

/** @returns {Member | undefined} the one whose turn it is: the fewest epochs, then the first */
function next() {
  const active = members.filter((member) => !member.stopped_by);
  return active.sort((a, b) => a.epochs - b.epochs)[0];
}

/** Trains for one slice; returns the state after it. @returns {State} */
function slice() {
  const end = performance.now() + SLICE;
  while (images && performance.now() < end) {
    if (!current) {
      const member = next();
      if (!member) return "finished";
      if (member.epochs >= until) return "paused";
      current = member.epoch(images.train, images.validation);
    }
    const { done, value } = current.next();
    if (done) {
      news.push(value);
      current = null;
    } else trained += value;
  }
  return "running";
}

/** Trains until paused, stopped or finished. */
async function work() {
  if (working) return;
  working = true;
  while (running) {
    const state = slice();
    running = state === "running";
    const now = performance.now();
    if (!running || now - reported > REPORT) report(state, !running || now - looked > LOOK);
    await new Promise((resolve) => {
      turn.port1.onmessage = resolve;
      turn.port2.postMessage(null);
    });
  }
  working = false;
}

/** @param {Order} order */
async function obey(order) {
  if (order.kind === "show") {
    shown = order.seed;
    if (members.length) report(running ? "running" : next() ? "paused" : "finished");
    return;
  }
  if (order.kind === "pause" || order.kind === "stop") {
    running = false;
    if (order.kind === "pause") report("paused");
    else start = 0;
    return;
  }
  if (order.kind === "start") {
    start = order.start;
    running = false;
    images ??= await load();
    if (start !== order.start) return;
    shown = 0;
    const settings = order.settings;
    members = Array.from({ length: settings.seeds }, (_, seed) => new Member(seed, settings));
    current = null;
    news = [];
  }
  const step = order.kind === "start" ? order.step : order.kind === "step";
  until = step ? (next()?.epochs ?? 0) + 1 : Infinity;
  running = true;
  started = performance.now();
  trained = 0;
  await work();
}

addEventListener("message", (event) => {
  obey(event.data).catch((error) => {
    postMessage({ start, state: "failed", error: String(error.message), epochs: [], rate: 0 });
  });
});
