// Solves the challenge of the sign-up form (ALTCHA 2, PBKDF2/SHA-256), then sends the form. No request leaves before that.
const form = document.getElementById("sign-up-proof");
const toHex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
const toBytes = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));

async function solve({ nonce, salt, cost, keyLength, keyPrefix }) {
  const head = toBytes(nonce);
  const password = new Uint8Array(head.length + 4); // the nonce, then the counter as 32 bits, the highest first
  password.set(head);
  const options = { name: "PBKDF2", hash: "SHA-256", salt: toBytes(salt), iterations: cost };
  for (let counter = 0; ; counter += 1) {
    new DataView(password.buffer).setUint32(head.length, counter);
    const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
    const derivedKey = toHex(await crypto.subtle.deriveBits(options, key, keyLength * 8));
    if (derivedKey.startsWith(keyPrefix)) return { counter, derivedKey };
  }
}

// Browsers offer cryptography on https and on this machine only; anyone else waits and presses the button.
if (form && window.crypto?.subtle) {
  const challenge = JSON.parse(form.dataset.challenge);
  solve(challenge.parameters).then((solution) => {
    form.elements.proof.value = btoa(JSON.stringify({ challenge, solution }));
    form.submit();
  });
}
