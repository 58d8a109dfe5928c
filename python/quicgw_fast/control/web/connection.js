/** How it stands with the gateway, told in the heading; and the question for a token. */

import { h, write } from "./dom.js";
import { ago, clock } from "./format.js";

const pill = document.getElementById("pill");
const banner = document.getElementById("banner");

export class Connection {
  #gateway;
  #asked = null;
  #retry;

  /** `retry` asks everything again, now. */
  constructor(gateway, retry) {
    this.#gateway = gateway;
    this.#retry = retry;
    gateway.addEventListener("change", () => this.draw());
    setInterval(() => this.draw(), 1000); // what is stale grows older
  }

  draw() {
    const { trouble, lastGood } = this.#gateway;
    const kind = trouble?.kind ?? (lastGood === null ? "connecting" : "live");
    document.body.dataset.link = kind;
    pill.className = `pill ${{ live: "good", connecting: "mute", unreachable: "bad" }[kind] ?? "warn"}`;
    write(pill, { live: "Live", connecting: "Connecting", unreachable: "No answer", token: "Token needed", refused: "Refused" }[kind]);
    if (kind === "token") this.#askForToken();
    else this.#stopAsking();
    const told = this.#sentence(kind, trouble, lastGood);
    banner.hidden = told === null;
    if (told !== null) write(banner, told);
  }

  #sentence(kind, trouble, lastGood) {
    if (kind === "refused") return `The gateway refuses this page: ${trouble.message}`;
    if (kind !== "unreachable") return null;
    const what = trouble.message === "no answer" ? "The gateway does not answer" : `The gateway does not answer as it should (${trouble.message})`;
    if (lastGood === null) return `${what}. Trying again…`;
    return `${what}. What you see is from ${clock(lastGood)}, ${ago(Date.now() / 1000 - lastGood)} ago. Trying again…`;
  }

  #askForToken() {
    if (this.#asked !== null) return;
    const input = h("input", { type: "password", id: "token", autocomplete: "off", spellcheck: false, required: true });
    const told = this.#gateway.hasToken ? "The gateway does not take this token. Try another one." : "";
    const form = h(
      "form", { method: "dialog", onsubmit: (event) => this.#takeToken(event, input) },
      h("h2", {}, "This gateway asks for a token"),
      h("p", {}, "Any line of its control.admin_token_file. It stays in this tab, and is forgotten with it."),
      h("label", { htmlFor: "token" }, "Token"), input,
      h("p", { className: "wrong", role: "alert" }, told),
      h("button", { className: "primary" }, "Continue"),
    );
    this.#asked = h("dialog", { className: "ask", "aria-label": "Token" }, form);
    this.#asked.addEventListener("cancel", (event) => event.preventDefault());
    document.body.append(this.#asked);
    this.#asked.showModal();
    input.focus();
  }

  #takeToken(event, input) {
    event.preventDefault();
    this.#gateway.useToken(input.value.trim());
    this.#stopAsking();
    this.#gateway.trouble = null;
    this.#retry();
  }

  #stopAsking() {
    this.#asked?.remove();
    this.#asked = null;
  }
}
