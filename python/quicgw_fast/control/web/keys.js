/** The keyboard, and the list of its keys. */

import { h } from "./dom.js";

const KEYS = [
  ["o", "Overview"], ["s", "Sessions"], ["/", "Search sessions"], ["j  ↓", "Next in the list"], ["k  ↑", "Previous in the list"],
  ["Enter", "Open"], ["Esc", "Back, or clear the search"], ["t", "Dark or light"], ["?", "These keys"],
];

/** Call `actions` by name; one that returns false leaves the key to the browser. What is typed into a field stays there. */
export function listenForKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const typing = event.target instanceof HTMLInputElement;
    const action = typing ? { Escape: "leave" }[event.key] : NAMES[event.key];
    if (action === undefined) return;
    if (actions[action]() !== false) event.preventDefault();
  });
}

const NAMES = {
  o: "overview", s: "sessions", "/": "search", j: "down", ArrowDown: "down", k: "up", ArrowUp: "up", Escape: "back", t: "theme", "?": "help",
};

export function showHelp(more) {
  const rows = KEYS.map(([keys, what]) => h("div", {}, h("dt", {}, ...keys.split("  ").map((key) => h("kbd", {}, key))), h("dd", {}, what)));
  const close = h("button", { className: "primary", onclick: () => dialog.remove() }, "Close");
  const hint = h("p", { className: "hint" }, "Search takes words, and gid:7, openid:alice, address:127.0.0.1.");
  const list = h("dl", { className: "keys" }, ...rows);
  const dialog = h("dialog", { className: "ask", "aria-label": "Keys" }, h("h2", {}, "Keys"), list, hint, ...more, close);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
