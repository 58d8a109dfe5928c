/** Dark or light: what the system prefers, until somebody chooses. Loaded before anything is drawn. */

const KEY = "quicgw.theme";
const root = document.documentElement;
const prefersLight = matchMedia("(prefers-color-scheme: light)");

function currentTheme() {
  return root.dataset.theme ?? (prefersLight.matches ? "light" : "dark");
}

export function switchTheme() {
  const next = currentTheme() === "dark" ? "light" : "dark";
  root.dataset.theme = next;
  localStorage.setItem(KEY, next);
}

const chosen = localStorage.getItem(KEY);
if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
