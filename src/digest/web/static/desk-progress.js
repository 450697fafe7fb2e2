// While an issue is sending, the numbers are fetched every three seconds and replaced in place, so that the page neither
// jumps nor loses the focus. Without scripts the page reloads instead. A change of state reloads it too.
const current = () => document.getElementById("progress");
async function refresh() {
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!response.ok) throw new Error(response.status);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById("progress");
    if (!fresh || fresh.dataset.state !== current().dataset.state) return location.reload();
    document.title = page.title;
    for (const part of fresh.querySelectorAll("[data-live]")) {
      current().querySelector(`[data-live="${part.dataset.live}"]`)?.replaceChildren(...part.childNodes);
    }
  } catch { /* the next refresh tries again */ }
  setTimeout(refresh, 3000);
}
setTimeout(refresh, 3000);
