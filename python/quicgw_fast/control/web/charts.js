/** Small charts over the last five minutes, or since the start, drawn by hand, with one cursor for all of them. */

import { h, svg } from "./dom.js";

const LONGEST = 300; // seconds from left to right
const SHORTEST = 60; // of a gateway that has just started
const WIDTH = 300;
const HEIGHT = 60;
const GAP = 2.5; // seconds without a row break the line

/** Where the pointer is, the same for every chart: `at` is seconds since 1970, or null. */
class Cursor extends EventTarget {
  at = null;

  move(at) {
    this.at = at;
    this.dispatchEvent(new Event("move"));
  }
}

export const cursor = new Cursor();

/** A line with the area below it. `read` gives a row's value; 0 is always at the bottom. */
export class Trace {
  #read;
  #area = svg("path", { class: "area" });
  #line = svg("path", { class: "line" });
  #mark = svg("line", { class: "mark", y1: 0, y2: HEIGHT, visibility: "hidden" });
  #rows = [];
  #end = 0;
  #span = LONGEST;

  /** `label` says what is drawn, for who cannot see it; `tone` is its colour. */
  constructor(label, tone, read) {
    this.#read = read;
    this.picture = svg(
      "svg",
      { class: `trace tone-${tone}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" },
      this.#area, this.#line, this.#mark,
    );
    this.element = h("div", { className: "plot" }, this.picture);
    this.label = label;
    this.element.addEventListener("pointermove", (event) => cursor.move(this.#time(event)));
    this.element.addEventListener("pointerleave", () => cursor.move(null));
    cursor.addEventListener("move", () => this.#showMark());
  }

  /** Draw rows that have `at` and end about `end`; `least` is the lowest top of the scale. */
  draw(rows, end, least) {
    this.#rows = rows;
    this.#end = end;
    this.#span = Math.min(LONGEST, Math.max(SHORTEST, end - (rows[0]?.at ?? end)));
    const values = rows.map(this.#read);
    this.peak = values.length ? Math.max(...values) : null;
    const top = Math.max(this.peak ?? 0, least) * 1.08;
    const points = rows.map((row, i) => [this.#x(row.at), HEIGHT - (values[i] / top) * HEIGHT, row.at]);
    const runs = split(points);
    this.#line.setAttribute("d", runs.map(path).join(""));
    this.#area.setAttribute("d", runs.map((run) => `${path(run)}L${run.at(-1)[0]} ${HEIGHT}L${run[0][0]} ${HEIGHT}Z`).join(""));
    this.#showMark();
  }

  /** Say what the picture shows, in words. */
  describe(text) {
    this.picture.setAttribute("aria-label", `${this.label}: ${text}`);
  }

  /** The row under the cursor, or null. */
  get pointed() {
    if (cursor.at === null || this.#rows.length === 0) return null;
    const nearest = this.#rows.reduce((a, b) => (Math.abs(b.at - cursor.at) < Math.abs(a.at - cursor.at) ? b : a));
    return Math.abs(nearest.at - cursor.at) < GAP ? nearest : null;
  }

  #x(at) {
    return round(WIDTH * (1 - (this.#end - at) / this.#span));
  }

  #time(event) {
    const box = this.element.getBoundingClientRect();
    return this.#end - this.#span * (1 - (event.clientX - box.left) / box.width);
  }

  #showMark() {
    const row = this.pointed;
    this.#mark.setAttribute("visibility", row ? "visible" : "hidden");
    if (row) for (const end of ["x1", "x2"]) this.#mark.setAttribute(end, this.#x(row.at));
  }
}

const round = (value) => Math.round(value * 100) / 100;

function split(points) {
  const runs = [];
  for (const point of points) {
    const run = runs.at(-1);
    if (run && point[2] - run.at(-1)[2] < GAP) run.push(point);
    else runs.push([point]);
  }
  return runs;
}

function path(run) {
  return `M${run.map(([x, y]) => `${x} ${round(y)}`).join("L")}`;
}

/** How much of a bound is used. */
export class Meter {
  #fill = h("span");
  #normal;

  /** One that is `normal` when it is full is not coloured as if that were a fault. */
  constructor(label, normal = false) {
    this.#normal = normal;
    this.element = h("div", { className: "meter", role: "meter", "aria-label": label, "aria-valuemin": 0 }, this.#fill);
  }

  draw(value, most, text) {
    const share = most > 0 ? Math.min(1, value / most) : 0;
    this.#fill.style.width = `${share * 100}%`;
    this.element.dataset.level = share < 0.8 || this.#normal ? "" : share < 0.95 ? "near" : "full";
    this.element.setAttribute("aria-valuenow", value);
    this.element.setAttribute("aria-valuemax", most);
    this.element.setAttribute("aria-valuetext", text);
  }
}
