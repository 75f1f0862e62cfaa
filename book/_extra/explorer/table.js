/** The table of all settings: a column's values filter it, and its head sorts it. */

const CHOSEN = 7; // columns that are hyperparameters; the others are what was measured

/** Numbers before words, "4,192" and "2.05e-5" as the numbers they are. @param {string} text */
const rank = (text) => {
  const number = Number(text.replaceAll(",", ""));
  return Number.isNaN(number) ? Infinity : number;
};
/** @param {string} a @param {string} b */
const compare = (a, b) => rank(a) - rank(b) || a.localeCompare(b);

/** @param {HTMLTableElement} table */
function enhance(table) {
  const heads = [...table.tHead?.querySelectorAll("th") ?? []];
  const names = heads.map((head) => (head.textContent ?? "").trim().replaceAll("_", " "));
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({
    row,
    values: [...row.cells].map((cell) => cell.textContent?.trim() ?? ""),
  }));

  const form = document.createElement("form");
  form.className = "filters";
  form.innerHTML =
    names
      .slice(0, CHOSEN)
      .map((name, column) => {
        const values = [...new Set(rows.map(({ values }) => values[column]))].sort(compare);
        const options = values.map((value) => `<option>${value}</option>`).join("");
        return `<label>${name} <select name="${column}"><option value="">any</option>${options}</select></label>`;
      })
      .join("") + `<p role="status"></p>`;
  const status = /** @type {HTMLElement} */ (form.querySelector("p"));
  const filter = () => {
    const wanted = [...new FormData(form)].filter(([, value]) => value !== "");
    for (const { row, values } of rows)
      row.hidden = !wanted.every(([column, value]) => values[Number(column)] === value);
    status.textContent = `${rows.filter(({ row }) => !row.hidden).length} of ${rows.length} settings`;
  };
  form.addEventListener("change", filter);
  filter();

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = names[column];
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      rows.sort((a, b) => compare(a.values[column], b.values[column]) * (falling ? -1 : 1));
      body.append(...rows.map(({ row }) => row));
    });
  });

  const room = document.createElement("div");
  room.className = "room";
  room.tabIndex = 0; // it scrolls by itself
  room.setAttribute("role", "region");
  room.setAttribute("aria-label", "All settings");
  table.before(form, room);
  room.append(table);
}

for (const table of document.querySelectorAll("table.all-settings"))
  enhance(/** @type {HTMLTableElement} */ (table));
