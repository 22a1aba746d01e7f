// What clip B of a pair does differently from A, as found by `la2ds compare`.

import { get, post } from "./ask.js";
import { at, button, fetched, made } from "./page.js";
import { followed } from "./work.js";

const MOST = 8; // listed joints; the page with pictures has all

/** pair: as every request names it. go(time): go to this second of A. */
export function connectComparison(pair, go) {
  const query = new URLSearchParams(pair);
  at("compare").addEventListener("click", async () => {
    at("compare").disabled = true;
    await followed(() => post("/compare", pair), at("compared"));
    at("compare").disabled = false;
    await look();
  });

  async function look() {
    const found = await fetched(() => get(`/compare/found?${query}`));
    at("compare-page").hidden = !found;
    if (found) tell(found);
  }

  function tell(found) {
    const when = new Date(1000 * found.time).toLocaleString();
    at("compared").textContent = found.stale ? `Compared ${when}; joints have changed since, so compare again.` : `Compared ${when}.`;
    at("compare").textContent = "Compare again";
    lines("compare-notes", found.notes, "warning");
    at("differs").replaceChildren(...found.differs.slice(0, MOST).map(({ text, time }) => {
      const item = made("li");
      item.append(time === null ? made("span", text) : button(text, () => go(time)));
      return item;
    }));
    const more = found.differs.length - MOST;
    lines("tempo", [...(more > 0 ? [`${more} more joints differ less.`] : []), ...found.tempo]);
    at("unjudged-part").hidden = !found.unjudged.length;
    lines("unjudged", found.unjudged);
  }

  look();
}

function lines(id, texts, kind = "") {
  at(id).replaceChildren(...texts.map((text) => {
    const item = made("li");
    item.append(made("span", text, kind));
    return item;
  }));
}
