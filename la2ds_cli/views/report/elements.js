// Elements of a page: found, and made.

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
