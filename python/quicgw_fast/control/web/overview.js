/** The first view: everything about the gateway as a whole. */

import { settle } from "./cards.js";
import { cursor } from "./charts.js";
import { h } from "./dom.js";
import { Feed } from "./feed.js";
import { LatencyCard } from "./latency.js";
import { Load } from "./load.js";
import { ProcessCard, SessionsCard, WorkCard } from "./state_cards.js";
import { RefusalsCard, UpstreamsCard } from "./tables.js";

export class Overview {
  #load = new Load();
  #latency = new LatencyCard();
  #upstreams = new UpstreamsCard();
  #refusals = new RefusalsCard();
  #work = new WorkCard();
  #sessions = new SessionsCard();
  #process = new ProcessCard();
  #feeds;
  #rest;
  #place = h("div", { className: "card lone" });
  #performance;

  /** `performance` is shared with the heading of the page. */
  constructor(gateway, performance) {
    this.#performance = performance;
    const wide = h("div", { className: "wide" }, this.#latency.element, this.#upstreams.element);
    const side = h("div", { className: "side" }, this.#work.element, this.#sessions.element, this.#process.element, this.#refusals.element);
    this.#rest = h("div", { className: "stack" }, this.#load.element, h("div", { className: "grid" }, wide, side));
    this.element = h("div", { className: "view", dataset: { view: "overview" } }, h("h1", { className: "unseen" }, "Overview"), this.#place, this.#rest);
    performance.addEventListener("update", () => this.#draw());
    this.#feeds = [
      [new Feed(gateway, "latency", 5), this.#latency],
      [new Feed(gateway, "upstreams", 2), this.#upstreams],
      [new Feed(gateway, "overload", 2), this.#refusals],
    ];
    for (const [feed, part] of this.#feeds) feed.addEventListener("update", () => part.draw(feed));
    this.#draw();
  }

  show() {
    for (const [feed] of this.#feeds) feed.start();
  }

  hide() {
    for (const [feed] of this.#feeds) feed.stop();
    cursor.move(null);
  }

  #draw() {
    if (!settle(this.#performance, this.#rest, this.#place)) return;
    for (const part of [this.#load, this.#work, this.#sessions, this.#process]) part.draw(this.#performance.value);
  }
}
