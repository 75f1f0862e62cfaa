/** Guesses: "Before you look" takes them, the figures and verdicts below show them beside what was
 * measured, and the appendix says how good they were. They stay in this browser. */

/**
 * @typedef {{text: string, answer: number | string, unit?: string, digits?: number, low?: number,
 *   high?: number, options?: string[], figure?: string, from?: number, sign?: number,
 *   claim?: string}} Question
 * @typedef {{frame: number[], x: Record<string, number>, y: Record<string, number>,
 *   scale?: [number, number]}} Axes
 * @typedef {{page: string, questions: Question[], figures: Record<string, Axes>}} Page
 * @typedef {{page: string, title: string, text: string, said: number | string,
 *   answer: number | string, unit?: string, digits?: number, options?: string[]}} Guess
 */

const KEPT = "fmnist-lab guesses"; // in localStorage: guesses by page and question
const SHOWN = "fmnist-lab shown"; // pages that show their results without a guess; "*" is all

/** @template T @param {string} name @param {T} otherwise @returns {T} */
function remembered(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "null") ?? otherwise;
  } catch {
    return otherwise; // damaged, or the browser keeps nothing
  }
}

/** @param {string} name @param {unknown} value */
function remember(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {} // it then lasts as long as the page
}

/** @param {number | string} value @param {Pick<Question, "unit" | "digits">} question */
export function written(value, { unit = "", digits = 0 }) {
  if (typeof value === "string") return value;
  const number = value.toLocaleString("en", { maximumFractionDigits: digits }).replace("-", "−");
  return `${number} ${unit}`;
}

/** Says in words how a guess compares with what was measured. @param {Question} question
 * @param {number | string} said */
export function compared(question, said) {
  const { answer } = question;
  if (typeof answer === "string")
    return said === answer ? `You said ${said}, and so it is.` : `You said ${said}; it is ${answer}.`;
  return `You said ${written(said, question)}; it is ${written(answer, question)}.`;
}

/**
 * Reads a number that a reader typed.
 * @param {string} text @param {Question} question
 * @returns {number | string} the number, or what is wrong
 */
export function read(text, { text: name, unit, low = 0, high = 100 }) {
  const value = text.trim() === "" ? NaN : Number(text.trim().replace(",", ".").replace("−", "-"));
  if (value >= low && value <= high) return value;
  return `“${name}” is “${text}”; it must be a number of ${unit} from ${low} to ${high.toLocaleString("en")}.`;
}

/**
 * Returns a guess's place in a figure as fractions: a line across at `top`, or down at `left`.
 * @param {Question} question @param {number | string} said @param {Axes} axes
 */
export function place({ from = 0, sign = 1 }, said, { frame, x, y, scale }) {
  const [left, top, right, bottom] = frame;
  if (typeof said === "string") return said in y ? { top: y[said] } : { left: x[said] };
  const [slope, offset] = scale ?? [0, 0];
  const height = slope * (from + sign * said) + offset;
  return { top: Math.min(bottom, Math.max(top, height)), outside: height < top || height > bottom };
}

class Guesses {
  /** @param {Page} page @param {HTMLElement} box the admonition "Before you look" */
  constructor(page, box) {
    this.page = page;
    this.title = document.querySelector("h1")?.firstChild?.textContent ?? page.page;
    /** @type {Record<string, Guess>} */
    this.all = remembered(KEPT, {});
    const form = document.createElement("form");
    form.className = "guess";
    form.noValidate = true;
    form.innerHTML = this.form();
    box.append(form);
    this.box = form;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.take();
    });
    form.addEventListener("click", (event) => {
      const act = /** @type {HTMLElement} */ (event.target).dataset.act;
      if (act === "show" || act === "show-all") this.reveal(act === "show" ? page.page : "*");
      if (act === "forget") this.forget();
    });
    /** @type {HTMLElement[]} */
    this.covers = [];
    /** @type {string[]} */
    const shown = remembered(SHOWN, []);
    const asked = page.questions.some((_, n) => this.said(n) !== undefined);
    // Anyone who follows a link to a figure came to see it.
    const wanted = () => document.getElementById(location.hash.slice(1));
    const came = Object.keys(page.figures).includes(wanted()?.id ?? "");
    if (!asked && !shown.includes("*") && !shown.includes(page.page) && !came) this.cover();
    addEventListener("hashchange", () => {
      if (!wanted()?.matches(".guess-covered")) return;
      this.uncover();
      wanted()?.scrollIntoView();
    });
    addEventListener("beforeprint", () => this.uncover());
    if (asked) this.show();
    this.toggle();
  }

  /** @param {number} n */
  key(n) {
    return `${this.page.page} ${this.page.questions[n].text}`;
  }

  /** @param {number} n */
  said(n) {
    return this.all[this.key(n)]?.said;
  }

  form() {
    const fields = this.page.questions.map((question, n) => {
      const { text, options, unit } = question;
      const said = this.said(n) ?? "";
      const field = options
        ? `<select name="${n}"><option value="">–</option>${options
            .map((option) => `<option${option === said ? " selected" : ""}>${option}</option>`)
            .join("")}</select>`
        : `<span><input name="${n}" value="${said}" inputmode="decimal" autocomplete="off" size="6"> ${unit}</span>`;
      return `<label>${text} ${field}</label><p class="guess-said" data-said="${n}"></p>`;
    });
    return `<p class="guess-lead">Or type them here: they stay in this browser and are drawn beside what was measured.</p>
      <div class="guess-fields">${fields.join("")}</div>
      <p class="guess-fault" role="alert" id="guess-fault"></p>
      <p class="buttons"><button type="submit" class="first">Guess</button>
        <button type="button" data-act="show">Show me</button>
        <button type="button" data-act="show-all">Show me, on every page</button>
        <button type="button" data-act="forget">Forget my guesses here</button></p>`;
  }

  /** Takes what was typed; what cannot be read is named, and the rest kept. */
  take() {
    const faults = [];
    let taken = 0;
    this.page.questions.forEach((question, n) => {
      const field = /** @type {HTMLInputElement} */ (this.box.elements.namedItem(String(n)));
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-describedby");
      if (field.value.trim() === "") return;
      const said = question.options ? field.value : read(field.value, question);
      if (!question.options && typeof said === "string") {
        field.setAttribute("aria-invalid", "true");
        field.setAttribute("aria-describedby", "guess-fault");
        if (!faults.length) field.focus();
        faults.push(said);
        return;
      }
      const { text, answer, unit, digits, options } = question;
      this.all[this.key(n)] = { page: this.page.page, title: this.title, text, said, answer, unit, digits, options };
      taken++;
    });
    if (!taken && !faults.length) faults.push("There is no guess yet: fill in at least one field.");
    const fault = /** @type {HTMLElement} */ (this.box.querySelector(".guess-fault"));
    fault.textContent = faults.join(" ");
    if (!taken) return;
    remember(KEPT, this.all);
    this.uncover();
    this.show();
    this.toggle();
  }

  /** @param {string} which a page's name, or "*" */
  reveal(which) {
    /** @type {string[]} */
    const shown = remembered(SHOWN, []);
    remember(SHOWN, [...new Set([...shown, which])]);
    this.uncover();
    this.toggle();
  }

  forget() {
    this.page.questions.forEach((_, n) => delete this.all[this.key(n)]);
    remember(KEPT, this.all);
    for (const mark of document.querySelectorAll(".guess-mark, .guess-beside")) mark.remove();
    for (const said of this.box.querySelectorAll(".guess-said")) said.textContent = "";
    this.box.reset();
    for (const field of this.box.querySelectorAll("input")) field.value = "";
    for (const field of this.box.querySelectorAll("select")) field.value = "";
    /** @type {HTMLElement} */ (this.box.querySelector("input, select")).focus();
    this.toggle();
  }

  /** Offers only what has an effect now. */
  toggle() {
    const asked = this.page.questions.some((_, n) => this.said(n) !== undefined);
    for (const button of this.box.querySelectorAll("button")) {
      const act = button.dataset.act;
      if (act) button.hidden = act === "forget" ? !asked : !this.covers.length;
    }
  }

  /** Covers the figures that give answers, until the reader guesses or says "show me". */
  cover() {
    for (const name of Object.keys(this.page.figures)) {
      const figure = document.getElementById(name);
      if (!figure) continue;
      const cover = document.createElement("div");
      cover.className = "guess guess-cover";
      cover.innerHTML = `<p>This figure answers a question of <i>Before you look</i>.</p>
        <p class="buttons"><button type="button">Show me</button></p>`;
      cover.querySelector("button")?.addEventListener("click", () => {
        this.reveal(this.page.page);
        figure.tabIndex = -1; // the button is gone: the keyboard continues from its figure
        figure.focus();
      });
      figure.before(cover);
      figure.classList.add("guess-covered");
      this.covers.push(cover);
    }
  }

  uncover() {
    for (const cover of this.covers) cover.remove();
    this.covers = [];
    for (const figure of document.querySelectorAll(".guess-covered")) figure.classList.remove("guess-covered");
    this.toggle();
  }

  /** Draws the guesses: in the box, in figures, beside verdicts. */
  show() {
    for (const mark of document.querySelectorAll(".guess-mark, .guess-beside")) mark.remove();
    this.page.questions.forEach((question, n) => {
      const said = this.said(n);
      if (said === undefined) return;
      const words = compared(question, said);
      const result = this.box.querySelector(`[data-said="${n}"]`);
      if (result) result.textContent = words;
      if (question.claim) this.beside(question.claim, `${question.text}. ${words}`);
      if (question.figure) this.draw(question, said);
    });
  }

  /** @param {string} claim @param {string} words */
  beside(claim, words) {
    const verdict = [...document.querySelectorAll(".verdict")].find((box) =>
      box.querySelector(".verdict-word")?.textContent?.endsWith(`claim ${claim}`),
    );
    const note = document.createElement("p");
    note.className = "guess-beside";
    note.textContent = words;
    verdict?.append(note);
  }

  /** @param {Question} question @param {number | string} said */
  draw(question, said) {
    const axes = this.page.figures[question.figure ?? ""];
    const chart = document.querySelector(`#${question.figure} .chart`);
    if (!axes || !chart) return;
    const { left, top, outside } = place(question, said, axes);
    const [x0, y0, x1, y1] = axes.frame;
    /** @param {number} share */
    const percent = (share) => `${(100 * share).toFixed(2)}%`;
    for (const link of chart.querySelectorAll("a")) {
      const mark = document.createElement("span");
      mark.className = `guess-mark ${top === undefined ? "down" : "across"}`;
      mark.classList.toggle("to-the-left", (left ?? 0) > 0.6); // its name would leave the picture
      Object.assign(mark.style, {
        left: percent(left ?? x0),
        top: percent(top ?? y0),
        width: top === undefined ? "0" : percent(x1 - x0),
        height: top === undefined ? percent(y1 - y0) : "0",
      });
      const name = document.createElement("span");
      name.textContent = outside ? "you, off the picture" : `you: ${question.text.toLowerCase()}`;
      mark.append(name);
      mark.setAttribute("aria-hidden", "true"); // the box and the verdict say it in words
      link.append(mark);
    }
  }
}

/** @param {number} count @param {string} noun */
const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/**
 * Sums up guesses: how many options were right; how far numbers above zero were off, as ratios.
 * @param {Guess[]} guesses
 */
export function summed(guesses) {
  const options = guesses.filter(({ answer }) => typeof answer === "string");
  const right = options.filter(({ said, answer }) => said === answer).length;
  const numbers = guesses.filter(
    ({ said, answer }) => typeof answer === "number" && answer > 0 && Number(said) > 0,
  );
  const ratios = numbers.map(({ said, answer }) => Number(said) / Number(answer));
  const high = ratios.filter((ratio) => ratio > 1).length;
  const off = median(ratios.map((ratio) => Math.max(ratio, 1 / ratio)));
  const parts = [];
  if (options.length) parts.push(`Of ${counted(options.length, "choice")}, you got ${right} right.`);
  if (ratios.length)
    parts.push(
      `Of ${counted(ratios.length, "number")}, ${high} ${high === 1 ? "was" : "were"} too high and ${ratios.filter((r) => r < 1).length} too low; half of them were off by a factor of ${off.toFixed(1)} or more.`,
    );
  return { words: parts.join(" "), numbers, ratios };
}

/** Draws how well the reader guessed, over the whole book. @param {HTMLElement} place */
function calibration(place) {
  /** @type {Record<string, Guess>} */
  const all = remembered(KEPT, {});
  const guesses = Object.values(all);
  if (!guesses.length) {
    place.innerHTML = `<p>You have not guessed yet. Every chapter begins with a box, <i>Before you look</i>: what you type there is collected here.</p>`;
    return;
  }
  const { words, numbers, ratios } = summed(guesses);
  const [wide, row, most] = [340, 22, 8]; // a ratio beyond `most` stands at the edge
  /** @param {number} ratio */
  const x = (ratio) =>
    wide / 2 + (Math.log2(Math.min(most, Math.max(1 / most, ratio))) / Math.log2(most)) * (wide / 2 - 24);
  const high = row * numbers.length + 34;
  const marks = [[0.125, "⅛"], [0.25, "¼"], [0.5, "½"], [1, "1×"], [2, "2×"], [4, "4×"], [8, "8×"]]; // prettier-ignore
  const grid = marks.map(
    ([ratio, name]) => `<line class="${ratio === 1 ? "zero" : "grid"}" x1="${x(Number(ratio))}" x2="${x(Number(ratio))}" y1="4" y2="${high - 26}"/>
      <text x="${x(Number(ratio))}" y="${high - 8}" text-anchor="middle">${name}</text>`,
  );
  const dots = ratios.map((ratio, i) => `<circle cx="${x(ratio)}" cy="${14 + row * i}" r="5"/>`);
  const rows = guesses.map(
    (guess) => `<tr><th scope="row"><a href="${guess.page}.html">${guess.title}</a>: ${guess.text}</th>
      <td>${written(guess.said, guess)}</td><td>${written(guess.answer, guess)}</td></tr>`,
  );
  place.innerHTML = `<p>${words}</p>
    ${ratios.length ? `<figure><figcaption>Your numbers as multiples of what was measured, in the order of the table</figcaption>
      <svg viewBox="0 0 ${wide} ${high}" role="img" aria-label="One dot per number you guessed. ${words}">${grid.join("")}${dots.join("")}</svg></figure>` : ""}
    <div class="guess-table" tabindex="0" role="region" aria-label="Your guesses"><table><thead><tr><th scope="col">question</th>
      <th scope="col">you said</th><th scope="col">it is</th></tr></thead><tbody>${rows.join("")}</tbody></table></div>
    <p class="buttons"><button type="button">Forget all my guesses</button></p>`;
  place.querySelector("button")?.addEventListener("click", () => {
    remember(KEPT, {});
    remember(SHOWN, []);
    calibration(place);
    place.tabIndex = -1;
    place.focus();
  });
}

const data = globalThis.document?.getElementById("guess-data");
if (data?.textContent) {
  const page = /** @type {Page} */ (JSON.parse(data.textContent));
  const box = [...document.querySelectorAll(".admonition")].find(
    (part) => part.querySelector(".admonition-title")?.textContent === "Before you look",
  );
  if (box) new Guesses(page, /** @type {HTMLElement} */ (box));
  const place = document.getElementById("guesses-made");
  if (place) calibration(place);
}
