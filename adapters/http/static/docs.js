// "Try it": a GET of the API with the reader's own token, which stays in this page and is gone with it.

const token = document.getElementById("token");

for (const part of document.querySelectorAll(".trying")) part.hidden = false;

for (const form of document.forms) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.dataset.path) answer(form);
  });
}

function addressOf(form) {
  const query = new URLSearchParams();
  let path = form.dataset.path;
  for (const field of form.querySelectorAll("input")) {
    const value = field.value.trim();
    if (path.includes(`{${field.name}}`)) path = path.replace(`{${field.name}}`, encodeURIComponent(value));
    else if (value) query.append(field.name, value);
  }
  return query.size ? `${path}?${query}` : path;
}

async function answer(form) {
  const shown = form.querySelector("output");
  const address = addressOf(form);
  const headers = token && token.value.trim() ? { Authorization: `Bearer ${token.value.trim()}` } : {};
  shown.textContent = `GET ${address}\n…`;
  try {
    const got = await fetch(address, { headers, credentials: "omit", cache: "no-store" });
    shown.textContent = `GET ${address}\n${got.status} ${got.statusText}\n\n${pretty(await got.text())}`;
  } catch (error) {
    shown.textContent = `GET ${address}\n${error.message}`;
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
