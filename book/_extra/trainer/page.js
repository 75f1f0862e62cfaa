/** The controls and pictures of "Train in the page"; all training is done in worker.js. */

import { clothes, curves, paintWeights } from "./chart.js";

/** @typedef {import("./worker.js").Settings} Settings */
/** @typedef {import("./worker.js").Report} Report */
/** @typedef {import("./worker.js").EpochReport} EpochReport */
/** @typedef {import("./worker.js").Look} Look */
/** @typedef {import("./worker.js").Order} Order */
/** @typedef {"idle" | import("./worker.js").State} State */

const CLASSES = [
  "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
  "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
]; // prettier-ignore

const LOSSES = {
  cross_entropy: "cross-entropy",
  mse: "MSE on logits",
  mae: "MAE on logits",
  mse_probabilities: "MSE on probabilities",
  mae_probabilities: "MAE on probabilities",
};

/** Text fields, so that a sentence can name what cannot be read as a number. */
const NUMBERS = {
  width: { label: "Width", value: "128", low: 1, high: 256, whole: true },
  batch_size: { label: "Batch size", value: "64", low: 1, high: 4000, whole: true },
  learning_rate: { label: "Learning rate", value: "0.001", low: 1e-9, high: 1, whole: false },
  seeds: { label: "Seeds", value: "5", low: 1, high: 10, whole: true },
};

const FORM = `
<form class="trainer-form" novalidate>
  <fieldset>
    <legend>Network and training</legend>
    <label>Loss <select name="loss">${Object.entries(LOSSES)
      .map(([value, name]) => `<option value="${value}">${name}</option>`)
      .join("")}</select></label>
    <label>Hidden layers <select name="depth"><option>0</option><option selected>1</option>
      <option>2</option><option>3</option></select></label>
    ${Object.entries(NUMBERS)
      .map(
        ([name, { label, value, whole }]) => `<label>${label} <input name="${name}" value="${value}"
          inputmode="${whole ? "numeric" : "decimal"}" autocomplete="off" size="6"></label>`,
      )
      .join("")}
  </fieldset>
  <p class="trainer-fault" role="alert" id="trainer-fault"></p>
  <p class="trainer-buttons">
    <button type="submit" data-act="main">Start</button>
    <button type="button" data-act="step">Step one epoch</button>
    <button type="button" data-act="stop" aria-disabled="true">Stop</button>
    <span class="trainer-speed"></span>
  </p>
  <p class="trainer-status" role="status">Start loads 5,000 images (2.2 MB) and trains.</p>
</form>
<div class="trainer-results" hidden>
  <div class="trainer-charts">
    <figure><figcaption>Accuracy, %</figcaption><div data-part="accuracy"></div></figure>
    <figure><figcaption>Loss</figcaption><div data-part="loss"></div></figure>
  </div>
  <p class="trainer-spread"></p>
  <details><summary>The same as a table</summary><div class="trainer-table"></div></details>
  <p><label>Look into the network of seed <select name="shown"></select></label></p>
  <figure><figcaption data-part="weights-caption"></figcaption>
    <canvas role="img" class="trainer-weights"></canvas></figure>
  <figure><figcaption data-part="mistakes-caption"></figcaption>
    <ul class="trainer-mistakes"></ul></figure>
</div>`;

/** Three standard errors of 1,000 images above the tenth that guessing gets right. */
const GUESSED = 0.1 + 3 * Math.sqrt((0.1 * 0.9) / 1000);

/** @param {number} share */
const percent = (share) => (100 * share).toFixed(1);
/** @param {number[]} values */
const range = (values) => {
  const [low, high] = [percent(Math.min(...values)), percent(Math.max(...values))];
  return low === high ? `${low} %` : `${low} to ${high} %`;
};
/** @param {number} count @param {string} noun */
const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

/**
 * Reads the form; the faults say what is wrong, one sentence per field.
 * @param {HTMLFormElement} form
 */
function read(form) {
  const given = new FormData(form);
  /** @type {{name: string, sentence: string}[]} */
  const faults = [];
  /** @type {Record<string, number>} */
  const numbers = { depth: Number(given.get("depth")) };
  for (const [name, { label, low, high, whole }] of Object.entries(NUMBERS)) {
    const text = String(given.get(name)).trim();
    const value = text === "" ? NaN : Number(text);
    if (!(value >= low && value <= high) || (whole && !Number.isInteger(value))) {
      const kind = whole ? "a whole number" : "a number";
      const allowed = `${kind} from ${low} to ${high.toLocaleString("en")}`;
      faults.push({ name, sentence: `${label} is “${text}”; it must be ${allowed}.` });
    }
    numbers[name] = value;
  }
  const settings = /** @type {Settings} */ ({ loss: String(given.get("loss")), ...numbers });
  return { settings, faults };
}

/** @param {Settings} settings */
function described({ loss, depth, width, seeds }) {
  const shape = depth ? `${depth} × ${width}` : "no hidden layer";
  const name = LOSSES[/** @type {keyof typeof LOSSES} */ (loss)];
  return `${counted(seeds, "network")} (${shape}, ${name})`;
}

/** The panel: what the reader chose, what the worker has reported so far. */
class Panel {
  /** @param {HTMLElement} place */
  constructor(place) {
    place.innerHTML = FORM;
    this.place = place;
    this.form = /** @type {HTMLFormElement} */ (place.querySelector("form"));
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    /** @type {State} */
    this.state = "idle";
    /** @type {Settings | null} */
    this.settings = null;
    this.start = 0; // counts trainings: reports about earlier ones are ignored
    /** @type {EpochReport[][]} a seed's epochs */
    this.history = [];
    /** @type {{loss: string, history: EpochReport[][]} | null} */
    this.before = null;
    this.worker.addEventListener("message", ({ data }) => this.hear(data));
    this.worker.addEventListener("error", () => this.fail("this browser cannot run its worker"));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.state === "running") this.tell({ kind: "pause" });
      else if (this.state !== "loading") this.go(false);
    });
    // A button that has no effect now must keep the keyboard's focus, so it is not `disabled`.
    this.button("step").addEventListener("click", () => {
      if (!this.training) this.go(true);
    });
    this.button("stop").addEventListener("click", () => {
      if (!this.training && this.state !== "paused") return;
      this.tell({ kind: "stop" });
      this.enter("idle", `Stopped. ${this.summary()}`);
    });
    this.shown.addEventListener("change", () => this.tell({ kind: "show", seed: +this.shown.value }));
  }

  /** @param {string} selector @returns {HTMLElement} */
  find(selector) {
    return /** @type {HTMLElement} */ (this.place.querySelector(selector));
  }

  /** @param {string} act */
  button(act) {
    return /** @type {HTMLButtonElement} */ (this.find(`[data-act=${act}]`));
  }

  get shown() {
    return /** @type {HTMLSelectElement} */ (this.find("[name=shown]"));
  }

  get training() {
    return this.state === "running" || this.state === "loading";
  }

  /** @param {Order} order */
  tell(order) {
    this.worker.postMessage(order);
  }

  /** Starts, continues or steps. @param {boolean} step */
  go(step) {
    if (this.state === "paused") {
      this.enter("running", step ? "Training one epoch." : "Training continues.");
      this.tell({ kind: step ? "step" : "run" });
      return;
    }
    const { settings, faults } = read(this.form);
    this.find(".trainer-fault").textContent = faults.map(({ sentence }) => sentence).join(" ");
    for (const input of this.form.querySelectorAll("input")) {
      const wrong = faults.some(({ name }) => name === input.name);
      input.toggleAttribute("aria-invalid", wrong);
      if (wrong) input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", wrong ? "trainer-fault" : "");
      if (wrong && faults[0].name === input.name) input.focus();
    }
    if (faults.length) return;
    if (this.settings && this.history.some((epochs) => epochs.length))
      this.before = { loss: this.settings.loss, history: this.history };
    this.settings = settings;
    this.history = Array.from({ length: settings.seeds }, () => []);
    this.shown.innerHTML = this.history.map((_, seed) => `<option>${seed}</option>`).join("");
    this.tell({ kind: "start", start: ++this.start, settings, step });
    const inField = this.find("fieldset").contains(document.activeElement);
    this.enter("loading", `Loading the images, then training ${described(settings)}.`);
    if (inField) this.button("main").focus(); // its field cannot be changed while it trains
  }

  /** @param {State} state @param {string} sentence */
  enter(state, sentence) {
    this.state = state;
    const busy = this.training || state === "paused";
    /** @type {Partial<Record<State, string>>} */
    const names = { running: "Pause", loading: "Loading", paused: "Continue" };
    this.button("main").textContent = names[state] ?? "Start";
    this.button("step").setAttribute("aria-disabled", String(this.training));
    this.button("stop").setAttribute("aria-disabled", String(!busy));
    /** @type {HTMLFieldSetElement} */ (this.find("fieldset")).disabled = busy;
    this.place.dataset.state = state;
    this.find(".trainer-status").textContent = sentence;
    if (!busy) this.find(".trainer-speed").textContent = "";
  }

  /** @param {string} why */
  fail(why) {
    this.enter("idle", `Training is not possible: ${why}.`);
  }

  /** @param {Report} report */
  hear({ start, state, error, epochs, rate, look }) {
    if (start !== this.start || this.state === "idle" || !this.settings) return; // was under way
    if (state === "failed") {
      this.fail(error ?? "unknown");
      return;
    }
    for (const epoch of epochs) this.history[epoch.seed].push(epoch);
    if (state === "running" && this.state === "loading")
      this.enter("running", `Training ${described(this.settings)}.`);
    if (state === "paused") this.enter("paused", `Paused. ${this.summary()}`);
    if (state === "finished") this.enter("finished", `Finished. ${this.summary()}`);
    if (this.state === "running")
      this.find(".trainer-speed").textContent =
        `epoch ${Math.min(...this.history.map((h) => h.length)) + 1}, ` +
        `${(Math.round(rate / 100) * 100).toLocaleString("en")} images per second`;
    this.find(".trainer-results").hidden = false;
    if (epochs.length) this.draw();
    if (look && look.seed === +this.shown.value) this.show(look);
  }

  /** Says how far apart the seeds are at the last epoch that all those still training finished. */
  summary() {
    const training = this.history.filter((epochs) => !epochs.at(-1)?.stopped_by);
    const common = Math.min(Infinity, ...training.map((epochs) => epochs.length));
    const compared = this.history.map((epochs) => epochs.slice(0, common));
    const last = compared.flatMap((epochs) => epochs.slice(-1));
    if (!common) return "No epoch is complete yet.";
    const accuracies = last.map(({ validation }) => validation.accuracy);
    const lengths = compared.map((epochs) => epochs.length);
    const [low, high] = [Math.min(...lengths), Math.max(...lengths)];
    const epochs = low === high ? counted(low, "epoch") : `${low} to ${high} epochs`;
    const spread = Math.max(...accuracies) - Math.min(...accuracies);
    const apart =
      last.length > 1 ? `: ${percent(spread)} points apart, because of their seeds alone` : "";
    const classify = last.length === 1 ? "classifies" : "classify";
    return `After ${epochs}, ${counted(last.length, "network")} ${classify} ${range(accuracies)} of the validation images right${apart}.${this.learnedNothing(last)}`;
  }

  /** Names what does no better than guessing, if anything. @param {EpochReport[]} last */
  learnedNothing(last) {
    const lost = last.filter(({ validation }) => !(validation.accuracy > GUESSED)).length;
    if (!lost) return "";
    const who = lost === last.length ? "That" : `For ${lost} of them, that`;
    return ` ${who} is no better than guessing, 10 %: at this learning rate nothing is learned yet.`;
  }

  /** Draws the curves and the table. */
  draw() {
    for (const kind of /** @type {const} */ (["accuracy", "loss"])) {
      /** @param {EpochReport[][]} history @param {"train" | "validation"} part */
      const lines = (history, part) => history.map((epochs) => epochs.map((e) => e[part][kind]));
      const groups = [
        { name: "training", kind: "train", lines: lines(this.history, "train") },
        { name: "validation", kind: "validation", lines: lines(this.history, "validation") },
      ];
      if (this.before && (kind === "accuracy" || this.before.loss === this.settings?.loss)) {
        const earlier = lines(this.before.history, "validation");
        groups.unshift({ name: "run before", kind: "before", lines: earlier });
      }
      const alt = kind === "accuracy" ? this.summary() : "Training and validation loss of each seed.";
      const percentages = kind === "accuracy";
      this.find(`[data-part=${kind}]`).innerHTML = curves(groups, {
        percent: percentages,
        top: percentages ? 1 : undefined,
        alt: `${alt} The table below has the numbers.`,
      });
    }
    this.find(".trainer-spread").textContent = this.summary();
    const why = { patience: "stopped by patience", epochs: "reached the cap", divergence: "diverged" };
    const rows = this.history.flatMap((epochs, seed) => {
      const last = epochs[epochs.length - 1];
      if (!last) return [];
      const reason = /** @type {keyof typeof why} */ (last.stopped_by);
      const cells = [
        epochs.length,
        percent(last.train.accuracy),
        percent(last.validation.accuracy),
        last.train.loss.toPrecision(3),
        last.validation.loss.toPrecision(3),
        why[reason] ?? "",
      ];
      return [`<tr><th scope="row">${seed}</th>${cells.map((c) => `<td>${c}</td>`).join("")}</tr>`];
    });
    const heads = ["Seed", "Epochs", "Training, %", "Validation, %", "Training loss", "Validation loss", "State"];
    this.find(".trainer-table").innerHTML = `<table><thead><tr>${heads
      .map((head) => `<th scope="col">${head}</th>`)
      .join("")}</tr></thead><tbody>${rows.join("")}</tbody></table>`;
  }

  /** Shows one network's weights and mistakes. @param {Look} look */
  show({ weights, tiles, neurons, wrong, mistakes }) {
    const canvas = /** @type {HTMLCanvasElement} */ (this.find(".trainer-weights"));
    paintWeights(canvas, weights, this.settings?.depth ? 12 : 10);
    const what = this.settings?.depth
      ? `First-layer weights of ${tiles === neurons ? "all" : `${tiles} of`} ${neurons} neurons`
      : `Weights of the ten classes (${CLASSES.join(", ")})`;
    const caption = `${what}, 28 × 28 pixels each: orange where light pixels raise the sum, blue where they lower it.`;
    this.find("[data-part=weights-caption]").textContent = caption;
    canvas.setAttribute("aria-label", caption);
    this.find("[data-part=mistakes-caption]").textContent =
      `It gets ${counted(wrong, "validation image")} of 1,000 wrong` +
      (mistakes.length ? `; the ${mistakes.length} it is surest of:` : ".");
    this.find(".trainer-mistakes").replaceChildren(
      ...mistakes.map(({ pixels, label, answer, probability }) => {
        const item = document.createElement("li");
        item.append(clothes(pixels));
        const text = document.createElement("span");
        text.innerHTML = `<b>${CLASSES[label]}</b> taken for <b>${CLASSES[answer]}</b>, ${Math.round(100 * probability)} %`;
        item.append(text);
        return item;
      }),
    );
  }
}

const place = document.getElementById("page-trainer");
if (place) {
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = new URL("trainer.css", import.meta.url).href;
  document.head.append(style);
  new Panel(place);
}
