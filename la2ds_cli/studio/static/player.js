// What every page with one clock shares: a leading clip plays, controlled by buttons, keys and, if the
// page has one, a slider. A page loads the report's film.js and clock.js first and includes its
// transport.html.

import { helping } from "./keys.js";
import { at } from "./page.js";

const scrub = document.getElementById("scrub"); // null if the page has none

const HIGH = [120, 1000]; // page pixels of a picture, the least and the most

/** The picture of a page with one clip, as large as its card allows. share: of the window's height. */
export function layStage(stage, share) {
  const wide = stage.canvas.parentElement.clientWidth;
  const high = Math.floor(clamp(Math.min(window.innerHeight * share, wide / stage.aspect), ...HIGH));
  stage.resize(Math.round(high * stage.aspect), high);
}

export class Player {
  /** show(row): show a row of the leading clip. ready(): whether it is shown, so that the clock may
   * continue. */
  constructor(show, ready = () => true) {
    this.show = show;
    this.clip = null;
    this.state = { row: 0, playing: false, rate: 1, clock: 0, last: 0 };
    this.clock = new Clock(this.state, () => ({ clip: this.clip, row: this.row }),
      (row, passed) => this.go(row, passed), () => false, ready);
  }

  get row() { return this.state.row; }

  /** Make another clip lead, starting at a row. */
  take(clip, row = 0) {
    this.play(false);
    this.clip = clip;
    if (scrub) scrub.max = String(clip.count - 1);
    this.go(row);
  }

  play(on) {
    if (on === this.state.playing) return;
    this.clock.play(on);
    if (!on) this.show(this.row); // now paused
  }

  /** passed: seconds of the clip, if the clock has reached the row by itself. */
  go(row, passed = null) {
    this.state.row = clamp(row, 0, this.clip.count - 1);
    this.state.clock = passed === null ? this.clip.time[this.row] : passed;
    if (scrub) {
      scrub.value = String(this.row);
      scrub.setAttribute("aria-valuetext", seconds(this.clip.time[this.row]));
    }
    document.body.dataset.row = String(this.row);
    this.show(this.row);
  }

  to(row) { this.play(false); this.go(row); }

  jump(count) { this.to(this.row + count); }

  /** Connect the buttons and keys: those of every player, and `actions` by key. undo: action of
   * Ctrl+Z. */
  connect(actions = {}, undo = null) {
    const keys = {
      " ": () => this.play(!this.state.playing),
      ArrowLeft: (event) => this.jump(event.shiftKey ? -10 : -1),
      ArrowRight: (event) => this.jump(event.shiftKey ? 10 : 1),
      Home: () => this.to(0), End: () => this.to(this.clip.count - 1),
      "-": () => this.clock.faster(-1), "+": () => this.clock.faster(1), "=": () => this.clock.faster(1),
      ...actions,
    };
    document.addEventListener("keydown", (event) => {
      const on = event.target;
      if (!this.clip || helping() || ["text", "number"].includes(on.type)) return;
      const taken = undo && event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey);
      if (taken) { undo(); event.preventDefault(); }
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const own = ["BUTTON", "A", "SUMMARY"].includes(on.tagName) || on.type === "checkbox";
      if (own && (event.key === " " || event.key === "Enter")) return;
      const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!action) return;
      action(event);
      event.preventDefault();
    });
    at("play").addEventListener("click", () => this.play(!this.state.playing));
    at("back").addEventListener("click", () => this.jump(-1));
    at("forward").addEventListener("click", () => this.jump(1));
    scrub?.addEventListener("input", (event) => this.to(Number(event.target.value)));
    at("rate").addEventListener("change", (event) => this.clock.setRate(Number(event.target.value)));
  }
}
