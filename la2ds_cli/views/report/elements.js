// Find and create elements of a page.

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

/** Fill a list with lines. */
export function lines(id, texts, kind = "") {
  at(id).replaceChildren(...texts.map((text) => {
    const item = made("li");
    item.append(made("span", text, kind));
    return item;
  }));
}

/** Show a warning at the top of the page. actions: buttons. */
export function warn(text, ...actions) {
  const line = made("div", "", "warning banner");
  line.append(made("span", text), ...actions);
  at("banners").append(line);
}
