/** Numbers as people read them. What is exact on the gateway is exact here: `count` never rounds. */

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

const NOTHING = "–";

const known = (value) => typeof value === "number" && Number.isFinite(value);

/** A whole number, in full: 12,345. */
export function count(value) {
  return known(value) ? grouped.format(value) : NOTHING;
}

/** So many a second: 0, 0.4, 38, 1,204, 21.5k. */
export function rate(value) {
  if (!known(value)) return NOTHING;
  if (value >= 99_950) return `${grouped.format(value / 1000)}k`;
  if (value >= 10_000) return `${(value / 1000).toFixed(1)}k`;
  return value > 0 && value < 9.95 && !Number.isInteger(value) ? value.toFixed(1) : grouped.format(value);
}

/** How long something took, with three digits that count: 840 µs, 1.32 ms, 2.05 s. */
export function took(seconds) {
  if (!known(seconds)) return NOTHING;
  if (seconds <= 0) return "0 ms";
  if (seconds < 0.0009995) return `${digits(seconds * 1e6)} µs`;
  if (seconds < 0.9995) return `${digits(seconds * 1e3)} ms`;
  return seconds < 99.95 ? `${digits(seconds)} s` : ago(seconds);
}

function digits(value) {
  return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"];

/** 512 B, 1.2 KiB, 94.3 MiB. */
export function bytes(value) {
  if (!known(value)) return NOTHING;
  let power = 0;
  while (value >= 1024 && power < SIZES.length - 1) {
    value /= 1024;
    power += 1;
  }
  return `${power === 0 ? value : value < 100 ? value.toFixed(1) : value.toFixed(0)} ${SIZES[power]}`;
}

/** A share of 1. */
export function percent(share) {
  return known(share) ? `${share < 0.0995 && share > 0 ? (share * 100).toFixed(1) : (share * 100).toFixed(0)} %` : NOTHING;
}

/** A time span in its two largest parts: 8 s, 2 m 10 s, 4 h 2 m, 3 d 1 h. */
export function ago(seconds) {
  if (!known(seconds)) return NOTHING;
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [["d", 86_400], ["h", 3600], ["m", 60], ["s", 1]];
  const first = parts.findIndex(([, size]) => whole >= size);
  if (first < 0) return "0 s";
  const [unit, size] = parts[first];
  const next = parts[first + 1];
  const rest = next ? Math.floor((whole % size) / next[1]) : 0;
  return `${Math.floor(whole / size)} ${unit}${rest ? ` ${rest} ${next[0]}` : ""}`;
}

/** The time of day, here. */
export function clock(at, fraction = 0) {
  if (!known(at)) return NOTHING;
  const moment = new Date(at * 1000);
  const text = [moment.getHours(), moment.getMinutes(), moment.getSeconds()].map((n) => String(n).padStart(2, "0"));
  const rest = fraction ? `.${String(Math.floor((at % 1) * 10 ** fraction)).padStart(fraction, "0")}` : "";
  return text.join(":") + rest;
}
