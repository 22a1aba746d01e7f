// The page of a pair: what the report's page shows, with film from the server, and corrected matches.

import { get, post, Saving } from "./ask.js";
import { ServedFilm } from "./served_film.js";
import { Drawings } from "./drawings.js";
import { at, button, made, tellWhenCompared, trouble, warn } from "./page.js";
import { followed } from "./work.js";
import { A, B, data, findUnmatched } from "../../views/report/clips.js";
import { clamp, rowAt, seconds } from "../../views/report/film.js";
import { helping } from "../../views/report/keys.js";
import {
  again, lay, lead, listeners, openPair, play, seek, shareOf, shown, stages, state, timeIn, visit, visitDifference,
} from "../../views/report/pair.js";
import { tellAlignment, tellDifferences, tellNotes } from "../../views/report/words.js";

const work = at("pair-work");
const pair = { ...work.dataset }; // a, b: ids; view: of B; force: 1 = align also what shows different movements
const queried = () => new URLSearchParams(pair);
let drawings = null; // what a person draws on the pictures
const undoable = []; // changes that take back those of this page, the latest last: { old, new }
const saving = new Saving(async ({ changed: others }) => {
  if (others) undoable.length = 0;
  follow(await get(`/pair/set?${queried()}`));
});

// --- loading -------------------------------------------------------------------------------------

async function open() {
  const content = await get(`/pair/data?${queried()}`);
  at("waiting").hidden = true;
  at("in-step").classList.add("aligned");
  openPair(content, [content.a, content.b].map(({ pictures }) => new ServedFilm(pictures)));
  saving.version = content.version;
  drawings = new Drawings(stages, {
    pause: () => play(false), leads: () => state.leader, visit, save: store, saved: changed,
  });
  for (const stage of [stages.a, stages.b]) stage.over.push(drawings.draw);
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
  if (Number.isNaN(b) || at("correct").hidden || (state.matched && state.rowB === b)) return;
  correct(true);
  moveFree(b);
}

/** Update the page after a change of corrections, notes or drawings, and of the alignment. */
function follow(found) {
  const { limit } = data.angles; // keep the scale
  Object.assign(data, found);
  data.angles.limit = limit;
  saving.version = found.version;
  if (found.position) { findUnmatched(); lay(); lookAtDifferences(); }
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

/** Take over the answer to a change, which can be undone. */
function changed(found, old, fresh) {
  undoable.push({ old: fresh, new: old });
  follow(found);
}

/** Put items in the place of others, see pair_page.py; resolves with the answer, null: refused. again():
 * does so on what is there then. */
const store = (old, fresh, again = () => change(old, fresh)) =>
  saving.add((version) => post("/pair/change", { ...pair, old, new: fresh }, version), again);

async function change(old, fresh, again = undefined) {
  const found = await store(old, fresh, again);
  if (found) changed(found, old, fresh);
  return Boolean(found);
}

async function undo() {
  await drawings.settled();
  await saving.done; // after a refusal the page first shows again what is stored
  const back = undoable.pop(), found = back && await store(back.old, back.new, null);
  if (found) follow(found);
}

const anchorAt = (frames) => ({ kind: "anchor", frames });

/** Add a corrected match; it replaces others that share one of its frames. */
function match(frames) {
  const met = data.anchors.filter((one) => one.frames.some((frame, side) => frame === frames[side]));
  return change(met.map((one) => anchorAt(one.frames)), [anchorAt(frames)], () => match(frames));
}

async function same() {
  if (await match([A.frame[state.row], B.frame[state.free]])) correct(false);
}

// --- text on the page ------------------------------------------------------------------------------

function tell() {
  tellAlignment((row) => visit("a", row));
  at("undo").hidden = !undoable.length;
  tellAnchors();
  tellNotes(visit, (note) => [button("Remove", () => change([{ ...note, kind: "note" }], []), { label: `Remove: ${note.text}` })]);
  drawings.take(data.drawings);
}

function tellAnchors() {
  at("no-anchors").hidden = data.anchors.length > 0;
  at("anchors").replaceChildren(...data.anchors.map(({ frames, seconds: [a, b] }) => {
    const item = made("li"), words = `A ${seconds(a)} is B ${seconds(b)}`;
    item.append(
      button(words, () => visit("a", rowAt(A, a))),
      button("Remove", () => change([anchorAt(frames)], []), { label: `Remove: ${words}` }),
    );
    return item;
  }));
}

async function takeNote(event) {
  event.preventDefault();
  const shows = (side, clip, row) => (state.matched || state.leader === side ? clip.frame[row] : null);
  const frames = [shows("a", A, state.row), shows("b", B, state.rowB)];
  await addNote({ kind: "note", frames, text: at("note-text").value.trim() });
}

async function addNote(note) {
  if (!await change([], [note], () => addNote(note))) return; // the text stays
  if (at("note-text").value.trim() === note.text) at("note-text").value = "";
  at("note-text").blur(); // keys control the players again
}

// --- what B does differently -----------------------------------------------------------------------

async function compare() {
  at("compare").disabled = true;
  await followed(() => post("/compare", pair), at("compared"));
  at("compare").disabled = false;
  await lookAtDifferences();
}

async function lookAtDifferences() {
  const found = await get(`/compare/found?${queried()}`).catch(trouble);
  if (!found) return;
  tellWhenCompared(found, at("findings"), at("compare"));
  tellDifferences(found, visitDifference);
}

// --- exports ---------------------------------------------------------------------------------------

/** Write a file, and download it. */
async function exportAs(kind, pressed) {
  pressed.disabled = true;
  const job = await followed(() => post("/pair/export", { ...pair, kind }), at("exporting"));
  pressed.disabled = false;
  if (job?.state === "done") location.assign(`/pair/exported/${kind}?${queried()}`);
}

// --- buttons and keys --------------------------------------------------------------------------------

const KEYS = {
  c: () => { if (correcting() || !at("correct").hidden) correct(!correcting()); },
  u: undo,
  t: () => { play(false); at("note-text").focus(); },
  w: () => at("show-whole").click(),
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
  if (["text", "number"].includes(event.target.type)) { // typing
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
  for (const pressed of at("exports").querySelectorAll("button")) {
    pressed.addEventListener("click", () => exportAs(pressed.dataset.kind, pressed));
  }
  at("compare").addEventListener("click", compare);
  lookAtDifferences();
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

/** Align the clips; if they show different movements, ask first. */
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
