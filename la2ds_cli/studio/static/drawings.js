// Lines and angles that a person draws on the pictures of a pair: their geometry, how they look, and
// the tools that draw, move and remove them. They are stored as in core/annotations.py. The report's
// stage.js is loaded before they are used.

import { at, button, made, trouble } from "./page.js";
import { clamp, degreesAt } from "../../views/report/film.js";

const POINTS = { line: 2, angle: 3 };
const ACTIONS = { d: "line", a: "angle" }; // keys
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const INK = "#ffe45c", CHOSEN = "#ffffff", EDGE = "rgba(0, 0, 0, 0.85)";
const NEAR = { mouse: 14, touch: 26 }; // page pixels around a point within which it can be grabbed
const APART = 5; // page pixels between two points of a new drawing, at least

// --- geometry --------------------------------------------------------------------------------------

/** Degrees between a line and the vertical of the picture, 0 to 90. */
export const inclination = ([x, y], [otherX, otherY]) =>
  (Math.atan2(Math.abs(otherX - x), Math.abs(otherY - y)) * 180) / Math.PI;

/** Whole degrees of a drawing. */
export const degreesOf = ({ kind, points }) =>
  Math.round(kind === "line" ? inclination(...points) : degreesAt(...points));

/** x in the picture as it is shown, from x as stored, and the other way round. */
const turnedX = ({ flipped, size }, x) => (flipped ? Math.max(size[0] - 1, 0) - x : x);

/** Canvas pixels for a pixel of the picture. */
function pixel(stage, row) {
  const [, top, , bottom] = stage.view(row);
  return stage.height / (bottom - top);
}

/** Where a point of the picture of a row is on the canvas. */
function onCanvas(stage, row, [x, y]) {
  const [left, top] = stage.view(row), size = pixel(stage, row);
  return [(turnedX(stage.clip, x) - left) * size, (y - top) * size];
}

/** Where a point of the canvas is in the picture of a row. */
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

/** points: on the canvas. ink: colour. marked: index of the point that the keys move, -1: of none. */
function paint({ context, width, height }, kind, points, { ink, marked }) {
  const thick = clamp(height / 200, 2, 4);
  context.lineCap = context.lineJoin = "round";
  for (const [colour, more] of [[EDGE, 3], [ink, 0]]) {
    context.strokeStyle = colour;
    context.lineWidth = thick + more;
    context.beginPath();
    points.forEach((point, k) => (k ? context.lineTo(...point) : context.moveTo(...point)));
    context.stroke();
    if (kind === "angle" && points.length === 3) arc(context, points, thick);
    points.forEach(([x, y], k) => {
      context.beginPath();
      context.arc(x, y, thick * (k === marked ? 2.4 : 1.2), 0, 2 * Math.PI);
      context.stroke();
      if (k !== marked) { context.fillStyle = colour; context.fill(); }
    });
  }
  if (points.length < POINTS[kind]) return;
  const size = clamp(height / 26, 12, 20);
  context.font = `700 ${size}px system-ui, "DejaVu Sans", sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const [point, [x, y]] = kind === "line" ? besideLine(points, size) : besideVertex(points, size);
  const seen = point[0] >= 0 && point[0] <= width && point[1] >= 0 && point[1] <= height;
  const place = seen ? [clamp(x, size * 1.2, width - size * 1.2), clamp(y, size * 0.6, height - size * 0.6)] : [x, y];
  const words = `${degreesOf({ kind, points })}°`;
  context.lineWidth = 4;
  context.strokeStyle = EDGE;
  context.strokeText(words, ...place);
  context.fillStyle = ink;
  context.fillText(words, ...place);
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

export class Drawings {
  /** stages: the players, by side. pause(): stop the players. leads(): the side that leads.
   * save(old, fresh): put items in the place of others, see pair_page.py; resolves with the answer, null:
   * refused. saved(found, old, fresh): that is stored. */
  constructor(stages, { pause, leads, save, saved }) {
    Object.assign(this, { stages, pause, leads, save, saved });
    this.all = { a: [], b: [] }; // what is shown: lists of { kind, points }
    this.stored = this.all;
    this.tool = null; // { kind, side (null before the first point), points }
    this.pointer = null; // where it is on the canvas, while the tool draws
    this.chosen = null; // { side, index, point }
    this.moving = null; // { side, index, old }: not stored yet
    this.saving = Promise.resolve();
    this.due = 0;
    this.draw = this.draw.bind(this);
    for (const [side, stage] of Object.entries(stages)) this.connect(side, stage);
    for (const kind of Object.keys(POINTS)) at(`draw-${kind}`).addEventListener("click", () => this.start(kind));
    document.addEventListener("keyup", (event) => { if (ARROWS[event.key]) this.keep(); });
    window.addEventListener("blur", () => this.keep());
  }

  // --- changes ---

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

  /** When all changes are stored. */
  settled() {
    this.keep();
    return this.saving;
  }

  /** Move a point of a drawing; `keep` stores it. */
  put({ side, index, point }, where) {
    const drawing = this.all[side][index];
    if (!drawing) return; // it was undone while it was dragged
    const points = drawing.points.map((old, k) => (k === point ? where : old));
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
    if (tool.points.length === POINTS[tool.kind]) this.finish();
    else this.tell();
  }

  finish() {
    const { side, kind, points } = this.tool;
    this.tool = this.pointer = null;
    this.change(side, this.all[side].length, null, { kind, points });
  }

  /** A new drawing in the middle of the clip that leads, for the keys to move. */
  place() {
    const side = this.leads(), stage = this.stages[side], { width, height } = stage;
    const beside = 7 * (this.all[side].length % 8); // the next one lies beside it
    const points = [[0.5, 0.25], [0.5, 0.5], [0.8, 0.5]].map(([x, y]) => [x * width + beside, y * height]);
    const kind = this.tool.kind;
    if (kind === "line") points.splice(1, 2, [0.5 * width + beside, 0.75 * height]);
    this.tool = { kind, side, points: points.map((point) => inPicture(stage, shownRow(stage), point)) };
    this.chosen = { side, index: this.all[side].length, point: 0 };
    this.finish();
  }

  /** Draw what lies on a stage. row: that its picture shows. */
  draw(stage, row) {
    const { side } = stage;
    this.all[side].forEach(({ kind, points }, index) => {
      const mine = this.chosen && this.chosen.side === side && this.chosen.index === index;
      const places = points.map((point) => onCanvas(stage, row, point));
      paint(stage, kind, places, { ink: mine ? CHOSEN : INK, marked: mine ? this.chosen.point : -1 });
    });
    if (!this.tool || this.tool.side !== side) return;
    const places = this.tool.points.map((point) => onCanvas(stage, row, point));
    paint(stage, this.tool.kind, this.pointer ? [...places, this.pointer] : places, { ink: CHOSEN, marked: -1 });
  }

  // --- words ---

  tell() {
    for (const kind of Object.keys(POINTS)) {
      at(`draw-${kind}`).setAttribute("aria-pressed", String(Boolean(this.tool && this.tool.kind === kind)));
    }
    document.body.classList.toggle("drawing", Boolean(this.tool));
    at("draw-said").textContent = this.hint();
    this.list();
    for (const stage of Object.values(this.stages)) stage.draw();
  }

  hint() {
    const { tool, chosen } = this;
    if (tool) {
      const how = tool.kind === "line" ? "drag from one end to the other, or click both"
        : "click one end, the vertex, and the other end";
      return `${tool.kind === "line" ? "Line" : "Angle"} on A or B: ${how}. Enter puts one in the middle of ${
        this.leads().toUpperCase()}, escape cancels.`;
    }
    if (!chosen) return "";
    const { kind } = this.all[chosen.side][chosen.index];
    const names = kind === "line" ? ["first end", "second end"] : ["first end", "vertex", "second end"];
    return `Drag a point, or move the ${names[chosen.point]} by the arrow keys. P: next point; delete: remove; escape: let go.`;
  }

  list() {
    const list = at("drawings"), buttons = () => [...list.querySelectorAll("button")];
    const focused = buttons().indexOf(document.activeElement);
    const items = Object.entries(this.all).flatMap(([side, drawings]) => drawings.map((drawing, index) => {
      const item = made("li"), { chosen } = this, degrees = degreesOf(drawing);
      const mine = Boolean(chosen && chosen.side === side && chosen.index === index);
      const words = `${side.toUpperCase()}: ${drawing.kind}, ${degrees}°${drawing.kind === "line" ? " from vertical" : ""}`;
      const pick = button(words, () => { this.pause(); this.choose(mine ? null : { side, index, point: 0 }); });
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
    const { key } = event, kind = ACTIONS[key.toLowerCase()];
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
    else if (key.toLowerCase() === "p") {
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
    const near = this.all[side].flatMap(({ points }, index) => points.map((where, point) =>
      ({ side, index, point, apart: distance(onCanvas(stage, row, where), place) })));
    const best = near.sort((one, other) => one.apart - other.apart)[0];
    return best && best.apart <= reach ? { side, index: best.index, point: best.point } : null;
  }

  connect(side, stage) {
    const { canvas } = stage;
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
      if (held) this.put(held, inPicture(stage, shownRow(stage), place));
      if (this.tool && this.tool.side === side) { this.pointer = place; stage.draw(); }
    });
    canvas.addEventListener("pointerup", (event) => {
      held = null;
      this.keep();
      if (this.tool && this.tool.side === side) this.add(side, placeOf(event)); // dragged from the last point
    });
    canvas.addEventListener("pointercancel", () => { held = null; this.keep(); });
    canvas.addEventListener("touchstart", (event) => { // or the page scrolls instead
      if (!this.tool && this.under(side, placeOf(event.touches[0]), NEAR.touch)) event.preventDefault();
    }, { passive: false });
  }
}

/** The row whose picture a stage shows. */
const shownRow = (stage) => Number(stage.canvas.dataset.picture || stage.row);
