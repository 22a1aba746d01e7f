// The Train page: the training clips, and runs with their curves while they train.

import { get, post } from "./ask.js";
import { inWords, marks, range } from "./curves.js";
import { at, button, made, tried, trouble } from "./page.js";
import { ENDED, onWork } from "./work.js";
import { clamp, colour, curve, seconds, sized } from "../../views/report/film.js";

const HIGH = { loss: 170, validation: 110 }; // page pixels
const LOOK_EVERY = 1000; // milliseconds
const EDGE = { left: 46, right: 10, top: 8, bottom: 22 };
const GUESSING = 33; // % validation error of matches by chance
const stateOf = ({ state, ended }) => (ended ? `ended by ${ended}` : state);

let known = { runs: [] };
const courses = new Map(); // run -> its course
let shown = null; // the run whose curves are shown

// --- loading ---------------------------------------------------------------------------------------

async function load() {
  const found = await get("/train/data").catch(trouble);
  if (!found) return;
  known = found;
  known.runs.forEach(take);
  tellLearn();
  tellRuns();
  if (shown === null || !courses.has(shown)) show(newest());
  document.body.dataset.ready = "true";
}

/** Update a run, and show it if it has just begun. Returns whether its state is new. */
function take(course) {
  const changed = courses.get(course.run)?.state !== course.state;
  courses.set(course.run, course);
  if (changed && course.state === "training" && document.body.dataset.ready) show(course.run);
  return changed;
}

/** The run that most recently wrote something. */
const newest = () => known.runs.reduce((best, run) => (!best || run.when > best.when ? run : best), null)?.run ?? null;

let due = 0;
const soon = () => { window.clearTimeout(due); due = window.setTimeout(load, 200); };

/** Follow the runs, whoever trains them. */
async function follow() {
  const found = document.visibilityState === "visible" ? await get("/train/courses").catch(() => []) : [];
  for (const course of found) {
    if (take(course)) soon();
    const state = document.querySelector(`#runs li[data-run="${CSS.escape(course.run)}"] .facts`);
    state?.replaceChildren(...facts({ ...known.runs.find((run) => run.run === course.run), ...course }));
  }
  tellCourse();
  window.setTimeout(follow, LOOK_EVERY);
}

const watched = new Set(); // numbers of jobs that are not over
onWork((job) => {
  if (!job.about.train) return;
  if (!ENDED.includes(job.state)) { watched.add(job.number); return; }
  if (!watched.delete(job.number)) return; // over before this page was opened
  if (job.state === "failed") trouble(new Error(`${job.title}: ${job.error}`));
  soon();
});

// --- the training clips ----------------------------------------------------------------------------

function tellLearn() {
  const { words, pays, clips, listed } = known.learn;
  at("outlook").textContent = words ? `${words[0].toUpperCase()}${words.slice(1)}.` : "";
  at("outlook").className = pays === "likely" ? "good" : "";
  at("clips-by-split").textContent = `${clips} of ${listed} clips are for training.`;
  at("begin").disabled = pays === "impossible";
}

// --- training --------------------------------------------------------------------------------------

const ask = (path, content) => tried(() => post(path, content));
at("begin").addEventListener("click", async () => { if (await ask("/train/start")) soon(); });

// --- runs ------------------------------------------------------------------------------------------

const percent = (value) => `${value.toFixed(2)} %`;

function facts(run) {
  const found = [];
  if (run.step) found.push(`step ${run.step}${run.steps ? ` of ${run.steps}` : ""}`, `${seconds(run.seconds, 0)} of training`);
  if (run.best) found.push(`validation error ${percent(run.best[1])}`);
  if (run.when) found.push(new Date(1000 * run.when).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }));
  if (run.recipe) found.push(run.recipe);
  return found.map((text) => made("span", text, "soft"));
}

function card(run) {
  const item = made("li");
  item.dataset.run = run.run;
  if (run.run === shown) item.setAttribute("aria-current", "true");
  const head = made("div", "", "run-head");
  head.append(made("span", run.run), made("span", stateOf(run), run.state === "training" ? "state good" : "state soft"));
  const actions = made("div", "", "buttons");
  actions.append(button("Curves", () => show(run.run), { label: `Curves of ${run.run}` }));
  if (run.state === "stopped") actions.append(button("Resume", () => ask("/train/go-on", { run: run.run }), { label: `Resume ${run.run}` }));
  const words = made("div", "", "facts");
  words.append(...facts(run));
  item.append(head, actions, words);
  if (run.verdict) item.append(made("p", run.verdict.text, run.verdict.outcome === "better" ? "good" : run.verdict.outcome === "worse" ? "warning" : ""));
  for (const text of run.warnings) item.append(made("p", text, "warning"));
  return item;
}

function tellRuns() {
  const focus = document.activeElement?.closest?.("#runs li")?.dataset.run;
  const kind = document.activeElement?.getAttribute?.("aria-label");
  at("runs").replaceChildren(...[...known.runs].sort((x, y) => y.when - x.when).map(card));
  if (focus) [...at("runs").querySelectorAll("button")].find((each) => each.getAttribute("aria-label") === kind)?.focus();
}

// --- curves ----------------------------------------------------------------------------------------

function show(run) {
  shown = run;
  for (const item of at("runs").children) {
    if (item.dataset.run === run) item.setAttribute("aria-current", "true"); else item.removeAttribute("aria-current");
  }
  tellCourse();
}

function tellCourse() {
  const course = courses.get(shown);
  at("curves").hidden = !course;
  if (!course) return;
  at("curves-heading").textContent = `Curves of ${course.run}`;
  at("course").textContent = course.step
    ? `${stateOf(course)}: step ${course.step}${course.steps ? ` of ${course.steps}` : ""}, ${seconds(course.seconds, 0)}`
    : `${stateOf(course)}: no step yet`;
  draw("loss", course.loss, course);
  draw("validation", course.validation, course, [GUESSING]);
  document.body.dataset.points = `${course.loss.length} ${course.validation.length}`;
}

/** Draw a curve over the steps of the run; lines: values marked by horizontal lines. */
function draw(id, points, course, lines = []) {
  const canvas = at(id), wide = Math.max(canvas.parentElement.clientWidth, 160), high = HIGH[id];
  const context = sized(canvas, wide, high);
  const [low, top] = range(points, points.length ? lines : [0, ...lines]);
  const last = Math.max(course.step, course.state === "training" ? course.steps : 0, 1);
  const x = (step) => EDGE.left + (step / last) * (wide - EDGE.left - EDGE.right);
  const y = (value) => high - EDGE.bottom - ((value - low) / (top - low)) * (high - EDGE.bottom - EDGE.top);
  context.lineWidth = 1;
  context.textBaseline = "middle";
  for (const mark of marks(low, top, id === "loss" ? 4 : 3)) {
    context.fillStyle = colour("grid");
    context.fillRect(EDGE.left, Math.round(y(mark)), wide - EDGE.left - EDGE.right, 1);
    context.fillStyle = colour("soft");
    context.textAlign = "right";
    context.fillText(String(mark), EDGE.left - 6, y(mark));
  }
  context.textBaseline = "alphabetic";
  context.textAlign = "center";
  const steps = marks(0, last, Math.max(Math.floor(wide / 110), 2)).filter((mark) => Number.isInteger(mark));
  steps.forEach((mark) => {
    const text = mark === steps[steps.length - 1] ? `${mark} steps` : String(mark);
    const half = context.measureText(text).width / 2;
    context.fillStyle = colour("soft");
    context.fillText(text, clamp(x(mark), EDGE.left + half - 4, wide - half), high - 6);
  });
  for (const value of lines) {
    context.strokeStyle = colour("soft");
    context.setLineDash([5, 4]);
    curve(context, [[x(0), y(value)], [x(last), y(value)]]);
    context.setLineDash([]);
    context.textAlign = "right";
    context.fillText("guessing", wide - EDGE.right - 4, y(value) + 14);
  }
  context.strokeStyle = context.fillStyle = colour("accent");
  context.lineWidth = 2;
  curve(context, points.map(([step, value]) => [x(step), y(value)]));
  if (points.length <= 30) {
    for (const [step, value] of points) {
      context.beginPath();
      context.arc(x(step), y(value), 3.5, 0, 2 * Math.PI);
      context.fill();
    }
  }
  if (!points.length) {
    context.fillStyle = colour("soft");
    context.textAlign = "center";
    const none = id === "validation" && course.state === "training" ? "measured at each validation; some presets validate only at the end" : "nothing yet";
    context.fillText(none, (wide + EDGE.left) / 2, high / 2);
  }
  canvas.setAttribute("aria-label", id === "loss" ? inWords("Loss", points) : inWords("Validation error", points, " %"));
}

let laid = 0;
window.addEventListener("resize", () => { if (window.innerWidth !== laid) { laid = window.innerWidth; tellCourse(); } });
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tellCourse);
load().then(follow);
