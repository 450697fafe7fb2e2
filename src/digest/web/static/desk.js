// What the desk needs beside htmx. Every page works without it.
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
let pressed = null;
const proof = () => $("meta[name=csrf-token]").content;

document.documentElement.classList.add("live");

// Our proof goes with every change that htmx makes.
document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (detail.verb !== "get") detail.headers["X-CSRFToken"] = proof();
  // htmx knows no button that stands outside of its form.
  if (detail.elt.id === "draft" && pressed?.value) detail.parameters.do = pressed.value;
});
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.elt.id === "order" && !event.detail.elt.value) event.preventDefault(); // it went with a button
});

// The draft: a pick is moved at once, and its new place is sent a moment later.

let waiting = null;
let onItsWay = 0;
const picks = () => $$("[data-pick]");
const tell = (words) => { $("#announce").textContent = words; };

function number() {
  picks().forEach((pick, place) => { $(".pick-place", pick).textContent = place + 1; });
}

function send(pick) {
  const order = $("#order");
  order.value = picks().map((one) => one.dataset.pick).join(",");
  order.setAttribute("hx-vals", JSON.stringify({ do: `order:${pick.dataset.pick}` }));
  clearTimeout(waiting);
  waiting = setTimeout(() => { waiting = null; onItsWay += 1; htmx.trigger(order, "reordered"); }, 400);
}

// A button that is pressed before that takes the order along.
document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  if (detail.elt.id === "draft") waiting = clearTimeout(waiting) ?? null;
});
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.elt.id === "order") onItsWay -= 1;
  if (detail.elt.id === "draft") [waiting, onItsWay] = [clearTimeout(waiting) ?? null, 0];
  if (["order", "draft"].includes(detail.elt.id) && !waiting && !onItsWay && $("#order")) $("#order").value = "";
});

function move(pick, by) {
  const all = picks();
  const other = all[all.indexOf(pick) + by];
  const name = pick.dataset.name;
  if (!other) return tell(`${name} is ${by < 0 ? "first" : "last"} already.`);
  const held = document.activeElement;
  if (by < 0) other.before(pick); else other.after(pick);
  number();
  if (pick.contains(held)) held.focus({ preventScroll: true });
  pick.scrollIntoView({ block: "nearest" });
  tell(`${name} is number ${picks().indexOf(pick) + 1} of ${all.length} now.`);
  send(pick);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[name=do]");
  const step = { up: -1, down: 1 }[button?.value.split(":")[0]];
  if (!step || !$("#order")) return;
  event.preventDefault();
  move(button.closest("[data-pick]"), step);
});

document.addEventListener("keydown", (event) => {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const pick = event.target.closest?.("[data-pick]");
  if (!event.altKey || !step || !pick || !$("#order") || event.target.matches("textarea, input")) return;
  event.preventDefault();
  move(pick, step);
});

document.addEventListener("pointerdown", (event) => {
  const handle = event.target.closest?.(".pick-place");
  const pick = handle?.closest("[data-pick]");
  if (!pick || !$("#order") || event.button) return;
  event.preventDefault();
  const before = picks();
  pick.classList.add("held");
  const over = ({ clientY }) => {
    for (const other of picks()) {
      const { top, height } = other.getBoundingClientRect();
      if (other === pick || clientY < top || clientY > top + height) continue;
      const down = pick.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING;
      if (down && clientY > top + height / 3) other.after(pick);
      if (!down && clientY < top + (2 * height) / 3) other.before(pick);
    }
    number();
  };
  const end = () => {
    pick.classList.remove("held");
    document.removeEventListener("pointermove", over);
    document.removeEventListener("pointerup", end);
    document.removeEventListener("pointercancel", end);
    if (picks().every((one, place) => one === before[place])) return;
    tell(`${pick.dataset.name} is number ${picks().indexOf(pick) + 1} of ${before.length} now.`);
    send(pick);
  };
  document.addEventListener("pointermove", over);
  document.addEventListener("pointerup", end);
  document.addEventListener("pointercancel", end);
});

// One act at a time: a second press while the first is on its way does nothing. Afterwards the focus is where it was,
// or at the pick, or at the list.

document.addEventListener("submit", (event) => {
  if (event.target.id !== "draft") return;
  if (pressed) { event.preventDefault(); event.stopImmediatePropagation(); return; }
  pressed = event.submitter;
}, true);

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.elt.id !== "draft") return;
  const { id, value } = pressed ?? {};
  pressed = null;
  if (!id || document.activeElement !== document.body) return;
  const row = $(`#pick-${(value ?? "").split(/[:-]/).pop()}`);
  ($(`#${CSS.escape(id)}`) ?? (row && $("h3 a", row)) ?? $("#picks"))?.focus();
});

// Words: what is being written is never replaced, and the last of it is sent when the page goes away.

let unsaved = false;

document.addEventListener("input", (event) => {
  if (event.target.form?.id !== "draft" || ["find", "test-address"].includes(event.target.name)) return;
  unsaved = true;
  $("#draft").dataset.unsaved = "";
});

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (["saver", "draft"].includes(detail.elt.id) && !unsaved) delete $("#draft")?.dataset.unsaved;
});

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const writing = document.activeElement;
  if (writing.matches("input, textarea") && event.detail.target.contains(writing)) event.preventDefault();
});

document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  if (["saver", "draft"].includes(detail.elt.id)) unsaved = false;
});

const problems = { 401: "You are signed out. Sign in in another tab, then write on here.", 0: "No connection." };
function notSaved({ detail }) {
  const saved = $("#saved");
  const { status } = detail.xhr;
  const saving = ["saver", "draft", "order"].includes(detail.elt.id);
  if (!saved || detail.xhr.getResponseHeader("HX-Retarget") || !(saving || status in problems)) return;
  if (saving) unsaved = true;
  saved.innerHTML = '<span role="alert" class="skip"></span>';
  saved.firstChild.textContent = `Not saved: ${problems[status] ?? "something broke on our side."} Your words are still here.`;
  if (unsaved) setTimeout(() => unsaved && htmx.trigger("#saver", "change"), 10_000);
}
document.addEventListener("htmx:responseError", notSaved);
document.addEventListener("htmx:sendError", notSaved);

addEventListener("pagehide", () => {
  const form = $("#draft");
  if (!form || !(unsaved || waiting)) return;
  const body = new URLSearchParams(new FormData(form));
  if (waiting) body.set("do", JSON.parse($("#order").getAttribute("hx-vals")).do);
  const headers = { "X-CSRFToken": proof() };
  fetch(waiting ? form.action : form.dataset.words, { method: "POST", body, headers, keepalive: true });
});
