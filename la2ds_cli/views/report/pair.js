// One clock, A's: everything on the page follows the row of A that is shown.

const RATES = [0.25, 0.5, 0.75, 1];
const state = { row: -1, playing: false, rate: 1, clock: A.time[0], last: 0 };
const control = (id) => document.getElementById(id);
const seconds = (value) => `${value.toFixed(2)} s`;

function shown() {
  return { skeleton: control("show-skeleton").checked, film: control("show-film").checked };
}

/** Words under a player: when, which frame, which phase. */
function moment(clip, row, matched) {
  const time = clip.time[row];
  const parts = [seconds(time - clip.start < 0 ? 0 : time), `frame ${clip.frame[row]}`];
  const phase = phaseAt(clip, time);
  if (phase) parts.push(phase);
  if (!matched) parts.push("no counterpart");
  return parts.join(" · ");
}

/** The nearest frame of A that has a counterpart; null when none has. */
function nearestMatched(row) {
  for (let step = 0; step < A.count; step += 1) {
    for (const k of [row - step, row + step]) {
      if (k >= 0 && k < A.count && data.position[k] !== null) return k;
    }
  }
  return null;
}

function seek(row, { clock = null } = {}) {
  const at = clamp(row, 0, A.count - 1);
  state.row = at;
  state.clock = clock === null ? A.time[at] : clock;
  const other = counterpart(at);
  const near = other === null ? nearestMatched(at) : at;
  const rowB = near === null ? 0 : counterpart(near);
  const options = shown();
  stages.a.show(at, true, options);
  stages.b.show(rowB, other !== null, options);
  control("moment-a").textContent = moment(A, at, true);
  control("moment-b").textContent = other === null
    ? "no counterpart: B shows no such moment" : moment(B, rowB, true);
  markBand("a", at);
  markBand("b", other);
  const scrub = control("scrub");
  scrub.value = String(at);
  scrub.setAttribute("aria-valuetext",
    `A ${seconds(A.time[at])}, ${other === null ? "no counterpart in B" : `B ${seconds(B.time[other])}`}`);
  document.body.dataset.row = String(at);
  document.body.dataset.rowB = other === null ? "" : String(other);
  const phase = A.phases.findIndex(([low, high]) => low <= A.time[at] && A.time[at] < high);
  control("phase").selectedIndex = phase;
  markTracks(at);
  markMatrix(at);
}

function play(on) {
  state.playing = on;
  if (on && state.row === A.count - 1) seek(0);
  state.last = 0;
  control("play").textContent = on ? "Pause" : "Play";
  control("play").setAttribute("aria-pressed", String(on));
  if (on) requestAnimationFrame(tick);
}

function tick(now) {
  if (!state.playing) return;
  const passed = state.last ? Math.min((now - state.last) / 1000, 0.25) : 0;
  state.last = now;
  const clock = state.clock + passed * state.rate;
  if (clock >= A.end) {
    if (control("loop").checked && A.count > 1) seek(0); else { seek(A.count - 1); play(false); return; }
  } else {
    const row = lastUpTo(A.time, clock);
    if (row !== state.row) seek(row, { clock }); else state.clock = clock;
  }
  requestAnimationFrame(tick);
}

function setRate(rate) {
  state.rate = rate;
  control("rate").value = String(rate);
}

function faster(step) {
  setRate(RATES[clamp(RATES.indexOf(state.rate) + step, 0, RATES.length - 1)]);
}

function toggle(id) {
  const box = control(id);
  if (box.disabled || box.closest("[hidden]")) return;
  box.checked = !box.checked;
  seek(state.row);
}

/** What a key does; false for keys that are none of ours. */
function act(event) {
  const step = event.shiftKey ? 10 : 1;
  const actions = {
    " ": () => play(!state.playing),
    ArrowLeft: () => seek(state.row - step),
    ArrowRight: () => seek(state.row + step),
    Home: () => seek(0),
    End: () => seek(A.count - 1),
    "-": () => faster(-1),
    "+": () => faster(1),
    "=": () => faster(1),
    s: () => toggle("show-skeleton"),
    f: () => toggle("show-film"),
  };
  const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return false;
  if (/^(Arrow|Home|End)/.test(event.key)) play(false);
  action();
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const on = event.target.tagName;
  if (on === "SELECT" || (event.key === " " && (on === "BUTTON" || event.target.type === "checkbox"))) return;
  if (act(event)) event.preventDefault();
});

/** Pointer down and drag over an element: seek to what lies under it. */
function dragged(target, rowOf) {
  const go = (event) => {
    const row = rowOf(event);
    if (row !== null) { play(false); seek(row); }
  };
  target.addEventListener("pointerdown", (event) => {
    target.setPointerCapture(event.pointerId);
    go(event);
    event.preventDefault();
  });
  target.addEventListener("pointermove", (event) => { if (event.buttons & 1) go(event); });
}

const shareOf = (event, canvas, left = 0, wide = canvas.clientWidth) =>
  clamp((event.clientX - canvas.getBoundingClientRect().left - left) / wide, 0, 1);
const timeIn = (clip, share) => clip.start + share * (clip.end - clip.start);

/** The frame of A whose counterpart is nearest to a time of B. */
function rowForB(time) {
  let best = null, least = Infinity;
  data.position.forEach((position, k) => {
    if (position === null) return;
    const apart = Math.abs(secondsB(position) - time);
    if (apart < least) { least = apart; best = k; }
  });
  return best;
}

function connect() {
  const bandA = control("band-a"), bandB = control("band-b");
  dragged(bandA, (event) => rowAt(A, timeIn(A, shareOf(event, bandA))));
  dragged(bandB, (event) => rowForB(timeIn(B, shareOf(event, bandB))));
  dragged(matrix.canvas, (event) =>
    rowAt(A, timeIn(A, shareOf(event, matrix.canvas, matrix.left, matrix.wide))));
  for (const { canvas } of trackList) {
    dragged(canvas, (event) => rowAt(A, timeIn(A, shareOf(event, canvas))));
  }
  control("play").addEventListener("click", () => play(!state.playing));
  control("back").addEventListener("click", () => { play(false); seek(state.row - 1); });
  control("forward").addEventListener("click", () => { play(false); seek(state.row + 1); });
  control("phase-choice").hidden = !A.phases.length;
  A.phases.forEach(([low, , name], k) => {
    const option = document.createElement("option");
    option.value = String(k);
    option.textContent = `${name}, ${seconds(Math.max(low, 0))}`;
    control("phase").append(option);
  });
  control("phase").addEventListener("change", (event) => {
    play(false);
    seek(rowAt(A, A.phases[Number(event.target.value)][0]));
  });
  control("rate").addEventListener("change", (event) => setRate(Number(event.target.value)));
  control("scrub").max = String(A.count - 1);
  control("scrub").addEventListener("input", (event) => { play(false); seek(Number(event.target.value)); });
  for (const id of ["show-skeleton", "show-film"]) {
    control(id).addEventListener("change", () => seek(state.row));
  }
  for (const id of ["film-choice", "film-key"]) control(id).hidden = A.film.empty && B.film.empty;
}

let laid = 0;
function lay() {
  laid = window.innerWidth;
  layStages();
  layTracks();
  layMatrix();
  layBand("a", A, unmatchedA);
  layBand("b", B, unmatchedB);
  seek(Math.max(state.row, 0));
}

buildTracks();
connect();
lay();
window.addEventListener("resize", () => { if (window.innerWidth !== laid) lay(); });
for (const change of ["(prefers-color-scheme: dark)", "print"]) {
  window.matchMedia(change).addEventListener("change", lay); // what is drawn follows the colours
}
createImageBitmap(new Blob([bytes(data.matrix)], { type: "image/png" })).then((image) => {
  matrix.image = image;
  layMatrix();
  markMatrix(state.row);
  document.body.dataset.ready = "true";
});
