// The clock of a page: it plays the frames of a clip at a rate, and the controls say so.

const RATES = [0.125, 0.25, 0.5, 0.75, 1, 1.5, 2];

class Clock {
  /**
   * state: of the page, in which `playing`, `rate`, `clock` (seconds of the clip) and `last` are the
   * clock's. shown(): the clip that plays, and its row. go(row, clock): show a row, as late as
   * `clock` where the clock has come to it by itself. repeats(): whether the end leads to the start.
   * ready(): whether what is to be shown is there; the clock waits for it.
   */
  constructor(state, shown, go, repeats = () => false, ready = () => true) {
    Object.assign(this, { state, shown, go, repeats, ready });
    this.tick = this.tick.bind(this);
  }

  play(on) {
    const { clip, row } = this.shown();
    this.state.playing = on;
    if (on && row === clip.count - 1) this.go(0, null);
    this.state.last = 0;
    const button = document.getElementById("play");
    button.textContent = on ? "Pause" : "Play";
    button.setAttribute("aria-pressed", String(on));
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
    if (clock >= clip.end) {
      if (!this.repeats() || clip.count === 1) { this.play(false); this.go(clip.count - 1, null); return; }
      this.go(0, null);
    } else {
      const row = lastUpTo(clip.time, clock);
      if (row !== before) this.go(row, clock); else state.clock = clock;
    }
    requestAnimationFrame(this.tick);
  }

  setRate(rate) {
    this.state.rate = rate;
    document.getElementById("rate").value = String(rate);
  }

  faster(step) {
    this.setRate(RATES[clamp(RATES.indexOf(this.state.rate) + step, 0, RATES.length - 1)]);
  }
}
