// What all pages' scripts share: find and create elements, and show errors.

import { at, button } from "../../views/report/elements.js";

export { at, button, lines, made, warn } from "../../views/report/elements.js";

/** Fill a list with an element of each item. Those that show the same as before stay as they are, so
 * that no click and no focus is lost. key(item): text that differs wherever its element would. */
export function relist(list, items, key, make) {
  const before = new Map([...list.children].map((element) => [element.shows, element]));
  const elements = items.map((item) => {
    const shows = key(item), element = before.get(shows) ?? make(item);
    element.shows = shows;
    return element;
  });
  for (const element of [...list.children]) if (!elements.includes(element)) element.remove();
  elements.forEach((element, k) => { if (list.children[k] !== element) list.insertBefore(element, list.children[k] ?? null); });
}

/** Show an error with its hint; null hides it. again(): makes the refused change again. */
export function trouble(error, again = null) {
  const problem = at("problem");
  problem.hidden = !error;
  if (!error) return;
  problem.textContent = error.hint ? `${error.message}: ${error.hint}` : error.message;
  if (again) problem.append(" ", button("Repeat the change", () => { trouble(null); again(); }));
}

/** Do something that the server may refuse. If it does, close any dialog, show why and return
 * null. again(): does it on what is there now, if that has changed meanwhile. */
export async function tried(action, again = null) {
  try {
    trouble(null);
    return await action();
  } catch (error) {
    document.querySelector("dialog[open]")?.close();
    trouble(error, error.changed ? again : null);
    return null;
  }
}

/** Show when a comparison was made and what has changed since, see comparisons.py; its findings fade if
 * they no longer hold. findings: the element that has them; compare: the button that compares again. */
export function tellWhenCompared({ time, changed }, findings, compare) {
  const when = new Date(1000 * time).toLocaleString(), what = changed.join(" and ");
  at("compared").textContent = what
    ? `Compared ${when}. The ${what} have changed since, so these findings may be out of date.` : `Compared ${when}.`;
  at("compared").classList.toggle("warning", Boolean(what));
  findings.classList.toggle("faded", Boolean(what));
  compare.classList.toggle("main", Boolean(what));
  compare.textContent = "Compare again";
}
