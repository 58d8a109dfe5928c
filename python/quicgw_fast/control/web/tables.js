/** The tables of the overview: upstream instances, and refusals by reason. */

import { card, empty, settle } from "./cards.js";
import { h, keyed, write } from "./dom.js";
import { ago, count, took } from "./format.js";

const STATES = {
  well: ["good", "well"], connecting: ["warn", "connecting"], suspect: ["warn", "suspect"], silent: ["warn", "silent"],
  "on-trial": ["warn", "on trial"], ejected: ["bad", "ejected"], down: ["bad", "down"], drained: ["mute", "drained"],
};

const NUMBERS = [["under_way", "Under way"], ["calls", "Calls"], ["failures", "Failures"], ["p50", "p50"], ["p99", "p99"]];

/** The state of an instance as a sign and a word: colour alone says nothing. */
function stateOf({ state, drained }) {
  const [tone, word] = STATES[drained ? "drained" : state] ?? ["mute", state];
  return { tone, word };
}

export class UpstreamsCard {
  #rows = h("tbody");
  #note = h("span", { className: "when" });
  #body;
  #place = h("div");

  constructor() {
    const names = [...["Service", "Address", "State"].map((label) => [label, ""]), ...NUMBERS.map(([, label]) => [label, "n"])];
    const head = h("tr", {}, ...names.map(([name, kind]) => h("th", { scope: "col", className: kind }, name)));
    const table = h("table", { className: "rows upstreams" }, h("thead", {}, head), this.#rows);
    this.#body = h("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Upstream instances" }, table);
    this.element = card("Upstreams", "upstreams", this.#note, this.#body, this.#place);
  }

  draw(feed) {
    if (!settle(feed, this.#body, this.#place)) return;
    const { upstreams } = feed.value;
    const well = upstreams.filter((one) => stateOf(one).tone === "good").length;
    write(this.#note, upstreams.length ? `${well} of ${upstreams.length} well` : "");
    this.#body.hidden = upstreams.length === 0;
    this.#place.hidden = upstreams.length > 0;
    if (upstreams.length === 0) this.#place.replaceChildren(empty("No upstream is known", "Name one in [upstream], or have a service register."));
    const worst = [...upstreams].sort((a, b) => rank(a) - rank(b));
    keyed(this.#rows, worst, (one) => `${one.service} ${one.address}`, makeUpstream, (row, one) => fillUpstream(row, one, feed.value.at));
  }
}

/** What needs somebody comes first; the rest stays in the gateway's order. */
const rank = (one) => ["bad", "warn", "good", "mute"].indexOf(stateOf(one).tone);

function makeUpstream({ service, address }) {
  const id = (name) => ({ number: `upstream.${name}`, of: `${service} ${address}` });
  return h(
    "tr", {},
    h("td", { className: "main" }, service), h("td", { className: "mono", title: address }, address),
    h("td", {}, h("span", { className: "state" }), h("small")),
    ...NUMBERS.map(([name, label]) => h("td", { className: "n", dataset: { ...id(name), label } })),
  );
}

function fillUpstream(row, one, now) {
  const [, , state, underWay, calls, failures, p50, p99] = row.children;
  const { tone, word } = stateOf(one);
  state.firstChild.className = `state ${tone}`;
  write(state.firstChild, word);
  const until = one.ejected_until ? `for ${ago(one.ejected_until - now)} more` : "";
  write(state.lastChild, [one.reason, until].filter(Boolean).join(", "));
  write(underWay, count(one.under_way));
  write(calls, count(one.calls));
  write(failures, count(one.failures));
  failures.classList.toggle("bad", one.failures > 0);
  write(p50, one.calls ? took(one.latency?.p50) : "–");
  write(p99, one.calls ? took(one.latency?.p99) : "–");
}

export class RefusalsCard {
  #list = h("ul", { className: "bars" });
  #place = h("div");
  #body;
  #before = new Map();

  constructor() {
    this.#body = h("div", {}, this.#list);
    this.element = card("Refusals by reason", "refusals", h("span", { className: "when" }, "since the start"), this.#body, this.#place);
  }

  draw(feed) {
    if (!settle(feed, this.#body, this.#place)) return;
    const rules = feed.value.rules.filter((rule) => rule.refused > 0 || rule.would_reject > 0);
    rules.sort((a, b) => b.refused + b.would_reject - a.refused - a.would_reject);
    this.#body.hidden = rules.length === 0;
    this.#place.hidden = rules.length > 0;
    const near = feed.value.rules.filter((rule) => rule.near).map((rule) => rule.rule);
    const hint = near.length ? `Near its bound: ${[...new Set(near)].join(", ")}` : "Every rule of overload is far from its bound.";
    if (rules.length === 0) this.#place.replaceChildren(empty("Nothing was refused", hint));
    const most = Math.max(1, ...rules.map((rule) => rule.refused + rule.would_reject));
    keyed(this.#list, rules, key, makeRefusal, (row, rule) => this.#fill(row, rule, most));
    this.#before = new Map(rules.map((rule) => [key(rule), rule.refused]));
  }

  #fill(row, rule, most) {
    const [, number, bar] = row.children;
    const [refused, fresh] = number.children;
    const more = rule.refused - (this.#before.get(key(rule)) ?? rule.refused);
    write(refused, count(rule.refused));
    const observed = rule.would_reject ? ` (${count(rule.would_reject)} only counted)` : "";
    write(fresh, (more > 0 ? ` +${count(more)}` : "") + observed);
    bar.firstChild.style.width = `${((rule.refused + rule.would_reject) / most) * 100}%`;
  }
}

const key = (rule) => `${rule.moment}.${rule.rule}`;

function makeRefusal(rule) {
  return h(
    "li", {},
    h("span", { className: "name" }, rule.rule, h("small", {}, rule.moment)),
    h("span", { className: "n" }, h("strong", { dataset: { number: `refused.${key(rule)}` } }), h("small")),
    h("span", { className: "bar", "aria-hidden": "true" }, h("i")),
  );
}
