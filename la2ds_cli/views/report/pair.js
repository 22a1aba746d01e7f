// The page of a pair follows a single clock: that of the leading clip, at first A.

import { A, B, counterpart, data, secondsB, takePair, unmatchedA, unmatchedB } from "./clips.js";
import { at, warn } from "./elements.js";
import { bytes, clamp, phaseAt, rowAt, seconds } from "./film.js";
import { bands, layBand, layMatrix, markBand, markMatrix, matrix } from "./matrix.js";
import { drawOver, marked, writeAngles } from "./over.js";
import { Clock, connectSection, connectTransport, dragSection, sectionKeys } from "./player.js";
import { Stage } from "./stage.js";
import { buildTracks, layTracks, markTracks, trackList } from "./tracks.js";
import { tellAlignment, tellNotes, unsure } from "./words.js";

const STAGE_HIGH = [180, 900]; // page pixels, the least and the most
const FOLDED = 980; // page pixels, the widest window in which the second line of controls is folded, as in pair.css
const PHONE = { wide: 600, share: 0.3 }; // page pixels, the widest, as in pair.css; of its height, so that the pictures stay in sight
const HEAD_ROOM = 170; // page pixels above the pictures, at most, for which they are smaller
const PANEL = 420; // page pixels that a panel beside the pictures needs, as in pair.css
const SMALLER = 0.8; // panels go beside the pictures if those keep this share of their height
const LEFT = 0.25; // of the window's height: with less room for panels below, the pictures scroll with them
// row, rowB: the rows shown of A and B. matched: whether both show the same moment. leader: the clip that the clock follows. free: a row of B
// that is shown regardless of the alignment, or null.
export const state = { row: -1, rowB: -1, matched: true, leader: "a", free: null, playing: false, rate: 1, clock: 0, last: 0 };

export const stages = {}; // of A and B

/** The height left for the pictures by the elements above, their captions and the controls. */
function roomForStages(card) {
  if (window.innerWidth <= PHONE.wide) return window.innerHeight * PHONE.share;
  const above = Math.min(card.getBoundingClientRect().top + window.scrollY, HEAD_ROOM);
  const words = card.offsetHeight - stages.a.canvas.parentElement.offsetHeight;
  return window.innerHeight - above - words - at("transport").offsetHeight - 12;
}

/** Lay out both pictures at the same height, as large as the window allows, with the panels beside
 * them unless that makes the pictures much smaller. */
function layStages() {
  const card = at("players-card"), box = card.querySelector(".players"), work = card.parentElement;
  const gap = parseFloat(getComputedStyle(box).columnGap);
  const frame = card.offsetWidth - box.clientWidth; // the card's own edges
  const all = work.clientWidth - frame, most = clamp(roomForStages(card), ...STAGE_HIGH);
  const fitting = (room) => Math.floor(Math.min(most, (room - gap) / (stages.a.aspect + stages.b.aspect)));
  const besides = all - PANEL - parseFloat(getComputedStyle(work).columnGap);
  const beside = fitting(besides) >= SMALLER * fitting(all), room = beside ? besides : all;
  const height = fitting(room);
  const least = Math.min(280, Math.floor((room - gap) / 2)); // room for the words
  const columns = Object.values(stages).map((stage) => Math.max(Math.round(height * stage.aspect), least));
  const needed = columns[0] + columns[1] + gap;
  work.style.gridTemplateColumns = beside ? `${Math.min(needed, room) + frame}px minmax(0, 1fr)` : "minmax(0, 1fr)";
  box.style.gridTemplateColumns = needed <= room ? columns.map((column) => `${column}px`).join(" ")
    : "minmax(0, 1fr) minmax(0, 1fr)";
  for (const stage of Object.values(stages)) stage.resize(Math.round(height * stage.aspect), height);
  const below = at("transport").offsetHeight, left = window.innerHeight - card.offsetHeight - below;
  const passing = left < LEFT * window.innerHeight;
  work.classList.toggle("passing", !beside && passing);
  work.style.setProperty("--above", `${beside || passing ? 0 : card.offsetHeight + 8}px`);
  work.style.setProperty("--below", `${below + 8}px`);
}

export function shown() {
  const whole = at("show-whole");
  return {
    skeleton: at("show-skeleton").checked, film: at("show-film").checked,
    whole: Boolean(whole && whole.checked),
  };
}

/** The caption of a player: time, frame and phase. */
function moment(clip, row, matched) {
  const time = clip.time[row];
  const parts = [seconds(time - clip.start < 0 ? 0 : time), `frame ${clip.frame[row]}`];
  const phase = phaseAt(clip, time);
  if (phase) parts.push(phase);
  if (!matched) parts.push("no counterpart");
  return parts.join(" · ");
}

/** The nearest frame of A with a counterpart, or null. */
function nearestMatched(row) {
  for (let step = 0; step < A.count; step += 1) {
    for (const k of [row - step, row + step]) {
      if (k >= 0 && k < A.count && data.position[k] !== null) return k;
    }
  }
  return null;
}

/** Show a row of A and its counterpart. */
export function seek(row, { clock = null } = {}) {
  const shownA = clamp(row, 0, A.count - 1);
  const other = counterpart(shownA);
  const near = other === null ? nearestMatched(shownA) : shownA;
  present({ row: shownA, matched: true },
    { row: near === null ? 0 : counterpart(near), matched: other !== null }, clock);
}

/** Show a row of B and its counterpart. */
export function seekB(row, { clock = null } = {}) {
  const shownB = clamp(row, 0, B.count - 1);
  const time = B.time[shownB];
  const near = rowForB(time);
  const matched = near !== null && !unmatchedB.some(([low, high]) => low <= time && time < high);
  present({ row: near === null ? 0 : near, matched }, { row: shownB, matched: true }, clock);
}

/** Show a row of the clip that leads. */
const go = (row, clock = {}) => (state.leader === "a" ? seek(row, clock) : seekB(row, clock));

const leading = () => (state.leader === "a" ? { clip: A, row: state.row } : { clip: B, row: state.rowB });

export const listeners = []; // are called whenever another moment is shown

/** Show a row of each clip, and mark it everywhere on the page. matched: whether the other clip shows
 * that moment. clock: seconds of the leading clip, null = the start of its row. */
function present(a, b, clock = null) {
  if (state.free !== null) b = { row: state.free, matched: true };
  state.row = a.row;
  state.rowB = b.row;
  state.matched = a.matched && b.matched;
  state.clock = clock === null ? leading().clip.time[leading().row] : clock;
  const options = shown();
  stages.a.show(a.row, a.matched, options);
  stages.b.show(b.row, b.matched, options);
  at("moment-a").textContent = a.matched ? moment(A, a.row, true)
    : "A does not show this moment";
  at("moment-b").textContent = b.matched ? moment(B, b.row, true)
    : "B does not show this moment";
  markBands({ a: a.matched ? a.row : null, b: b.matched ? b.row : null });
  const first = leading();
  const scrub = at("scrub");
  scrub.max = String(first.clip.count - 1);
  scrub.value = String(first.row);
  scrub.setAttribute("aria-label", `Frame of ${state.leader.toUpperCase()}`);
  scrub.setAttribute("aria-valuetext", [["A", A, a, "B"], ["B", B, b, "A"]].map(([name, clip, { row, matched }]) =>
    (matched ? `${name} ${seconds(clip.time[row])}` : `no counterpart in ${name}`)).join(", "));
  document.body.dataset.row = String(a.row);
  document.body.dataset.rowB = b.matched ? String(b.row) : "";
  at("lead").value = state.leader;
  markTracks(a.row);
  markMatrix(a.row);
  for (const listener of listeners) listener();
}

/** The rows of the other clip that show the played section; null if an end has no counterpart. */
function followed(section) {
  const rows = section && section.map((row) => (state.leader === "a" ? counterpart(row) : rowForB(B.time[row])));
  return rows && !rows.includes(null) && rows[0] <= rows[1] ? rows : null;
}

/** Mark the shown rows (null = none) and the section on the bars of both clips. */
function markBands(rows) {
  for (const side of ["a", "b"]) {
    const leads = side === state.leader;
    markBand(side, rows[side], leads ? clock.section : followed(clock.section), leads);
  }
}

/** Let the clip of a side lead, from the shown moment on. */
export function lead(side) {
  if (side === state.leader) return;
  const row = side === "a" ? state.row : state.rowB, section = followed(clock.section);
  state.leader = side;
  clock.setSection(section);
  go(row);
}

export const clock = new Clock(
  state, leading, (row, passed) => go(row, { clock: passed }), () => at("loop").checked);
export const play = (on) => clock.play(on);

/** Redraw the shown moment after an option has changed. */
export const again = () => go(leading().row);

/** Pause, and go to a row of a clip. */
export function visit(side, row) {
  play(false);
  if (side === "a") seek(row); else seekB(row);
}

/** Go to a second of A where a joint differs, and mark its angle. */
export function visitDifference(time, joint) {
  marked.joint = joint || "";
  visit("a", rowAt(A, time));
}

let visited = -1; // index among the moments to check
function nextUnsure() {
  const moments = unsure();
  if (!moments.length) return;
  visited = (visited + 1) % moments.length;
  visit("a", moments[visited].worst);
}

const toggle = (id) => { if (!at(id).closest("[hidden]")) at(id).click(); };

const KEYS = {
  l: () => lead(state.leader === "a" ? "b" : "a"),
  s: () => toggle("show-skeleton"),
  f: () => toggle("show-film"),
  g: () => toggle("show-angles"),
  n: nextUnsure,
  o: () => {
    const choice = at("overlay");
    choice.selectedIndex = (choice.selectedIndex + 1) % choice.options.length;
    again();
  },
};

/** Seek to the moment under the pointer while it is pressed on an element. */
function dragged(target, rowOf) {
  const follow = (event) => {
    const row = rowOf(event);
    if (row !== null) { play(false); seek(row); }
  };
  target.addEventListener("pointerdown", (event) => {
    target.setPointerCapture(event.pointerId);
    follow(event);
    event.preventDefault();
  });
  target.addEventListener("pointermove", (event) => { if (event.buttons & 1) follow(event); });
}

export const shareOf = (event, canvas, left = 0, wide = canvas.clientWidth) =>
  clamp((event.clientX - canvas.getBoundingClientRect().left - left) / wide, 0, 1);
export const timeIn = (clip, share) => clip.start + share * (clip.end - clip.start);

/** The frame of A whose counterpart is nearest to a time of B. */
function rowForB(time) {
  let best = null, least = Infinity;
  data.position.forEach((position, k) => {
    if (position === null) return;
    const apart = Math.abs(secondsB(position) - time);
    if (apart < least) { least = apart; best = k; }
  });
  return best;
}

function connectPlayers() {
  const to = (row) => { play(false); go(row); };
  connectTransport({ clock, play, to }, { ...sectionKeys(clock), ...KEYS });
  const bandA = at("band-a"), bandB = at("band-b");
  connectSection(clock, again);
  for (const [side, band] of [["a", bandA], ["b", bandB]]) {
    dragSection(band, clock, () => (state.leader === side && state.free === null
      ? { clip: bands[side].clip, x: bands[side].x, wide: bands[side].width } : null));
  }
  dragged(bandA, (event) => rowAt(A, timeIn(A, shareOf(event, bandA))));
  dragged(bandB, (event) => rowForB(timeIn(B, shareOf(event, bandB))));
  dragged(matrix.canvas, (event) =>
    rowAt(A, timeIn(A, shareOf(event, matrix.canvas, matrix.left, matrix.wide))));
  for (const { canvas } of trackList) {
    dragged(canvas, (event) => rowAt(A, timeIn(A, shareOf(event, canvas))));
  }
  at("lead").addEventListener("change", (event) => lead(event.target.value));
  for (const id of ["show-skeleton", "show-film", "show-angles", "overlay"]) at(id).addEventListener("change", again);
  at("film-choice").hidden = A.film.empty && B.film.empty;
}

let laid = "";
const size = () => `${window.innerWidth} ${window.innerWidth > PHONE.wide && window.innerHeight}`; // a phone's bars come and go
export function lay() {
  laid = size();
  layStages();
  layTracks();
  layMatrix();
  layBand("a", A, unmatchedA);
  layBand("b", B, unmatchedB);
  go(Math.max(leading().row, 0));
}

/** Show a pair; see takePair. */
export function openPair(content, films) {
  takePair(content, films);
  for (const [side, clip] of [["a", A], ["b", B]]) stages[side] = new Stage(side, clip, data.skeleton);
  at("more").open = window.innerWidth > FOLDED;
  stages.a.over.push((stage, row) => {
    const kind = at("overlay").value, { rowB } = state;
    if (kind && state.matched) drawOver(stage, row, { kind, rowB, current: () => state.rowB === rowB });
  });
  for (const stage of Object.values(stages)) stage.over.push(writeAngles);
  for (const text of data.warnings) warn(text);
  buildTracks();
  connectPlayers();
  tellAlignment((row) => visit("a", row));
  tellNotes(visit);
  lay();
  window.addEventListener("resize", () => { if (size() !== laid) lay(); });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", lay); // canvases do not follow the colours by themselves
  createImageBitmap(new Blob([bytes(data.matrix)], { type: "image/png" })).then((image) => {
    matrix.image = image;
    layMatrix();
    markMatrix(state.row);
    document.body.dataset.ready = "true";
  });
}
