// The page of a clip's joints: drag a wrong joint to its place, or mark it as not trusted. Corrections
// are applied on top of what the network found, as in core/annotations.py.

import { get, post, Saving } from "./ask.js";
import { Drawings } from "./drawings.js";
import { ServedFilm } from "./served_film.js";
import { at, button, made, trouble } from "./page.js";
import { layStage, Player } from "./one_clip_player.js";
import { clamp, lastUpTo, seconds, UNIT, unpacked } from "../../views/report/film.js";
import { helping } from "../../views/report/keys.js";
import { connectSection } from "../../views/report/player.js";
import { Stage } from "../../views/report/stage.js";

const [LEAST, MOST] = [0.45, 0.7]; // of the window's height: the picture, where its tools leave room
const NEAR = 16; // page pixels around a joint within which it can be grabbed
const MOST_FILLED = 100; // frames between two corrections
const MOST_LISTED = 200;
const HUE = "#ff4fd8"; // of corrected joints
const id = at("joints").dataset.clip;

let clip = null, stage = null, names = [];
let found = null; // what the network found: { joints, state }
let corrections = new Map(); // "frame joint" -> [x, y] in pixels, null: not trusted
let chosen = 0; // index of the joint in `names`
const undo = []; // inverse changes, the latest last; of drawings { old, new }
let drawings = null; // what a person draws on the picture
const player = new Player(show);
const saving = new Saving(async () => { undo.length = 0; await load(); });
let drawn = []; // as stored

// --- positions -----------------------------------------------------------------------------------

const key = (row, joint) => `${clip.frame[row]} ${names[joint]}`;
const index = (row, joint) => row * names.length + joint;

/** Picture pixels for one unit of a joint's stored position in a row. */
const step = (row) => (clip.window[row][3] - clip.window[row][1]) / UNIT;

/** Where a joint of a row is now, in pixels of the picture. */
function pixel(row, joint, joints = clip.joints) {
  const k = 2 * index(row, joint);
  return [clip.window[row][0] + joints[k] * step(row), clip.window[row][1] + joints[k + 1] * step(row)];
}

/** Where a point of the canvas is in the picture of a row. */
function pixelAt(row, x, y) {
  const place = stage.place(row);
  return [clip.window[row][0] + ((x - place.x) / place.scale) * step(row), clip.window[row][1] + ((y - place.y) / place.scale) * step(row)];
}

/** Where a joint of a row is on the canvas. */
function onCanvas(row, joint) {
  const place = stage.place(row), k = 2 * index(row, joint);
  return [clip.joints[k] * place.scale + place.x, clip.joints[k + 1] * place.scale + place.y];
}

function put(row, joint, [x, y]) {
  const k = index(row, joint), [left, top] = clip.window[row];
  clip.joints[2 * k] = Math.round(clamp((x - left) / step(row), -32767, 32767));
  clip.joints[2 * k + 1] = Math.round(clamp((y - top) / step(row), -32767, 32767));
  clip.state[k] = 2;
}

/** Show the correction of a joint in a row or, if there is none, what the network found. */
function laid(row, joint) {
  const k = index(row, joint), right = corrections.get(key(row, joint));
  clip.joints.set(found.joints.subarray(2 * k, 2 * k + 2), 2 * k);
  clip.state[k] = found.state[k];
  if (right) put(row, joint, right);
  if (right === null) clip.state[k] = Math.min(found.state[k], 1);
}

// --- changes -------------------------------------------------------------------------------------

/** A change that would restore the current state of a joint in a row. */
function inverse(row, joint) {
  const right = corrections.get(key(row, joint));
  const same = { frame: clip.frame[row], joint: names[joint] };
  return right === undefined ? { ...same, remove: true } : { ...same, at: right };
}

/** Show changes and save them. undoes: whether they take back others, which is not offered again. */
function change(changes, undoes = false) {
  if (!undoes) undo.push(changes.map(({ frame, joint }) => inverse(lastUpTo(clip.frame, frame), names.indexOf(joint))));
  for (const one of changes) {
    const where = `${one.frame} ${one.joint}`;
    if (one.remove) corrections.delete(where); else corrections.set(where, one.at);
    laid(lastUpTo(clip.frame, one.frame), names.indexOf(one.joint));
  }
  tell();
  saving.add((version) => post("/joints/save", { clip: id, changes }, version.joints), undoes ? null : () => change(changes));
}

const one = (row, joint, what) => ({ frame: clip.frame[row], joint: names[joint], ...what });

function set(row, joint, what) {
  player.play(false);
  change([one(row, joint, what)]);
}

const untrusted = () => set(player.row, chosen, { at: null });
const raw = () => { if (corrections.has(key(player.row, chosen))) set(player.row, chosen, { remove: true }); };

function nudge(x, y) {
  if (!clip.state[index(player.row, chosen)]) return;
  const [px, py] = pixel(player.row, chosen);
  set(player.row, chosen, { at: [px + x, py + y] });
}

/** For a row with a correction of the chosen joint: the row of its previous one; null if none is near
 * enough. */
function before(row) {
  if (!corrections.get(key(row, chosen))) return null;
  for (let k = row - 1; k >= Math.max(0, row - MOST_FILLED - 1); k -= 1) {
    if (corrections.get(key(k, chosen))) return k;
  }
  return null;
}

function fill() {
  const last = player.row, first = before(last);
  if (first === null || last - first < 2) return;
  const [from, to] = [corrections.get(key(first, chosen)), corrections.get(key(last, chosen))];
  const changes = [];
  for (let row = first + 1; row < last; row += 1) {
    const share = (clip.time[row] - clip.time[first]) / (clip.time[last] - clip.time[first]);
    changes.push(one(row, chosen, { at: [0, 1].map((k) => from[k] + share * (to[k] - from[k])) }));
  }
  player.play(false);
  change(changes);
}

/** Put drawings in the place of others; resolves with the answer, null: refused. */
const draw = (old, fresh, again = () => redraw(old, fresh)) =>
  saving.add((version) => post("/joints/draw", { clip: id, old, new: fresh }, version.drawings), again);

function drew(found, old, fresh) {
  undo.push({ old: fresh, new: old });
  drawn = found.drawings;
  drawings.take({ a: drawn });
  tell();
}

async function redraw(old, fresh) {
  const found = await draw(old, fresh);
  if (found) drew(found, old, fresh);
}

async function takeBack() {
  await drawings.settled();
  const back = undo.pop();
  if (!back) return;
  if (back.old) {
    const found = await draw(back.old, back.new, null);
    if (found) { drawn = found.drawings; drawings.take({ a: drawn }); }
    tell();
    return;
  }
  player.go(lastUpTo(clip.frame, back[back.length - 1].frame));
  change(back, true);
}

// --- text and drawing ----------------------------------------------------------------------------

const words = (joint) => joint.replaceAll("_", " ");

function tell() {
  at("undo").disabled = !undo.length;
  at("joint").value = String(chosen);
  at("raw").disabled = !corrections.has(key(player.row, chosen));
  const first = before(player.row);
  at("fill").disabled = first === null || player.row - first < 2;
  at("no-corrections").hidden = corrections.size > 0;
  const listed = [...corrections].map(([where, right]) => {
    const [frame, joint] = [Number(where.split(" ")[0]), where.split(" ")[1]];
    return { frame, joint, right };
  }).sort((a, b) => a.frame - b.frame || names.indexOf(a.joint) - names.indexOf(b.joint)).slice(0, MOST_LISTED);
  at("corrections").replaceChildren(...listed.map(({ frame, joint, right }) => {
    const row = lastUpTo(clip.frame, frame), item = made("li", "", "line");
    const text = `${seconds(clip.time[row])}, ${words(joint)}: ${right ? "corrected" : "not trusted"}`;
    item.append(
      button(text, () => { choose(names.indexOf(joint)); player.to(row); }),
      button("Remove", () => change([{ frame, joint, remove: true }]), { label: `Remove: ${text}` }),
    );
    return item;
  }));
  const right = corrections.get(key(player.row, chosen));
  const how = right ? "corrected" : right === null ? "not trusted" : ["not seen", "unsure", "found"][clip.state[index(player.row, chosen)]];
  at("moment").textContent = `${seconds(clip.time[player.row])} · frame ${clip.frame[player.row]} · ${words(names[chosen])}: ${how}`;
  stage.draw();
}

function marked(drawn, row) {
  const { context } = drawn;
  for (let joint = 0; joint < names.length; joint += 1) {
    const right = corrections.get(key(row, joint));
    if (joint !== chosen && right === undefined) continue;
    if (!clip.state[index(row, joint)]) continue;
    const [x, y] = onCanvas(row, joint);
    context.lineWidth = 2;
    for (const [ink, size] of [["#000", 9], [right === undefined ? "#fff" : HUE, 7.5]]) {
      context.strokeStyle = ink;
      context.beginPath();
      if (right === null) {
        context.moveTo(x - size, y - size); context.lineTo(x + size, y + size);
        context.moveTo(x + size, y - size); context.lineTo(x - size, y + size);
      } else context.arc(x, y, joint === chosen ? size + 2 : size, 0, 2 * Math.PI);
      context.stroke();
    }
    if (joint === chosen && right === null) { context.beginPath(); context.arc(x, y, 12, 0, 2 * Math.PI); context.stroke(); }
  }
}

function choose(joint) {
  chosen = joint;
  tell();
}

/** Lay out the picture as large as leaves its tools in sight. */
function lay() {
  const high = window.innerHeight, box = stage.canvas.parentElement;
  const tools = at("tools").getBoundingClientRect().bottom - box.getBoundingClientRect().bottom;
  const room = high - (box.getBoundingClientRect().top + window.scrollY) - tools - 12;
  layStage(stage, clamp(room, LEAST * high, MOST * high));
}

function show(row) {
  stage.show(row, true, { skeleton: true, film: true, whole: true });
  tell();
}

// --- keys, buttons, the picture ----------------------------------------------------------------------

const moves = (x, y) => (event) => { const size = event.shiftKey ? 10 : 1; nudge(size * x, size * y); };
const KEYS = {
  "[": () => choose((chosen + names.length - 1) % names.length), "]": () => choose((chosen + 1) % names.length),
  w: moves(0, -1), a: moves(-1, 0), s: moves(0, 1), d: moves(1, 0),
  x: untrusted, r: raw, f: fill, u: takeBack,
};

/** Grab a nearby joint; if none is near and the chosen joint is not seen, put it there. */
function connectPicture() {
  const canvas = at("stage-a");
  const place = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  let held = null, moved = false;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.defaultPrevented) return; // it was for a drawing
    player.play(false);
    const [x, y] = place(event);
    const near = names.map((_, joint) => joint).filter((joint) => clip.state[index(player.row, joint)])
      .map((joint) => { const [jx, jy] = onCanvas(player.row, joint); return [Math.hypot(jx - x, jy - y), joint]; })
      .sort((a, b) => a[0] - b[0])[0];
    if (near && near[0] <= NEAR) {
      held = near[1];
      moved = false;
      canvas.setPointerCapture(event.pointerId);
      choose(held);
    } else if (!clip.state[index(player.row, chosen)]) set(player.row, chosen, { at: pixelAt(player.row, x, y) });
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (held === null || !(event.buttons & 1)) return;
    moved = true;
    put(player.row, held, pixelAt(player.row, ...place(event)));
    stage.draw();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (held !== null && moved) change([one(player.row, held, { at: pixelAt(player.row, ...place(event)) })]);
    held = null;
  });
  canvas.addEventListener("pointercancel", () => { if (held !== null) { laid(player.row, held); held = null; tell(); } });
}

/** The keys of a drawing that is made or chosen, before those of the player. */
function drawingKey(event) {
  const typing = ["text", "number"].includes(event.target.type);
  if (event.ctrlKey || event.altKey || event.metaKey || helping() || typing) return;
  if (!drawings.key(event)) return;
  event.preventDefault();
  event.stopPropagation();
}

function connect() {
  drawings = new Drawings({ a: stage }, {
    pause: () => player.play(false), leads: () => "a", visit: (side, row) => player.to(row),
    save: draw, saved: drew, keys: false,
  });
  stage.over.push(drawings.draw);
  document.addEventListener("keydown", drawingKey, true);
  drawings.take({ a: drawn });
  player.connect(KEYS, takeBack);
  connectSection(player.clock, () => show(player.row));
  connectPicture();
  const actions = { untrusted, raw, fill, undo: takeBack };
  for (const [name, action] of Object.entries(actions)) at(name).addEventListener("click", action);
  at("joint").addEventListener("change", (event) => choose(Number(event.target.value)));
  window.addEventListener("resize", () => { lay(); show(player.row); });
}

async function load() {
  const said = await get(`/joints/data?${new URLSearchParams({ clip: id })}`);
  names = said.joints;
  saving.version = said.versions;
  clip = unpacked(said.clip, new ServedFilm(said.clip.pictures));
  found = { joints: clip.joints.slice(), state: clip.state.slice() };
  drawn = said.drawings;
  corrections = new Map(said.corrections.map(({ frame, joint, at: right }) => [`${frame} ${joint}`, right]));
  for (let row = 0; row < clip.count; row += 1) for (let joint = 0; joint < names.length; joint += 1) laid(row, joint);
  stage = new Stage("a", clip, said.skeleton);
  stage.options.whole = true;
  stage.over.push(marked);
  at("joint").replaceChildren(...names.map((name, k) => {
    const option = made("option", words(name));
    option.value = String(k);
    return option;
  }));
  if (drawings) drawings.follow("a", stage);
  lay();
  player.take(clip, player.row);
  if (drawings) drawings.take({ a: drawn });
}

load().then(() => { connect(); document.body.dataset.ready = "true"; }, trouble);
