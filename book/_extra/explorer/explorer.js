/** The explorer: two published settings side by side. */

import { curves, ticks } from "../trainer/chart.js";
import { paired } from "./paired.js";

/**
 * @typedef {{seed: number, accuracy: number | null, gap: number | null, best: number,
 *   epochs: number, ended: string, curves: (number | null)[][]}} Run
 * @typedef {{values: string[], shown: string[], mean: (number | null)[], runs: Run[]}} Setting
 * @typedef {{fields: string[], curves: string[], settings: Setting[]}} Published
 */

const DRAWN = 1000;
const SIDES = /** @type {const} */ (["a", "b"]);
const START = {
  a: "cross_entropy,1,128,256,2.05e-4,float32,none",
  b: "mse,1,128,256,2.05e-4,float32,none",
};
/** @type {Record<string, string>} */
const CURVES = {
  validation_accuracy: "Validation accuracy, %",
  train_accuracy: "Training accuracy, %",
  validation_loss: "Validation loss",
  train_loss: "Training loss",
};
const ENDS = { patience: "by patience", epochs: "at the cap of 100", divergence: "diverged" };

/** @param {string} field */
const named = (field) => field.replace("_", " ");
/** @param {number | null | undefined} value ten-thousandths */
const percent = (value) => (value == null ? "–" : (value / 100).toFixed(2));
/** @param {number} value ten-thousandths */
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value / 100).toFixed(2)}`;
/** @param {number[]} values */
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
/** @param {number[]} values */
const span = (values) => {
  const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => Math.round(value));
  return low === high ? `${low}` : `${low} to ${high}`;
};

/** A curve comes as steps of a thousandth. @param {(number | null)[]} steps */
function heights(steps) {
  let here = 0;
  return steps.map((step) => (step == null ? NaN : (here += step) / DRAWN));
}

/** Draws every run's accuracy as a circle and the mean with its interval, one row per setting. */
/** @param {Setting[]} shown */
function dots(shown) {
  const values = shown.flatMap(({ mean, runs }) => [...mean, ...runs.map((run) => run.accuracy)]);
  const numbers = values.filter((value) => value != null).map(Number);
  const marks = ticks(Math.min(...numbers) - 20, Math.max(...numbers) + 20, 4);
  const [low, high] = [marks[0], marks[marks.length - 1]];
  /** @param {number} value */
  const x = (value) => 40 + ((value - low) / (high - low)) * 280;
  const parts = marks.map(
    (mark) => `<line class="grid" x1="${x(mark)}" x2="${x(mark)}" y1="8" y2="112"/>
      <text x="${x(mark)}" y="128" text-anchor="middle">${mark / 100} %</text>`,
  );
  shown.forEach(({ mean, runs }, i) => {
    const [kind, y] = [SIDES[i], 32 + 50 * i];
    const [middle, lower, upper] = mean;
    parts.push(`<text class="${kind}" x="8" y="${y + 4}">${kind.toUpperCase()}</text>`);
    for (const { accuracy } of runs)
      if (accuracy != null)
        parts.push(`<circle class="hollow ${kind}" cx="${x(accuracy)}" cy="${y}" r="4"/>`);
    if (lower != null && upper != null)
      parts.push(`<polyline data-interval class="${kind}" points="${x(lower)},${y + 18} ${x(upper)},${y + 18}"/>`);
    if (middle != null)
      parts.push(`<circle class="${kind}" cx="${x(middle)}" cy="${y + 18}" r="4"/>`);
  });
  const told = shown.map(({ mean }, i) => `${SIDES[i].toUpperCase()}: mean ${percent(mean[0])} %`);
  return `<svg viewBox="0 0 340 134" role="img" aria-label="Validation accuracy at the best epoch,
    one circle per run. ${told.join("; ")}.">${parts.join("")}</svg>`;
}

/** @param {Setting} setting @returns {Record<string, string>} */
function facts({ mean: [middle, low, high], runs }) {
  const limits = low == null ? "" : ` (${percent(low)} to ${percent(high)})`;
  const gaps = runs.map((run) => run.gap).filter((gap) => gap != null);
  const ended = Object.entries(ENDS).map(([end, words]) => {
    const count = runs.filter((run) => run.ended === end).length;
    return count ? `${count} ${words}` : "";
  });
  return {
    Seeds: `${runs.length} (${span(runs.map((run) => run.seed))})`,
    "Validation accuracy at the best epoch, %": percent(middle) + limits,
    "Training minus validation at the best epoch, points": gaps.length ? percent(mean(gaps.map(Number))) : "–",
    "Best epoch": span(runs.map((run) => run.best)),
    "Epochs trained": span(runs.map((run) => run.epochs)),
    Ended: ended.filter(Boolean).join(", "),
  };
}

/** @param {string[]} names */
const joined = (names) =>
  [names.slice(0, -1).join(", "), ...names.slice(-1)].filter(Boolean).join(" and ");

/**
 * Says everything that is wrong with a setting that no run has.
 * @param {string[]} fields @param {Setting[]} settings @param {string} wanted
 */
function wrong(fields, settings, wanted) {
  const values = wanted.split(",");
  if (values.length !== fields.length)
    return `it must be ${fields.length} values, ${joined(fields.map(named))}`;
  const unknown = fields.flatMap((field, f) =>
    settings.some((setting) => setting.values[f] === values[f])
      ? []
      : [`no run has ${named(field)} “${values[f]}”`],
  );
  return joined(unknown) || "each value was run, but not all of them together";
}

class Explorer {
  /** @param {HTMLElement} place @param {Published} published */
  constructor(place, published) {
    this.place = place;
    this.published = published;
    this.metric = "validation_accuracy";
    /** @type {Record<"a" | "b", number>} */
    this.chosen = { a: 0, b: 0 };
    /** @type {Map<HTMLSelectElement, string>} */
    this.listed = new Map();
    place.innerHTML = this.form();
    place.addEventListener("change", (event) => {
      const select = /** @type {HTMLSelectElement} */ (event.target);
      if (select.name === "metric") this.metric = select.value;
      else this.choose(select);
      history.pushState(null, "", `#${this.address()}`); // so that Back undoes a choice
      this.show();
    });
    addEventListener("popstate", () => {
      if (!location.hash || location.hash.includes("=")) this.read(); // else a place on the page
    });
    this.read();
  }

  form() {
    const { fields } = this.published;
    const sides = SIDES.map((side) => {
      const selects = fields.map(
        (field) => `<label>${named(field)} <select name="${side}-${field}"></select></label>`,
      );
      return `<fieldset><legend>Setting ${side.toUpperCase()}</legend>${selects.join("")}</fieldset>`;
    });
    const metrics = Object.entries(CURVES).map(([name, text]) => `<option value="${name}">${text}`);
    return `<div class="settings">${sides.join("")}</div>
      <p class="note" role="status"></p>
      <p class="difference" role="status"></p>
      <div class="trainer-charts">
        <figure><figcaption><label>By epoch: <select name="metric">${metrics.join("")}</select></label>
          </figcaption><div data-part="curves"></div><p data-part="units"></p></figure>
        <figure><figcaption>At the best epoch: one circle per run, means with 95 % intervals</figcaption>
          <div data-part="dots"></div></figure>
      </div>
      <div class="trainer-table" tabindex="0" role="region" aria-label="Both settings in numbers"></div>`;
  }

  /**
   * Returns the setting that has a field's value and changes the fewest others, and which it changes.
   * @param {"a" | "b"} side @param {number} f @param {string} value
   */
  nearest(side, f, value) {
    const { settings } = this.published;
    const before = settings[this.chosen[side]].values;
    let [best, changed] = [-1, /** @type {number[]} */ ([])];
    settings.forEach(({ values }, i) => {
      const others = values.flatMap((other, g) => (g !== f && other !== before[g] ? [g] : []));
      if (values[f] === value && (best < 0 || others.length < changed.length))
        [best, changed] = [i, others];
    });
    return { best, changed };
  }

  /** Takes the setting that has the chosen value, and says what else that changed. */
  /** @param {HTMLSelectElement} select */
  choose(select) {
    const { fields, settings } = this.published;
    const side = /** @type {"a" | "b"} */ (select.name[0]);
    const f = fields.indexOf(select.name.slice(2));
    const { best, changed } = this.nearest(side, f, select.value);
    const [before, after] = [settings[this.chosen[side]].shown, settings[best].shown];
    const told = changed.map((g) => `${named(fields[g])} from ${before[g]} to ${after[g]}`);
    this.note = told.length
      ? `No run has ${named(fields[f])} ${after[f]} with the rest as it was. Setting ${side.toUpperCase()} also changed its ${joined(told)}.`
      : "";
    this.chosen[side] = best;
  }

  /**
   * Lists a field's values: first those run with the rest as it is, then those that were not.
   * @param {"a" | "b"} side @param {number} f
   */
  options(side, f) {
    const { fields, settings } = this.published;
    const values = new Map(settings.map(({ values, shown }) => [values[f], shown[f]]));
    const sorted = [...values].sort(([a], [b]) => Number(a) - Number(b) || 0);
    /** @type {Map<string, string[]>} */
    const groups = new Map([["", []]]);
    for (const [value, text] of sorted) {
      const { changed } = this.nearest(side, f, value);
      const others = joined(changed.map((g) => named(fields[g])));
      const group = groups.get(others) ?? [];
      groups.set(others, [...group, `<option value="${value}">${text}</option>`]);
    }
    return [...groups]
      .map(([others, lines]) =>
        others
          ? `<optgroup label="not run with the rest as it is; also changes ${others}">${lines.join("")}</optgroup>`
          : lines.join(""),
      )
      .join("");
  }

  address() {
    const { settings } = this.published;
    const sides = SIDES.map((side) => `${side}=${settings[this.chosen[side]].values.join(",")}`);
    return `${sides.join("&")}&curve=${this.metric}`;
  }

  /** Takes over what the address says; names what no run has and shows the start instead. */
  read() {
    const given = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    const { fields, settings } = this.published;
    /** @type {string[]} */
    const faults = [];
    for (const side of SIDES) {
      const wanted = given.get(side) ?? START[side];
      const plain = `${wanted},none`; // addresses of old name no technique
      const found = settings.findIndex(({ values }) => [wanted, plain].includes(values.join()));
      const start = settings.findIndex(({ values }) => values.join() === START[side]);
      this.chosen[side] = found < 0 ? Math.max(0, start) : found;
      if (found < 0) faults.push(`Setting ${side.toUpperCase()} is “${wanted}”: ${wrong(fields, settings, wanted)}.`);
    }
    const metric = given.get("curve") ?? "validation_accuracy";
    if (!Object.hasOwn(CURVES, metric))
      faults.push(`The curve is “${metric}”; it must be one of ${Object.keys(CURVES).join(", ")}.`);
    for (const name of new Set(given.keys()))
      if (!["a", "b", "curve"].includes(name))
        faults.push(`The address names “${name}”; it can name a, b and curve.`);
    this.metric = Object.hasOwn(CURVES, metric) ? metric : "validation_accuracy";
    this.note = faults.length ? `${faults.join(" ")} The page shows what it starts with instead.` : "";
    this.show();
  }

  /** @param {string} selector @returns {HTMLElement} */
  find(selector) {
    return /** @type {HTMLElement} */ (this.place.querySelector(selector));
  }

  difference() {
    const { a, b } = this.chosen;
    if (a === b) return "A and B are the same setting: choose another value for one of them.";
    const { settings } = this.published;
    const found = paired(settings[a].runs, settings[b].runs);
    if (!found) return "A and B share fewer than three seeds: no difference can be told from luck.";
    const [middle, low, high] = [found.mean, found.low, found.high].map(signed);
    return `B minus A: ${middle} points of validation accuracy, seed by seed
      (95 % interval ${low} to ${high}, ${found.n} seeds).`;
  }

  show() {
    const { fields, settings, curves: names } = this.published;
    const shown = SIDES.map((side) => settings[this.chosen[side]]);
    SIDES.forEach((side, i) =>
      fields.forEach((field, f) => {
        const select = /** @type {HTMLSelectElement} */ (this.find(`[name="${side}-${field}"]`));
        const options = this.options(side, f);
        if (this.listed.get(select) !== options) select.innerHTML = options; // an open list stays
        this.listed.set(select, options);
        select.value = shown[i].values[f];
      }),
    );
    /** @type {HTMLSelectElement} */ (this.find('[name="metric"]')).value = this.metric;
    this.find(".note").textContent = this.note ?? "";
    this.find(".difference").textContent = this.difference();
    const which = names.indexOf(this.metric);
    const groups = shown.map(({ runs }, i) => ({
      name: SIDES[i].toUpperCase(),
      kind: SIDES[i],
      lines: runs.map((run) => heights(run.curves[which])),
    }));
    const alt = `${CURVES[this.metric]} by epoch, one line per run, with a band from lowest to highest.`;
    const options = { percent: this.metric.endsWith("accuracy"), alt };
    this.find('[data-part="curves"]').innerHTML = curves(groups, options);
    const kinds = new Set(shown.map(({ values }) => values[fields.indexOf("loss")]));
    this.find('[data-part="units"]').textContent =
      this.metric.endsWith("loss") && kinds.size > 1
        ? "A and B minimise different losses, in different units: their heights cannot be compared."
        : "";
    this.find('[data-part="dots"]').innerHTML = dots(shown);
    const [left, right] = shown.map(facts);
    const rows = Object.keys(left).map(
      (name) => `<tr><th scope="row">${name}</th><td>${left[name]}</td><td>${right[name]}</td></tr>`,
    );
    this.find(".trainer-table").innerHTML = `<table><thead><tr><th scope="col">setting</th>
      <th scope="col">A</th><th scope="col">B</th></tr></thead><tbody>${rows.join("")}</tbody></table>`;
  }
}

const place = document.getElementById("run-explorer");
if (place)
  fetch(new URL("runs.json", import.meta.url))
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.statusText))))
    .then((published) => new Explorer(place, published))
    .catch(() => {
      place.textContent = "The published runs could not be loaded; the table below shows all of them.";
    });
