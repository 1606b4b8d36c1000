// Requests a slate with its reasons and shows it. Whatever comes from the server is set as text, never as markup.

const at = (id) => document.getElementById(id);
let token = "";
let offered = null;
let requests = 0;

const flags = {
  cold: "The online store has no usable vector of this item",
  capped: "Beyond the member's frequency cap: do not show it",
};

function made(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

async function requested(path, body) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const options = body ? { method: "POST", body, headers: { ...headers, "content-type": "application/json" } } : { headers };
  const response = await fetch(path, options).catch(() => {
    throw new Error("The server cannot be reached.");
  });
  const document = await response.json().catch(() => ({}));
  if (response.ok) return document;
  const reason = document.error ?? `The server answered with status ${response.status}.`;
  throw Object.assign(new Error(reason), { status: response.status });
}

function complain(error) {
  at("error").textContent = error ? error.message : "";
  at("error").hidden = !error;
}

// ---- The request ----

async function open() {
  try {
    offered = await requested("/ui/offers");
    complain(null);
  } catch (error) {
    at("access").hidden = error.status !== 401;
    if (error.status !== 401 || token) complain(error);
    return;
  }
  at("access").hidden = true;
  at("request").hidden = false;
  at("model").textContent = offered.name;
  at("surface").replaceChildren(...offered.surfaces.map((name) => new Option(name)));
  const first = offered.latest.length ? "choose a member" : "no member yet";
  at("latest").replaceChildren(new Option(first, ""), ...offered.latest.map(({ member }, place) => new Option(member, place)));
  const field = (group, name, text) => {
    const label = made("label", "", text);
    const input = made("input", "");
    label.htmlFor = input.id = `${group}-${name}`;
    input.autocomplete = "off";
    return [label, input];
  };
  at("context").replaceChildren(
    ...offered.context.flatMap(({ name }) => field("context", name, name)),
    ...offered.candidates.flatMap(({ name }) => field("candidates", name, `${name}, one JSON list for the items`)),
  );
  at("items").value = offered.popular.join("\n");
}

function fill() {
  const slate = offered.latest[at("latest").value];
  if (!slate) return;
  at("member").value = slate.member;
  at("items").value = slate.items.join("\n");
  at("surface").value = slate.surface;
  at("time").value = slate.time ?? "";
  for (const { name } of offered.context) at(`context-${name}`).value = slate.context[name] ?? "";
  for (const { name } of offered.candidates) {
    const values = slate.candidates[name];
    at(`candidates-${name}`).value = values ? JSON.stringify(values) : "";
  }
  at("request").requestSubmit();
}

function list(name, text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${name}: expected a JSON list, such as [1, null]; found ${text.slice(0, 60)}`);
  }
}

// Keys are text in both directions: a number above 2^53 would become another key here.
function instance() {
  const items = at("items").value.split("\n").map((line) => line.trim()).filter(Boolean);
  const context = { surface: at("surface").value };
  if (at("time").value.trim()) context.time = at("time").value.trim();
  for (const { name, kind } of offered.context) {
    const text = at(`context-${name}`).value.trim();
    if (text) context[name] = kind === "number" ? Number(text) : text;
  }
  const candidates = {};
  for (const { name } of offered.candidates) {
    const text = at(`candidates-${name}`).value.trim();
    if (text) candidates[name] = list(name, text);
  }
  const given = offered.candidates.length ? { candidates } : {};
  return { member: at("member").value.trim(), items, context, ...given, explain: items.length <= offered.most };
}

async function rank(event) {
  event.preventDefault();
  at("rank").disabled = true;
  const number = ++requests;
  const current = () => number === requests;
  try {
    const request = instance();
    const body = JSON.stringify({ instances: [request] });
    const { predictions } = await requested(`/v1/models/${encodeURIComponent(offered.name)}:predict`, body);
    if (!current()) return;
    show(predictions[0], request.context.time ? Date.parse(request.context.time) : Date.now());
    complain(null);
  } catch (error) {
    if (!current()) return;
    for (const id of ["facts", "legend", "fallback"]) at(id).hidden = true;
    at("slate").replaceChildren();
    complain(error);
  } finally {
    if (current()) at("rank").disabled = false;
  }
}

// ---- The response ----

function show(response, now) {
  const known = response.state_as_of ? `${age(response.state_as_of, now)} old` : "no vectors";
  const facts = [
    ["Member", response.member + (response.member_cold && !response.fallback ? " (cold)" : "")],
    ["Model version", response.model_version],
    ["Member's state", response.fallback ? "not read" : known],
    ["Request id", response.request_id],
  ];
  if (response.stale?.length) facts.push(["Too old", response.stale.join(", ").replaceAll("_", " ")]);
  if (response.relative) facts.push(["Only ranks", `${response.relative.join(", ")}: the level of the probabilities means nothing`]);
  const explained = response.slate.some(({ reasons }) => reasons);
  if (!response.fallback && !explained) facts.push(["Reasons", `of up to ${offered.most} items`]);
  at("facts").replaceChildren(...facts.map(([name, value]) => made("div", "", made("dt", "", name), made("dd", "", value))));
  at("slate").replaceChildren(...response.slate.map((candidate, place) => shown(candidate, place, now)));
  at("empty").hidden = true;
  at("facts").hidden = false;
  at("fallback").hidden = !response.fallback;
  at("legend").hidden = !explained;
  at("legend").textContent =
    `Ranked by ${offered.primary} times the factors of the business rules (the score). A reason's bar: the percentage points of ` +
    `${offered.primary} that the input adds (green) or removes (red), found by leaving it out. ← is an edge in reverse.`;
}

const families = [
  ["What the member did, and what both sides have in common", ["activity", "neighbour"]],
  ["Whole inputs", ["member", "item", "counter", "collaborative", "context", "time"]],
];

function shown(candidate, place, now) {
  const head = made("div", "", made("span", "node", offered.item_node), made("span", "item", candidate.item));
  for (const [name, title] of Object.entries(flags)) {
    if (candidate[name]) head.append(Object.assign(made("span", "flag", name), { title }));
  }
  for (const [name, title] of candidate.adjustments.map((entry) => adjusted(entry, now)).filter(Boolean)) {
    head.append(Object.assign(made("span", "flag", name), { title }));
  }
  const chances = offered.tasks.map((task) => chance(task, candidate.probabilities[task]));
  const score = row("score", made("span", "text", "score: ranked by"), 0, candidate.score, candidate.score.toFixed(4));
  const body = made("div", "", head, rows([...chances, score]));
  for (const [title, kinds] of families) {
    const reasons = (candidate.reasons ?? []).filter(({ kind }) => kinds.includes(kind));
    const most = Math.max(...reasons.map(({ effect }) => Math.abs(effect)));
    if (reasons.length) body.append(made("h3", "", title), rows(reasons.map((reason) => effect(reason, most, now))));
  }
  return made("li", "", made("span", "rank", String(place + 1)), body);
}

// What a rule did to the score or the place: a name, and a sentence.
function adjusted({ rule, factor, action, time, most, share }, now) {
  switch (rule) {
    case "frequency_cap":
      return null; // the flag "capped" says it
    case "seen_discount":
      return [`seen × ${factor}`, `The member's ${action}, ${age(time, now)} before: the score is ${offered.primary} times ${factor}`];
    case "diversity":
      return ["diversity", `${most} items of its creator rank higher: it follows after all items without this mark`];
    case "explore":
      return ["random order", `${+(100 * share).toPrecision(6)} % of the slates are ordered at random, and this is one of them`];
    case "popularity":
      return ["popularity", "Ranked by popularity: the online store did not respond"];
    default:
      return [rule, ""];
  }
}

const rows = (lines) => made("ul", "rows", ...lines);

function row(className, text, left, width, value) {
  const bar = made("i", "");
  bar.style.left = `${100 * left}%`;
  bar.style.width = `${100 * width}%`;
  return made("li", className, text, made("span", "track", bar), made("span", "value", value));
}

function chance(task, probability) {
  const className = task === offered.primary ? "primary" : "";
  return row(className, made("span", "text", task), 0, probability, `${(100 * probability).toFixed(2)} %`);
}

function effect(reason, most, now) {
  const [what, more] = named(reason, now);
  const text = made("span", "text", what, made("small", "", more ? ` ${more}` : ""));
  const half = Math.abs(reason.effect) / most / 2;
  const sign = reason.effect > 0 ? "+" : "−";
  const points = `${sign}${(100 * Math.abs(reason.effect)).toFixed(2)} pts`;
  return row(`effect ${reason.effect > 0 ? "up" : "down"}`, text, reason.effect > 0 ? 0.5 : 0.5 - half, half, points);
}

// What a reason is called: a text, and a quieter one beside it.
function named(reason, now) {
  switch (reason.kind) {
    case "activity":
      return [`${reason.action} ${reason.node} ${reason.key}`, `${reason.domain}, ${age(reason.time, now)} before`];
    case "neighbour":
      return [shared(reason), [path("member", reason.member_path), path("item", reason.item_path)].filter(Boolean).join("; ")];
    case "counter":
      return [`counter ${reason.counter}`, ""];
    case "context":
    case "time":
      return [reason.feature, reason.kind === "time" ? "from the time of the request" : "given with the request"];
    case "collaborative":
      return [`what similar members did: ${reason.block}`, ""];
    default:
      return [`everything known about the ${reason.kind}`, reason.kind === "member" ? "profile and neighborhood" : ""];
  }
}

// A path without an edge leads to the member, or to the item, itself.
function shared({ node, key, member_path: ofMember, item_path: ofItem }) {
  if (!ofMember.length) return "this member, in the item's neighborhood";
  if (!ofItem.length) return "this item, in the member's neighborhood";
  return `in common: ${node} ${key}`;
}

const path = (side, edges) => edges.length ? [side, ...edges.map((edge) => edge.replace(/^rev_/, "←"))].join(" · ") : "";

function age(moment, now) {
  const seconds = Math.max(0, (now - Date.parse(moment)) / 1000);
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const [name, size] = units.find(([, size]) => seconds >= size) ?? units.at(-1);
  const count = Math.round(seconds / size);
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}

at("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token = at("token").value;
  at("token").value = "";
  open();
});
at("latest").addEventListener("change", fill);
at("request").addEventListener("submit", rank);
open();
