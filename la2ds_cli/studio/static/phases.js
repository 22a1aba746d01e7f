// The Phases page: a key begins a phase at the shown frame, boundaries can be dragged, and boundaries
// propagated from other clips are accepted or moved, the least certain first.

import { get, post, Saving } from "./ask.js";
import { ServedFilm } from "./served_film.js";
import { edited } from "./labels.js";
import { at, button, made, tried, trouble } from "./page.js";
import { layStage, Player } from "./one_clip_player.js";
import { followed } from "./work.js";
import { clamp, colour, lastUpTo, rowAt, seconds, sized, unpacked } from "../../views/report/film.js";
import { connectSection, dragSection, drawSection, sectionKeys } from "../../views/report/player.js";
import { Stage } from "../../views/report/stage.js";

const GRIP = 14; // page pixels around a boundary within which it can be grabbed
const LINE_HIGH = 56;
const MOST_REVIEWED = 12;

let clip = null, stage = null, ends = [0, 0];
let labels = []; // in time order, see labels.js
let undo = []; // the labels before each change
let overview = { clips: [], names: [], palette: ["#888888"], queue: [] };
let reviewed = null; // the boundary of the queue that is being reviewed
let opened = at("phases").dataset.clip; // the clip's id
const player = new Player(show), { clock } = player;
const saving = new Saving(async () => {
  undo = [];
  take(await get(dataOf(opened)));
  tell();
});
const dataOf = (id) => `/phases/data?${new URLSearchParams({ clip: id })}`;

// --- times and frames ------------------------------------------------------------------------------

const frameOf = (row) => clip.frame[row];
const rowOf = (frame) => lastUpTo(clip.frame, frame);
const timeOf = (frame) => (frame >= ends[1] ? clip.end : clip.edges[rowOf(frame)]);
const here = () => frameOf(player.row);
const hue = (name) => overview.palette[Math.max(overview.names.indexOf(name), 0) % overview.palette.length];

// --- loading ---------------------------------------------------------------------------------------

let opening = 0; // how many clips have been asked for

/** Open a clip; does nothing if another is asked for meanwhile. */
async function open(id, frame = null) {
  opening += 1;
  const mine = opening;
  let found;
  do { // again if labels change while it is loaded
    await saving.done;
    found = await get(dataOf(id));
    if (mine !== opening) return;
  } while (saving.due);
  if (opened !== found.id) saving.refused = [];
  opened = found.id;
  clip = unpacked(found.clip, new ServedFilm(found.clip.pictures));
  ends = found.ends;
  stage = new Stage("a", clip, found.skeleton);
  undo = [];
  take(found);
  at("clip-name").textContent = clip.name;
  const address = `/phases?${new URLSearchParams({ clip: id })}`;
  if (location.pathname + location.search !== address) window.history.replaceState(null, "", address);
  clock.setSection(null);
  lay();
  player.take(clip, frame === null ? 0 : rowOf(frame));
  tell();
  document.body.dataset.clip = opened;
}

/** Take over the labels that the server has. */
function take(found) {
  labels = found.rows;
  saving.version = found.version;
}

async function look() {
  overview = { ...await get("/phases/overview"), added: overview.added || [] };
  for (const name of overview.added) if (!overview.names.includes(name)) overview.names.push(name);
  tell();
}

// --- changing labels -------------------------------------------------------------------------------

/** Change the labels, and save them soon. edit(labels): the new labels; it may be made again on
 * labels that somebody else has changed, unless it is for what was shown alone. */
function change(edit, repeats = true) {
  const next = edit(labels), mine = opened;
  if (JSON.stringify(next) === JSON.stringify(labels)) return false;
  undo.push(labels);
  labels = next;
  keep(repeats ? () => { if (opened === mine) change(edit); } : null);
  return true;
}

function keep(again = null) {
  tell();
  saving.add(send, again);
}

/** Send the labels, unless what follows sends them, too. */
async function send(version) {
  if (saving.due > 1) return null;
  const found = await post("/phases/save", { clip: opened, rows: labels }, version);
  if (saving.due > 1) return found;
  take(found);
  tell();
  look();
  return found;
}

/** Change the labels at the shown frame. */
function changeHere(edit) {
  const frame = here();
  return change((now) => edit(now, frame));
}

const label = (name) => changeHere((now, frame) => edited.begin(now, name, frame, ends));
const remove = () => changeHere(edited.remove);

function takeBack() {
  if (!undo.length) return;
  labels = undo.pop();
  keep();
}

// --- review ----------------------------------------------------------------------------------------

const isReviewed = (one) => Boolean(reviewed) && reviewed.clip === one.clip && reviewed.frame === one.frame;

async function review(one) {
  reviewed = one;
  try {
    if (one.clip !== opened) await open(one.clip, one.frame);
  } catch (error) { trouble(error); return; }
  if (one.clip !== opened) return; // another clip was asked for meanwhile
  player.to(rowOf(one.frame));
  tell();
}

function next() {
  const where = overview.queue.findIndex(isReviewed);
  const one = overview.queue[(where + 1) % Math.max(overview.queue.length, 1)];
  if (one) review(one);
}

/** Move the reviewed boundary to the shown frame, or accept it there. */
function accept() {
  const border = reviewed && reviewed.clip === opened ? reviewed.frame
    : edited.borders(labels).includes(here()) ? here() : null;
  if (border === null) return;
  const frame = here(), [low, high] = edited.reach(labels, border);
  if (frame < low || frame > high) {
    trouble({ message: `The boundary at frame ${border} cannot be moved to frame ${frame}`,
      hint: `go to a frame from ${low} to ${Number.isFinite(high) ? high : ends[1]}, then press Enter` });
    return;
  }
  trouble(null);
  change((now) => edited.move(now, border, frame));
  const where = Math.max(overview.queue.findIndex(isReviewed), 0);
  overview.queue = overview.queue.filter((one) => !(one.clip === opened && one.frame === border));
  reviewed = null;
  const following = overview.queue[where] || overview.queue[0];
  if (following) review(following); else tell();
}

function acceptAll() {
  change(edited.acceptAll, false);
  overview.queue = overview.queue.filter((one) => one.clip !== opened);
  reviewed = null;
  tell();
}

/** Reload labels that have changed on disk; the shown moment stays. */
async function reopen() {
  await look();
  if (saving.due) return;
  const { row } = player;
  await open(opened);
  player.go(row);
}

async function carry() {
  at("carry").disabled = true;
  at("carried").textContent = "";
  const job = await followed(async () => { await saving.done; return post("/phases/carry"); }, at("carried"));
  at("carry").disabled = false;
  const merged = job?.result?.merged;
  if (merged) {
    const several = (count) => (count === 1 ? "1 clip" : `${count} clips`);
    at("carried").textContent = `labelled ${several(merged.written.length)}${
      merged.withheld.length ? `, but not ${several(merged.withheld.length)} that no longer fit the labels` : ""}`;
  }
  if (job) await reopen().catch(trouble);
}

/** Save the labels of the clip as a file of another tool. */
async function exportFile(format) {
  const address = `/phases/files/${format}?${new URLSearchParams({ clip: opened })}`;
  if (await tried(async () => { await saving.done; return get(address); })) location.assign(address);
}

// --- text on the page ------------------------------------------------------------------------------

function tell() {
  tellNames();
  tellReview();
  tellClips();
  tellRows();
  at("undo").disabled = !undo.length;
  if (clip) { drawLine(); tellMoment(); }
}

function tellNames() {
  at("names").replaceChildren(...overview.names.slice(0, 9).map((name, k) => {
    const key = button("", () => label(name));
    const swatch = made("span", "", "swatch");
    swatch.style.background = hue(name);
    key.append(made("kbd", String(k + 1)), swatch, name);
    return key;
  }));
}

function tellReview() {
  const { queue } = overview;
  at("no-review").hidden = queue.length > 0;
  at("review-help").hidden = queue.length === 0;
  at("review-heading").textContent = queue.length ? `To review: ${queue.length}` : "To review";
  at("review").replaceChildren(...queue.slice(0, MOST_REVIEWED).map((one) => {
    const item = made("li");
    const sure = one.confidence === null ? "" : `, ${Math.round(100 * one.confidence)} % sure`;
    const border = button(`${one.name}: ${one.before || "…"} → ${one.after || "…"}${sure}`, () => review(one));
    if (isReviewed(one)) border.setAttribute("aria-current", "true");
    item.append(border);
    return item;
  }));
  at("accept").hidden = !reviewed || reviewed.clip !== opened;
  at("accept-all").hidden = labels.every((one) => one.truth);
}

function tellClips() {
  const shown = JSON.stringify([overview.clips, opened]);
  if (at("clips").dataset.shown === shown) return; // a click on a link that is being replaced is lost
  at("clips").dataset.shown = shown;
  const list = at("clips"), { scrollTop } = list;
  list.replaceChildren(...overview.clips.map(({ id, name, phases, propagated }) => {
    const item = made("li"), link = made("a");
    link.href = `/phases?${new URLSearchParams({ clip: id })}`;
    if (id === opened) link.setAttribute("aria-current", "page");
    const count = phases === 1 ? "1 phase" : `${phases} phases`;
    const facts = !phases ? "no labels" : propagated ? `${count}, ${propagated} propagated` : `${count} by you`;
    link.append(made("span", name), made("span", facts, "soft"));
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      reviewed = null;
      open(id).catch(trouble);
    });
    item.append(link);
    return item;
  }));
  const link = list.querySelector("[aria-current]"), frame = list.getBoundingClientRect();
  list.scrollTop = scrollTop;
  if (!link) return;
  const box = link.getBoundingClientRect(); // not scrollIntoView, which scrolls the page as well
  list.scrollTop += Math.max(box.bottom - frame.bottom, 0) + Math.min(box.top - frame.top, 0);
}

function tellRows() {
  const time = (frame) => (clip ? seconds(Math.max(timeOf(frame), 0)) : "");
  at("rows").tBodies[0].replaceChildren(...labels.map((one) => {
    const row = made("tr");
    const clips = one.other?.origin_clips?.split(" ") ?? [], from = clips.length > 1 ? `${clips.length} clips` : clips[0];
    const by = !one.truth ? "propagated" : from ? "you, first propagated" : "you";
    row.append(made("td", one.phase), made("td", time(one.start), "number"), made("td", time(one.end), "number"),
      made("td", from ? `${by} from ${from}` : by));
    return row;
  }));
}

function tellMoment() {
  const found = labels.find((one) => one.start <= here() && here() < one.end);
  at("moment").textContent = [seconds(clip.time[player.row]), `frame ${here()}`, found ? found.phase : "no phase"].join(" · ");
}

// --- drawing ---------------------------------------------------------------------------------------

const line = { x: (time) => ((time - clip.start) / (clip.end - clip.start)) * line.wide };

function lay() {
  layStage(stage, 0.5 * window.innerHeight);
  line.wide = at("line").parentElement.clientWidth - 28;
  line.context = sized(at("line"), line.wide, LINE_HIGH);
  drawLine();
}

function drawLine() {
  const { context, wide } = line;
  if (!context) return;
  context.fillStyle = colour("bar");
  context.fillRect(0, 0, wide, LINE_HIGH);
  context.textBaseline = "middle";
  context.textAlign = "center";
  for (const one of labels) {
    const left = line.x(timeOf(one.start)), width = line.x(timeOf(one.end)) - left;
    context.fillStyle = hue(one.phase);
    context.globalAlpha = one.truth ? 1 : 0.6;
    context.fillRect(left, 0, Math.max(width - 1, 1), LINE_HIGH);
    context.globalAlpha = 1;
    if (context.measureText(one.phase).width + 8 >= width) continue;
    context.lineWidth = 3;
    context.strokeStyle = "rgba(0, 0, 0, 0.65)";
    context.fillStyle = "#fff";
    context.strokeText(one.phase, left + width / 2, LINE_HIGH / 2);
    context.fillText(one.phase, left + width / 2, LINE_HIGH / 2);
  }
  const open_ = edited.unchecked(labels, ends);
  for (const frame of edited.borders(labels)) {
    if (frame <= ends[0] || frame >= ends[1]) continue;
    const x = clamp(line.x(timeOf(frame)), 1, wide - 1);
    context.fillStyle = colour("ink");
    context.fillRect(x - 1, 0, 2, LINE_HIGH);
    context.beginPath();
    context.arc(clamp(x, 6, wide - 6), LINE_HIGH - 9, 5, 0, 2 * Math.PI);
    context.fillStyle = open_.includes(frame) ? "#fff" : "#000";
    context.strokeStyle = open_.includes(frame) ? "#000" : "#fff";
    context.lineWidth = 2;
    context.fill();
    context.stroke();
  }
  drawSection(context, clip, clock.section, line.x, wide, LINE_HIGH);
  const x = clamp(line.x(clip.time[player.row]), 2, wide - 2);
  context.fillStyle = "#fff";
  context.fillRect(x - 3, 0, 6, LINE_HIGH);
  context.fillStyle = "#d00000";
  context.fillRect(x - 1.5, 0, 3, LINE_HIGH);
}

function show(row) {
  stage.show(row, true, { skeleton: at("show-skeleton").checked, film: true });
  drawLine();
  tellMoment();
}

// --- keys, buttons, the line ------------------------------------------------------------------------

function toBorder(side) {
  const frames = edited.borders(labels).filter((frame) => (side < 0 ? frame < here() : frame > here()));
  if (frames.length) player.to(rowOf(side < 0 ? Math.max(...frames) : Math.min(...frames)));
}

/** Move the boundary at the shown frame, or the last one before it, by a frame, and show that
 * frame. */
function nudge(side) {
  const frames = edited.borders(labels).filter((frame) => frame <= here() && frame > ends[0]);
  if (!frames.length) return;
  const border = Math.max(...frames);
  const target = frameOf(clamp(rowOf(border) + side, 0, clip.count - 1));
  player.play(false);
  const moved = isReviewed({ clip: opened, frame: border }) // moves only when it is accepted
    || change((now) => edited.move(now, border, target));
  if (moved) player.go(rowOf(target));
}

const KEYS = {
  Enter: accept,
  "[": () => toBorder(-1), "]": () => toBorder(1),
  ",": () => nudge(-1), ".": () => nudge(1),
  Delete: remove, Backspace: remove,
  0: () => changeHere(edited.none),
  n: next, u: takeBack,
  s: () => at("show-skeleton").click(),
};
for (const key of "123456789") KEYS[key] = () => { const name = overview.names[key - 1]; if (name) label(name); };
Object.assign(KEYS, sectionKeys(clock));

/** The line: drag a nearby boundary, or else go to that moment. */
function connectLine() {
  const canvas = at("line");
  const place = (event) => clamp(event.clientX - canvas.getBoundingClientRect().left, 0, line.wide);
  const rowAtPlace = (x) => rowAt(clip, clip.start + (x / line.wide) * (clip.end - clip.start));
  let held = null, before = null, from = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    player.play(false);
    const x = place(event);
    const near = edited.borders(labels).filter((frame) => frame > ends[0] && frame < ends[1])
      .map((frame) => [Math.abs(line.x(timeOf(frame)) - x), frame]).sort((a, b) => a[0] - b[0])[0];
    held = near && near[0] <= GRIP ? near[1] : null;
    before = labels;
    from = held;
    player.go(held === null ? rowAtPlace(x) : rowOf(held));
    event.preventDefault();
    canvas.focus();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!(event.buttons & 1)) return;
    const row = rowAtPlace(place(event));
    if (held !== null && frameOf(row) !== held) {
      labels = edited.move(labels, held, frameOf(row));
      if (edited.borders(labels).includes(frameOf(row))) held = frameOf(row);
    }
    player.go(row);
  });
  const letGo = (keeps) => () => {
    if (held === null) return;
    const to = held;
    held = null;
    if (before === labels) return;
    labels = before;
    if (!keeps || !change((now) => edited.move(now, from, to))) tell();
  };
  canvas.addEventListener("pointerup", letGo(true));
  canvas.addEventListener("pointercancel", letGo(false));
}

function connect() {
  player.connect(KEYS, takeBack);
  dragSection(at("line"), clock, () => ({ clip, x: line.x, wide: line.wide })); // before borders
  connectLine();
  connectSection(clock, drawLine);
  at("show-skeleton").addEventListener("change", () => show(player.row));
  at("undo").addEventListener("click", takeBack);
  at("accept").addEventListener("click", accept);
  at("accept-all").addEventListener("click", acceptAll);
  at("carry").addEventListener("click", carry);
  for (const pressed of at("label-files").querySelectorAll("[data-format]")) {
    pressed.addEventListener("click", () => exportFile(pressed.dataset.format));
  }
  at("new-name").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = at("name").value.trim();
    if (!name || overview.names.includes(name)) return;
    overview.added = [...(overview.added || []), name];
    overview.names.push(name);
    at("name").value = "";
    at("name").blur(); // keys set labels again
    tell();
  });
  window.addEventListener("resize", () => { lay(); show(player.row); });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawLine);
}

connect();
open(opened).then(look).then(() => { document.body.dataset.ready = "true"; }, trouble);
