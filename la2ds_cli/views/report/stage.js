// A player: a picture with joints, greyed where the other clip does not show this moment.

import { at } from "./elements.js";
import { curve, sized, UNIT } from "./film.js";

const LATE = 400; // milliseconds for which the previous picture stays while one is loading
const INK = { left: "#ff8c00", right: "#22a7f0", "": "#ececec" };

/** Draw the joints of a row. place: see Stage.place. ink: a colour for all of them, null = by side. */
export function drawSkeleton(context, { limbs, sides }, clip, row, place, thick, ink = null) {
  const count = sides.length, first = row * count;
  const x = (k) => clip.joints[2 * (first + k)] * place.scale + place.x;
  const y = (k) => clip.joints[2 * (first + k) + 1] * place.scale + place.y;
  const state = (k) => clip.state[first + k];
  context.lineCap = "round";
  for (const dark of [true, false]) {
    for (const [i, j] of limbs) {
      if (!state(i) || !state(j)) continue;
      const sure = state(i) === 2 && state(j) === 2;
      const both = [...new Set([sides[i], sides[j]])].filter((s) => s);
      context.strokeStyle = dark ? "rgba(0,0,0,0.55)" : ink || INK[both.length === 1 ? both[0] : ""];
      context.lineWidth = (sure ? thick : thick / 2) + (dark ? 2 : 0);
      curve(context, [[x(i), y(i)], [x(j), y(j)]]);
    }
  }
  for (let k = 0; k < count; k += 1) {
    if (!state(k)) continue;
    context.beginPath();
    context.arc(x(k), y(k), thick * (count > 30 ? 0.7 : 1.1), 0, 2 * Math.PI);
    context.fillStyle = context.strokeStyle = ink || INK[sides[k]];
    context.lineWidth = 1.5;
    if (state(k) === 2) context.fill(); else context.stroke(); // hollow: interpolated or not trusted
  }
}

export class Stage {
  /** side: a or b, of the canvas. skeleton: limbs and sides of the joints. */
  constructor(side, clip, skeleton) {
    this.clip = clip;
    this.side = side;
    this.joints = skeleton;
    this.canvas = at(`stage-${side}`);
    this.row = 0;
    this.matched = true;
    this.options = { skeleton: true, film: true };
    this.over = []; // functions (stage, row) that draw on top
  }

  /** Whether the whole picture is shown, rather than the part around the body. */
  get whole() { return Boolean(this.options.whole && this.clip.window && this.clip.size[0]); }

  /** Width over height of what is shown. */
  get aspect() { return this.whole ? this.clip.size[0] / this.clip.size[1] : this.clip.aspect; }

  /** The shown part of the picture of a row: x, y, x, y in pixels, whose centres are integers. */
  view(row) {
    const [wide, high] = this.clip.size;
    return this.whole ? [-0.5, -0.5, wide - 0.5, high - 0.5] : this.clip.window[row];
  }

  /** Scale and offset of the joints of a row: canvas = joint * scale + x or y. */
  place(row) {
    if (!this.whole) return { scale: this.height / UNIT, x: 0, y: 0 };
    const [left, top, , bottom] = this.clip.window[row];
    const [x, y, , low] = this.view(row);
    const pixel = this.height / (low - y);
    return { scale: ((bottom - top) / UNIT) * pixel, x: (left - x) * pixel, y: (top - y) * pixel };
  }

  /** Draw the picture of a row; a clip with windows has whole pictures, as filmed. */
  paint(picture, row) {
    const { context, width, height, clip } = this;
    if (!clip.window) { context.drawImage(picture, 0, 0, width, height); return; }
    const [x0, y0, x1, y1] = this.view(row);
    const [wide, high] = clip.size;
    const left = clip.flipped ? wide - 1 - x1 : x0;
    const sx = picture.width / wide, sy = picture.height / high;
    context.save();
    if (clip.flipped) { context.translate(width, 0); context.scale(-1, 1); }
    context.drawImage(picture, (left + 0.5) * sx, (y0 + 0.5) * sy, (x1 - x0) * sx, (y1 - y0) * sy,
      0, 0, width, height);
    context.restore();
  }

  resize(width, height) {
    this.width = width;
    this.height = height;
    this.context = sized(this.canvas, width, height);
    this.draw();
  }

  /** row: of this clip; matched: whether the other clip shows the same moment. */
  show(row, matched, options) {
    Object.assign(this, { row, matched, options });
    this.canvas.dataset.row = matched ? String(row) : "";
    this.draw();
  }

  ground() {
    this.context.fillStyle = "#20262b";
    this.context.fillRect(0, 0, this.width, this.height);
  }

  limbs(row) {
    drawSkeleton(this.context, this.joints, this.clip, row, this.place(row), Math.max(this.height / 130, 1.8));
  }

  draw() {
    const { film } = this.clip;
    if (!this.context) return;
    const filmed = this.options.film && !film.empty;
    let row = this.row;
    if (filmed) {
      const index = film.at(this.row);
      const wanted = this.row;
      const picture = film.get(index, () => { if (this.row === wanted) this.draw(); });
      film.ahead(index);
      if (!picture && !film.broken.has(index)) {
        this.canvas.dataset.picture = "";
        clearTimeout(this.late);
        this.late = setTimeout(() => this.canvas.dataset.picture || this.wait(), LATE);
        return; // the previous picture stays for these few milliseconds
      }
      row = film.rows[index];
      this.ground();
      if (picture) this.paint(picture, row);
    } else this.ground();
    // Draw the joints of the picture's own row, so that they lie on the body.
    this.canvas.dataset.picture = String(row);
    if (this.options.skeleton || !filmed) this.limbs(row);
    for (const drawing of this.over) drawing(this, row);
    if (!this.matched) this.grey();
    this.canvas.setAttribute("aria-label", `Clip ${this.side.toUpperCase()}, frame ${
      this.clip.frame[this.row]}${this.matched ? "" : ", no counterpart"}`);
  }

  /** Show the joints alone while a picture takes long to load, so that nobody takes the previous
   * picture for this frame. */
  wait() {
    const { context, width, height } = this;
    this.ground();
    this.limbs(this.row);
    context.fillStyle = INK[""];
    context.textAlign = "center";
    context.fillText("loading the picture", width / 2, height - 12);
    context.textAlign = "start";
  }

  grey() {
    const { context, width, height } = this;
    context.fillStyle = "rgba(88, 94, 99, 0.72)";
    context.fillRect(0, 0, width, height);
    const text = "no counterpart";
    context.font = `600 ${Math.min(22, width / 9)}px system-ui, "DejaVu Sans", sans-serif`;
    const wide = context.measureText(text).width + 24;
    context.fillStyle = "rgba(0, 0, 0, 0.75)";
    context.fillRect((width - wide) / 2, height / 2 - 22, wide, 44);
    context.fillStyle = "#fff";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(text, width / 2, height / 2);
  }
}
