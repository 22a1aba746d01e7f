// What a person draws on the pictures of clips: its geometry, how it looks, how long it is shown, and
// the tools that draw, move and remove it. Drawings are stored as in core/annotations.py, and come
// and go as in drawings.py. The report's stage.js is loaded before they are used.

import { at, button, made, trouble } from "./page.js";
import { clamp, degreesAt, lastUpTo, seconds } from "../../views/report/film.js";

const TWO_ENDS = ["first end", "second end"];
/** Of each kind: its key, the names of its points, what it is called, and how it is drawn. */
const KINDS = {
  line: { key: "d", names: TWO_ENDS, called: "line", how: "drag from one end to the other, or click both" },
  angle: { key: "a", names: ["first end", "vertex", "second end"], called: "angle", how: "click one end, the vertex, and the other end" },
  circle: { key: "r", names: ["centre", "rim"], called: "circle", how: "drag from its centre to its rim, or click both" },
  arrow: { key: "v", names: ["tail", "head"], called: "arrow", how: "drag from its tail to its head, or click both" },
  freehand: { key: "h", names: null, called: "stroke", how: "drag along it" },
  scale: { key: "m", names: TWO_ENDS, called: "known length", how: "drag from one end of it to the other, or click both, and say how long it is" },
  watch: { key: "k", names: ["place"], called: "stopwatch", how: "click where its seconds are to stand; it starts at the frame that is shown" },
};
const MOST_POINTS = 500; // of a stroke
const STROKE = 4; // page pixels between two points of a stroke
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const INK = "#ffe45c", CHOSEN = "#ffffff", EDGE = "rgba(0, 0, 0, 0.85)";
const NEAR = { mouse: 14, touch: 26 }; // page pixels around a point within which it can be grabbed
const APART = 5; // page pixels between two points of a new drawing, at least

// --- geometry --------------------------------------------------------------------------------------

/** Degrees between a line and the vertical of the picture, 0 to 90. */
export const inclination = ([x, y], [otherX, otherY]) =>
  (Math.atan2(Math.abs(otherX - x), Math.abs(otherY - y)) * 180) / Math.PI;

/** The angle of a drawing, in whole degrees. */
export const degreesOf = ({ kind, points }) =>
  Math.round(kind === "line" ? inclination(...points) : degreesAt(...points));

/** Pixels along points. */
export const lengthOf = (points) =>
  points.reduce((sum, point, k) => sum + (k ? distance(points[k - 1], point) : 0), 0);

/** Metres for a pixel, by the known length among the drawings of a clip; null without one. */
export function metresPerPixel(drawings) {
  const known = drawings.find(({ kind }) => kind === "scale");
  return known ? known.metres / lengthOf(known.points) : null;
}

/** What is written beside a drawing. metres: for a pixel, or null. passed: seconds of a stopwatch. */
export function measured(drawing, metres = null, passed = null) {
  const { kind, points } = drawing, long = metres === null ? "" : `${(metres * lengthOf(points)).toFixed(2)} m`;
  if (kind === "angle") return `${degreesOf(drawing)}°`;
  if (kind === "line") return [`${degreesOf(drawing)}°`, long].filter(Boolean).join(" · ");
  if (kind === "circle") return long && `r ${long}`;
  if (kind === "scale") return `${drawing.metres} m`;
  if (kind === "watch") return passed === null ? "" : `${passed.toFixed(2)} s`;
  return long;
}

/** Whether a drawing is shown on a frame. A stopwatch stays, with the time at which it stopped. */
export const isShownOn = ({ kind, frames }, frame) =>
  !frames || (frames[0] <= frame && (frame <= frames[1] || kind === "watch"));

/** Seconds that a stopwatch shows on a row of a clip. */
export const passedOn = ({ frames: [first, last] }, { frame, time }, row) =>
  time[Math.min(row, lastUpTo(frame, last))] - time[lastUpTo(frame, first)];

/** The frames on which a drawing is shown after "always", only "here", or "from" or "to" a frame; null: all. */
export function lifetime({ kind, frames }, choice, here, { frame }) {
  const first = frame[0], last = frame[frame.length - 1], [from, to] = frames ?? [first, last];
  if (choice === "here") return [here, here];
  if (choice === "from") return [here, to < here ? last : to];
  if (choice === "to") return [from > here ? first : from, here];
  return kind === "watch" ? [from, last] : null;
}

/** Points moved by as much as is asked for and the picture has room for. */
function shifted({ size }, points, asked) {
  const by = asked.map((step, k) => {
    if (!size[k]) return step;
    const sides = points.map((point) => point[k]);
    return clamp(step, -0.5 - Math.min(...sides), size[k] - 0.5 - Math.max(...sides));
  });
  return points.map((point) => point.map((side, k) => Math.round((side + by[k]) * 100) / 100));
}

/** The points of a drawing after one of them has been put somewhere: a stroke, and a circle by its
 * centre, move as a whole. */
export function movedPoints(clip, { kind, points }, point, where) {
  const whole = kind === "freehand" || (kind === "circle" && point === 0);
  if (!whole) return points.map((old, k) => (k === point ? where : old));
  return shifted(clip, points, [0, 1].map((k) => where[k] - points[point][k]));
}

/** At most as many points as are stored, its ends among them. */
export function thinned(points, most = MOST_POINTS) {
  if (points.length <= most) return points;
  return Array.from({ length: most }, (_, k) => points[Math.round((k * (points.length - 1)) / (most - 1))]);
}

/** x in the picture as it is shown, from x as stored, and the other way round. */
const turnedX = ({ flipped, size }, x) => (flipped ? Math.max(size[0] - 1, 0) - x : x);

/** Canvas pixels for a pixel of the picture. */
function pixel(stage, row) {
  const [, top, , bottom] = stage.view(row);
  return stage.height / (bottom - top);
}

/** The canvas position of a point in the picture of a row. */
function onCanvas(stage, row, [x, y]) {
  const [left, top] = stage.view(row), size = pixel(stage, row);
  return [(turnedX(stage.clip, x) - left) * size, (y - top) * size];
}

/** The position in the picture of a row of a point on the canvas. */
function inPicture(stage, row, [x, y]) {
  const [left, top] = stage.view(row), size = pixel(stage, row);
  return inside(stage.clip, [turnedX(stage.clip, left + x / size), top + y / size]);
}

/** A point to 0.01 pixels, moved into the picture, whose size may be unknown (0). */
function inside({ size }, point) {
  return point.map((side, k) => {
    const within = size[k] ? Math.min(Math.max(side, -0.5), size[k] - 0.5) : side;
    return Math.round(within * 100) / 100;
  });
}

const distance = ([x, y], [otherX, otherY]) => Math.hypot(x - otherX, y - otherY);

/** Whether points that follow each other differ, so that they can be drawn. */
const differ = (points) => points.every((point, k) => !k || distance(point, points[k - 1]) > 0);

// --- looks -----------------------------------------------------------------------------------------

/** points: on the canvas. ink: colour. marked: index of the point that the keys move, -1: of none. words:
 * beside it. */
function paint({ context, width, height }, kind, points, { ink, marked, words = "" }) {
  const thick = clamp(height / 200, 2, 4), named = KINDS[kind].names;
  context.lineCap = context.lineJoin = "round";
  for (const [colour, more] of [[EDGE, 3], [ink, 0]]) {
    context.strokeStyle = colour;
    context.lineWidth = thick + more;
    context.beginPath();
    outline(context, kind, points, thick);
    context.stroke();
    if (kind === "angle" && points.length === 3) arc(context, points, thick);
    points.forEach(([x, y], k) => {
      if (k !== marked && (!named || kind === "arrow")) return;
      context.beginPath();
      context.arc(x, y, thick * (k === marked ? 2.4 : 1.2), 0, 2 * Math.PI);
      context.stroke();
      if (k !== marked) { context.fillStyle = colour; context.fill(); }
    });
  }
  if (!words || (named && points.length < named.length)) return;
  const size = clamp(height / 26, 12, 20);
  context.font = `700 ${size}px system-ui, "DejaVu Sans", sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const [point, [x, y]] = beside(kind, points, size);
  const seen = point[0] >= 0 && point[0] <= width && point[1] >= 0 && point[1] <= height;
  const wide = Math.max(size * 1.2, context.measureText(words).width / 2 + 4);
  const place = seen ? [clamp(x, wide, width - wide), clamp(y, size * 0.6, height - size * 0.6)] : [x, y];
  context.lineWidth = 4;
  context.strokeStyle = EDGE;
  context.strokeText(words, ...place);
  context.fillStyle = ink;
  context.fillText(words, ...place);
}

/** The lines of a drawing, as far as it has points. */
function outline(context, kind, points, thick) {
  const [start, end] = points;
  if (kind === "circle" && end) { context.arc(...start, distance(start, end), 0, 2 * Math.PI); return; }
  points.forEach((point, k) => (k ? context.lineTo(...point) : context.moveTo(...point)));
  if (kind !== "arrow" || !end) return;
  const back = Math.atan2(start[1] - end[1], start[0] - end[0]), long = Math.min(thick * 7, distance(start, end));
  for (const turn of [-0.45, 0.45]) {
    context.moveTo(...end);
    context.lineTo(end[0] + long * Math.cos(back + turn), end[1] + long * Math.sin(back + turn));
  }
}

/** A point of a drawing, and where the words beside it are. */
function beside(kind, points, size) {
  const [start, end] = points;
  if (kind === "angle") return besideVertex(points, size);
  if (kind === "watch") return [start, [start[0], start[1] - 1.1 * size]];
  if (kind === "circle") return [start, [start[0], start[1] - distance(start, end) - size]];
  return besideLine(kind === "freehand" ? [start, points[points.length - 1]] : points, size);
}

/** The smaller arc between the two sides of an angle. */
function arc(context, [end, vertex, other], thick) {
  const [from, to] = [end, other].map(([x, y]) => Math.atan2(y - vertex[1], x - vertex[0]));
  const radius = Math.min(thick * 7, 0.5 * Math.min(distance(end, vertex), distance(other, vertex)));
  context.beginPath();
  context.arc(...vertex, radius, from, to, (to - from + 2 * Math.PI) % (2 * Math.PI) > Math.PI);
  context.stroke();
}

/** A point of a line near its upper end, and where the words beside it are. */
function besideLine(points, size) {
  const [high, low] = [...points].sort((a, b) => a[1] - b[1]);
  const point = [0, 1].map((k) => high[k] + 0.2 * (low[k] - high[k]));
  const long = distance(high, low) || 1;
  const across = [(low[1] - high[1]) / long, (high[0] - low[0]) / long]; // to the right, or upwards
  return [point, [point[0] + 1.5 * size * across[0], point[1] + 1.2 * size * across[1]]];
}

/** The vertex of an angle, and where the words beside it are: outside. */
function besideVertex([end, vertex, other], size) {
  const unit = (point) => [0, 1].map((k) => (point[k] - vertex[k]) / (distance(point, vertex) || 1));
  const [one, two] = [unit(end), unit(other)];
  let out = [-one[0] - two[0], -one[1] - two[1]];
  if (Math.hypot(...out) < 0.1) out = [-one[1], one[0]]; // nearly a straight line
  const long = Math.hypot(...out);
  return [vertex, [vertex[0] + (1.9 * size * out[0]) / long, vertex[1] + (1.4 * size * out[1]) / long]];
}

// --- tools -----------------------------------------------------------------------------------------

/** Where a new drawing lies that the keys are to move, in shares of the picture. */
const MIDDLE = {
  angle: [[0.5, 0.25], [0.5, 0.5], [0.8, 0.5]],
  circle: [[0.5, 0.5], [0.5, 0.25]],
  freehand: [[0.4, 0.5], [0.5, 0.45], [0.6, 0.5]],
  watch: [[0.5, 0.25]],
};

export class Drawings {
  /** stages: the players, by side. pause(): stop the players. leads(): the side that leads.
   * visit(side, row): show a row. save(old, fresh): put items in the place of others, see drawings.py;
   * resolves with the answer, null: refused. saved(found, old, fresh): that is stored. keys: whether the
   * kinds have their keys. */
  constructor(stages, { pause, leads, visit, save, saved, keys = true }) {
    Object.assign(this, { stages, pause, leads, visit, save, saved });
    this.keys = Object.fromEntries(keys ? Object.entries(KINDS).map(([kind, { key }]) => [key, kind]) : []);
    this.all = { a: [], b: [] }; // what is shown: lists of items, see drawings.py
    this.stored = this.all;
    this.tool = null; // { kind, side (null before the first point), points }
    this.pointer = null; // where it is on the canvas, while the tool draws
    this.chosen = null; // { side, index, point }
    this.moving = null; // { side, index, old }: not stored yet
    this.saving = Promise.resolve();
    this.due = 0;
    this.draw = this.draw.bind(this);
    for (const [side, stage] of Object.entries(stages)) this.connect(side, stage);
    for (const kind of Object.keys(KINDS)) at(`draw-${kind}`).addEventListener("click", () => this.start(kind));
    for (const choice of ["always", "here", "from", "to"]) {
      at(`show-${choice}`).addEventListener("click", () => this.show(choice));
    }
    at("draw-metres").addEventListener("change", () => this.measure());
    document.addEventListener("keyup", (event) => { if (ARROWS[event.key]) this.keep(); });
    window.addEventListener("blur", () => this.keep());
  }

  // --- changes ---

  /** Another player shows the clip of a side. */
  follow(side, stage) {
    this.stages[side] = stage;
    stage.over.push(this.draw);
  }

  /** Show what the server has stored: lists by side. */
  take(stored) {
    this.stored = stored;
    if (this.due || this.moving) return;
    this.all = structuredClone(stored);
    if (this.chosen && !this.all[this.chosen.side][this.chosen.index]) this.chosen = null;
    this.tell();
  }

  /** Put `fresh` in the place of `old`, and store it; null: nothing is replaced, or `old` goes. */
  change(side, index, old, fresh) {
    trouble(null);
    this.all[side].splice(index, old ? 1 : 0, ...(fresh ? [fresh] : []));
    this.store(side, old, fresh);
    this.tell();
  }

  store(side, old, fresh) {
    this.due += 1;
    const [gone, added] = [old, fresh].map((one) => (one ? [{ ...structuredClone(one), side }] : []));
    this.saving = this.save(gone, added).then((found) => {
      this.due -= 1;
      if (found) this.saved(found, gone, added); else this.take(this.stored);
    });
  }

  /** Store a drawing that has been moved. */
  keep() {
    if (!this.moving) return;
    const { side, index, old } = this.moving, fresh = this.all[side][index];
    this.moving = null;
    const same = JSON.stringify(old.points) === JSON.stringify(fresh.points);
    if (!same) { this.store(side, old, fresh); this.tell(); }
  }

  /** Called when all changes are stored. */
  settled() {
    this.keep();
    return this.saving;
  }

  /** Move a point of a drawing; `keep` stores it. */
  put({ side, index, point }, where) {
    const drawing = this.all[side][index];
    if (!drawing) return; // it was undone while it was dragged
    const points = movedPoints(this.stages[side].clip, drawing, point, where);
    if (!differ(points)) return;
    if (!this.moving) this.moving = { side, index, old: drawing };
    this.all[side][index] = { ...drawing, points };
    this.stages[side].draw();
  }

  choose(chosen) {
    this.keep();
    this.chosen = chosen;
    this.tell();
  }

  remove(side, index) {
    this.keep();
    this.chosen = null;
    this.change(side, index, this.all[side][index], null);
  }

  /** Show the chosen drawing always, only here, or from or to the frame that is shown. */
  show(choice) {
    this.keep();
    const { side, index } = this.chosen, old = this.all[side][index], stage = this.stages[side];
    const frames = lifetime(old, choice, this.frameOf(side), stage.clip);
    const { frames: before, ...rest } = old;
    if (JSON.stringify(before ?? null) === JSON.stringify(frames)) return;
    this.change(side, index, old, frames ? { ...rest, frames } : rest);
  }

  /** Say how long the chosen known length is. */
  measure() {
    const old = this.chosen && this.all[this.chosen.side][this.chosen.index], metres = this.metres();
    if (!old || old.kind !== "scale" || old.metres === metres) return;
    this.keep();
    const { side, index } = this.chosen;
    this.change(side, index, this.all[side][index], { ...this.all[side][index], metres });
  }

  metres() {
    const metres = at("draw-metres").valueAsNumber;
    return Number.isFinite(metres) ? metres : 1;
  }

  frameOf(side) { return this.stages[side].clip.frame[shownRow(this.stages[side])]; }

  // --- drawing ---

  start(kind) {
    this.keep();
    const again = this.tool && this.tool.kind === kind;
    this.chosen = this.pointer = null;
    this.tool = again ? null : { kind, side: null, points: [] };
    if (this.tool) this.pause();
    this.tell();
  }

  cancel() {
    this.tool = this.pointer = null;
    this.tell();
  }

  /** Another point of the new drawing, on the canvas; the last one finishes it. */
  add(side, place) {
    const { tool } = this, stage = this.stages[side], row = shownRow(stage);
    const last = tool.points[tool.points.length - 1];
    if (last && distance(onCanvas(stage, row, last), place) < APART) return;
    tool.side = side;
    tool.points.push(inPicture(stage, row, place));
    if (tool.points.length === KINDS[tool.kind].names?.length) this.finish();
    else this.tell();
  }

  /** The end of a stroke; a click alone is none. */
  lift() {
    const { tool } = this;
    if (tool.points.length < 2) { this.tool = { ...tool, side: null, points: [] }; this.tell(); return; }
    tool.points = thinned(tool.points);
    this.finish();
  }

  /** Store the new drawing. choose: whether the keys move it then. */
  finish(choose = false) {
    const { side, kind, points } = this.tool, { frame } = this.stages[side].clip, drawings = this.all[side];
    const fresh = { kind, points };
    if (kind === "scale") fresh.metres = this.metres();
    if (kind === "watch") fresh.frames = [this.frameOf(side), frame[frame.length - 1]];
    const known = kind === "scale" ? drawings.findIndex((one) => one.kind === "scale") : -1; // a clip has one
    const index = known < 0 ? drawings.length : known;
    this.tool = this.pointer = null;
    if (choose || kind === "scale") this.chosen = { side, index, point: 0 };
    this.change(side, index, known < 0 ? null : drawings[known], fresh);
    if (kind === "scale" && !choose) at("draw-metres").select();
  }

  /** A new drawing in the middle of the clip that leads, for the keys to move. */
  place() {
    const side = this.leads(), stage = this.stages[side], { width, height } = stage;
    const beside = 7 * (this.all[side].length % 8); // the next one lies beside it
    const { kind } = this.tool;
    const points = (MIDDLE[kind] || [[0.5, 0.25], [0.5, 0.75]]).map(([x, y]) => [x * width + beside, y * height]);
    this.tool = { kind, side, points: points.map((point) => inPicture(stage, shownRow(stage), point)) };
    this.finish(true);
  }

  /** Draw all drawings of a stage. row: the row that its picture shows. */
  draw(stage, row) {
    const { side, clip } = stage, metres = metresPerPixel(this.all[side]);
    this.all[side].forEach((drawing, index) => {
      if (!isShownOn(drawing, clip.frame[row])) return;
      const mine = this.chosen && this.chosen.side === side && this.chosen.index === index;
      const places = drawing.points.map((point) => onCanvas(stage, row, point));
      const words = measured(drawing, metres, drawing.kind === "watch" ? passedOn(drawing, clip, row) : null);
      paint(stage, drawing.kind, places, { ink: mine ? CHOSEN : INK, marked: mine ? this.chosen.point : -1, words });
    });
    if (!this.tool || this.tool.side !== side) return;
    const { kind, points } = this.tool, there = points.map((point) => onCanvas(stage, row, point));
    const places = this.pointer && kind !== "freehand" ? [...there, this.pointer] : there;
    const least = kind === "angle" ? 3 : 2, inside = places.map((place) => inPicture(stage, row, place));
    const words = kind === "scale" || places.length < least ? "" : measured({ kind, points: inside }, metres);
    paint(stage, kind, places, { ink: CHOSEN, marked: -1, words });
  }

  // --- words ---

  tell() {
    const { tool, chosen } = this, drawing = chosen && this.all[chosen.side][chosen.index];
    for (const kind of Object.keys(KINDS)) {
      at(`draw-${kind}`).setAttribute("aria-pressed", String(Boolean(tool && tool.kind === kind)));
    }
    document.body.classList.toggle("drawing", Boolean(tool));
    at("draw-life").hidden = !drawing || drawing.kind === "scale";
    at("show-always").hidden = drawing?.kind === "watch";
    at("draw-length").hidden = tool?.kind !== "scale" && drawing?.kind !== "scale";
    if (drawing?.kind === "scale" && document.activeElement !== at("draw-metres")) at("draw-metres").value = String(drawing.metres);
    at("draw-said").textContent = this.hint();
    this.list();
    for (const stage of Object.values(this.stages)) stage.draw();
  }

  hint() {
    const { tool, chosen } = this, several = Object.keys(this.stages).length > 1;
    if (tool) {
      const { called, how } = KINDS[tool.kind], middle = several ? ` of ${this.leads().toUpperCase()}` : "";
      return `${called[0].toUpperCase()}${called.slice(1)}${several ? " on A or B" : ""}: ${how}. Enter puts one in the middle${middle}, escape cancels.`;
    }
    if (!chosen) return "";
    const { names } = KINDS[this.all[chosen.side][chosen.index].kind];
    const move = names ? `Drag a point, or move the ${names[chosen.point]} with the arrow keys.` : "Drag it, or move it with the arrow keys.";
    return `${move}${names?.length > 1 ? " P: next point;" : ""} delete: remove; escape: deselect.`;
  }

  /** A drawing in the list. */
  named(side, drawing) {
    const { clip } = this.stages[side], { kind, frames } = drawing;
    const what = measured(drawing, metresPerPixel(this.all[side]));
    const parts = [KINDS[kind].called, kind === "line" ? what.replace("°", "° from vertical") : what];
    const when = frames && frames.map((frame) => seconds(clip.time[lastUpTo(clip.frame, frame)]));
    if (when) parts.push(frames[0] === frames[1] ? `at ${when[0]}` : `${when[0]} to ${when[1]}`);
    const of = Object.keys(this.stages).length > 1 ? `${side.toUpperCase()}: ` : "";
    return `${of}${parts.filter(Boolean).join(", ")}`;
  }

  /** Let the keys move a drawing, and show a frame that has it. */
  pick(side, index) {
    this.pause();
    const drawing = this.all[side][index], { clip } = this.stages[side];
    if (!isShownOn(drawing, this.frameOf(side))) this.visit(side, lastUpTo(clip.frame, drawing.frames[0]));
    this.choose({ side, index, point: 0 });
  }

  list() {
    const list = at("drawings"), buttons = () => [...list.querySelectorAll("button")];
    const focused = buttons().indexOf(document.activeElement);
    const items = Object.entries(this.all).flatMap(([side, drawings]) => drawings.map((drawing, index) => {
      const item = made("li"), { chosen } = this, words = this.named(side, drawing);
      const mine = Boolean(chosen && chosen.side === side && chosen.index === index);
      const pick = button(words, () => (mine ? this.choose(null) : this.pick(side, index)));
      pick.setAttribute("aria-pressed", String(mine));
      item.append(pick, button("Remove", () => this.remove(side, index), { label: `Remove: ${words}` }));
      return item;
    }));
    list.replaceChildren(...items);
    at("no-drawings").hidden = items.length > 0;
    if (focused < 0) return;
    const left = buttons();
    (left[Math.min(focused, left.length - 1)] || at("draw-line")).focus();
  }

  // --- keys and pointer ---

  /** Handle a key; false for keys that are not the drawings'. */
  key(event) {
    const { key } = event, kind = this.keys[key.toLowerCase()];
    if (kind) {
      if (!event.repeat) this.start(kind);
      return true;
    }
    if (this.tool) return this.toolKey(event);
    if (!this.chosen) return false;
    const { side, index, point } = this.chosen;
    if (ARROWS[key]) this.nudge(ARROWS[key], event.shiftKey ? 10 : 1);
    else if (key === "Delete" || key === "Backspace") this.remove(side, index);
    else if (key === "Escape") this.choose(null);
    else if (key.toLowerCase() === "p" && KINDS[this.all[side][index].kind].names) {
      this.choose({ side, index, point: (point + 1) % this.all[side][index].points.length });
    } else return false;
    return true;
  }

  toolKey({ key, target }) {
    const other = target.tagName === "BUTTON" && !target.id.startsWith("draw-"); // which enter presses
    if (key === "Escape") this.cancel();
    else if (key === "Enter" && !other) this.place();
    else return false;
    return true;
  }

  nudge([x, y], step) {
    const { side, index, point } = this.chosen, { clip } = this.stages[side];
    const [oldX, oldY] = this.all[side][index].points[point];
    this.put(this.chosen, inside(clip, [oldX + (clip.flipped ? -x : x) * step, oldY + y * step]));
  }

  /** The point of a drawing that lies under a pointer, else null. */
  under(side, place, reach) {
    const stage = this.stages[side], row = shownRow(stage);
    const near = this.all[side].flatMap((drawing, index) => (isShownOn(drawing, stage.clip.frame[row])
      ? drawing.points.map((where, point) => ({ side, index, point, apart: distance(onCanvas(stage, row, where), place) }))
      : []));
    const best = near.sort((one, other) => one.apart - other.apart)[0];
    return best && best.apart <= reach ? { side, index: best.index, point: best.point } : null;
  }

  connect(side, { canvas }) {
    const shown = () => this.stages[side]; // another one once its clip is loaded again
    const placeOf = ({ clientX, clientY }) => {
      const box = canvas.getBoundingClientRect();
      return [clientX - box.left, clientY - box.top];
    };
    const ours = () => this.tool && (this.tool.side === null || this.tool.side === side);
    const reach = ({ pointerType }) => NEAR[pointerType] || NEAR.mouse;
    let held = null; // the point that is dragged: of a drawing, or null
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const place = placeOf(event);
      if (this.tool) {
        if (!ours()) return;
        this.add(side, place);
      } else {
        held = this.under(side, place, reach(event));
        if (held) this.pause();
        if (held || this.chosen) this.choose(held);
        if (!held) return;
      }
      canvas.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    canvas.addEventListener("pointermove", (event) => {
      const place = placeOf(event);
      canvas.style.cursor = !this.tool && this.under(side, place, reach(event)) ? "grab" : "";
      if (held) this.put(held, inPicture(shown(), shownRow(shown()), place));
      if (!this.tool || this.tool.side !== side) return;
      this.pointer = place;
      const { kind, points } = this.tool, stage = shown(), row = shownRow(stage);
      const far = points.length && distance(onCanvas(stage, row, points[points.length - 1]), place) >= STROKE;
      if (kind === "freehand" && event.buttons & 1 && far) points.push(inPicture(stage, row, place));
      stage.draw();
    });
    canvas.addEventListener("pointerup", (event) => {
      held = null;
      this.keep();
      if (!this.tool || this.tool.side !== side) return;
      if (this.tool.kind === "freehand") this.lift();
      else this.add(side, placeOf(event)); // dragged from the last point
    });
    canvas.addEventListener("pointercancel", () => { held = null; this.keep(); });
    canvas.addEventListener("touchstart", (event) => { // or the page scrolls instead
      if (!this.tool && this.under(side, placeOf(event.touches[0]), NEAR.touch)) event.preventDefault();
    }, { passive: false });
  }
}

/** The row whose picture a stage shows. */
const shownRow = (stage) => Number(stage.canvas.dataset.picture || stage.row);
