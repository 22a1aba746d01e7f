// The strip of a file with two handles that set the time range of a clip.

import { seconds } from "../../views/report/film.js";

/** A time in words, with few digits. */
export const briefly = (value) => seconds(value, value < 10 ? 2 : 1);

/** Limit a handle to the file, and to at least `least` seconds from the other one. */
export function bounded(which, value, range, total, least = 0.1) {
  const low = which === "start" ? 0 : range.start + least;
  const high = which === "start" ? range.end - least : total;
  return Math.min(Math.max(value, low), Math.max(high, low));
}

export class Trim {
  /** clip: as sent by the server; picture(number): the address of a picture; show(number). */
  constructor(clip, picture, show) {
    this.total = clip.file_seconds;
    this.ends = { start: clip.options.start || 0, end: Math.min(clip.options.end ?? this.total, this.total) };
    this.given = { ...this.ends };
    this.element = document.createElement("div");
    this.element.className = "strip";
    this.words = document.createElement("p");
    clip.pictures.forEach((one, number) => {
      const image = document.createElement("img");
      image.src = picture(number);
      image.alt = "";
      image.draggable = false;
      image.title = briefly(one.time);
      image.addEventListener("click", () => show(number));
      this.element.append(image);
    });
    this.before = this.mark("out");
    this.after = this.mark("out");
    this.now = this.mark("at");
    this.handles = { start: this.handle("start", "Start"), end: this.handle("end", "End") };
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Pictures of the file; use the left and right arrow keys to go through them");
    let number = 0;
    this.element.addEventListener("keydown", (event) => {
      if (event.target !== this.element || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
      number = Math.min(Math.max(number + (event.key === "ArrowLeft" ? -1 : 1), 0), clip.pictures.length - 1);
      show(number);
    });
    this.draw();
  }

  mark(name) {
    const element = document.createElement("span");
    element.className = name;
    this.element.append(element);
    return element;
  }

  handle(which, label) {
    const element = this.mark("handle");
    element.tabIndex = 0;
    element.setAttribute("role", "slider");
    element.setAttribute("aria-label", `${label} of the clip`);
    element.setAttribute("aria-valuemin", "0");
    element.setAttribute("aria-valuemax", this.total.toFixed(2));
    const move = (value) => { this.ends[which] = bounded(which, value, this.ends, this.total); this.draw(); };
    element.addEventListener("pointerdown", (event) => { element.setPointerCapture(event.pointerId); event.preventDefault(); element.focus(); });
    element.addEventListener("pointermove", (event) => {
      if (!element.hasPointerCapture(event.pointerId)) return;
      const box = this.element.getBoundingClientRect();
      move(this.total * (event.clientX - box.left) / box.width);
    });
    element.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.05, ArrowDown: -0.05, ArrowRight: 0.05, ArrowUp: 0.05, PageDown: -1, PageUp: 1, Home: -1e9, End: 1e9 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      move(this.ends[which] + step * (event.shiftKey ? 10 : 1));
    });
    return element;
  }

  draw() {
    const share = (value) => `${100 * value / this.total}%`;
    const { start, end } = this.ends;
    Object.assign(this.before.style, { left: "0", width: share(start) });
    Object.assign(this.after.style, { left: share(end), width: share(this.total - end) });
    for (const which of ["start", "end"]) {
      this.handles[which].style.left = share(this.ends[which]);
      this.handles[which].setAttribute("aria-valuenow", this.ends[which].toFixed(2));
      this.handles[which].setAttribute("aria-valuetext", briefly(this.ends[which]));
    }
    this.words.textContent = `From ${briefly(start)} to ${briefly(end)} of ${briefly(this.total)}; drag the two ends.`;
  }

  /** Mark the position of the shown picture. */
  at(time) { this.now.style.left = `${100 * time / this.total}%`; }

  /** Show spans, in seconds. */
  parts(spans) {
    for (const { start, end } of spans) {
      Object.assign(this.mark("part").style, { left: `${100 * start / this.total}%`, width: `${100 * (end - start) / this.total}%` });
    }
  }

  /** The ends that differ from the whole file: one that has not been moved as it is, another to the
   * millisecond. */
  range() {
    const kept = (which) => (this.ends[which] === this.given[which] ? this.ends[which] : Math.round(1000 * this.ends[which]) / 1000);
    const { start, end } = this.ends;
    return { ...(start > 0 ? { start: kept("start") } : {}), ...(end < this.total ? { end: kept("end") } : {}) };
  }
}
