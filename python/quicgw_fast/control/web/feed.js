/** One document of the gateway, asked for again and again while somebody looks. */

/** Tells `update` after every answer and every failure. */
export class Feed extends EventTarget {
  value = null;
  error = null; // AskError of the last question
  #gateway;
  #path;
  #period;
  #parameters;
  #timer = null;
  #running = false;
  #round = 0;
  #seenAgain = () => {
    if (!document.hidden) this.refresh();
  };

  /** `parameters` returns what the next question asks for; `period` is in seconds. */
  constructor(gateway, path, period, parameters = () => ({})) {
    super();
    this.#gateway = gateway;
    this.#path = path;
    this.#period = period * 1000;
    this.#parameters = parameters;
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    document.addEventListener("visibilitychange", this.#seenAgain);
    this.refresh();
  }

  stop() {
    this.#running = false;
    document.removeEventListener("visibilitychange", this.#seenAgain);
    this.#round += 1;
    clearTimeout(this.#timer);
  }

  /** Ask now. An answer to an earlier question that comes after this one is not used. */
  async refresh() {
    clearTimeout(this.#timer);
    const round = ++this.#round;
    let value = null;
    let error = null;
    try {
      value = await this.#gateway.ask(this.#path, this.#parameters());
    } catch (caught) {
      error = caught;
    }
    if (round !== this.#round) return;
    this.error = error;
    if (error === null) this.value = value;
    this.dispatchEvent(new Event("update"));
    if (error?.kind === "token") return; // with the same token again it would be refused again
    if (this.#running && !document.hidden) this.#timer = setTimeout(() => this.refresh(), this.#period);
  }
}
