// Requests to the studio's server (JSON in, JSON out, errors with hints), and saving changes.

import { at, trouble } from "./page.js";

const AGAIN_AFTER = 2000; // milliseconds

/** A request that the server refused. `hint`: what helps, "" if unknown. `kind`: the name of its exit
 * code; `passing`: whether the same request may succeed later; `changed`: whether it was refused
 * because what it changes is no longer as the page shows it. */
export class Refused extends Error {
  constructor(message, hint = "", kind = "") {
    super(message);
    Object.assign(this, { hint, kind });
    this.passing = /^another la2ds command/.test(message);
    this.changed = kind === "MISMATCH" && /have changed meanwhile/.test(message);
  }
}

async function answered(response) {
  const kind = response.headers.get("content-type") || "";
  const body = kind.startsWith("application/json") ? await response.json() : await response.text();
  if (response.ok) return body;
  if (typeof body === "object") throw new Refused(body.error, body.hint, body.kind);
  throw new Refused(response.status === 403 ? body.trim() : "the studio had an internal error; see the terminal in which it runs");
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

/** version: of the state that the page shows, if the request replaces or removes it; see saving.py. */
const holding = (version) => (version ? { "if-match": version } : {});

export const post = (path, content = {}, version = "") => asked(path, {
  method: "POST", headers: { "content-type": "application/json", ...holding(version) }, body: JSON.stringify(content),
});

/** Send a file as it is. */
export const send = (path, file) => asked(path, { method: "PUT", body: file });

export const remove = (path, version) => asked(path, { method: "DELETE", headers: holding(version) });

/** The version that a page shows after an answer: one, or those of its parts by name, of which an
 * answer has the ones that it changed. */
const merged = (version, { version: whole, versions }) => (versions ? { ...version, ...versions } : whole);

/** The changes that a person makes on a page, stored one request after another; the element `saved`, if
 * there is one, says whether it is. A request carries the version of what the page shows. If that has changed meanwhile, its change is
 * refused, and so are those that were made on top of it; the page shows what is there, and offers to
 * make all of them again. */
export class Saving {
  /** reload(error): show what is stored, and take over its version, after a refusal. */
  constructor(reload) {
    Object.assign(this, { reload, version: "", due: 0, refusals: 0, words: "", open: [], refused: [], done: Promise.resolve() });
    window.addEventListener("beforeunload", (event) => { if (this.due) event.preventDefault(); });
  }

  /** Store a change. send(version): its request, made again while the studio does not answer or
   * another command is writing; returns the answer with the new version, or nothing if the next
   * change sends it, too. again(): makes the change on what is there then; null: it is not offered.
   * Resolves, as `done` does when all are stored, with the answer; null: it was refused. */
  add(send, again = null) {
    const { refusals } = this;
    this.due += 1;
    this.tell();
    this.done = this.done.then(() => this.store(send, again, refusals)).then((found) => {
      this.due -= 1;
      this.tell();
      return found;
    });
    return this.done;
  }

  async store(send, again, refusals) {
    if (again) this.open.push(again);
    if (this.refusals !== refusals) { this.refuse(); return null; } // made on what had changed
    try {
      const found = await this.sent(send);
      this.words = "saved";
      if (found) { this.version = merged(this.version, found); this.open = []; }
      this.offer();
      return found;
    } catch (error) {
      this.error = error;
      this.refusals += 1;
      if (!error.changed) this.open = [];
      this.refuse();
      await this.reload(error).catch(trouble);
      this.refusals += 1; // what was changed until now was still shown as before
      return null;
    }
  }

  refuse() {
    this.words = "not saved";
    this.refused.push(...this.open);
    this.open = [];
    trouble(this.error);
    this.offer();
  }

  /** Offer to repeat refused changes, as long as there are any. */
  offer() {
    if (!this.refused.length) { if (this.words === "saved") trouble(null); return; }
    trouble(this.error, () => this.repeat());
  }

  /** Repeat the refused changes; show an error if one has no effect now. */
  repeat() {
    for (const again of this.refused.splice(0)) {
      const { due } = this;
      again();
      if (this.due === due) trouble(new Error("The change could not be repeated: the item no longer exists."));
    }
  }

  tell() {
    if (at("saved")) at("saved").textContent = this.due ? "not saved yet" : this.words;
  }

  async sent(send) {
    for (;;) {
      try {
        return await send(this.version);
      } catch (error) {
        if (!error.passing) throw error;
        trouble(error);
      }
      await new Promise((resolve) => { setTimeout(resolve, AGAIN_AFTER); });
    }
  }
}
