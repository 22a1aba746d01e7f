// Jobs in progress, shown in the bar of every page; other scripts listen to them with `onWork`.

import { post } from "./ask.js";
import { at, button, made, relist, tried, trouble } from "./page.js";
import { connectKeys } from "../../views/report/keys.js";

const listeners = new Set();
const jobs = new Map(); // number -> job
export const ENDED = ["done", "failed", "cancelled"];

/** Call `listener` with each job as it changes. */
export function onWork(listener) {
  listeners.add(listener);
  for (const job of jobs.values()) listener(job);
}

/** Resolve with a job when it has ended. Until then, the element `line` shows what the job waits
 * for, and `words` while it runs. */
export const over = (number, line, words) => new Promise((resolve) => {
  const listener = () => {
    const job = jobs.get(number), [first] = running();
    if (!job) return; // its first event is still to come
    const ended = ENDED.includes(job.state), waits = job.state === "waiting" && first.number !== number;
    const text = ended ? "" : waits ? `Waiting until other work is done (see the bar at the top): ${first.title}.` : words;
    if (line.textContent !== text) line.textContent = text; // else screen readers would repeat it
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
  const job = await over(begun.number, line, "In progress (see the bar at the top). The result will appear here.");
  if (job.state === "failed") trouble(new Error(job.error));
  return job;
}

let lost = 0; // timer, then true: the studio does not answer
const PATIENCE = 5000; // milliseconds for the browser to connect again

const running = () => [...jobs.values()].filter((job) => !ENDED.includes(job.state));

const cancel = (job) => tried(() => post(`/jobs/${job.number}/cancel`));

/** A job that waits, with a button to cancel it. */
function item(job) {
  const element = made("li");
  element.append(made("span", job.title), button("Cancel", () => cancel(job), { label: `Cancel ${job.title}` }));
  return element;
}

function show() {
  const [job, ...others] = running(), waiting = at("work-waiting"), bar = at("work-bar");
  at("work").hidden = !job && lost !== true;
  for (const element of [bar, at("work-cancel")]) element.hidden = lost === true;
  waiting.hidden = lost === true || !others.length;
  if (lost === true) {
    at("work-words").textContent = "No connection to the studio. If it has stopped, start it again and open the new link.";
    return;
  }
  if (!job) return;
  const task = job.task && !job.title.endsWith(job.task) ? `: ${job.task}` : "";
  at("work-words").textContent = at("work-words").title = job.title + task;
  if (job.share !== null) bar.value = job.share; else bar.removeAttribute("value");
  bar.setAttribute("aria-label", job.title);
  at("work-cancel").setAttribute("aria-label", `Cancel ${job.title}`);
  waiting.querySelector("summary").textContent = `${others.length} waiting`;
  relist(waiting.querySelector("ul"), others, (one) => String(one.number), item);
}

at("work-cancel").addEventListener("click", () => cancel(running()[0]));
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
