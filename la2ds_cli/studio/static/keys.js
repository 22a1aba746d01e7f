// The list of all keys of a page, opened by `?`; its rows are in the page's template.

const list = document.getElementById("key-list");

/** Whether the list is open; the keys of the page are then inactive. */
export const helping = () => list.open;

const toggle = () => { if (list.open) list.close(); else list.showModal(); };

document.getElementById("help").addEventListener("click", toggle);
document.getElementById("keys-close").addEventListener("click", () => list.close());
document.addEventListener("keydown", (event) => {
  if (event.key !== "?" || event.target.type === "text" || document.querySelector("dialog[open]:not(#key-list)")) return;
  event.preventDefault();
  event.stopPropagation();
  toggle();
}, true);
