// The page of a pair: what the report's page shows, with film from the server, and corrected matches.

import { get, post } from "./ask.js";
import { connectComparison } from "./compare.js";
import { ServedFilm } from "./film.js";
import { degreesAt, Drawings } from "./drawings.js";
import { at, button, fetched, made, tried, trouble, warn } from "./page.js";
import { followed } from "./work.js";
import { A, B, data, findUnmatched } from "../../views/report/clips.js";
import { clamp, rowAt, runs, seconds, UNIT } from "../../views/report/film.js";
import { helping } from "../../views/report/keys.js";
import {
  again, lay, lead, listeners, openPair, play, seek, shareOf, shown, stages, state, tellNotes, timeIn,
} from "../../views/report/pair.js";
import { drawSkeleton } from "../../views/report/stage.js";

const work = at("pair-work");
const pair = { ...work.dataset }; // a, b: ids; view: of B; force: 1 = align also what shows different movements
const queried = () => new URLSearchParams(pair);
const OVER = "#ff4fd8"; // the joints of B over A
const MOST_UNSURE = 12;
let drawings = null; // what a person draws on the pictures

// --- loading -------------------------------------------------------------------------------------

async function open() {
  const content = await get(`/pair/data?${queried()}`);
  at("waiting").hidden = true;
  at("in-step").classList.add("aligned");
  for (const text of content.warnings) warn(text);
  openPair(content, [content.a, content.b].map(({ pictures }) => new ServedFilm(pictures)));
  drawings = new Drawings(stages, pair, {
    pause: () => play(false), leads: () => state.leader,
    saved: (found) => { Object.assign(data, found); at("undo").hidden = !data.undo; },
  });
  stages.a.over.push(overlay);
  for (const stage of [stages.a, stages.b]) stage.over.push(drawAngles, drawings.draw);
  at("free").max = String(B.count - 1);
  connectPair();
  tell();
  lay();
  openAt();
}

/** Show the moments named in the address; if the alignment matches A's to another moment of B, move
 * B alone to its own. */
function openAt() {
  const asked = new URLSearchParams(location.search);
  const [a, b] = ["row_a", "row_b"].map((name) => Number.parseInt(asked.get(name) || "", 10));
  if (Number.isNaN(a)) return;
  seek(a);
  if (Number.isNaN(b) || (state.matched && state.rowB === b)) return;
  correct(true);
  moveFree(b);
}

/** Update everything after the alignment has changed. */
function follow(found) {
  const { limit } = data.angles; // keep the scale
  Object.assign(data, found);
  data.angles.limit = limit;
  findUnmatched();
  lay();
  tell();
}

// --- moving B alone --------------------------------------------------------------------------------

const correcting = () => state.free !== null;

function correct(on) {
  if (on) {
    play(false);
    if (state.leader === "b") lead("a");
    state.free = state.rowB;
  } else state.free = null;
  at("correct").hidden = at("more").hidden = on;
  at("correcting").hidden = !on;
  again();
  at(on ? "free" : "correct").focus();
}

function moveFree(row) {
  state.free = clamp(row, 0, B.count - 1);
  again();
}

async function change(path, content = {}) {
  const begun = performance.now();
  const found = await tried(() => post(path, { ...pair, ...content }));
  if (!found) return false;
  follow(found);
  document.body.dataset.followed = String(Math.round(performance.now() - begun));
  return true;
}

async function same() {
  const frames = [A.frame[state.row], B.frame[state.free]];
  if (await change("/pair/anchor", { frames })) correct(false);
}

// --- text on the page ------------------------------------------------------------------------------

function tell() {
  at("said").textContent = data.sureness;
  at("undo").hidden = !data.undo;
  tellAnchors();
  writtenNotes();
  drawings.take(data.drawings);
  tellUnsure();
  tellHow();
}

function tellAnchors() {
  at("no-anchors").hidden = data.anchors.length > 0;
  at("sheet-note").hidden = !data.anchors.length;
  at("anchors").replaceChildren(...data.anchors.map(({ frames, seconds: both }) => {
    const item = made("li");
    const words = both ? `A ${seconds(both[0])} is B ${seconds(both[1])}`
      : `A frame ${frames[0]} is B frame ${frames[1]}: no longer in the clip`;
    item.append(
      both ? button(words, () => { play(false); seek(rowAt(A, both[0])); }) : made("span", words),
      button("Remove", () => change("/pair/anchor/remove", { frames }), { label: `Remove: ${words}` }),
    );
    return item;
  }));
}

// --- notes ------------------------------------------------------------------------------------------

function writtenNotes() {
  tellNotes((note) => [button("Remove", () => changeNote({ ...note, remove: true }), { label: `Remove: ${note.text}` })]);
  at("written-card").hidden = false;
}

async function changeNote(note) {
  const found = await tried(() => post("/pair/note", { ...pair, ...note }));
  if (!found) return false;
  Object.assign(data, found);
  at("undo").hidden = !data.undo;
  writtenNotes();
  return true;
}

async function takeNote(event) {
  event.preventDefault();
  const shows = (side, clip, row) => (state.matched || state.leader === side ? clip.frame[row] : null);
  const frames = [shows("a", A, state.row), shows("b", B, state.rowB)];
  if (!await changeNote({ frames, text: at("note-text").value.trim() })) return;
  at("note-text").value = "";
  at("note-text").blur(); // keys control the players again
}

/** Runs of A's frames where the alignment is unsure, the least sure first, without those that have a
 * corrected match. */
function unsure() {
  const anchored = new Set(data.anchors.map(({ frames }) => A.frame.indexOf(frames[0])));
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

function tellUnsure() {
  const found = unsure();
  at("unsure").replaceChildren(...found.map(({ first, last, worst }) => {
    const item = made("li");
    const sure = Math.round(100 * data.confidence[worst]);
    const span = first === last ? seconds(A.time[first]) : `${seconds(A.time[first])} to ${seconds(A.time[last])}`;
    item.append(button(`${span}: ${sure} % sure, ±${data.within[worst]} s`, () => { play(false); seek(worst); }));
    return item;
  }));
}

let visited = -1;
function nextUnsure() {
  const found = unsure();
  if (!found.length) return;
  visited = (visited + 1) % found.length;
  play(false);
  seek(found[visited].worst);
}

function tellHow() {
  const through = data.references ? `, through ${data.references} other clips` : "";
  at("how").textContent = `Aligned by ${data.method} on ${data.features}${through}${
    data.mirrored ? "; B is shown mirrored" : ""}.${data.reason ? ` ${data.reason[0].toUpperCase()}${data.reason.slice(1)}.` : ""}`;
  at("notes").replaceChildren(...data.notes.map((note) => {
    const item = made("li");
    item.append(made("span", note, "warning"));
    return item;
  }));
  const quoted = (text) => (/^[\w.:/=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  const anchors = data.anchors.filter((one) => one.seconds)
    .map(({ seconds: [a, b] }) => ` --anchor ${a.toFixed(4)}=${b.toFixed(4)}`).join("");
  const kind = anchors ? ` --features ${data.kind}` : "";
  const view = `${pair.view === "auto" ? "" : ` --view ${pair.view}`}${pair.force && " --force"}`;
  at("command").textContent = `la2ds align ${quoted(pair.a)} ${quoted(pair.b)}${view}${kind}${anchors}`;
}

// --- drawing on the pictures -----------------------------------------------------------------------

/** Position of the body in a row, in the units of its joints; null if it is not seen. */
function root(clip, row) {
  const first = row * data.skeleton.sides.length;
  const seen = data.skeleton.root.map((k) => first + k).filter((k) => clip.state[k]);
  if (!seen.length) return null;
  const mean = (shift) => seen.reduce((sum, k) => sum + clip.joints[2 * k + shift], 0) / seen.length;
  return { x: mean(0), y: mean(1) };
}

/** Draw B over A, at the size of A and with the body in the same place. */
function overlay(stage, row) {
  const kind = at("overlay").value;
  const rowB = state.rowB;
  if (!kind || !state.matched) return;
  const [rootA, rootB] = [root(A, row), root(B, rowB)];
  if (!rootA || !rootB) return;
  const { context } = stage;
  const place = stage.place(row);
  const high = ([, top, , bottom]) => bottom - top;
  const size = A.body / B.body; // pixels of A for one of B
  const unit = (place.scale * UNIT) / high(A.window[row]); // canvas pixels for a pixel of A
  const scale = (size * unit * high(B.window[rowB])) / UNIT;
  const centre = { x: rootA.x * place.scale + place.x, y: rootA.y * place.scale + place.y };
  const over = { scale, x: centre.x - rootB.x * scale, y: centre.y - rootB.y * scale };
  if (kind === "film" && !B.film.empty) {
    const picture = B.film.get(rowB, () => { if (state.rowB === rowB) stage.draw(); });
    if (!picture) return;
    const [wide, tall] = B.size;
    const pixel = size * unit;
    // The window's corner is the origin of the joints.
    const left = over.x - (B.window[rowB][0] + 0.5) * pixel, top = over.y - (B.window[rowB][1] + 0.5) * pixel;
    context.save();
    context.globalAlpha = 0.45;
    if (B.flipped) { context.translate(2 * left + wide * pixel, 0); context.scale(-1, 1); }
    context.drawImage(picture, left, top, wide * pixel, tall * pixel);
    context.restore();
  }
  drawSkeleton(context, data.skeleton, B, rowB, over, Math.max(stage.height / 170, 1.4), OVER);
}

/** Write the joint angles, in degrees as the camera sees them, next to their joints. */
function drawAngles(stage, row) {
  if (!at("show-angles").checked) return;
  const { context, clip } = stage;
  const first = row * data.skeleton.sides.length;
  const place = stage.place(row);
  const point = (k) => [clip.joints[2 * (first + k)] * place.scale + place.x, clip.joints[2 * (first + k) + 1] * place.scale + place.y];
  context.font = `600 ${clamp(stage.height / 28, 11, 18)}px system-ui, "DejaVu Sans", sans-serif`;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.lineWidth = 3;
  for (const triple of data.skeleton.angles) {
    if (triple.some((k) => clip.state[first + k] !== 2)) continue;
    const [before, joint, after] = triple.map(point);
    const degrees = Math.round(degreesAt(before, joint, after));
    context.strokeStyle = "rgba(0, 0, 0, 0.8)";
    context.fillStyle = "#fff";
    context.strokeText(`${degrees}°`, joint[0] + 8, joint[1]);
    context.fillText(`${degrees}°`, joint[0] + 8, joint[1]);
  }
}

// --- exports ---------------------------------------------------------------------------------------

async function exportAs(kind, pressed) {
  pressed.disabled = true;
  const job = await followed(() => post("/pair/export", { ...pair, kind }), at("exporting"));
  pressed.disabled = false;
  if (job) listExports();
}

async function listExports() {
  const found = await fetched(() => get(`/pair/exports?${queried()}`));
  at("exported").replaceChildren(...(found || []).map(({ kind, file, bytes: size, time }) => {
    const item = made("li");
    const link = made("a", file);
    link.href = `/pair/exported/${kind}?${queried()}`;
    link.download = file;
    const megabytes = size / 1e6;
    const large = megabytes >= 0.1 ? `${megabytes.toFixed(1)} MB` : `${Math.ceil(size / 1e3)} kB`;
    item.append(link, made("span", ` ${large}, ${new Date(1000 * time).toLocaleString()}`, "soft"));
    return item;
  }));
}

async function undo() {
  await drawings.settled();
  if (data.undo) change("/pair/undo");
}

// --- buttons and keys --------------------------------------------------------------------------------

const KEYS = {
  c: () => correct(!correcting()),
  u: undo,
  n: nextUnsure,
  t: () => { play(false); at("note-text").focus(); },
  g: () => at("show-angles").click(),
  w: () => at("show-whole").click(),
  o: () => {
    const choice = at("overlay");
    choice.selectedIndex = (choice.selectedIndex + 1) % choice.options.length;
    again();
  },
};

/** Handle a key while B moves alone; returns false for other keys. */
function actAlone(event) {
  const step = event.shiftKey ? 10 : 1;
  const actions = {
    ArrowLeft: () => moveFree(state.free - step),
    ArrowRight: () => moveFree(state.free + step),
    Enter: same,
    Escape: () => correct(false),
  };
  if (event.key === "Enter" && event.target.tagName === "BUTTON") return false; // presses the button
  const action = actions[event.key];
  if (action) action();
  return Boolean(action);
}

function key(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.type === "text") { // typing
    event.stopPropagation();
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (helping()) { event.stopPropagation(); return; } // the key list is open
  let done = drawings.key(event) || (correcting() && actAlone(event));
  const action = KEYS[event.key.toLowerCase()];
  if (!done && action) { action(); done = true; }
  if (!done) return; // for the players
  event.preventDefault();
  event.stopPropagation();
}

function connectPair() {
  document.addEventListener("keydown", key, true);
  at("correct").addEventListener("click", () => correct(true));
  at("cancel").addEventListener("click", () => correct(false));
  at("same").addEventListener("click", same);
  at("undo").addEventListener("click", undo);
  at("note").addEventListener("submit", takeNote);
  at("free").addEventListener("input", (event) => moveFree(Number(event.target.value)));
  at("free-back").addEventListener("click", () => moveFree(state.free - 1));
  at("free-forward").addEventListener("click", () => moveFree(state.free + 1));
  listeners.push(() => { if (correcting()) at("free").value = String(state.free); });
  const band = at("band-b");
  for (const kind of ["pointerdown", "pointermove"]) {
    band.addEventListener(kind, (event) => { // while B moves alone, its bar moves it
      if (!correcting() || !(event.buttons & 1)) return;
      event.stopImmediatePropagation();
      band.setPointerCapture(event.pointerId);
      moveFree(rowAt(B, timeIn(B, shareOf(event, band))));
    }, true);
  }
  at("show-whole").addEventListener("change", () => {
    for (const stage of [stages.a, stages.b]) stage.options = shown(); // lay gives them its shape
    lay();
  });
  at("show-angles").addEventListener("change", again);
  at("overlay").addEventListener("change", again);
  for (const pressed of at("exports").querySelectorAll("button")) {
    pressed.addEventListener("click", () => exportAs(pressed.dataset.kind, pressed));
  }
  listExports();
  connectComparison(pair, (time) => { play(false); seek(rowAt(A, time)); });
}

function connectChoice() {
  const choices = [at("choose-a"), at("choose-b"), at("view")];
  at("swap").addEventListener("click", () => {
    location.search = new URLSearchParams({ a: pair.b, b: pair.a, view: pair.view });
  });
  for (const choice of choices) {
    choice.addEventListener("change", () => { if (choices[0].value !== choices[1].value) at("choice").submit(); });
  }
}

/** Align the clips; those that show different movements only if the user wants it. */
function begin() {
  at("waiting").hidden = false;
  open().catch((error) => {
    at("waiting").hidden = true;
    if (error.kind !== "OTHER_MOVEMENT") { trouble(error); throw error; }
    warn(`${error.message}.`, button("Align them anyway", () => {
      pair.force = "1";
      const address = new URL(location.href);
      address.searchParams.set("force", pair.force); // also when the page is loaded again
      window.history.replaceState(null, "", address);
      at("banners").replaceChildren();
      begin();
    }));
  });
}

connectChoice();
begin();
