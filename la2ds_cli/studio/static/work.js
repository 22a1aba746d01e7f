// Jobs in progress, shown in the bar of every page; other scripts listen to them with `onWork`.

import { post } from "./ask.js";
import { button, made, tried, trouble } from "./page.js";
import { connectKeys } from "../../views/report/keys.js";

const line = document.getElementById("work");
const listeners = new Set();
const jobs = new Map(); // number -> job
export const ENDED = ["done", "failed", "cancelled"];

/** Call `listener` with each job as it changes. */
export function onWork(listener) {
  listeners.add(listener);
  for (const job of jobs.values()) listener(job);
}

/** Resolves with a job when it has ended. Until then, the element `line` shows what the job waits
 * for, and `words` while it runs. */
export const over = (number, line, words) => new Promise((resolve) => {
  const listener = () => {
    const job = jobs.get(number), [first] = running();
    if (!job) return; // its first event is still to come
    const ended = ENDED.includes(job.state), waits = job.state === "waiting" && first.number !== number;
    const told = ended ? "" : waits ? `Waiting until other work is done, see the bar at the top: ${first.title}.` : words;
    if (line.textContent !== told) line.textContent = told; // or each event would be read aloud
    if (!ended) return;
    listeners.delete(listener);
    resolve(job);
  };
  onWork(listener);
  listener();
});

/** Start a job by a request and follow it to its end; returns the job, null if it was refused. Shows
 * why it was refused or failed. line: element for a message until then. */
export async function followed(question, line) {
  const begun = await tried(question);
  if (!begun) return null;
  const job = await over(begun.number, line, "In progress, see the bar at the top; this page shows the result when it is done.");
  if (job.state === "failed") trouble(new Error(job.error));
  return job;
}

let lost = 0; // timer, then true: the studio does not answer
const PATIENCE = 5000; // milliseconds for the browser to connect again

const running = () => [...jobs.values()].filter((job) => !ENDED.includes(job.state));

// The elements stay while their job does, so that no click and no focus is lost when it goes on.
const lines = new Map(); // number -> { row, words, bar, stop }
const waiting = made("details"), count = made("summary"), list = made("ul");
waiting.append(count, list);

/** The elements of a job: what it does, how far it is, and a button to stop it. */
function lineOf(job) {
  if (!lines.has(job.number)) {
    const cancel = () => tried(() => post(`/jobs/${job.number}/cancel`));
    const parts = { row: made("div"), words: made("span"), bar: made("progress"), stop: button("Cancel", cancel) };
    parts.bar.setAttribute("aria-label", job.title);
    parts.row.append(parts.words, parts.bar, parts.stop);
    lines.set(job.number, parts);
  }
  return lines.get(job.number);
}

/** Put elements into another one; does nothing if they are there. */
function fill(parent, children) {
  const same = parent.childNodes.length === children.length && children.every((one, k) => parent.childNodes[k] === one);
  if (!same) parent.replaceChildren(...children);
}

function show() {
  const open = running();
  for (const number of lines.keys()) if (!open.some((job) => job.number === number)) lines.delete(number);
  line.hidden = open.length === 0 && lost !== true;
  if (line.hidden) return;
  if (lost === true) {
    line.textContent = "No connection to the studio. If it has ended, start it again and open its new link.";
    return;
  }
  const rows = open.map((job, k) => {
    const { row, words, bar, stop } = lineOf(job);
    const task = job.task && !job.title.endsWith(job.task) ? `: ${job.task}` : "";
    words.textContent = words.title = job.title + task;
    if (job.share !== null) bar.value = job.share; else bar.removeAttribute("value");
    bar.hidden = k > 0;
    stop.setAttribute("aria-label", `Cancel ${job.title}`);
    return row;
  });
  count.textContent = `${rows.length - 1} waiting`;
  fill(list, rows.slice(1).map((row) => (row.parentNode?.parentNode === list ? row.parentNode : item(row))));
  fill(line, rows.length > 1 ? [rows[0], waiting] : [rows[0]]);
}

function item(row) {
  const element = made("li");
  element.append(row);
  return element;
}

connectKeys();

// On a phone the navigation is wider than the bar.
document.querySelector(".bar nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

const events = new EventSource("/events");
events.addEventListener("error", () => {
  if (!lost) lost = setTimeout(() => { lost = true; show(); }, PATIENCE);
});
events.addEventListener("open", () => {
  clearTimeout(lost);
  lost = 0;
  show();
});
events.addEventListener("message", (event) => {
  const job = JSON.parse(event.data);
  jobs.set(job.number, job);
  show();
  for (const listener of listeners) listener(job);
});
