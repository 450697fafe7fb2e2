// While an issue is sending: the numbers are fetched every three seconds and put in place, so that the page neither
// jumps nor loses the focus. Without scripts the page reloads itself instead. A change of state reloads it too.
const shown = () => document.getElementById("watch");
async function look() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("watch");
    if (!fresh || fresh.dataset.state !== shown().dataset.state) return location.reload();
    document.title = page.title;
    for (const part of fresh.querySelectorAll("[data-live]")) {
      shown().querySelector(`[data-live="${part.dataset.live}"]`)?.replaceChildren(...part.childNodes);
    }
  } catch { /* the next look tries again */ }
  setTimeout(look, 3000);
}
setTimeout(look, 3000);
