/** Puts the page together: which view is shown, and what the heading says. */

import { Gateway } from "./api.js";
import { Connection } from "./connection.js";
import { h, write } from "./dom.js";
import { Feed } from "./feed.js";
import { ago } from "./format.js";
import { listenForKeys, showHelp } from "./keys.js";
import { Overview } from "./overview.js";
import { SessionsView } from "./sessions.js";
import { switchTheme } from "./theme.js";

const at = (id) => document.getElementById(id);
const gateway = new Gateway();
const performance = new Feed(gateway, "performance", 2);
const stats = new Feed(gateway, "stats", 30);
const views = { overview: new Overview(gateway, performance), sessions: new SessionsView(gateway) };
const connection = new Connection(gateway, askAgain);
let shown = null;

function askAgain() {
  performance.refresh();
  stats.refresh();
  if (shown) views[shown].hide();
  shown = null;
  route();
}

/** Show what the address asks for: `#/`, `#/sessions`, `#/sessions/ID`. */
function route() {
  const [name, id] = location.hash.replace(/^#\/?/, "").split("/");
  const wanted = name === "sessions" ? "sessions" : "overview";
  if (shown !== wanted) {
    if (shown) views[shown].hide();
    at("main").replaceChildren(views[wanted].element);
    shown = wanted;
  }
  views[wanted].show(id ? decodeURIComponent(id) : null);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === wanted) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function back() {
  const open = location.hash.startsWith("#/sessions/") ? location.hash.split("/")[2] : null;
  if (open !== null) {
    location.hash = "#/sessions";
    route();
    document.querySelector(`.sessions a[data-id="${CSS.escape(decodeURIComponent(open))}"]`)?.focus();
  } else if (shown === "sessions" && !views.sessions.clear()) location.hash = "#/";
}

function search() {
  if (shown !== "sessions") location.hash = "#/sessions";
  route();
  views.sessions.focusSearch();
}

/** In the list; elsewhere the key is the browser's. */
function move(step) {
  if (shown !== "sessions") return false;
  views.sessions.move(step);
  return true;
}

function leaveField() {
  if (!views.sessions.clear()) document.activeElement.blur();
}

function help() {
  const forget = h("button", { type: "button", onclick: () => { gateway.useToken(null); location.reload(); } }, "Forget the token");
  showHelp(gateway.hasToken ? [forget] : []);
}

function drawFooter() {
  const { value } = performance;
  const makers = stats.value?.makers;
  const parts = [value ? `up ${ago(value.uptime)}` : "", ...(makers ? [`engine ${makers.engine}`, makers.transport, makers.upstream] : [])];
  write(at("footer"), parts.filter(Boolean).join("  ·  "));
}

write(at("where"), location.host);
document.title = `quicgw ${location.host}`;
at("theme").addEventListener("click", switchTheme);
at("help").addEventListener("click", help);
listenForKeys({
  overview: () => { location.hash = "#/"; },
  sessions: () => { location.hash = "#/sessions"; },
  search, back, help, theme: switchTheme, leave: leaveField,
  down: () => move(1),
  up: () => move(-1),
});
addEventListener("hashchange", route);
for (const feed of [performance, stats]) {
  feed.addEventListener("update", drawFooter);
  feed.start();
}
connection.draw();
route();
