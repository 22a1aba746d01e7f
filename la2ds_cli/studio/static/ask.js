// Requests to the studio's server: JSON in, JSON out, and errors with hints.

/** What the server could not do; `hint` says what helps, "" if unknown; `kind`: the name of its exit
 * code; `passing`: whether the same request may succeed later. */
export class Refused extends Error {
  constructor(message, hint = "", kind = "") {
    super(message);
    Object.assign(this, { hint, kind });
    this.passing = /^another la2ds command/.test(message);
  }
}

async function answered(response) {
  const kind = response.headers.get("content-type") || "";
  const body = kind.startsWith("application/json") ? await response.json() : await response.text();
  if (response.ok) return body;
  if (typeof body === "object") throw new Refused(body.error, body.hint, body.kind);
  throw new Refused(response.status === 403 ? body.trim() : "the studio had an internal error; see its terminal");
}

async function asked(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw Object.assign(new Refused("the studio does not answer", "start it again: la2ds studio"), { passing: true });
  }
  return answered(response);
}

export const get = (path) => asked(path, {});

export const post = (path, content = {}) => asked(path, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(content),
});

/** Send a file as it is. */
export const send = (path, file) => asked(path, { method: "PUT", body: file });

export const remove = (path) => asked(path, { method: "DELETE" });
