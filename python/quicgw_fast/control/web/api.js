/** Asking the gateway, and knowing how that went the last time. */

const KEY = "quicgw.token";
const PATIENCE = 5000; // ms for an answer

/** What went wrong with one question; `kind` says what the page does about it. */
export class AskError extends Error {
  /** @param {"unreachable"|"token"|"refused"|"absent"|"failed"} kind */
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

/** The gateway that served this page. Tells `change` when it is reached, lost, or asks for a token. */
export class Gateway extends EventTarget {
  lastGood = null; // seconds since 1970, of the last answer
  trouble = null; // AskError of what keeps every question from being answered
  #token = sessionStorage.getItem(KEY);

  get hasToken() {
    return this.#token !== null;
  }

  /** Show this token from now on; null for none. It is forgotten with the tab. */
  useToken(token) {
    this.#token = token;
    if (token === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, token);
  }

  /** GET a page as JSON; throws AskError. */
  async ask(path, parameters = {}) {
    const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value)).toString();
    try {
      const answer = await this.#get(query ? `${path}?${query}` : path);
      this.#report(null);
      return answer;
    } catch (error) {
      this.#report(error.kind === "absent" || error.kind === "failed" ? null : error);
      throw error;
    }
  }

  async #get(path) {
    const headers = this.#token === null ? {} : { Authorization: `Bearer ${this.#token}` };
    let response;
    try {
      response = await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    } catch {
      throw new AskError("unreachable", "no answer");
    }
    if (response.ok) {
      try {
        return await response.json();
      } catch {
        throw new AskError("unreachable", "the answer broke off");
      }
    }
    throw new AskError(kindOf(response.status), await sentence(response));
  }

  #report(trouble) {
    const changed = this.trouble?.message !== trouble?.message || (trouble === null && this.lastGood === null);
    if (trouble === null) this.lastGood = Date.now() / 1000;
    this.trouble = trouble;
    if (changed) this.dispatchEvent(new Event("change"));
  }
}

function kindOf(status) {
  if (status === 401) return "token";
  if (status === 403) return "refused";
  if (status === 404) return "absent";
  return status >= 502 ? "unreachable" : "failed"; // a proxy answers so when nobody is behind it
}

/** What an answer that is an error says, whatever its form. */
async function sentence(response) {
  const text = await response.text().catch(() => "");
  try {
    const { error } = JSON.parse(text);
    if (typeof error === "string") return error;
    return [error.message, error.hint].filter(Boolean).join("; ");
  } catch {
    return text.trim().slice(0, 300) || `status ${response.status}`;
  }
}
