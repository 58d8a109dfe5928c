/** How long requests took over time: a column each few seconds, a row for each class of times, darker or lighter by how many. */

import { h, svg, write } from "./dom.js";
import { clock, count, took } from "./format.js";

const MOST_COLUMNS = 60;
const FEWEST_COLUMNS = 12; // a minute, of a gateway that has just started
const COLUMN = 5; // seconds
const SHADES = 8;
const FEWEST_ROWS = 6;
const MOST_NAMES = 9;

export class HeatMap {
  #rows = h("div", { className: "heat-rows", "aria-hidden": "true" });
  #cells = svg("svg", { class: "heat-cells", preserveAspectRatio: "none", role: "img" });
  #times = h("div", { className: "axis", "aria-hidden": "true" });
  #told = h("p", { className: "told", "aria-live": "off" });
  #shown = null;

  constructor() {
    const scale = h("span", { className: "scale", "aria-hidden": "true" }, "few");
    for (let shade = 1; shade <= SHADES; shade += 1) scale.append(h("i", { className: `shade-${shade}` }));
    scale.append("many");
    this.element = h(
      "div", { className: "heat" },
      this.#rows, h("div", { className: "heat-plot" }, this.#cells), this.#times,
      h("div", { className: "heat-foot" }, this.#told, scale),
    );
    this.#cells.addEventListener("pointermove", (event) => this.#point(event));
    this.#cells.addEventListener("pointerleave", () => this.#tellAll());
  }

  /** `bounds` are the upper bounds of the classes in seconds; one class more is for what took longer. */
  draw({ bounds, history }) {
    const columns = history.slice(-MOST_COLUMNS);
    const places = Math.max(FEWEST_COLUMNS, columns.length);
    const [low, high] = rowsInUse(columns, bounds.length + 1);
    this.#shown = { bounds, columns, places, low, high };
    const most = Math.max(1, ...columns.flatMap(({ counts }) => counts));
    const height = high - low + 1;
    this.#cells.setAttribute("viewBox", `0 0 ${places} ${height}`);
    const offset = places - columns.length;
    const cells = [];
    columns.forEach(({ counts }, x) => {
      for (let row = low; row <= high; row += 1) {
        const shade = counts[row] ? 1 + Math.floor((SHADES - 0.001) * Math.sqrt(counts[row] / most) * 0.999) : 0;
        if (shade) cells.push(svg("rect", { class: `shade-${Math.min(SHADES, shade)}`, x: x + offset, y: high - row, width: 0.92, height: 0.9 }));
      }
    });
    this.#cells.replaceChildren(...cells);
    const named = (row) => height <= MOST_NAMES || (high - row) % 2 === 1; // names above each other would touch
    this.#rows.replaceChildren(...range(low, high).reverse().map((row) => h("span", {}, named(row) ? rowName(row, bounds) : "")));
    const span = places * COLUMN;
    const ends = columns.length ? [0.8, 0.4, 0].map((share) => columns.at(-1).at - share * span) : [];
    this.#times.replaceChildren(...ends.map((at) => h("span", {}, clock(at).slice(0, 8))));
    this.#tellAll();
  }

  #tellAll() {
    if (this.#shown === null) return;
    const { bounds, columns } = this.#shown;
    const sums = [...bounds, null].map((_, row) => columns.reduce((sum, { counts }) => sum + (counts[row] ?? 0), 0));
    const all = sums.reduce((a, b) => a + b, 0);
    const usual = sums.indexOf(Math.max(...sums));
    const since = columns.length < MOST_COLUMNS ? "since the start" : "in the last 5 minutes";
    const text = all ? `${count(all)} requests ${since}, most of them ${className(usual, bounds)}` : `No requests ${since}`;
    write(this.#told, text);
    this.#cells.setAttribute("aria-label", `Heat map of the time of requests: ${text}`);
  }

  #point(event) {
    if (this.#shown === null) return;
    const { bounds, columns, places, low, high } = this.#shown;
    const box = this.#cells.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * places) - (places - columns.length);
    const row = high - Math.floor(((event.clientY - box.top) / box.height) * (high - low + 1));
    const column = columns[x];
    if (column === undefined || row < low || row > high) return;
    write(this.#told, `${clock(column.at)}: ${count(column.counts[row] ?? 0)} requests ${className(row, bounds)}`);
  }
}

/** The lowest and the highest row that are worth drawing. */
function rowsInUse(columns, rows) {
  const used = range(0, rows - 1).filter((row) => columns.some(({ counts }) => counts[row] > 0));
  let low = Math.max(0, (used[0] ?? 0) - 1);
  let high = Math.min(rows - 1, (used.at(-1) ?? 0) + 1);
  while (high - low + 1 < Math.min(FEWEST_ROWS, rows)) {
    if (high < rows - 1) high += 1;
    else low -= 1;
  }
  return [low, high];
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

function rowName(row, bounds) {
  return row < bounds.length ? short(bounds[row]) : `> ${short(bounds.at(-1))}`;
}

const short = (seconds) => (seconds < 1 ? `${Number((seconds * 1000).toPrecision(3))} ms` : `${Number(seconds.toPrecision(3))} s`);

function className(row, bounds) {
  if (row === 0) return `up to ${short(bounds[0])}`;
  return row < bounds.length ? `from ${short(bounds[row - 1])} to ${short(bounds[row])}` : `over ${took(bounds.at(-1))}`;
}
