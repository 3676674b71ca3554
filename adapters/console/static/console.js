// What is live on a page: times in the reader's zone, sections that follow the log, sliders for time travel.
// Without it every page says the same, in UTC, and is reloaded by hand.

const PAUSE = 1000; // milliseconds between two updates, however much comes
const AWAY = 5000; // until a service that refused is asked again
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const two = (number) => String(number).padStart(2, "0");
const narrow = matchMedia("(max-width: 48rem)");
let source;

function inZone(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    if (time.closest("[data-utc]")) continue; // on paper, everybody's is the same
    const told = time.getAttribute("datetime");
    const text = local(told, 3);
    if (!text) continue;
    time.textContent = time.dataset.clock === undefined ? text : text.slice(11);
    time.title = `${told.replace("T", " ").replace("Z", "")} UTC`;
  }
  for (const named of root.querySelectorAll("[data-zone]")) {
    if (!named.closest("[data-utc]")) named.textContent = zone;
  }
}

function words(at) {
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

// An instant as the reader's clock has it, with at most so many digits of its fraction; nothing where it is none.
function local(instant, digits = 6) {
  const at = new Date(instant);
  if (!instant.endsWith("Z") || Number.isNaN(at.getTime())) return "";
  const fraction = (instant.match(/\.(\d+)/) || ["", ""])[1];
  return words(at) + (/[1-9]/.test(fraction) ? `.${fraction.slice(0, digits)}` : "");
}

// The other way: the instant of what is typed. What names a zone, or is no time, is sent as it is.
function instantOf(field) {
  const typed = field.value.trim();
  if (typed === field.dataset.shown) return field.dataset.time;
  const [, day, clock, fraction] = typed.match(/^(\d{4}-\d\d-\d\d)?(?:[T ]?(\d\d:\d\d(?::\d\d)?)(\.\d+)?)?$/) || [];
  if (!day && !clock) return typed;
  const at = new Date(`${day || words(field.dataset.day ? new Date(field.dataset.day) : new Date()).slice(0, 10)}T${clock || "00:00"}`);
  return Number.isNaN(at.getTime()) ? typed : `${at.toISOString().slice(0, 19)}${fraction || ""}Z`;
}

// A field takes and shows times in the zone of the page, which its label names; what is sent is an instant.
function take(field) {
  show(field, field.dataset.time);
  field.form.addEventListener("formdata", (event) => event.formData.set(field.name, instantOf(field)));
}

function show(field, instant) {
  field.value = field.dataset.shown = local(instant) || field.value;
  if (!instant) field.value = field.dataset.shown = "";
  field.dataset.time = instant;
}

function follow() {
  const live = document.querySelector("[data-live]");
  const polled = document.querySelector("[data-poll]");
  if (polled) setTimeout(renew, PAUSE);
  if (!live) return;
  source = new EventSource(live.dataset.live);
  source.onopen = () => document.body.classList.add("is-live");
  source.onmessage = () => {
    source.close();
    setTimeout(renew, PAUSE);
  };
  source.onerror = () => {
    document.body.classList.remove("is-live");
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, AWAY);
  };
}

async function renew() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // the service is away: what is shown stays, and it is asked again
  }
  follow();
}

function replace(page) {
  const old = document.getElementById("live");
  const fresh = page.getElementById("live");
  if (!old || !fresh) return;
  const open = new Set([...old.querySelectorAll("details[open]")].map(keyOf));
  for (const details of fresh.querySelectorAll("details")) details.open = open.has(keyOf(details));
  const focused = old.contains(document.activeElement) ? selectorOf(document.activeElement) : null;
  inZone(fresh);
  old.replaceWith(document.adoptNode(fresh));
  if (focused) fresh.querySelector(focused)?.focus({ preventScroll: true });
}

function keyOf(details) {
  return details.id || details.closest("[id]")?.id;
}

function selectorOf(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  if (element.tagName === "SUMMARY" && element.closest("li[id]")) return `#${CSS.escape(element.closest("li[id]").id)} summary`;
  return element.getAttribute("href") ? `a[href="${CSS.escape(element.getAttribute("href"))}"]` : null;
}

// On a telephone a form of many fields would push down what the page is about: there it is folded unless it is in use.
function fold() {
  for (const one of document.querySelectorAll("details.fold")) one.open = !narrow.matches || "needed" in one.dataset;
}

function slide(field) {
  const instants = field.dataset.instants.split(" ");
  const slider = document.createElement("input");
  const at = instants.findIndex((one) => one >= field.dataset.time);
  slider.type = "range";
  slider.max = instants.length;
  slider.value = field.dataset.time && at >= 0 ? at : instants.length;
  slider.setAttribute("aria-label", `${field.labels[0].textContent}: event by event`);
  const told = () => instants[slider.value] || "";
  const say = () => slider.setAttribute("aria-valuetext", local(told(), 3) || "now");
  slider.addEventListener("input", () => {
    show(field, told());
    say();
  });
  slider.addEventListener("change", () => {
    sessionStorage.setItem("slid", field.id);
    field.form.requestSubmit();
  });
  say();
  const ends = document.createElement("span");
  ends.className = "slide";
  ends.append(slider, end(instants[0], ""), end(instants.at(-1), ", now"));
  field.after(ends);
  if (sessionStorage.getItem("slid") !== field.id) return;
  sessionStorage.removeItem("slid");
  slider.closest("details").open = true;
  slider.focus();
}

function end(instant, behind) {
  const told = document.createElement("small");
  told.textContent = local(instant, 3).slice(11) + behind;
  told.title = local(instant);
  return told;
}

inZone(document);
if (!document.querySelector("[data-utc]")) document.getElementById("zone").textContent = `Times are in your zone, ${zone}, those that you type as well; hover over one for UTC.`;
fold();
narrow.addEventListener("change", fold);
for (const field of document.querySelectorAll("input[data-time]")) take(field);
for (const field of document.querySelectorAll("input[data-instants]")) slide(field);
follow();
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => event.persisted && renew());
