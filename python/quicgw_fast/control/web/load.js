/** The row of tiles: requests, replies, notifies and refusals per second, now and over five minutes. */

import { Trace, cursor } from "./charts.js";
import { h, write } from "./dom.js";
import { clock, count, rate } from "./format.js";

const TILES = [
  ["requests", "Requests", "blue"],
  ["replies", "Replies", "teal"],
  ["notifies", "Notifies", "violet"],
  ["refused", "Refused", "orange"],
];

export class Load {
  #tiles = TILES.map(([name, title, tone]) => new Tile(name, title, tone));

  constructor() {
    this.element = h("section", { className: "tiles", "aria-label": "Load" }, ...this.#tiles.map((tile) => tile.element));
  }

  draw(performance) {
    for (const tile of this.#tiles) tile.draw(performance);
  }
}

class Tile {
  #name;
  #now = h("strong", {}, "–");
  #when = h("span", { className: "when" }, "now");
  #total;
  #peak = h("span", {}, "");
  #trace;
  #last = null;

  constructor(name, title, tone) {
    this.#name = name;
    this.#total = h("span", { className: "total", dataset: { number: `total.${name}` } }, "–");
    this.#trace = new Trace(`${title} per second, last 5 minutes`, tone, (row) => row[name] ?? 0);
    this.element = h(
      "article", { className: `card tile tone-${tone}`, dataset: { tile: name } },
      h("header", {}, h("h2", {}, title), this.#when),
      h("p", { className: "big" }, this.#now, h("span", { className: "unit" }, "/s")),
      this.#trace.element,
      h("p", { className: "foot" }, h("span", {}, "total ", this.#total), this.#peak),
    );
    cursor.addEventListener("move", () => this.#show());
  }

  draw(performance) {
    this.#last = performance.history.at(-1) ?? null;
    this.#trace.draw(performance.history, performance.at, 1);
    write(this.#total, count(performance.totals[this.#name]));
    write(this.#peak, this.#trace.peak === null ? "collecting" : `peak ${rate(this.#trace.peak)}`);
    this.#trace.describe(`now ${rate(this.#last?.[this.#name])}, peak ${rate(this.#trace.peak)}`);
    this.#show();
  }

  #show() {
    const pointed = this.#trace.pointed;
    write(this.#now, rate((pointed ?? this.#last)?.[this.#name]));
    write(this.#when, pointed ? clock(pointed.at) : "now");
  }
}
