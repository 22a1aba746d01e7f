// The Timeline page: put many clips on one timeline; the shown ones play in step on the clock of the
// reference, with which all are compared.

import { get, post } from "./ask.js";
import { ServedFilm } from "./served_film.js";
import { at, lines, made, tellWhenCompared, trouble } from "./page.js";
import { Player } from "./one_clip_player.js";
import { followed } from "./work.js";
import { seconds, unpacked } from "../../views/report/film.js";
import { Stage } from "../../views/report/stage.js";

const SHARE = 0.68; // of the window's height, for all pictures
const WORDS = 48, GAP = 10, LEAST = 104; // page pixels: of the words at a picture, between two, the least height

const name = at("timeline")?.dataset.name;
let cells = []; // { rows, near, stage, moment }
let order = [], reference = ""; // ids of all clips, and of the one whose clock counts

// --- players ---------------------------------------------------------------------------------------

const options = () => ({ skeleton: at("show-skeleton").checked, film: true, whole: at("show-whole").checked });

/** Show all clips at the moment of a row of the reference. */
function show(row) {
  const how = options();
  for (const { rows, near, stage, moment } of cells) {
    const matched = rows[row] !== null;
    stage.show(matched ? rows[row] : near[row], matched, how);
    moment.textContent = matched ? seconds(stage.clip.time[rows[row]]) : "–";
  }
  const { clip } = player;
  const share = clip.count > 1 ? (clip.time[row] - clip.time[0]) / (clip.time[clip.count - 1] - clip.time[0]) : 0;
  at("moment").textContent = `${Math.round(100 * share)} % of the timeline · ${seconds(clip.time[row])} of ${clip.name}, the reference`;
}

/** Whether every picture is loaded; the clock waits for it, so that no clip falls behind. */
const ready = () => cells.every(({ stage }) => stage.canvas.dataset.picture !== "");

const player = new Player(show, ready);

/** Replace each null row by the nearest known one. */
function nearest(rows) {
  const known = rows.map((row, k) => [row, k]).filter(([row]) => row !== null);
  return rows.map((row, k) => (row !== null ? row
    : known.reduce((best, one) => (Math.abs(one[1] - k) < Math.abs(best[1] - k) ? one : best))[0]));
}

function cell(found, number, count) {
  const figure = made("figure", "", "cell"), words = made("figcaption");
  const label = number ? made("a", found.clip.name, "name") : made("span", found.clip.name, "name");
  if (number) {
    label.href = `/pair?${new URLSearchParams({ a: reference, b: found.id })}`;
    label.title = "see it in step with the reference";
  }
  const moment = made("span", "", "soft"), box = made("div", "", "stage"), canvas = made("canvas");
  canvas.id = `stage-${number + 1}`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Picture of ${found.clip.name}`);
  words.append(label, moment);
  const remarks = [number ? "" : "the reference", found.remarks].filter(Boolean).join(", ");
  if (remarks) words.append(made("small", remarks, found.doubtful ? "warning" : "soft"));
  box.append(canvas);
  figure.append(words, box);
  at("stages").append(figure);
  const film = new ServedFilm(found.clip.pictures, count);
  const stage = new Stage(String(number + 1), unpacked(found.clip, film), found.skeleton);
  return { rows: found.rows, near: nearest(found.rows), stage, moment };
}

/** The most columns with which `count` pictures are as large as they can be. shape: width / height. */
function columnsFor(count, shape, wide, high) {
  const size = (columns) => Math.min(wide / columns, Math.max(high / Math.ceil(count / columns) - WORDS, LEAST) * shape);
  let best = 1;
  for (let columns = 2; columns <= count; columns += 1) if (size(columns) >= size(best)) best = columns;
  return best;
}

function lay() {
  const whole = at("show-whole").checked, wide = at("stages").clientWidth, high = window.innerHeight * SHARE;
  for (const { stage } of cells) stage.options.whole = whole;
  const shapes = cells.map(({ stage }) => stage.aspect).sort((x, y) => x - y);
  const columns = columnsFor(cells.length, shapes[Math.floor(shapes.length / 2)], wide, high);
  const most = Math.max(high / Math.ceil(cells.length / columns) - WORDS, LEAST), width = (wide - (columns - 1) * GAP) / columns;
  at("stages").style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  for (const { stage } of cells) {
    const height = Math.max(Math.floor(Math.min(most, width / stage.aspect)), 1);
    stage.resize(Math.floor(height * stage.aspect), height);
  }
}

async function open() {
  const found = await get(`/timeline/data?${new URLSearchParams({ name })}`), { clips, more, changed } = found;
  order = found.order;
  reference = clips[0].id;
  at("players-card").hidden = at("attempts-card").hidden = false;
  at("about").textContent = found.about;
  const notes = Object.entries(found.left_out).map(([one, why]) => `Left out: ${one}: ${why}`);
  if (found.angle_note) notes.push(`Angles in the figure are ${found.angle_note}.`);
  lines("left-out", notes, "warning");
  cells = clips.map((one, number) => cell(one, number, clips.length));
  const said = [
    more ? `${clips.length} of ${clips.length + more} clips are shown, evenly spaced among all.` : "",
    changed.length ? `Not shown, because they have changed since: ${changed.join(", ")}.` : "",
  ].filter(Boolean).join(" ");
  at("not-shown").textContent = said;
  lay();
  const most = (row) => cells.filter(({ rows }) => rows[row] !== null).length > cells.length / 2;
  player.take(cells[0].stage.clip, Math.max(cells[0].rows.findIndex((_, row) => most(row)), 0));
  const again = () => { lay(); player.go(player.row); };
  player.connect({
    s: () => at("show-skeleton").click(),
    w: () => at("show-whole").click(),
  });
  at("show-whole").addEventListener("change", again);
  at("show-skeleton").addEventListener("change", () => player.go(player.row));
  window.addEventListener("resize", again);
  at("compare").addEventListener("click", compare);
  await lookAtDifferences();
}

// --- differences from the reference ------------------------------------------------------------------

async function compare() {
  at("compare").disabled = true;
  const attempts = order.filter((id) => id !== reference);
  await followed(() => post("/attempts/compare", { reference, attempts }), at("compared"));
  at("compare").disabled = false;
  await lookAtDifferences();
}

async function lookAtDifferences() {
  const asked = new URLSearchParams({ reference }), found = await get(`/attempts/found?${asked}`).catch(trouble);
  if (!found) return;
  const { sentences, attempts, left_out } = found;
  tellWhenCompared(found, at("findings"), at("compare"));
  lines("sentences", sentences.length ? sentences : ["No difference of the same joint or part is stated in two attempts."]);
  lines("attempts", attempts);
  lines("not-compared", left_out.map((text) => `Left out: ${text}`), "warning");
  at("attempts-table").hidden = false;
  at("attempts-table").href = `/attempts/table?${asked}`;
  at("attempts-figure").hidden = !sentences.length;
  if (sentences.length) at("attempts-figure").src = `/attempts/figure?${asked}`;
}

// --- making one --------------------------------------------------------------------------------------

const boxes = [...document.querySelectorAll("input[name=clip]")];

/** Start a job, and go to the timeline that it makes. */
async function make() {
  const pressed = at("make-it");
  pressed.disabled = true;
  const clips = boxes.filter((box) => box.checked).map((box) => box.value);
  const question = { clips, reference: at("reference").value || null };
  const job = await followed(() => post("/timeline/make", question), at("making"));
  if (job?.state === "done") location.assign(`/timeline?${new URLSearchParams({ name: job.about.name })}`);
  else pressed.disabled = false;
}

function connectForm() {
  for (const [id, all] of [["all", true], ["none", false]]) {
    at(id).addEventListener("click", () => { for (const box of boxes) box.checked = all; });
  }
  at("make").addEventListener("submit", (event) => {
    event.preventDefault();
    make();
  });
  at("choose-timeline")?.addEventListener("change", (event) => {
    location.assign(`/timeline?${new URLSearchParams({ name: event.target.value })}`);
  });
}

connectForm();
(name ? open() : Promise.resolve()).then(() => { document.body.dataset.ready = "true"; }, trouble);
