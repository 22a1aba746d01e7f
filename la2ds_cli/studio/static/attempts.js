// The Attempts page: choose a reference and several clips, in their order, and compare them.

import { post } from "./ask.js";
import { at } from "./page.js";
import { followed } from "./work.js";

const boxes = [...document.querySelectorAll("input[name=attempt]")];
let chosen = []; // ids, in the order in which they were chosen

/** Show the number of each attempt; the reference has none. */
function tell() {
  const reference = at("reference").value;
  chosen = chosen.filter((id) => id !== reference);
  for (const box of boxes) {
    const number = chosen.indexOf(box.value) + 1;
    box.disabled = box.value === reference;
    box.checked = number > 0;
    box.closest("label").querySelector(".number").textContent = number ? `${number}.` : "";
  }
  at("compare-them").disabled = chosen.length < 2;
  at("chosen-count").textContent = `${chosen.length} chosen${chosen.length < 2 ? "; at least two are needed" : ""}`;
}

function connect() {
  for (const box of boxes) {
    box.addEventListener("change", () => {
      chosen = chosen.filter((id) => id !== box.value);
      if (box.checked) chosen.push(box.value);
      tell();
    });
  }
  at("all").addEventListener("click", () => {
    chosen = [...chosen, ...boxes.map((box) => box.value).filter((id) => !chosen.includes(id))];
    tell();
  });
  at("none").addEventListener("click", () => { chosen = []; tell(); });
  at("reference").addEventListener("change", tell);
  at("choose").addEventListener("submit", async (event) => {
    event.preventDefault();
    at("compare-them").disabled = true;
    const reference = at("reference").value;
    const question = { reference, attempts: chosen };
    const job = await followed(() => post("/attempts/compare", question), at("comparing"));
    if (job?.state === "done") location.assign(`/attempts?${new URLSearchParams({ reference })}`);
    else tell();
  });
  at("choose-compared")?.addEventListener("change", (event) => {
    location.assign(`/attempts?${new URLSearchParams({ reference: event.target.value })}`);
  });
  tell();
}

if (at("choose")) connect();
document.body.dataset.ready = "true";
