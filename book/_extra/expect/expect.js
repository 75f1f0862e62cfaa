/** "Is my number normal?": where an accuracy falls among runs. It places; statistics come in expect.json. */

/**
 * @typedef {{name: string, title: string, images: string, runs: number[], low: number,
 *   high: number, reasons: Record<"above" | "below", string[]>}} Expected
 */

const START = { setting: "tensorflow", images: "test", accuracy: "88.32" };
/** @type {Record<string, string>} */
const IMAGES = { test: "test images", validation: "validation images", train: "training images" };

/** @param {string} text */
const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
/** @param {number} value a fraction */
const percent = (value) => (100 * value).toFixed(2);

/** A number in per cent, or up to 1 a fraction, as a fraction; NaN for anything else. */
/** @param {string} text */
function fraction(text) {
  const value = text.trim() === "" ? NaN : Number(text.trim().replace(/\s*%$/, "").replace(",", "."));
  return value >= 0 && value <= 100 ? (value <= 1 ? value : value / 100) : NaN;
}

/** @param {Expected} one @param {number} value */
function place(one, value) {
  const side = value > one.high ? "above" : value < one.low ? "below" : "inside";
  const lower = one.runs.filter((run) => run < value).length;
  const said = `${percent(value)} % is higher than ${lower} of ${one.runs.length} runs. 95 % of single
    runs fall from ${percent(one.low)} to ${percent(one.high)} %: yours is ${side}`;
  return side === "inside"
    ? [`${said}, an ordinary run.`]
    : [`${said}.`, ...one.reasons[side]];
}

/** One circle per run, a bar where 95 % fall, a diamond for yours. */
/** @param {Expected} one @param {number} value */
function picture(one, value) {
  const numbers = [...one.runs, one.low, one.high, ...(Number.isNaN(value) ? [] : [value])];
  const [lowest, highest] = [Math.min(...numbers), Math.max(...numbers)];
  /** @param {number} at */
  const x = (at) => 24 + ((at - lowest) / (highest - lowest || 1)) * 292;
  const parts = one.runs.map((run) => `<circle cx="${x(run)}" cy="44" r="4"/>`);
  for (const [end, anchor] of /** @type {const} */ ([[one.low, "start"], [one.high, "end"]]))
    parts.push(`<line x1="${x(end)}" x2="${x(end)}" y1="56" y2="68"/>
      <text x="${x(end)}" y="84" text-anchor="${anchor}">${percent(end)} %</text>`);
  parts.push(`<line x1="${x(one.low)}" x2="${x(one.high)}" y1="62" y2="62"/>`);
  if (!Number.isNaN(value)) {
    const [at, anchor] = [x(value), x(value) > 250 ? "end" : x(value) < 90 ? "start" : "middle"];
    parts.push(`<path d="M${at} 20l7 7l-7 7l-7 -7z"/>
      <text class="yours" x="${at}" y="14" text-anchor="${anchor}">yours, ${percent(value)} %</text>`);
  }
  return `<svg viewBox="0 0 340 92" role="img" aria-label="One circle per run, a bar where 95 %
    of single runs fall, a diamond for your number.">${parts.join("")}</svg>`;
}

class Expectation {
  /** @param {HTMLElement} place @param {Expected[]} known */
  constructor(place, known) {
    this.place = place;
    this.known = known;
    const titles = new Map(known.map(({ name, title }) => [name, title]));
    /** @param {boolean} tutorials */
    const options = (tutorials) =>
      [...titles]
        .filter(([name]) => !name.includes(",") === tutorials)
        .map(([name, title]) => `<option value="${escaped(name)}">${escaped(title)}</option>`)
        .join("");
    place.innerHTML = `<form><label>Setting <select name="setting">
        <optgroup label="Tutorials">${options(true)}</optgroup>
        <optgroup label="Settings of this book">${options(false)}</optgroup></select></label>
      <label>Accuracy on <select name="images"></select></label>
      <label>Your number, % <input name="accuracy" inputmode="decimal" autocomplete="off"></label></form>
      <div role="status"></div><figure></figure>`;
    const given = new URLSearchParams(location.search);
    for (const name of /** @type {const} */ (["setting", "images", "accuracy"])) {
      if (name === "images") this.offer();
      this.control(name).value = given.get(name) ?? START[name];
    }
    place.addEventListener("submit", (event) => event.preventDefault());
    place.addEventListener("input", (event) => {
      if (/** @type {HTMLInputElement} */ (event.target).name === "setting") this.offer();
      const chosen = Object.keys(START).map((name) => [name, this.control(name).value]);
      history.replaceState(null, "", `?${new URLSearchParams(chosen)}${location.hash}`);
      this.show();
    });
    this.show();
  }

  /** @param {string} name @returns {HTMLInputElement} */
  control(name) {
    return /** @type {HTMLInputElement} */ (this.place.querySelector(`[name="${name}"]`));
  }

  /** Offers the kinds of images that the setting's runs were measured on. */
  offer() {
    const [setting, images] = [this.control("setting"), this.control("images")];
    const before = images.value;
    const there = this.known.filter(({ name }) => name === setting.value).map((one) => one.images);
    images.innerHTML = there.map((one) => `<option value="${one}">${IMAGES[one]}</option>`).join("");
    images.value = there.includes(before) ? before : (there[0] ?? "");
  }

  show() {
    const [setting, images, accuracy] = Object.keys(START).map((name) => this.control(name));
    const one = this.known.find(({ name, images: of }) => name === setting.value && of === images.value);
    const value = fraction(accuracy.value);
    /** @type {string[]} */
    let [said, ...reasons] = one ? place(one, value) : ["No published runs have the setting in this address: choose one."];
    if (one && Number.isNaN(value))
      [said, reasons] = [`accuracy is '${accuracy.value}'; it must be a number from 0 to 100.`, []];
    accuracy.toggleAttribute("aria-invalid", Number.isNaN(value));
    const listed = reasons.map((reason) => `<li>${escaped(reason)}</li>`).join("");
    const status = /** @type {HTMLElement} */ (this.place.querySelector('[role="status"]'));
    status.innerHTML = `<p>${escaped(said)}</p>` + (listed && `<p>Likeliest reasons:</p><ol>${listed}</ol>`);
    const figure = /** @type {HTMLElement} */ (this.place.querySelector("figure"));
    figure.innerHTML = one ? picture(one, value) : "";
  }
}

const where = document.getElementById("expect");
if (where)
  fetch(new URL("expect.json", import.meta.url))
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.statusText))))
    .then((known) => new Expectation(where, known))
    .catch(() => {
      where.textContent = "The published runs could not be loaded; the last table on this page shows where they end.";
    });
