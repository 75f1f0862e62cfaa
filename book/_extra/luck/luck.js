/** On the page on method: luck, by drawing runs of two settings, and the rule, by moving a mean and
 * a spread until the verdict changes. */

import { MARGIN, judge } from "./statistics.js";

/** @typedef {{name: string, what: string, values: number[]}} Setting */
/** @typedef {{settings: [Setting, Setting]}} Luck */

const COUNTS = [1, 3, 10]; // runs of each setting that a draw compares
const SYMBOLS = /** @type {Record<string, string>} */ ({
  supported: "\u2714\ufe0e",
  "supported but size open": "\u2713",
  "supported but immaterial": "\u2248",
  "not supported": "\u2718\ufe0e",
  inconclusive: "?",
});
const WIDE = 340; // units of a drawing, each about one CSS pixel

/** @param {number[]} values */
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
/** @param {number} value @param {number} [digits] */
const signed = (value, digits = 2) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
/** @param {number} count @param {string} noun */
const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

/**
 * Draws `count` of the values, each from all of them.
 * @param {number[]} values @param {number} count
 */
const sample = (values, count) =>
  Array.from({ length: count }, () => values[Math.floor(Math.random() * values.length)]);

/** Puts a box behind a figure of the page. @param {string} figure @param {string} label */
function boxAfter(figure, label) {
  const box = document.createElement("section");
  box.className = "touch";
  box.setAttribute("aria-label", label);
  document.getElementById(figure)?.closest(".cell")?.after(box);
  return box;
}

class Draws {
  /** @param {HTMLElement} place @param {Luck} luck */
  constructor(place, { settings }) {
    this.place = place;
    this.settings = settings;
    /** @type {Record<number, number[]>} the differences drawn, B minus A, by number of runs */
    this.differences = {};
    const choices = COUNTS.map(
      (count, i) => `<label><input type="radio" name="runs" value="${count}"${i ? "" : " checked"}> ${count}</label>`,
    );
    const [a, b] = settings;
    place.innerHTML = `<p><b>Try your luck.</b> A is a network trained with ${a.what}, B one with
      ${b.what}; there are ${a.values.length} runs of each. Draw, name the winner, and draw again.</p>
      <fieldset class="buttons"><legend>Runs of each in a draw</legend>${choices.join("")}</fieldset>
      <p class="buttons"><button type="button" class="first" data-act="once">Draw</button>
        <button type="button" data-act="often">Draw a hundred times</button>
        <button type="button" data-act="again">Start again</button></p>
      <p role="status"></p><div data-part="runs"></div><div data-part="found"></div>`;
    place.addEventListener("click", (event) => {
      const act = /** @type {HTMLElement} */ (event.target).dataset.act;
      if (act === "once") this.draw(1);
      if (act === "often") this.draw(100);
      if (act === "again") this.reset();
    });
    this.reset();
  }

  /** @param {string} selector @returns {HTMLElement} */
  find(selector) {
    return /** @type {HTMLElement} */ (this.place.querySelector(selector));
  }

  reset() {
    this.differences = Object.fromEntries(COUNTS.map((count) => [count, []]));
    this.find("[role=status]").textContent = "Nothing has been drawn yet.";
    this.show([[], []]);
  }

  /** @param {number} times */
  draw(times) {
    const count = Number(/** @type {HTMLInputElement} */ (this.find("[name=runs]:checked")).value);
    /** @type {number[][]} */
    let drawn = [];
    for (let i = 0; i < times; i++) {
      drawn = this.settings.map(({ values }) => sample(values, count));
      this.differences[count].push(mean(drawn[1]) - mean(drawn[0]));
    }
    const all = this.differences[count];
    const [a, b] = drawn.map(mean);
    const [won, lost] = [all.filter((d) => d < 0).length, all.filter((d) => d > 0).length];
    const winner = a === b ? "A draw" : `${a > b ? "A" : "B"} wins`;
    const of = count === 1 ? "" : `, means of ${count} runs`;
    this.find("[role=status]").textContent =
      `${times === 1 ? "" : "The last one: "}A ${a.toFixed(2)} %, B ${b.toFixed(2)} %${of}. ${winner}. ` +
      `Of ${counted(all.length, "draw")} with ${counted(count, "run")} of each, A won ${won} and B ${lost}.`;
    this.show(drawn);
  }

  /**
   * Draws all runs, with the drawn ones filled, and how often each difference came out.
   * @param {number[][]} drawn
   */
  show(drawn) {
    const values = this.settings.flatMap((setting) => setting.values);
    const [low, high] = [Math.floor(2 * Math.min(...values)) / 2, Math.ceil(2 * Math.max(...values)) / 2];
    /** @param {number} value */
    const x = (value) => 30 + ((value - low) / (high - low)) * (WIDE - 50);
    const parts = [];
    for (let mark = low; mark <= high; mark += 0.5)
      parts.push(`<line class="grid" x1="${x(mark)}" x2="${x(mark)}" y1="4" y2="64"/>
        <text x="${x(mark)}" y="80" text-anchor="middle">${mark} %</text>`);
    this.settings.forEach(({ name, values }, i) => {
      const [y, kind] = [20 + 30 * i, i ? " other" : ""];
      parts.push(`<text class="name" x="6" y="${y + 4}">${name}</text>`);
      for (const value of values)
        parts.push(`<circle class="hollow${kind}" cx="${x(value)}" cy="${y}" r="4"/>`);
      for (const value of drawn[i])
        parts.push(`<circle class="drawn${kind}" cx="${x(value)}" cy="${y}" r="4"/>`);
    });
    this.find('[data-part="runs"]').innerHTML = `<svg viewBox="0 0 ${WIDE} 84" role="img"
      aria-label="Validation accuracy of all runs of A and B, one circle per run; those drawn last are filled.">${parts.join("")}</svg>`;
    this.find('[data-part="found"]').innerHTML = this.histogram();
  }

  histogram() {
    const [most, step] = [2, 0.1];
    /** @param {number} d */
    const x = (d) => WIDE / 2 + (Math.max(-most, Math.min(most, d)) / most) * (WIDE / 2 - 20);
    const shown = COUNTS.filter((count) => this.differences[count].length);
    if (!shown.length) return "";
    const tall = 46;
    const high = tall * shown.length + 40;
    const parts = [`<rect class="band" x="${x(-MARGIN)}" width="${x(MARGIN) - x(-MARGIN)}" y="0" height="${high - 36}"/>
      <line class="zero" x1="${x(0)}" x2="${x(0)}" y1="0" y2="${high - 36}"/>`];
    shown.forEach((count, row) => {
      const differences = this.differences[count];
      /** @type {Map<number, number>} */
      const bins = new Map();
      for (const d of differences) {
        const bin = Math.floor(Math.max(-most, Math.min(most - step, d)) / step + 1e-9);
        bins.set(bin, (bins.get(bin) ?? 0) + 1);
      }
      const highest = Math.max(...bins.values());
      const base = tall * (row + 1);
      for (const [bin, number] of bins) {
        const height = (30 * number) / highest;
        const kind = bin < 0 ? "" : " other";
        parts.push(`<rect class="bar${kind}" x="${x((bin + 0.1) * step)}" width="${x(0.8 * step) - x(0)}" y="${base - height}" height="${height}"/>`);
      }
      parts.push(`<text x="4" y="${base - 32}">${counted(count, "run")} of each</text>`);
    });
    for (let mark = -most; mark <= most; mark++)
      parts.push(`<text x="${x(mark)}" y="${high - 20}" text-anchor="middle">${mark ? signed(mark, 0) : 0}</text>`);
    parts.push(`<text x="${WIDE / 2}" y="${high - 4}" text-anchor="middle">B minus A, points: left A won, right B</text>`);
    const told = shown.map((count) => {
      const all = this.differences[count];
      const won = all.filter((d) => d < 0).length;
      return `${counted(count, "run")} of each: A won ${won} of ${all.length}`;
    });
    return `<svg viewBox="0 0 ${WIDE} ${high}" role="img" aria-label="How often each difference was drawn. ${told.join("; ")}.">${parts.join("")}</svg>`;
  }
}

const SLIDERS = {
  mean: { label: "Mean difference, points", low: -1.5, high: 1.5, step: 0.05, value: 0.5 },
  sd: { label: "Spread (standard deviation), points", low: 0.05, high: 1.5, step: 0.05, value: 0.4 },
  n: { label: "Seeds", low: 2, high: 30, step: 1, value: 5 },
};

/** @param {HTMLElement} place */
function rule(place) {
  const names = /** @type {(keyof typeof SLIDERS)[]} */ (Object.keys(SLIDERS));
  place.innerHTML = `<p><b>Move the rule.</b> The claim is that A is better than B. Which mean and which
    spread of the seeds’ differences support it, and how many seeds does that take?</p>
    ${names
      .map((name) => {
        const { label, low, high, step, value } = SLIDERS[name];
        return `<p class="slider"><label for="rule-${name}">${label}</label>
          <input id="rule-${name}" type="range" min="${low}" max="${high}" step="${step}" value="${value}">
          <span class="value" aria-hidden="true"></span></p>`;
      })
      .join("")}
    <div data-part="rule"></div><p role="status"></p>`;
  const most = 3;
  /** @param {number} d */
  const x = (d) => WIDE / 2 + (Math.max(-most, Math.min(most, d)) / most) * (WIDE / 2 - 20);
  const show = () => {
    const [average, sd, n] = names.map((name) => {
      const slider = /** @type {HTMLInputElement} */ (place.querySelector(`#rule-${name}`));
      const value = Number(slider.value);
      const shown = /** @type {HTMLElement} */ (slider.nextElementSibling); // the slider says it itself
      shown.textContent = name === "n" ? String(value) : name === "mean" ? signed(value) : value.toFixed(2);
      return value;
    });
    const { name, why, low, high, p } = judge(average, sd, n);
    const numbers = `${signed(average)} points (95 % interval ${signed(low)} to ${signed(high)}, ${n} seeds)`;
    const chance = p < 0.0001 ? "p < 0.0001" : `p = ${Number(p.toPrecision(2))}`;
    const told = `${SYMBOLS[name]} ${name}: ${numbers}, ${chance}; ${why}.`;
    const parts = [`<rect class="band" x="${x(-MARGIN)}" width="${x(MARGIN) - x(-MARGIN)}" y="0" height="56"/>
      <line class="zero" x1="${x(0)}" x2="${x(0)}" y1="0" y2="56"/>
      <line class="interval" x1="${x(low)}" x2="${x(high)}" y1="28" y2="28"/>
      <circle cx="${x(average)}" cy="28" r="6"/>`];
    for (let mark = -most; mark <= most; mark++)
      parts.push(`<text x="${x(mark)}" y="74" text-anchor="middle">${mark ? signed(mark, 0) : 0}</text>`);
    parts.push(`<text x="${WIDE / 2}" y="92" text-anchor="middle">A minus B, points; within the band it does not matter</text>`);
    const drawing = /** @type {HTMLElement} */ (place.querySelector('[data-part="rule"]'));
    drawing.innerHTML = `<svg viewBox="0 0 ${WIDE} 96" role="img" aria-label="${told}">${parts.join("")}</svg>`;
    const status = /** @type {HTMLElement} */ (place.querySelector("[role=status]"));
    status.textContent = told;
  };
  place.addEventListener("input", show);
  show();
}

const data = document.getElementById("luck-data");
if (data?.textContent) {
  new Draws(boxAfter("fig-method-pairs", "Try your luck"), JSON.parse(data.textContent));
  rule(boxAfter("fig-method-rule", "Move the rule"));
}
