// Creating and using passkeys: the browser answers our challenge, and an ordinary form submits the answer.
const decode = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const encode = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function decodeOptions(options) {
  options.challenge = decode(options.challenge);
  if (options.user) options.user.id = decode(options.user.id);
  for (const credential of [...(options.excludeCredentials ?? []), ...(options.allowCredentials ?? [])]) {
    credential.id = decode(credential.id);
  }
  return options;
}

function encodeCredential(credential) {
  const response = {};
  for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[part]) response[part] = encode(credential.response[part]);
  }
  const { id, rawId, type } = credential;
  return JSON.stringify({ id, rawId: encode(rawId), type, response, clientExtensionResults: {} });
}

async function submitWithPasskey(form) {
  const body = new URLSearchParams({ csrf_token: form.elements.csrf_token.value });
  const response = await fetch(form.dataset.challenge, { method: "POST", body });
  if (response.redirected) return location.assign(response.url);
  if (response.status === 429) throw new Error("Too many attempts. Wait 15 minutes.");
  if (!response.ok) throw new Error("That took too long. Reload the page.");
  const publicKey = decodeOptions(await response.json());
  form.elements.credential.value = encodeCredential(await navigator.credentials[form.dataset.passkey]({ publicKey }));
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
      await submitWithPasskey(form);
    } catch (error) {
      // Browsers' own messages about an unused passkey are not meant for people.
      problem.textContent = error instanceof DOMException ? "No passkey was used. Try again." : error.message;
      problem.hidden = false;
    }
  });
}
