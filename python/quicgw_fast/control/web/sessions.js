/** The second view: all sessions, searched and paged, and beside them the one that is open. */

import { empty, why } from "./cards.js";
import { h, keyed, write } from "./dom.js";
import { Feed } from "./feed.js";
import { ago, count } from "./format.js";
import { SessionPanel } from "./session.js";

const PAGE = 50;
const PATIENCE = 200; // ms after the last key
const FIELDS = ["openid", "gid", "address", "state"];
const STATES = [["", "All"], ["attached", "Attached"], ["detached", "Detached"]];

export class SessionsView {
  #gateway;
  #search;
  #states = new Map();
  #state = "";
  #list = h("ol", { className: "sessions" });
  #head = h("div", { className: "sessions-head", "aria-hidden": "true" }, ...["Openid", "Gid", "Address", "State", "Age", "Quiet for", "In flight"].map((name) => h("span", {}, name)));
  #place = h("div");
  #told = h("span", { role: "status" });
  #back = h("button", { type: "button", onclick: () => this.#turn(-1) }, "Previous");
  #next = h("button", { type: "button", onclick: () => this.#turn(1) }, "Next");
  #cursors = [null]; // of the pages up to this one
  #feed;
  #typing = null;
  #panel = null;
  #aside = h("div", { className: "aside" });

  constructor(gateway) {
    this.#gateway = gateway;
    this.#search = h("input", {
      type: "search", placeholder: "Search openid, gid or address", autocomplete: "off", spellcheck: false,
      "aria-label": "Search sessions", "aria-keyshortcuts": "/", oninput: () => this.#soon(), onkeydown: (event) => this.#searchKey(event),
    });
    const filter = h("div", { className: "segments", role: "group", "aria-label": "Which sessions" }, ...STATES.map(([value, name]) => this.#segment(value, name)));
    const pager = h("div", { className: "pager" }, this.#told, this.#back, this.#next);
    const list = h(
      "section", { className: "card list", "aria-label": "Sessions" },
      h("div", { className: "tools" }, h("div", { className: "search" }, this.#search, h("kbd", {}, "/")), filter),
      this.#head, this.#list, this.#place, pager,
    );
    this.element = h("div", { className: "view", dataset: { view: "sessions" } }, h("h1", { className: "unseen" }, "Sessions"), h("div", { className: "split" }, list, this.#aside));
    this.#feed = new Feed(gateway, "sessions", 3, () => this.#question());
    this.#feed.addEventListener("update", () => this.#draw());
  }

  /** Show the list, and the session of this id beside it; null for none. */
  show(id) {
    this.#feed.start();
    this.element.classList.toggle("open", id !== null);
    if (this.#panel?.id === id) return;
    this.#panel?.close();
    this.#panel = id === null ? null : new SessionPanel(this.#gateway, id);
    this.#aside.replaceChildren(...(this.#panel ? [this.#panel.element] : []));
    this.#markOpen();
    if (this.#panel && this.#list.offsetParent === null) this.#panel.focus(); // on a phone it takes the list's place
  }

  hide() {
    this.#feed.stop();
    this.#panel?.close();
    this.#panel = null;
    this.#aside.replaceChildren();
  }

  focusSearch() {
    this.#search.focus();
    this.#search.select();
  }

  /** Go `step` rows on in the list. */
  move(step) {
    const rows = [...this.#list.querySelectorAll("a")];
    if (rows.length === 0) return;
    const here = rows.indexOf(document.activeElement);
    const open = rows.findIndex((row) => row.getAttribute("aria-current"));
    const from = here >= 0 ? here : open >= 0 ? open : step > 0 ? -1 : rows.length;
    rows[Math.max(0, Math.min(rows.length - 1, from + step))].focus();
  }

  /** Empty the search; false when it is empty already. */
  clear() {
    if (this.#search.value === "" && this.#state === "") return false;
    this.#search.value = "";
    this.#choose("");
    return true;
  }

  #segment(value, name) {
    const button = h("button", { type: "button", "aria-pressed": String(value === this.#state), onclick: () => this.#choose(value) }, name);
    this.#states.set(value, button);
    return button;
  }

  #choose(value) {
    this.#state = value;
    for (const [name, button] of this.#states) button.setAttribute("aria-pressed", String(name === value));
    this.#again();
  }

  #soon() {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#again(), PATIENCE);
  }

  #again() {
    this.#cursors = [null];
    this.#feed.refresh();
  }

  #turn(step) {
    if (step > 0) this.#cursors.push(this.#feed.value.next);
    else this.#cursors.pop();
    this.#feed.refresh();
  }

  #searchKey(event) {
    if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      event.stopPropagation();
      this.#list.querySelector("a")?.focus();
    }
  }

  /** `gid:7 ali` asks for those of that gid that have "ali" anywhere. */
  #question() {
    const asked = { scope: "node", limit: PAGE, cursor: this.#cursors.at(-1), state: this.#state };
    const words = [];
    for (const word of this.#search.value.split(/\s+/).filter(Boolean)) {
      const [field, ...rest] = word.split(":");
      if (FIELDS.includes(field) && rest.length) asked[field] = rest.join(":");
      else words.push(word);
    }
    return { ...asked, q: words.join(" ") };
  }

  #draw() {
    const { value, error } = this.#feed;
    const rows = error?.kind === "failed" ? [] : (value?.sessions ?? []);
    this.#place.replaceChildren(...this.#instead(rows));
    this.#head.hidden = rows.length === 0;
    keyed(this.#list, rows, ({ id }) => id, makeRow, (item, session) => fillRow(item, session, value.at));
    this.#markOpen();
    const first = (this.#cursors.length - 1) * PAGE;
    write(this.#told, rows.length ? `${count(first + 1)}–${count(first + rows.length)} of ${count(value.total)}` : "");
    this.#back.disabled = this.#cursors.length < 2;
    this.#next.disabled = !rows.length || !value.next;
    this.#back.parentElement.hidden = rows.length === 0 && this.#back.disabled;
  }

  #instead(rows) {
    const { value, error } = this.#feed;
    if (error !== null && (value === null || error.kind === "failed")) return [why(error)];
    if (value === null) return [h("div", { className: "bones" })];
    if (rows.length > 0) return [];
    const asked = this.#search.value.trim() !== "" || this.#state !== "";
    return [asked ? empty("No session matches", "Esc clears the search.") : empty("No sessions", "A client that connects appears here at once.")];
  }

  #markOpen() {
    for (const row of this.#list.querySelectorAll("a")) {
      if (row.dataset.id === this.#panel?.id) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }
}

function makeRow({ id }) {
  const cell = (name, label = "") => h("span", { className: name, dataset: label ? { label } : {} });
  return h(
    "li", {},
    h(
      "a", { href: `#/sessions/${encodeURIComponent(id)}`, dataset: { id } },
      cell("openid"), cell("gid mono", "gid"), cell("address mono"),
      h("span", { className: "status" }, h("span", { className: "state" }), h("small")),
      cell("n age", "age"), cell("n quiet", "quiet"), cell("n flight", "in flight"),
    ),
  );
}

function fillRow(item, session, now) {
  const [openid, gid, address, status, age, quiet, flight] = item.firstChild.children;
  write(openid, session.openid);
  openid.title = session.openid;
  write(gid, session.gid || "–");
  gid.title = session.gid || "";
  write(address, session.address || "–");
  status.firstChild.className = `state ${session.attached ? "good" : "warn"}`;
  write(status.firstChild, session.attached ? "attached" : "detached");
  write(status.lastChild, session.state === "NORMAL" ? "" : session.state.toLowerCase());
  write(age, ago(now - session.since));
  write(quiet, ago(now - session.last_activity));
  write(flight, count(session.in_flight));
}
