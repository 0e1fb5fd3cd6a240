// Elements and plots. Whatever comes from the server goes in as text, never as markup.

/** An element: `el("td.n", {title: "x"}, "text", child)`. Children that are null are left out. */
export function el(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined).map(node));
  return made;
}

const node = (child) => (child instanceof Node ? child : String(child));

function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Pixels that a plot may be wide: drawn at its own size, so that its words stay readable. */
function room(most) {
  const page = document.getElementById("main").clientWidth;
  return Math.max(260, Math.min(most, page > 900 ? page * 0.42 - 40 : page - 60));
}

const text = (x, y, what, attributes = {}) => svg("text", { x, y, ...attributes }, what);
const line = (x1, y1, x2, y2, kind) => svg("line", { x1, y1, x2, y2, class: kind });
const hint = (what) => svg("title", {}, what);

export const usd = (value) => {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "$0";
  const digits = Math.max(2, Math.min(9, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return `$${Number(value.toFixed(digits))}`;
};
export const share = (value) => (value === null || value === undefined ? "–" : `${(value * 100).toFixed(1)}%`);
export const seconds = (value) => (value === null || value === undefined ? "–" : `${value.toFixed(value < 10 ? 2 : 1)} s`);

/** The arms of a plan in order; it breaks between two, never within one. */
export const path = (arms) => (arms.length ? arms.flatMap((arm, i) => [el("span", {}, i ? `› ${arm}` : arm), " "]) : ["–"]);

/** Plans by cost (log scale) and P(success): all of them, the frontier as a line, the chosen one filled. */
export function frontier(decision) {
  const wide = room(600), high = 300, left = 46, right = 22, top = 24, bottom = 38;
  const plans = decision.plans, costs = plans.map((plan) => Math.max(plan.expected_cost_usd, 1e-9));
  const low = Math.log10(Math.min(...costs)) - 0.05, span = Math.max(Math.log10(Math.max(...costs)) + 0.05 - low, 0.1);
  const chances = plans.map((plan) => plan.p_success);
  const floor = Math.max(0, Math.min(...chances) - 0.05), ceiling = Math.min(1, Math.max(...chances) + 0.03);
  const x = (cost) => left + ((Math.log10(Math.max(cost, 1e-9)) - low) / span) * (wide - left - right);
  const y = (p) => high - bottom - ((p - floor) / Math.max(ceiling - floor, 0.01)) * (high - top - bottom);
  const out = svg("svg", { width: wide, height: high, viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": "Plans by expected cost and P(success)" });
  const marks = wide < 420 ? 2 : 4;
  for (let i = 0; i <= marks; i++) {
    const p = floor + ((ceiling - floor) * i) / marks, cost = 10 ** (low + (span * i) / marks);
    out.append(line(left, y(p), wide - right, y(p), "grid"), text(left - 6, y(p) + 4, p.toFixed(2), { "text-anchor": "end" }));
    out.append(text(x(cost), high - bottom + 16, usd(cost), { "text-anchor": "middle" }));
  }
  out.append(line(left, high - bottom, wide - right, high - bottom, "axis"));
  out.append(text((left + wide - right) / 2, high - 6, "expected cost, USD", { "text-anchor": "middle" }));
  out.append(text(left - 40, 10, "P(success)"));
  const need = decision.terms.accuracy;
  if (need !== null && need > floor && need < ceiling) {
    out.append(line(left, y(need), wide - right, y(need), "need"), text(wide - right, y(need) - 5, `accuracy ${need}`, { "text-anchor": "end" }));
  }
  const dot = (plan, kind, size) => svg("circle", { cx: x(plan.expected_cost_usd), cy: y(plan.p_success), r: size, class: kind }, hint(tell(plan)));
  plans.forEach((plan) => out.append(dot(plan, "point", 2.5)));
  const edge = decision.frontier;
  out.append(svg("polyline", { class: "front", points: edge.map((plan) => `${x(plan.expected_cost_usd)},${y(plan.p_success)}`).join(" ") }));
  edge.forEach((plan) => out.append(dot(plan, "edge", 4)));
  out.append(dot(decision.chosen, "chosen", 6));
  return out;
}

const tell = (plan) => `${plan.arms.join(" > ")}: P ${plan.p_success.toFixed(4)}, ${usd(plan.expected_cost_usd)}, ${seconds(plan.expected_seconds)}`;

/** Predicted against observed, one point a bin with its 95% interval; on the diagonal is right. */
export function calibration(bins) {
  const side = room(520), edge = 44, end = side - 26;
  const at = (p) => edge + p * (end - edge), up = (p) => side - at(p);
  const out = svg("svg", { width: side, height: side, viewBox: `0 0 ${side} ${side}`, role: "img", "aria-label": "Predicted against observed success" });
  for (const p of [0, 0.25, 0.5, 0.75, 1]) {
    out.append(line(edge, up(p), end, up(p), "grid"), line(at(p), up(0), at(p), up(1), "grid"));
    out.append(text(edge - 6, up(p) + 4, p, { "text-anchor": "end" }), text(at(p), up(0) + 16, p, { "text-anchor": "middle" }));
  }
  out.append(line(at(0), up(0), at(1), up(1), "need"));
  out.append(text((edge + end) / 2, side - 6, "predicted P(success)", { "text-anchor": "middle" }), text(4, 10, "observed share"));
  const most = Math.max(1, ...bins.map((bin) => bin.count));
  for (const bin of bins) {
    out.append(line(at(bin.predicted), up(bin.low), at(bin.predicted), up(bin.high), "range"));
    out.append(svg("circle", { cx: at(bin.predicted), cy: up(bin.observed), r: 3 + 6 * Math.sqrt(bin.count / most), class: "chosen" },
      hint(`${bin.count} judged: predicted ${share(bin.predicted)}, observed ${share(bin.observed)} (${share(bin.low)} to ${share(bin.high)})`)));
  }
  return out;
}

/** P(success) of each arm with its 90% interval, on one scale. */
export function intervals(arms) {
  const row = 24, wide = room(620), left = 150, right = 52, high = arms.length * row + 26;
  const x = (p) => left + p * (wide - left - right);
  const out = svg("svg", { width: wide, height: high, viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": "P(success) by arm, with 90% intervals" });
  for (const p of [0, 0.25, 0.5, 0.75, 1]) {
    out.append(line(x(p), 4, x(p), high - 20, "grid"), text(x(p), high - 6, p, { "text-anchor": "middle" }));
  }
  arms.forEach((arm, i) => {
    const y = 14 + i * row;
    out.append(text(left - 10, y + 4, arm.arm, { "text-anchor": "end", class: "label" }));
    out.append(line(x(arm.low), y, x(arm.high), y, "range"));
    out.append(svg("circle", { cx: x(arm.p), cy: y, r: 4, class: "chosen" },
      hint(`${arm.arm}: ${share(arm.p)} (${share(arm.low)} to ${share(arm.high)}), ${arm.evidence}, worth ${arm.strength} observations`)));
    out.append(text(wide - right + 8, y + 4, share(arm.p)));
  });
  return out;
}
