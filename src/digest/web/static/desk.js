// What the desk needs besides htmx. Every page works without it.
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
let pressed = null;
const csrfToken = () => $("meta[name=csrf-token]").content;

document.documentElement.classList.add("live");

// Every change that htmx makes carries the CSRF token.
document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (detail.verb !== "get") detail.headers["X-CSRFToken"] = csrfToken();
  // htmx ignores a submit button outside of its form.
  if (detail.elt.id === "draft" && pressed?.value) detail.parameters.action = pressed.value;
});
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.elt.id === "order" && !event.detail.elt.value) event.preventDefault(); // it was sent with a button
});

// The draft: a pick moves at once, and the new order is sent a moment later.

let sendTimer = null;
let ordersInFlight = 0;
const picks = () => $$("[data-pick]");
const announce = (text) => { $("#announce").textContent = text; };

function renumber() {
  picks().forEach((pick, index) => { $(".pick-place", pick).textContent = index + 1; });
}

function sendOrder(pick) {
  const order = $("#order");
  order.value = picks().map((other) => other.dataset.pick).join(",");
  order.setAttribute("hx-vals", JSON.stringify({ action: `reorder:${pick.dataset.pick}` }));
  clearTimeout(sendTimer);
  sendTimer = setTimeout(() => { sendTimer = null; ordersInFlight += 1; htmx.trigger(order, "reordered"); }, 400);
}

// A button pressed before that sends the order along.
document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  if (detail.elt.id === "draft") sendTimer = clearTimeout(sendTimer) ?? null;
});
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.elt.id === "order") ordersInFlight -= 1;
  if (detail.elt.id === "draft") [sendTimer, ordersInFlight] = [clearTimeout(sendTimer) ?? null, 0];
  if (["order", "draft"].includes(detail.elt.id) && !sendTimer && !ordersInFlight && $("#order")) $("#order").value = "";
});

function move(pick, step) {
  const all = picks();
  const other = all[all.indexOf(pick) + step];
  const name = pick.dataset.name;
  if (!other) return announce(`${name} is already ${step < 0 ? "first" : "last"}.`);
  const focused = document.activeElement;
  if (step < 0) other.before(pick); else other.after(pick);
  renumber();
  if (pick.contains(focused)) focused.focus({ preventScroll: true });
  pick.scrollIntoView({ block: "nearest" });
  announce(`${name} is now number ${picks().indexOf(pick) + 1} of ${all.length}.`);
  sendOrder(pick);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[name=action]");
  const step = { move_up: -1, move_down: 1 }[button?.value.split(":")[0]];
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
  pick.classList.add("dragging");
  const drag = ({ clientY }) => {
    for (const other of picks()) {
      const { top, height } = other.getBoundingClientRect();
      if (other === pick || clientY < top || clientY > top + height) continue;
      const down = pick.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING;
      if (down && clientY > top + height / 3) other.after(pick);
      if (!down && clientY < top + (2 * height) / 3) other.before(pick);
    }
    renumber();
  };
  const drop = () => {
    pick.classList.remove("dragging");
    document.removeEventListener("pointermove", drag);
    document.removeEventListener("pointerup", drop);
    document.removeEventListener("pointercancel", drop);
    if (picks().every((other, index) => other === before[index])) return;
    announce(`${pick.dataset.name} is now number ${picks().indexOf(pick) + 1} of ${before.length}.`);
    sendOrder(pick);
  };
  document.addEventListener("pointermove", drag);
  document.addEventListener("pointerup", drop);
  document.addEventListener("pointercancel", drop);
});

// One action at a time: a second click while the first is in flight does nothing. Afterwards the focus returns to the
// button, else to the pick, else to the list.

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

// Texts: a field with the focus is never replaced, and unsaved changes are sent when the page is closed.

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
  const focused = document.activeElement;
  if (focused.matches("input, textarea") && event.detail.target.contains(focused)) event.preventDefault();
});

document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  if (["saver", "draft"].includes(detail.elt.id)) unsaved = false;
});

const problems = { 401: "You are signed out. Sign in in another tab, then continue here.", 0: "No connection." };
function showNotSaved({ detail }) {
  const saved = $("#saved");
  const { status } = detail.xhr;
  const saving = ["saver", "draft", "order"].includes(detail.elt.id);
  if (!saved || detail.xhr.getResponseHeader("HX-Retarget") || !(saving || status in problems)) return;
  if (saving) unsaved = true;
  saved.innerHTML = '<span role="alert" class="skip"></span>';
  saved.firstChild.textContent = `Not saved: ${problems[status] ?? "something went wrong on the server."} Your changes are still on this page.`;
  if (unsaved) setTimeout(() => unsaved && htmx.trigger("#saver", "change"), 10_000);
}
document.addEventListener("htmx:responseError", showNotSaved);
document.addEventListener("htmx:sendError", showNotSaved);

addEventListener("pagehide", () => {
  const form = $("#draft");
  if (!form || !(unsaved || sendTimer)) return;
  const body = new URLSearchParams(new FormData(form));
  if (sendTimer) body.set("action", JSON.parse($("#order").getAttribute("hx-vals")).action);
  const headers = { "X-CSRFToken": csrfToken() };
  fetch(sendTimer ? form.getAttribute("action") : form.dataset.autosaveUrl, { method: "POST", body, headers, keepalive: true });
});
