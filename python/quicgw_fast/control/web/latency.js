/** Latency: the heat map of the whole time of requests, and what each stage of it took, lately or since the start. */

import { card, settle } from "./cards.js";
import { h, keyed, write } from "./dom.js";
import { count, took } from "./format.js";
import { HeatMap } from "./heatmap.js";

const STAGES = ["decode", "queue", "upstream", "reply", "flush", "total"];
const PERCENTILES = ["p50", "p95", "p99"];
const FASTEST = 1e-5; // seconds, the left end of the scale
const DECADES = 6;

export class LatencyCard {
  #heat = new HeatMap();
  #rows = h("tbody");
  #recent = true;
  #choices;
  #feed = null;
  #body;
  #place = h("div");

  constructor() {
    const head = ["Stage", ...PERCENTILES, "", "Mean", "Count"].map((name) => h("th", { scope: "col" }, name));
    head[4].className = "range-head";
    head[4].append(h("span", {}, took(FASTEST)), h("span", { className: "unseen" }, " range from p50 to p99 "), h("span", {}, took(FASTEST * 10 ** DECADES)));
    const table = h("table", { className: "stages" }, h("thead", {}, h("tr", {}, ...head)), this.#rows);
    this.#choices = [[true, "Last minute"], [false, "Since start"]].map(([recent, name]) =>
      h("button", { type: "button", "aria-pressed": String(recent), onclick: () => this.#choose(recent) }, name),
    );
    const choice = h("div", { className: "segments small", role: "group", "aria-label": "Time of the stages" }, ...this.#choices);
    const stages = h("div", { className: "by-stage" }, h("h3", {}, "By stage"), choice, h("div", { className: "scroll" }, table));
    this.#body = h("div", { className: "latency" }, this.#heat.element, stages);
    this.element = card("Latency", "latency", null, this.#body, this.#place);
  }

  #choose(recent) {
    this.#recent = recent;
    this.#choices.forEach((button, i) => button.setAttribute("aria-pressed", String(recent === (i === 0))));
    if (this.#feed) this.draw(this.#feed);
  }

  draw(feed) {
    this.#feed = feed;
    if (!settle(feed, this.#body, this.#place)) return;
    const { stages } = feed.value;
    this.#heat.draw(feed.value);
    const known = STAGES.filter((name) => stages[name] !== undefined);
    keyed(this.#rows, known, (name) => name, makeRow, (row, name) => fillRow(row, (this.#recent && stages[name].recent) || stages[name]));
  }
}

function makeRow(name) {
  const cells = PERCENTILES.map((p) => h("td", { dataset: { number: `latency.${name}.${p}` } }));
  const range = h("td", { className: "range" }, h("span", { className: "span" }), h("span", { className: "dot" }));
  const mean = h("td", { className: "dim", dataset: { number: `latency.${name}.mean` } });
  const all = h("td", { className: "dim", dataset: { number: `latency.${name}.count` } });
  return h("tr", { className: name === "total" ? "sum" : "" }, h("th", { scope: "row" }, name), ...cells, range, mean, all);
}

function fillRow(row, stage) {
  const [, p50, p95, p99, range, mean, all] = row.children;
  const seen = stage.count > 0;
  [[p50, "p50"], [p95, "p95"], [p99, "p99"], [mean, "mean"]].forEach(([cell, key]) => write(cell, seen ? took(stage[key]) : "–"));
  write(all, count(stage.count));
  range.classList.toggle("none", !seen);
  const [left, middle, right] = [stage.p50, stage.p95, stage.p99].map(position);
  const [span, dot] = range.children;
  span.style.left = `${left}%`;
  span.style.width = `${Math.max(2, right - left)}%`;
  dot.style.left = `${middle}%`;
}

/** The place of a time on a logarithmic scale, in percent. */
function position(seconds) {
  const decade = Math.log10(Math.max(seconds ?? 0, FASTEST) / FASTEST);
  return Math.min(98, (decade / DECADES) * 100);
}
