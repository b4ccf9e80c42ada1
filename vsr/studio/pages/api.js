// Requests to the studio. A refusal is an Error whose message is the one line that the studio gave.

export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

let onLost = () => {};
export function whenLost(listener) { onLost = listener; }

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name !== "AbortError") onLost(true);
    throw error;
  }
  onLost(answer.status === 403);
  if (answer.ok) return answer;
  throw refusal(await answer.text(), answer.status);
}

function refusal(text, status) {
  let message = text.trim();
  try { message = JSON.parse(text).error; } catch { /* plain text */ }
  return new Refusal(message || `the studio refused (${status})`, status);
}

export async function get(path, options) { return (await ask(path, options)).json(); }

export async function post(path, body = {}, options = {}) {
  const headers = { "content-type": "application/json" };
  return (await ask(path, { method: "POST", headers, body: JSON.stringify(body), ...options })).json();
}

// With progress, which fetch does not report of uploads.
export function upload(file, onShare) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/api/uploads/${encodeURIComponent(file.name)}`);
    request.upload.addEventListener("progress", (event) => onShare(event.loaded / file.size));
    request.addEventListener("load", () => {
      onLost(request.status === 403);
      if (request.status === 201) resolve(JSON.parse(request.responseText).name);
      else reject(refusal(request.responseText, request.status));
    });
    request.addEventListener("error", () => reject(new Error("the upload broke off")));
    request.send(file);
  });
}

export function loadImage(path) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.addEventListener("load", () => resolve(image));
    image.addEventListener("error", () => reject(new Error("the image could not be loaded")));
    image.src = path;
  });
}
