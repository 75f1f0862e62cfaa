/** The first page's picture: accuracy by width and by depth, as the learning rate moves from the
 * report's, the same for all, to each network's own. Seeds that chose no rate measured the ends;
 * between them, straight lines lead from one measured rate to the next. */

/**
 * @typedef {{name: string, rates: [number, number], ends: number[][], path: number[][]}} Network
 * @typedef {{width: Network[], depth: Network[]}} Rates
 */

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [340, 230, 40, 8, 10, 52];
const LOW = 85; // per cent, below the lowest mean
const HIGH = 91;
const PANELS = /** @type {const} */ ({
  width: { title: "Width: two layers of this many neurons", unit: "neurons" },
  depth: { title: "Depth: this many layers of 2096 neurons", unit: "layers" },
});

/** @param {number} rate */
const written = (rate) => rate.toExponential(2).replace(/\.?0+e/, "e");

/**
 * Returns a network's rate and accuracy at a share of the way (on a logarithmic axis) to its rate.
 * @param {Network} network @param {number} share 0 to 1
 */
export function between({ rates: [first, own], ends: [[low], [high]], path }, share) {
  const points = [[first, low], ...path, [own, high]];
  const rate = first * (own / first) ** share;
  const next = Math.max(1, points.findIndex(([there], i) => i > 0 && there >= rate * (1 - 1e-9)));
  const [[r0, a0], [r1, a1]] = [points[next - 1], points[next]];
  const part = Math.log(rate / r0) / Math.log(r1 / r0);
  return { rate, accuracy: a0 + part * (a1 - a0) };
}

/** @param {number[]} values */
const range = (values) => Math.max(...values) - Math.min(...values);

/** @param {Network[]} networks @param {number} share @param {string} title */
function picture(networks, share, title) {
  /** @param {number} i */
  const x = (i) => LEFT + ((i + 0.5) / networks.length) * (WIDTH - LEFT - RIGHT);
  /** @param {number} accuracy */
  const y = (accuracy) => TOP + ((HIGH - accuracy) / (HIGH - LOW)) * (HEIGHT - TOP - BOTTOM);
  const parts = [];
  for (let mark = LOW; mark <= HIGH; mark++)
    parts.push(`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(mark)}" y2="${y(mark)}"/>
      <text x="${LEFT - 6}" y="${y(mark) + 4}" text-anchor="end">${mark} %</text>`);
  const now = networks.map((network) => between(network, share));
  /** @param {number[]} heights */
  const line = (heights) => heights.map((height, i) => `${x(i)},${y(height)}`).join(" ");
  parts.push(`<polyline class="before" points="${line(networks.map(({ ends }) => ends[0][0]))}"/>`);
  parts.push(`<polyline class="now" points="${line(now.map(({ accuracy }) => accuracy))}"/>`);
  networks.forEach(({ name, ends }, i) => {
    const [, low, high] = ends[Math.round(share)];
    const measured = share === 0 || share === 1;
    if (measured)
      parts.push(`<line class="interval" x1="${x(i)}" x2="${x(i)}" y1="${y(low)}" y2="${y(high)}"/>`);
    parts.push(`<circle class="before" cx="${x(i)}" cy="${y(ends[0][0])}" r="3"/>
      <circle class="now${measured ? "" : " hollow"}" cx="${x(i)}" cy="${y(now[i].accuracy)}" r="5"/>
      <text class="name" x="${x(i)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${name}</text>
      <text x="${x(i)}" y="${HEIGHT - BOTTOM + 34}" text-anchor="middle">${written(now[i].rate)}</text>`);
  });
  parts.push(`<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 3}" text-anchor="middle">and the learning rate of each</text>`);
  const told = networks.map(({ name }, i) => `${name}: ${now[i].accuracy.toFixed(1)} %`).join(", ");
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}. Validation accuracy: ${told}.">${parts.join("")}</svg>`;
}

/** @param {HTMLElement} place @param {Rates} rates */
function start(place, rates) {
  const names = /** @type {(keyof typeof PANELS)[]} */ (Object.keys(PANELS));
  place.innerHTML = `<div class="touch-charts">${names
    .map((name) => `<figure><figcaption>${PANELS[name].title}</figcaption><div data-part="${name}"></div></figure>`)
    .join("")}</div>
    <p class="slider"><label for="rate-share">Learning rate</label>
      <span aria-hidden="true">the report’s for all</span>
      <input id="rate-share" type="range" min="0" max="100" value="0">
      <span aria-hidden="true">each its own</span></p>
    <p data-part="told"></p>
    <p class="note">Filled circles are means of seeds that chose no rate, with 95 % intervals. Hollow ones lie on
      straight lines between measured rates. Dashed: where the networks started.</p>`;
  /** @param {string} part @returns {HTMLElement} */
  const find = (part) => /** @type {HTMLElement} */ (place.querySelector(`[data-part="${part}"]`));
  const slider = /** @type {HTMLInputElement} */ (place.querySelector("input"));
  const show = () => {
    const share = Number(slider.value) / 100;
    for (const name of names) find(name).innerHTML = picture(rates[name], share, PANELS[name].title);
    const [wide, deep] = names.map((name) =>
      range(rates[name].map((network) => between(network, share).accuracy)).toFixed(1),
    );
    const where =
      share === 0
        ? `At the report’s learning rate, ${written(rates.width[0].rates[0])} for all`
        : share === 1
          ? "Each at its own learning rate"
          : `With each network ${slider.value} % of the way to its own learning rate`;
    const told = `${where}, the widths lie ${wide} points apart and the depths ${deep}.`;
    find("told").textContent = told;
    slider.setAttribute("aria-valuetext", told);
  };
  slider.addEventListener("input", show);
  show();
}

const place = globalThis.document?.getElementById("rate-slider");
const data = globalThis.document?.getElementById("rates-data");
if (place && data?.textContent) start(place, JSON.parse(data.textContent));
