// The text on the page of a pair: how reliable the alignment is, which moments to check, and what B
// does differently.

import { A, B, data } from "./clips.js";
import { at, button, lines, made } from "./elements.js";
import { runs, seconds, within } from "./film.js";

const MOST_UNSURE = 12;

/** Runs of A's frames where the alignment is unsure, least certain first, without those that contain
 * a corrected match. */
export function unsure() {
  const anchored = new Set((data.anchors || []).map(({ frames }) => A.frame.indexOf(frames[0])));
  return runs(A.count, (k) => data.certainty[k] === "unsure")
    .map(([first, last]) => {
      let worst = first;
      for (let k = first; k <= last; k += 1) if (data.confidence[k] < data.confidence[worst]) worst = k;
      return { first, last, worst };
    })
    .filter(({ first, last }) => ![...anchored].some((row) => first <= row && row <= last))
    .sort((x, y) => data.confidence[x.worst] - data.confidence[y.worst])
    .slice(0, MOST_UNSURE);
}

/** Show how reliable the alignment is, and how it was made. to(row): go to a row of A. */
export function tellAlignment(to) {
  at("said").textContent = data.certainty_text;
  lines("reasons", data.reasons.map((reason) => `${reason}.`));
  at("unsure").replaceChildren(...unsure().map(({ first, last, worst }) => {
    const item = made("li");
    const sure = Math.round(100 * data.confidence[worst]);
    const span = first === last ? seconds(A.time[first]) : `${seconds(A.time[first])} to ${seconds(A.time[last])}`;
    const off = within(Math.max(...data.within.slice(first, last + 1)));
    item.append(button(`${span}: ${sure} % sure, ${off}`, () => to(worst)));
    return item;
  }));
  const through = data.references ? `, through ${data.references} other clips` : "";
  at("how").textContent = `Aligned by ${data.method} on ${data.features}${through}${
    data.mirrored ? "; B is shown mirrored: its left is compared with A’s right" : ""}.${
    data.reason ? ` ${data.reason[0].toUpperCase()}${data.reason.slice(1)}.` : ""}`;
  lines("notes", data.notes, "warning");
}

/** Show the notes, each with a button that leads to its moment. to(side, row): go to a row of a clip.
 * more(note): further elements of its line. */
export function tellNotes(to, more = () => []) {
  at("written").replaceChildren(...data.written.map((note) => {
    const item = made("li");
    const [a, b] = [A, B].map((clip, k) => clip.frame.indexOf(note.frames[k]));
    const when = a >= 0 ? `A ${seconds(A.time[a])}` : b >= 0 ? `B ${seconds(B.time[b])}` : "no longer in the clips";
    const there = a >= 0 || b >= 0
      ? button(when, () => (a >= 0 ? to("a", a) : to("b", b)), { label: `${when}: ${note.text}` })
      : made("small", when);
    item.append(there, made("span", note.text), ...more(note));
    return item;
  }));
}

/** Show the values of A and B at named moments: a column for each, whose head goes there. */
function tellPositions(positions, to) {
  at("positions-part").hidden = !positions.length;
  if (!positions.length) return;
  const cell = (kind, ...inside) => { const one = made(kind); one.append(...inside); return one; };
  const row = (...cells) => cell("tr", ...cells);
  const head = positions.map(({ name, time, other_time: other }) => cell(
    "th", button(name, () => to(time, null)),
    made("small", `A ${seconds(time)}`), made("small", other === null ? "not in B" : `B ${seconds(other)}`),
  ));
  const body = positions[0].values.map(({ label }, n) => row(cell("th", label), ...positions.map(({ values }) => {
    const { text, judged, stated } = values[n];
    const value = cell("td", stated ? made("strong", text) : text);
    value.classList.toggle("soft", !judged);
    return value;
  })));
  at("positions").replaceChildren(row(made("td")), ...body);
  at("positions").firstChild.append(...head);
}

/** Show what B does differently, as `compare` found it. to(time, joint): go to a second of A, and mark
 * the angle of a joint. */
export function tellDifferences(found, to) {
  lines("compare-notes", found.notes, "warning");
  at("differs").replaceChildren(...found.differs.map(({ text, time, joint }) => {
    const item = made("li");
    item.append(time === null ? made("span", text) : button(text, () => to(time, joint)));
    return item;
  }));
  lines("tempo", found.tempo);
  tellPositions(found.key_positions, to);
  at("unjudged-part").hidden = !found.unjudged.length;
  lines("unjudged", found.unjudged);
}
