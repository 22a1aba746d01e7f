// The clock that plays a clip, or repeats a section of it; and the controls and keys of every player
// (transport.html, section.html).

import { at } from "./elements.js";
import { clamp, lastUpTo, rowAt, seconds } from "./film.js";
import { helping } from "./keys.js";

const RATES = [0.125, 0.25, 0.5, 0.75, 1, 1.5, 2];
const SECTION_GRIP = 14; // page pixels around an end of a section within which it can be dragged

/** Move one side ("first" or "last") of a section [first, last] to a row. If there was no section, or
 * the row lies beyond the other side, that side moves to the end of the clip. */
export function sectionWith(section, side, row, count) {
  const [first, last] = section || [0, count - 1];
  if (side === "first") return [row, row > last ? count - 1 : last];
  return [row < first ? 0 : first, row];
}

export class Clock {
  /**
   * state: of the page; the clock uses `playing`, `rate`, `clock` (seconds of the clip) and `last`.
   * shown(): the clip that plays, and its row. go(row, clock): show a row; clock: the exact time, if
   * the clock has reached the row by itself. repeats(): whether the clip starts again at its end.
   * ready(): whether the picture is loaded; the clock waits for it.
   */
  constructor(state, shown, go, repeats = () => false, ready = () => true) {
    Object.assign(this, { state, shown, go, repeats, ready });
    this.section = null; // [first, last] row to play; null = all
    this.changed = () => {}; // called when the section changes
    this.tick = this.tick.bind(this);
  }

  play(on) {
    const { clip, row } = this.shown();
    this.state.playing = on;
    const [first, last] = on ? this.span(clip) : [row, row];
    if (on && (row >= last || row < first)) this.go(first, null);
    this.state.last = 0;
    at("play").textContent = on ? "Pause" : "Play";
    at("play").setAttribute("aria-pressed", String(on));
    if (on) requestAnimationFrame(this.tick);
  }

  tick(now) {
    const { state } = this;
    if (!state.playing) return;
    const passed = state.last ? Math.min((now - state.last) / 1000, 0.25) : 0;
    state.last = now;
    if (!this.ready()) { requestAnimationFrame(this.tick); return; }
    const clock = state.clock + passed * state.rate;
    const { clip, row: before } = this.shown();
    const [first, last] = this.span(clip);
    if (clock >= (last + 1 < clip.count ? clip.time[last + 1] : clip.end)) {
      const again = this.section || (this.repeats() && clip.count > 1);
      if (!again) { this.play(false); this.go(last, null); return; }
      this.go(first, null);
    } else {
      const row = lastUpTo(clip.time, clock);
      if (row !== before) this.go(row, clock); else state.clock = clock;
    }
    requestAnimationFrame(this.tick);
  }

  /** The rows that are played. */
  span(clip) { return this.section || [0, clip.count - 1]; }

  setSection(section) {
    this.section = section;
    this.changed();
  }

  /** Let the section begin ("first") or end ("last") at the shown row. */
  mark(side) {
    const { clip, row } = this.shown();
    this.setSection(sectionWith(this.section, side, row, clip.count));
  }

  setRate(rate) {
    this.state.rate = rate;
    at("rate").value = String(rate);
  }

  faster(step) {
    this.setRate(RATES[clamp(RATES.indexOf(this.state.rate) + step, 0, RATES.length - 1)]);
  }
}

/** Connect the buttons and text of a section (section.html). redraw(): show it in the bar. */
export function connectSection(clock, redraw) {
  at("from-here").addEventListener("click", () => clock.mark("first"));
  at("to-here").addEventListener("click", () => clock.mark("last"));
  at("no-section").addEventListener("click", () => {
    clock.setSection(null);
    at("from-here").focus(); // the button that had the focus is gone
  });
  clock.changed = () => {
    const { section } = clock, { clip } = clock.shown();
    at("no-section").hidden = !section;
    at("section-said").textContent = section
      ? `${section.map((row) => clip.time[row].toFixed(2)).join(" to ")} s` : "";
    document.body.dataset.section = section ? section.join(" ") : "";
    redraw();
  };
}

/** Draw a section in a bar, with everything outside darkened. ends: whether to draw handles. x(time):
 * page pixels of a time. */
export function drawSection(context, clip, section, x, wide, high, ends = true) {
  if (!section) return;
  const [left, right] = [x(clip.edges[section[0]]), x(clip.edges[section[1] + 1])];
  context.fillStyle = "rgba(0, 0, 0, 0.55)";
  context.fillRect(0, 0, left, high);
  context.fillRect(right, 0, wide - right, high);
  for (const [at, inward] of ends ? [[left, 1], [right, -1]] : []) {
    const side = clamp(at, 1, wide - 1);
    for (const [ink, more] of [["#fff", 1], ["#0b5c8f", 0]]) {
      context.fillStyle = ink;
      context.fillRect(side - 2 - more, 0, 4 + 2 * more, high);
      context.beginPath();
      context.moveTo(side, high / 2 - 7 - more);
      context.lineTo(side + inward * (10 + more), high / 2);
      context.lineTo(side, high / 2 + 7 + more);
      context.fill();
    }
  }
}

/** Let people drag the ends of the section in a bar or, with shift, mark a new one. place(): { clip,
 * x, wide } of the bar, null if its clip does not lead. */
export function dragSection(canvas, clock, place) {
  let held = null; // "first" or "last", or the row where a new section was begun
  const offset = (event) => event.clientX - canvas.getBoundingClientRect().left;
  canvas.addEventListener("pointerdown", (event) => {
    const bar = place(), x = offset(event);
    held = null;
    if (!bar) return;
    const row = rowAt(bar.clip, bar.clip.start + clamp(x / bar.wide, 0, 1) * (bar.clip.end - bar.clip.start));
    if (event.shiftKey) held = row;
    else if (clock.section) {
      const [first, last] = clock.section;
      const ends = [["first", bar.clip.edges[first]], ["last", bar.clip.edges[last + 1]]]
        .map(([side, time]) => [side, Math.abs(bar.x(time) - x)]).sort((a, b) => a[1] - b[1]);
      if (ends[0][1] <= SECTION_GRIP) held = ends[0][0];
    }
    if (held === null) return;
    canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
  canvas.addEventListener("pointermove", (event) => {
    if (held === null || !(event.buttons & 1)) return;
    event.stopImmediatePropagation();
    const { clip, wide } = place();
    const row = rowAt(clip, clip.start + clamp(offset(event) / wide, 0, 1) * (clip.end - clip.start));
    const [first, last] = clock.section || [row, row];
    clock.play(false);
    if (held === "first") clock.setSection([Math.min(row, last), last]);
    else if (held === "last") clock.setSection([first, Math.max(row, first)]);
    else clock.setSection([Math.min(held, row), Math.max(held, row)]);
    clock.go(row, null);
  }, true);
}

/** The keys of a section. */
export const sectionKeys = (clock) => ({
  i: () => clock.mark("first"), e: () => clock.mark("last"), x: () => clock.setSection(null),
});

/** Connect the buttons, slider and keys of a player, and further `actions` by key. player: { clock,
 * play(on), to(row) }. undo: action of Ctrl+Z. */
export function connectTransport(player, actions = {}, undo = null) {
  const { clock } = player;
  const jump = (count) => player.to(clock.shown().row + count);
  const toggle = () => player.play(!clock.state.playing);
  const keys = {
    " ": toggle,
    ArrowLeft: (event) => jump(event.shiftKey ? -10 : -1),
    ArrowRight: (event) => jump(event.shiftKey ? 10 : 1),
    Home: () => player.to(0), End: () => player.to(clock.shown().clip.count - 1),
    "-": () => clock.faster(-1), "+": () => clock.faster(1), "=": () => clock.faster(1),
    ...actions,
  };
  document.addEventListener("keydown", (event) => {
    const on = event.target;
    if (!clock.shown().clip || helping() || ["text", "number"].includes(on.type)) return;
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
  at("play").addEventListener("click", toggle);
  at("back").addEventListener("click", () => jump(-1));
  at("forward").addEventListener("click", () => jump(1));
  at("scrub")?.addEventListener("input", (event) => player.to(Number(event.target.value)));
  at("rate").addEventListener("change", (event) => clock.setRate(Number(event.target.value)));
}
