// What the scripts of all pages do with their page: find and make elements, and say what went wrong.

export const at = (id) => document.getElementById(id);

export function made(kind, text = "", name = "") {
  const element = document.createElement(kind);
  element.textContent = text;
  if (name) element.className = name;
  return element;
}

export function button(text, action, { name = "", label = "" } = {}) {
  const element = made("button", text, name);
  element.type = "button";
  if (label) element.setAttribute("aria-label", label);
  element.addEventListener("click", action);
  return element;
}

/** Say what went wrong and what helps; null: nothing did. */
export function trouble(error) {
  at("problem").hidden = !error;
  if (error) at("problem").textContent = error.hint ? `${error.message}: ${error.hint}` : error.message;
}

/** Load what no person has asked for just now: says why it cannot be had, and gives null. What went
 * wrong before stays on the page. */
export async function fetched(action) {
  try { return await action(); } catch (error) { trouble(error); return null; }
}

/** Do what may be refused; says why where it is, on the page below any dialog, and gives null. */
export async function tried(action) {
  try {
    trouble(null);
    return await action();
  } catch (error) {
    document.querySelector("dialog[open]")?.close();
    trouble(error);
    return null;
  }
}
