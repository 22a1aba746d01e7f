// The list of keyboard shortcuts, opened by `?`; its rows are in the page's template.

import { at } from "./elements.js";

/** Whether the list is open; the page's other shortcuts are then inactive. */
export const helping = () => at("key-list").open;

const toggleKeys = () => { if (helping()) at("key-list").close(); else at("key-list").showModal(); };

export function connectKeys() {
  at("help").addEventListener("click", toggleKeys);
  at("keys-close").addEventListener("click", () => at("key-list").close());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "?" || event.target.type === "text" || document.querySelector("dialog[open]:not(#key-list)")) return;
    event.preventDefault();
    event.stopPropagation();
    toggleKeys();
  }, true);
}
