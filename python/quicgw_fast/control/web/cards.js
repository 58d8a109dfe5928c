/** What cards have in common: a heading, a body, and what is said when there is nothing to show. */

import { h, write } from "./dom.js";

/** A card; `note` is an element on the right of its heading. */
export function card(title, name, note, ...body) {
  const id = `card-${name}`;
  return h(
    "section", { className: `card card-${name}`, "aria-labelledby": id },
    h("header", {}, h("h2", { id }, title), note ?? ""), ...body,
  );
}

/** A sentence in the place of what is not there. */
export function empty(text, hint = "") {
  return h("div", { className: "empty" }, h("p", {}, text), hint ? h("p", { className: "hint" }, hint) : null);
}

/** A number with its name; `number` names it for whoever compares it with /metrics, and `put` changes it. */
export class Fact {
  #value;

  constructor(name, number = null) {
    this.#value = h("dd", { dataset: number ? { number } : {} }, "–");
    this.element = h("div", { className: "fact" }, h("dt", {}, name), this.#value);
  }

  put(text, title = "") {
    write(this.#value, text);
    this.#value.title = title;
  }
}

/** Show in the body of a card what a feed has, or why it has nothing. Returns whether there is something to draw. */
export function settle(feed, body, place) {
  const told = feed.value === null && feed.error !== null ? why(feed.error) : null;
  body.hidden = feed.value === null;
  place.hidden = feed.value !== null;
  if (feed.value === null) place.replaceChildren(told ?? h("div", { className: "bones" }));
  return feed.value !== null;
}

export function why(error) {
  if (error.kind === "absent") return empty("This gateway does not tell that", "It may be an older release.");
  if (error.kind === "token") return empty("A token is needed to see this");
  return empty("Could not be read", error.message);
}
