// Making and using a passkey: the browser answers our challenge, and the answer goes out with an ordinary form.
const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function readied(options) {
  options.challenge = bytes(options.challenge);
  if (options.user) options.user.id = bytes(options.user.id);
  for (const known of [...(options.excludeCredentials ?? []), ...(options.allowCredentials ?? [])]) known.id = bytes(known.id);
  return options;
}

function written(made) {
  const response = {};
  for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (made.response[part]) response[part] = text(made.response[part]);
  }
  return JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response, clientExtensionResults: {} });
}

async function answer(form) {
  const body = new URLSearchParams({ csrf_token: form.elements.csrf_token.value });
  const asked = await fetch(form.dataset.challenge, { method: "POST", body });
  if (asked.redirected) return location.assign(asked.url);
  if (asked.status === 429) throw new Error("Too many tries. Wait a quarter of an hour.");
  if (!asked.ok) throw new Error("That took too long. Load this page anew.");
  const publicKey = readied(await asked.json());
  form.elements.credential.value = written(await navigator.credentials[form.dataset.passkey]({ publicKey }));
  form.submit();
}

for (const form of document.querySelectorAll("[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = form.querySelector(".problem");
    problem.hidden = true;
    try {
      await answer(form);
    } catch (error) {
      // What browsers say of a passkey that was not used is no sentence for people.
      problem.textContent = error instanceof DOMException ? "The passkey was not used. Try once more." : error.message;
      problem.hidden = false;
    }
  });
}
