// Requests to the studio's server: JSON in, JSON out, and errors with hints; and what a page saves.

import { at, trouble } from "./page.js";

const AGAIN_AFTER = 2000; // milliseconds

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

/** What a person changes on a page, stored by one request after another, in the element `saved`. */
export class Saving {
  /** refused(): a change will never be stored; the page shows again what is. */
  constructor(refused) {
    Object.assign(this, { refused, due: 0, done: Promise.resolve() });
    window.addEventListener("beforeunload", (event) => { if (this.due) event.preventDefault(); });
  }

  /** Store a change. send(): its request, made again while the studio does not answer or another
   * command is writing. `done` resolves when all are stored. */
  add(send) {
    const tell = (otherwise) => { at("saved").textContent = this.due ? "not saved yet" : otherwise; };
    this.due += 1;
    tell("");
    this.done = this.done.then(() => this.sent(send)).then(
      () => { trouble(null); this.due -= 1; tell("saved"); },
      async (error) => { trouble(error); this.due -= 1; tell("not saved"); await this.refused().catch(trouble); },
    );
  }

  async sent(send) {
    for (;;) {
      try {
        return await send();
      } catch (error) {
        if (!error.passing) throw error;
        trouble(error);
      }
      await new Promise((resolve) => { setTimeout(resolve, AGAIN_AFTER); });
    }
  }
}
