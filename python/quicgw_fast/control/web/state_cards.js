/** The cards on the side: work that waits, sessions, and the process itself. */

import { card, Fact } from "./cards.js";
import { cursor, Meter, Trace } from "./charts.js";
import { h, write } from "./dom.js";
import { bytes, clock, count, percent, took } from "./format.js";

export class WorkCard {
  #queue = new Bounded("Queue", "queue.length", "queue.capacity");
  #workers = new Bounded("Workers", "queue.busy", "queue.workers", true);

  constructor() {
    this.element = card("Queue and workers", "work", null, this.#queue.element, this.#workers.element);
  }

  draw({ queue }) {
    this.#queue.draw(queue.length, queue.capacity, "waiting");
    this.#workers.draw(queue.busy, queue.workers, "busy");
  }
}

/** A number, its bound, and how near it is. */
class Bounded {
  #value;
  #most;
  #word = h("span", { className: "unit" });
  #meter;

  constructor(name, value, most, normal = false) {
    this.#value = h("strong", { dataset: { number: value } }, "–");
    this.#most = h("span", { dataset: { number: most } }, "–");
    this.#meter = new Meter(name, normal);
    this.element = h(
      "div", { className: "bounded" },
      h("span", { className: "name" }, name),
      h("span", { className: "of" }, this.#value, " / ", this.#most, " ", this.#word),
      this.#meter.element,
    );
  }

  draw(value, most, word) {
    write(this.#value, count(value));
    write(this.#most, count(most));
    write(this.#word, word);
    this.#meter.draw(value, most, `${count(value)} of ${count(most)} ${word}`);
  }
}

export class SessionsCard {
  #attached = new Fact("Attached", "sessions.attached");
  #detached = new Fact("Detached", "sessions.detached");
  #trace = new Trace("Sessions, last 5 minutes", "teal", (row) => row.sessions ?? 0);
  #note = h("a", { href: "#/sessions", className: "more" }, "List");

  constructor() {
    const facts = h("dl", { className: "facts two" }, this.#attached.element, this.#detached.element);
    this.element = card("Sessions", "sessions", this.#note, facts, this.#trace.element);
  }

  draw({ sessions, history, at }) {
    this.#attached.put(count(sessions.attached));
    this.#detached.put(count(sessions.detached));
    this.#trace.draw(history, at, 1);
    this.#trace.describe(`${count(sessions.attached)} attached, ${count(sessions.detached)} detached`);
  }
}

const MEASURES = [
  { key: "cpu", name: "CPU", tone: "blue", show: percent, least: 0.1 },
  { key: "memory", name: "Memory", tone: "violet", show: bytes, least: 1 << 20 },
  { key: "loop_lag", name: "Loop lag", tone: "orange", show: took, least: 0.005 },
];

export class ProcessCard {
  #lines = MEASURES.map((measure) => new MeasureLine(measure));
  #descriptors = new Fact("Open files", "process.descriptors");

  constructor() {
    const facts = h("dl", { className: "facts row" }, this.#descriptors.element);
    this.element = card("Process", "process", null, ...this.#lines.map((line) => line.element), facts);
  }

  draw(performance) {
    for (const line of this.#lines) line.draw(performance);
    this.#descriptors.put(count(performance.process.descriptors));
  }
}

class MeasureLine {
  #measure;
  #value;
  #trace;
  #now = null;

  constructor(measure) {
    this.#measure = measure;
    this.#value = h("strong", { dataset: { number: `process.${measure.key}` } }, "–");
    this.#trace = new Trace(`${measure.name}, last 5 minutes`, measure.tone, (row) => row[measure.key] ?? 0);
    this.element = h("div", { className: "measure" }, h("span", { className: "name" }, measure.name), this.#trace.element, this.#value);
    cursor.addEventListener("move", () => this.#show());
  }

  draw({ process, history, at }) {
    this.#now = process[this.#measure.key];
    this.#trace.draw(history, at, this.#measure.least);
    this.#trace.describe(`now ${this.#measure.show(this.#now)}, peak ${this.#measure.show(this.#trace.peak)}`);
    this.#show();
  }

  #show() {
    const pointed = this.#trace.pointed;
    write(this.#value, this.#measure.show(pointed ? pointed[this.#measure.key] : this.#now));
    this.#value.title = pointed ? clock(pointed.at) : "";
  }
}
