// What is live on a page: times in the reader's zone, sections that follow the log, sliders for time travel.
// Without it every page says the same, in UTC, and is reloaded by hand.

const PAUSE = 1000; // milliseconds between two updates, however much comes
const AWAY = 5000; // until a service that refused is asked again
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const two = (number) => String(number).padStart(2, "0");
let source;

function inZone(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    if (time.closest("[data-utc]")) continue; // on paper, everybody's is the same
    const told = time.getAttribute("datetime");
    const at = new Date(told);
    if (Number.isNaN(at.getTime())) continue;
    const fraction = (told.match(/\.(\d{1,3})/) || ["", ""])[1].replace(/0+$/, "");
    time.textContent = `${words(at)}${fraction ? `.${fraction}` : ""}`;
    time.title = `${told.replace("T", " ").replace("Z", "")} UTC`;
  }
}

function words(at) {
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

// Beside a field, which takes UTC: what the time in it is for the reader.
function tell(field) {
  const zoned = document.createElement("small");
  zoned.className = "zoned";
  zoned.setAttribute("role", "status");
  const say = () => {
    const [day, clock, of] = field.value.trim().replace(" ", "T").match(/^([\d-]{10})(T[\d:.]{5,})? ?(Z|UTC|[+-][\d:]{5})?$/)?.slice(1) || [];
    const at = new Date(`${day}${clock || "T00:00"}${!of || of === "UTC" ? "Z" : of}`);
    const elsewhere = !Number.isNaN(at.getTime()) && (at.getTimezoneOffset() || (of && !"UTCZ".includes(of)));
    zoned.textContent = elsewhere ? `${words(at)} in ${zone}` : "";
  };
  field.addEventListener("input", say);
  say();
  field.after(zoned);
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

function slide(field) {
  const instants = field.dataset.instants.split(" ");
  const slider = document.createElement("input");
  const at = instants.findIndex((one) => one >= field.value);
  slider.type = "range";
  slider.max = instants.length;
  slider.value = field.value && at >= 0 ? at : instants.length;
  slider.setAttribute("aria-label", `${field.labels[0].textContent}: event by event`);
  const told = () => instants[slider.value] || "";
  const say = () => slider.setAttribute("aria-valuetext", told() || "now");
  slider.addEventListener("input", () => {
    field.value = told();
    field.dispatchEvent(new Event("input"));
    say();
  });
  slider.addEventListener("change", () => field.form.requestSubmit());
  say();
  field.after(slider);
}

inZone(document);
if (!document.querySelector("[data-utc]")) document.getElementById("zone").textContent = `Times are in your zone, ${zone}; hover over one for UTC. Fields take UTC.`;
for (const field of document.querySelectorAll("input[data-time]")) tell(field);
for (const field of document.querySelectorAll("input[data-instants]")) slide(field);
follow();
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => event.persisted && renew());
