/** One session: who it is, what it holds, and what was said, as a sequence between client and gateway. */

import { Fact, why } from "./cards.js";
import { h, keyed, write } from "./dom.js";
import { Feed } from "./feed.js";
import { ago, bytes, clock, count, took } from "./format.js";

const PAUSE = 2; // seconds without a message that are worth saying

export class SessionPanel {
  #title = h("h2", { tabIndex: -1 }, "…");
  #state = h("span", { className: "state mute" });
  #facts = {
    id: new Fact("Session"), gid: new Fact("Gid"), zone: new Fact("Zone"), address: new Fact("Address"), transport: new Fact("Transport"),
    since: new Fact("Began"), quiet: new Fact("Quiet for"), flight: new Fact("In flight"), window: new Fact("Unacknowledged"),
  };
  #events = h("ol", { className: "timeline" });
  #note = h("p", { className: "hint" });
  #place = h("div");
  #body;
  #feed;

  constructor(gateway, id) {
    this.id = id;
    const close = h("a", { href: "#/sessions", className: "icon", "aria-label": "Close (Esc)", title: "Close  Esc" }, "✕");
    const facts = h("dl", { className: "facts grid3" }, ...Object.values(this.#facts).map((fact) => fact.element));
    const lanes = h("div", { className: "lanes", "aria-hidden": "true" }, h("span", {}, "client"), h("span", {}, "gateway"));
    this.#body = h("div", { hidden: true }, facts, lanes, this.#events, this.#note);
    this.element = h("section", { className: "card session", "aria-label": "Session" }, h("header", {}, this.#title, this.#state, close), this.#body, this.#place);
    this.#feed = new Feed(gateway, `sessions/${encodeURIComponent(id)}`, 2);
    this.#feed.addEventListener("update", () => this.#draw());
    this.#feed.start();
  }

  focus() {
    this.#title.focus();
  }

  close() {
    this.#feed.stop();
  }

  #draw() {
    const { value, error } = this.#feed;
    if (error?.kind === "absent") this.#gone();
    else if (value === null) this.#place.replaceChildren(error ? why(error) : "");
    else this.#show(value);
  }

  #gone() {
    this.#state.className = "state mute";
    write(this.#state, "gone");
    if (this.#feed.value === null) write(this.#title, this.id);
    this.#place.replaceChildren(h("p", { className: "hint" }, "The gateway knows this session no more: it ended some time ago."));
  }

  #show(session) {
    this.#place.replaceChildren();
    this.#body.hidden = false;
    write(this.#title, session.openid);
    this.#title.title = session.openid;
    const ended = session.state === "CLOSED";
    this.#state.className = `state ${ended ? "mute" : session.attached ? "good" : "warn"}`;
    write(this.#state, ended ? "ended" : session.attached ? "attached" : "detached");
    this.#put(session);
    const events = withPauses(session.events ?? []);
    keyed(this.#events, events, (event) => event.key, makeEvent, () => {});
    write(this.#note, events.length ? "" : "Nothing was recorded for this session yet.");
  }

  #put(session) {
    const now = session.at; // the gateway's clock, by which all of it is written
    const facts = this.#facts;
    facts.id.put(session.id, session.id);
    facts.gid.put(session.gid || "–", session.gid);
    facts.zone.put(session.zone ? String(session.zone) : "–");
    facts.address.put(session.address || "–");
    facts.transport.put(session.transport || "–");
    facts.since.put(clock(session.since), ago(now - session.since));
    facts.quiet.put(ago(now - session.last_activity));
    facts.flight.put(count(session.in_flight));
    facts.window.put(`${count(session.window_messages)}, ${bytes(session.window_bytes)}`);
  }
}

/** The events, newest first, each with a key of its own, and what was quiet between them. */
function withPauses(events) {
  const shown = [];
  const seen = new Map();
  events.forEach((event, i) => {
    const pause = i ? event.at - events[i - 1].at : 0;
    const name = `${event.at} ${event.direction} ${event.kind} ${event.number}`;
    const nth = seen.get(name) ?? 0;
    seen.set(name, nth + 1);
    if (pause >= PAUSE) shown.push({ key: `pause before ${name}`, pause });
    shown.push({ ...event, key: `${name} ${nth}` });
  });
  return shown.reverse();
}

function makeEvent(event) {
  if (event.pause) return h("li", { className: "pause" }, `${ago(event.pause)} quiet`);
  const up = event.direction === "up";
  const tone = isBad(event) ? "bad" : "good";
  const number = event.number ? ` ${count(event.number)}` : "";
  const request = event.request ? h("small", {}, ` (request ${count(event.request)})`) : null;
  return h(
    "li", { className: `event ${up ? "up" : "down"} ${tone}` },
    h("time", { dateTime: new Date(event.at * 1000).toISOString() }, clock(event.at, 3)),
    h("span", { className: "arrow", role: "img", "aria-label": up ? "from the client" : "to the client" }),
    h("span", { className: "what" }, event.kind, h("b", {}, number), request),
    h("span", { className: "n" }, event.size ? bytes(event.size) : ""),
    h("span", { className: "n" }, event.duration ? took(event.duration) : ""),
    h("span", { className: `outcome ${tone}` }, event.outcome),
  );
}

/** Whether somebody should look at it: an error, a push that was refused, a connection that did not end as it should. */
function isBad({ kind, outcome }) {
  const refused = /^[A-Z_]{4,}$/.test(outcome) && outcome !== "NORMAL";
  return kind === "error" || Number(outcome) >= 400 || refused;
}
