// The page: asks the server for what it knows and shows it. It changes nothing.
import { calibration, el, frontier, intervals, path, seconds, share, usd } from "./draw.js";

const main = document.getElementById("main");
const state = document.getElementById("state");
const login = document.getElementById("login");
const KEY = "turnout-key";
const EVERY = 1000; // milliseconds between two looks
const SHOWN = 60; // decisions in the list
let timer = null;

class Refused extends Error {}

async function ask(path, options = {}) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...(options.body ? { "content-type": "application/json" } : {}), ...(key ? { authorization: `Bearer ${key}` } : {}) };
  const response = await fetch(`..${path}`, { ...options, headers, cache: "no-store", redirect: "error" });
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const why = body.error?.message ?? `The server answered ${response.status}.`;
  if (response.status === 401 || (response.status === 403 && path.startsWith("/admin"))) {
    letIn(why);
    throw new Refused(why);
  }
  throw new Error(why);
}

function letIn(why) {
  if (login.open) return;
  document.getElementById("login-why").textContent = why;
  login.showModal();
}

login.addEventListener("close", () => {
  sessionStorage.setItem(KEY, document.getElementById("key").value.trim());
  document.getElementById("key").value = "";
  show();
});

const say = (what, kind = "") => { state.textContent = what; state.className = kind; };
const round = (value) => Number(value.toFixed(4));
const clock = (at) => new Date(at * 1000).toLocaleTimeString();
const table = (heads, rows) => el("div.scroll", {}, el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows)));
const heads = (...names) => names.map((name) => (name.startsWith("#") ? el("th.n", { scope: "col" }, name.slice(1)) : el("th", { scope: "col" }, name)));
const facts = (pairs) => el("dl", {}, ...pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
const good = (success) => el(`span.${success >= 0.5 ? "good" : "bad"}`, {}, success >= 0.5 ? "right" : "wrong");

function result(step) {
  const last = step.verdicts.findLast((verdict) => verdict.source !== "resend") ?? null;
  if (last !== null) return el("span", { title: last.source }, good(last.success));
  const kind = { accepted: "good", rejected: "warn", error: "bad" }[step.result];
  return el(kind ? `span.${kind}` : "span", {}, step.error ?? step.result);
}

// Decisions as they happen, and one of them opened.

function decisions() {
  let steps = [], shown = "", opened = null, paused = false;
  const list = el("tbody"), detail = el("section.card", { "aria-live": "polite" }, el("p.quiet", {}, "Choose a decision to see why it was made, and what came back."));
  const pause = el("button.plain", { type: "button", onclick: () => { paused = !paused; pause.textContent = paused ? "Go on" : "Pause"; } }, "Pause");
  const names = heads("Time", "Class", "Plan", "#P", "#Cost", "#Time", "Result");
  main.replaceChildren(el("div.split", {},
    el("section.card", {}, el("div.bar", {}, el("h1", {}, "Decisions"), pause), el("div.scroll", {}, el("table", {}, el("thead", {}, el("tr", {}, ...names)), list))), detail));

  function row(step) {
    const open = () => { opened = step.decision_id; draw(); show_one(step.decision_id); };
    return el(step.decision_id === opened ? "tr.pick.open" : "tr.pick", { onclick: open },
      el("td", {}, el("button.link", { type: "button", "aria-label": `Open decision ${step.decision_id}` }, clock(step.at))),
      el("td", {}, step.step_class), el("td.arms", {}, ...path(step.plan)), el("td.n", {}, share(step.p_success)),
      el("td.n", {}, usd(step.cost_usd)), el("td.n", {}, seconds(step.seconds)), el("td.short", {}, result(step)));
  }
  function draw() {
    list.replaceChildren(...(steps.length ? steps.map(row) : [el("tr", {}, el("td.quiet", { colspan: 7 }, "No decision yet. Send a step to /v1/chat/completions."))]));
  }
  async function show_one(id) {
    try { detail.replaceChildren(...one(await ask(`/admin/decisions/${encodeURIComponent(id)}`))); }
    catch (error) { detail.replaceChildren(el("p.bad", {}, error.message)); }
  }
  async function look() {
    if (paused || document.hidden) return;
    const found = (await ask(`/admin/decisions?limit=${SHOWN}`)).data;
    const text = JSON.stringify(found);
    if (text === shown) return;
    shown = text;
    steps = found;
    draw();
  }
  return look;
}

function one(step) {
  const decision = step.decision;
  const parts = [el("h1", {}, ...(step.plan.length ? path(step.plan) : [step.error ?? step.result])), facts([
    ["decision", el("code", {}, step.decision_id)], ["run", step.run_id], ["step", step.step_id], ["class", step.step_class],
    ["policy", `${step.policy} ${step.policy_version}`], ["result", el("span", {}, result(step), ` · HTTP ${step.status}`)],
    ["cost", `${usd(step.cost_usd)} of ${usd(step.expected_cost_usd)} expected`],
    ["time", `${seconds(step.seconds)}, of it ${step.overhead_ms} ms before the first attempt`]])];
  if (step.tries.length) parts.push(el("h2", {}, "What came back"), table(heads("Arm", "At", "#Tokens in", "#out", "#Cost", "#Time", "Said"), step.tries.map((a) => el("tr", {},
    el("td.short", {}, a.arm), el("td", {}, a.deployment), el("td.n", {}, a.input_tokens), el("td.n", {}, a.output_tokens), el("td.n", {}, usd(a.cost_usd)), el("td.n", {}, seconds(a.seconds)),
    el("td", {}, a.fault ? el("span.bad", {}, a.fault) : a.checks.length ? el("span", {}, ...a.checks.flatMap((c) => [el(c.passed ? "span.good" : "span.bad", { title: c.reason }, c.name), " "])) : "unchecked")))));
  if (step.verdicts.length) parts.push(el("h2", {}, "What was said of it"), table(heads("When", "Who", "What"), step.verdicts.map((v) => el("tr", {}, el("td", {}, clock(v.at)), el("td", {}, v.source), el("td", {}, good(v.success))))));
  if (decision) parts.push(...why(decision));
  return parts;
}

function why(decision) {
  const terms = decision.terms, parts = [el("h2", {}, "Why"), el("p", {}, `${decision.reason}.`)];
  if (!decision.accuracy_met) parts.push(el("p.warn", {}, "No plan meets the accuracy that was asked for."));
  parts.push(frontier(decision), facts([
    ["compared", `${decision.considered} plans`], ["asked", [terms.accuracy !== null ? `accuracy ${terms.accuracy}` : null, terms.failure_cost !== null ? `a failure costs ${usd(terms.failure_cost)}` : null,
      terms.time_value ? `a second is worth ${usd(terms.time_value)}` : null, `up to ${terms.max_attempts} attempts`, `deadline ${terms.deadline} s`].filter(Boolean).join(", ")],
    ["judged by", `${terms.verify}${terms.checks.length ? `: ${terms.checks.join(", ")}` : ""} (t ${round(terms.t)}, f ${round(terms.f)})`],
    ["drawn", decision.drawn ? `${decision.drawn.arm ?? "the policy as it is"}, propensity ${decision.propensity}` : null]]));
  parts.push(el("h2", {}, "Plans"), table(heads("Plan", "#P", "#Cost", "#Time", "Why"), decision.plans.slice(0, 12).map((plan, i) => el(i ? "tr" : "tr.open", {},
    el("td.arms", {}, ...path(plan.arms)), el("td.n", {}, share(plan.p_success)), el("td.n", {}, usd(plan.expected_cost_usd)), el("td.n", {}, seconds(plan.expected_seconds)), el("td.why", {}, plan.why)))));
  parts.push(el("h2", {}, "Arms"), table(heads("Arm", "At", "#P", "Evidence", "#Cost", "#Time", "#Output q50 / q90"), decision.arms.map((a) => el("tr", {},
    el("td.short", {}, a.arm), el("td", {}, a.deployment), el("td.n", {}, share(a.p_success)), el("td", {}, a.evidence), el("td.n", {}, usd(a.cost_usd)), el("td.n", {}, seconds(a.seconds)), el("td.n", {}, `${a.output_tokens.q50} / ${a.output_tokens.q90}`)))));
  if (decision.gates.length) parts.push(el("h2", {}, "Gates that closed"), table(heads("Arm", "Gate", "Reason"), decision.gates.map((g) => el("tr", {}, el("td", {}, g.arm + (g.deployment ? ` at ${g.deployment}` : "")), el("td", {}, g.kind), el("td.why", {}, g.reason)))));
  return parts;
}

// A step that is only thought of.

function whatif() {
  const field = (name, label, attributes = {}) => el("label", {}, label, el("input", { name, ...attributes }));
  const out = el("section.card", { "aria-live": "polite" }, el("p.quiet", {}, "Nothing is sent to a model."));
  const form = el("form.ask.card", {}, el("h1", {}, "What would be done with a step?"),
    el("label", {}, "What the user says", el("textarea", { name: "text", required: "" }, "Fix the failing test in parser.py.")),
    el("div.row", {}, field("model", "Model", { value: "auto", required: "" }), field("step", "Step class"), field("accuracy", "Accuracy, 0 to 1", { inputmode: "decimal" }),
      field("retries", "Retries", { inputmode: "numeric" }), field("output_tokens", "Output tokens", { inputmode: "numeric" }), field("deadline", "Deadline, s", { inputmode: "decimal" }),
      field("max_cost", "Most USD", { inputmode: "decimal" }), el("label", {}, "Judged by", el("select", { name: "verify" }, ...["", "caller", "none"].map((v) => el("option", { value: v }, v || "as the policy says"))))),
    el("div", {}, el("button", { type: "submit" }, "Decide")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const data = new FormData(form), hints = {};
    for (const name of ["step", "verify"]) if (data.get(name)) hints[name] = data.get(name);
    for (const name of ["accuracy", "retries", "output_tokens", "deadline", "max_cost"]) if (data.get(name)) hints[name] = Number(data.get(name));
    try {
      const body = JSON.stringify({ model: data.get("model"), messages: [{ role: "user", content: data.get("text") }], turnout: hints });
      const decision = await ask("/v1/route", { method: "POST", body });
      out.replaceChildren(el("h1", {}, ...path(decision.chosen.arms)), facts([["class", decision.step_class], ["P(success)", share(decision.chosen.p_success)],
        ["expected cost", usd(decision.chosen.expected_cost_usd)], ["time", `${seconds(decision.chosen.expected_seconds)}, in 9 of 10 cases at most ${seconds(decision.chosen.q90_seconds)}`]]), ...why(decision));
    } catch (error) { out.replaceChildren(el("p.bad", {}, error.message)); }
  });
  main.replaceChildren(el("div.split", {}, form, out));
  return null;
}

// What is believed.

function beliefs() {
  const head = el("h1", {}, "Beliefs"), tiles = el("div.tiles");
  main.replaceChildren(head, el("p.quiet", {}, "P(success) of one attempt of each arm, with the interval that holds it in 9 of 10 cases: from published scores first, moved by every outcome."), tiles);
  let version = null;
  return async () => {
    const found = await ask("/admin/beliefs");
    if (found.version === version) return;
    version = found.version;
    head.textContent = `Beliefs, version ${version}`;
    tiles.replaceChildren(...found.classes.map((c) => el("section.card", {}, el("h2", {}, c.name), intervals(c.arms), table(heads("Arm", "Evidence", "#Worth", "#Output q50 / q90"),
      c.arms.map((a) => el("tr", {}, el("td", {}, a.arm), el("td", {}, a.benchmark ? `${a.evidence}, ${a.benchmark}` : a.evidence), el("td.n", {}, a.strength), el("td.n", {}, `${a.output_tokens.q50} / ${a.output_tokens.q90}`)))),
      el("p.quiet", {}, `Retries: difficulty ${c.sigma} (sigma), own luck ${c.tau} (tau). ${c.learned_at ? `Last outcome at ${clock(c.learned_at)}.` : "No outcome yet."}`))),
      el("section.card", {}, el("h2", {}, "Speed"), table(heads("Deployment", "#First token", "#Tokens/s"), found.deployments.map((d) => el("tr", {}, el("td", {}, d.deployment), el("td.n", {}, seconds(d.first_token_s)), el("td.n", {}, d.tokens_per_s))))));
  };
}

function calibrated() {
  const body = el("div.split");
  main.replaceChildren(el("h1", {}, "Calibration"), el("p.quiet", {}, "First answers that callers judged since this process started: where points lie on the line, 80% means 80%."), body);
  return async () => {
    const bins = (await ask("/admin/calibration")).data;
    if (!bins.length) return void body.replaceChildren(el("p.card", {}, "No verdict of a caller yet: report them to /v1/outcomes."));
    body.replaceChildren(el("section.card", {}, calibration(bins)), el("section.card", {}, table(heads("Predicted", "#Judged", "#Mean predicted", "#Observed", "#95% interval"),
      bins.map((b) => el("tr", {}, el("td", {}, `${b.from.toFixed(1)} to ${(b.from + 0.1).toFixed(1)}`), el("td.n", {}, b.count), el("td.n", {}, share(b.predicted)), el("td.n", {}, share(b.observed)), el("td.n", {}, `${share(b.low)} to ${share(b.high)}`))))));
  };
}

function policies() {
  const body = el("div");
  main.replaceChildren(el("h1", {}, "Policies"), body);
  return async () => {
    const found = await ask("/admin/policies");
    body.replaceChildren(el("section.card", {}, table(heads("Policy", "Version", "What it is for", "Classes", "#Explores"), found.data.map((p) => el("tr", {}, el("td.arms", {}, p.name + (p.name === found.default ? " (default)" : "")), el("td", {}, el("code", {}, p.version)),
      el("td", {}, p.description), el("td", {}, p.classes.join(", ")), el("td.n", {}, share(p.exploration_share)))))),
      el("h2", {}, "Read"), el("section.card", {}, table(heads("When", "Versions"), found.loads.map((l) => el("tr", {}, el("td", {}, new Date(l.at * 1000).toLocaleString()), el("td", {}, el("code", {}, Object.entries(l.versions).map(([name, version]) => `${name} ${version}`).join(", "))))))));
  };
}

const VIEWS = { decisions, whatif, beliefs, calibration: calibrated, policies };

function show() {
  clearInterval(timer);
  const name = location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "decisions";
  for (const link of document.querySelectorAll("nav a")) link.toggleAttribute("aria-current", link.hash === `#${name}`);
  const look = VIEWS[name]();
  const again = async () => {
    try { await look(); say("live", "good"); }
    catch (error) { say(error instanceof Refused ? "no access" : error instanceof TypeError ? "the server does not answer" : error.message, "bad"); }
  };
  say("");
  if (look === null) return;
  again();
  timer = setInterval(again, EVERY);
}

addEventListener("hashchange", show);
show();
