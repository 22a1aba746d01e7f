// The player of a page that shows one clip.

import { at } from "./page.js";
import { clamp, seconds } from "../../views/report/film.js";
import { Clock, connectTransport } from "../../views/report/player.js";

const HIGH = [120, 1000]; // page pixels of a picture, the least and the most

/** The picture on a page with one clip, as large as its card allows. most: page pixels of its height. */
export function layStage(stage, most) {
  const wide = stage.canvas.parentElement.clientWidth;
  const high = Math.floor(clamp(Math.min(most, wide / stage.aspect), ...HIGH));
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
    if (at("scrub")) at("scrub").max = String(clip.count - 1);
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
    if (at("scrub")) {
      at("scrub").value = String(this.row);
      at("scrub").setAttribute("aria-valuetext", seconds(this.clip.time[this.row]));
    }
    document.body.dataset.row = String(this.row);
    this.show(this.row);
  }

  to(row) { this.play(false); this.go(row); }

  connect(actions, undo) { connectTransport(this, actions, undo); }
}
