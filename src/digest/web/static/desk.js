// What every page of the desk needs beside htmx. Pages work without it.

// Our proof goes with every change that htmx makes.
document.addEventListener("htmx:configRequest", (event) => {
  const { verb, headers } = event.detail;
  if (verb !== "get") headers["X-CSRFToken"] = document.querySelector("meta[name=csrf-token]").content;
});
