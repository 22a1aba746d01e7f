// Jobs in progress, shown in the bar of every page; other scripts listen to them with `onWork`.

import { post } from "./ask.js";
import { tried, trouble } from "./page.js";

const line = document.getElementById("work");
const listeners = new Set();
const jobs = new Map(); // number -> job
export const ENDED = ["done", "failed", "cancelled"];

/** Call `listener` with each job as it changes. */
export function onWork(listener) {
  listeners.add(listener);
  for (const job of jobs.values()) listener(job);
}

/** Resolves with a job when it has ended. */
export const over = (number) => new Promise((resolve) => {
  onWork((job) => { if (job.number === number && ENDED.includes(job.state)) resolve(job); });
});

/** Start a job by a request and follow it to its end; returns the job, null if it was refused. Shows
 * why it was refused or failed. line: element for a message while the job runs. */
export async function followed(question, line = null) {
  const begun = await tried(question);
  if (!begun) return null;
  if (line) line.textContent = "In progress, see the bar at the top; this page shows the result when it is done.";
  const job = await over(begun.number);
  if (line) line.textContent = "";
  if (job.state === "failed") trouble(new Error(job.error));
  return job;
}

let lost = 0; // timer, then true: the studio does not answer
const PATIENCE = 5000; // milliseconds for the browser to connect again

const running = () => [...jobs.values()].filter((job) => !ENDED.includes(job.state));

function show() {
  const open = running();
  line.hidden = open.length === 0 && lost !== true;
  if (line.hidden) return;
  if (lost === true) {
    line.textContent = "No connection to the studio. If it has ended, start it again and open its new link.";
    return;
  }
  const job = open[0];
  const bar = document.createElement("progress");
  bar.setAttribute("aria-label", job.title);
  if (job.share !== null) bar.value = job.share;
  const words = document.createElement("span");
  const more = open.length > 1 ? `, ${open.length - 1} more waiting` : "";
  words.textContent = `${job.title}${job.task ? `: ${job.task}` : ""}${more}`;
  const stop = document.createElement("button");
  stop.type = "button";
  stop.textContent = "Cancel";
  stop.addEventListener("click", () => tried(() => post(`/jobs/${job.number}/cancel`)));
  line.replaceChildren(words, bar, stop);
}

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
