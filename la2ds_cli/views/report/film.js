// The unpacked data of a clip; its pictures, decoded just before they are shown; and helpers for
// drawing.

export const UNIT = 4096; // steps of a joint's position over the height of its window, as in pair_data.py
const KEPT = 96, AHEAD = 12; // decoded pictures kept, and decoded before they are due

export function bytes(base64) {
  const raw = atob(base64);
  const out = new Uint8Array(raw.length);
  for (let k = 0; k < raw.length; k += 1) out[k] = raw.charCodeAt(k);
  return out;
}

function integers(base64) {
  const view = new DataView(bytes(base64).buffer);
  const out = new Int16Array(view.byteLength / 2);
  for (let k = 0; k < out.length; k += 1) out[k] = view.getInt16(2 * k, true);
  return out;
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** A time in words: 8.25 s, 9 min 59.97 s. */
export function seconds(value, digits = 2) {
  const total = Number(value.toFixed(digits)), minutes = Math.floor(total / 60);
  return `${minutes ? `${minutes} min ` : ""}${(total - 60 * minutes).toFixed(digits)} s`;
}

/** As `within_text` of the command line. */
export const within = (off) => `to within ${Number(Math.max(off, 0.01).toFixed(off < 1 ? 2 : 1))} s`;

/** Index of the last value that is not above `wanted`, 0 where all are; values increase. */
export function lastUpTo(values, wanted) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= wanted) low = middle + 1; else high = middle;
  }
  return Math.max(low - 1, 0);
}

export class Film {
  /** film: rows of the clip and base64 pictures; null where the page holds none. */
  constructor(film) {
    this.rows = film ? film.rows : [];
    this.pictures = film ? film.pictures : [];
    this.kept = KEPT;
    this.lead = AHEAD;
    this.ready = new Map(); // index -> ImageBitmap, in order of use
    this.pending = new Set();
    this.waiting = new Map(); // index -> functions to call when it is decoded
    this.broken = new Set();
  }

  get empty() { return this.pictures.length === 0; }

  /** Index of the picture for a row: its own, or the nearest. */
  at(row) {
    const before = lastUpTo(this.rows, row), after = before + 1;
    const nearer = after < this.rows.length && this.rows[after] - row < row - this.rows[before];
    return nearer ? after : before;
  }

  /** The picture, or null while it is decoded; `done` is called when it is there. */
  get(index, done) {
    const found = this.ready.get(index);
    if (found) {
      this.ready.delete(index);
      this.ready.set(index, found);
      return found;
    }
    this.decode(index, done);
    return null;
  }

  /** A promise of the picture as it is stored. */
  async blob(index) { return new Blob([bytes(this.pictures[index])], { type: "image/webp" }); }

  /** Decode the next pictures in advance. */
  ahead(index) {
    const end = Math.min(index + this.lead, this.pictures.length - 1);
    for (let k = index + 1; k <= end; k += 1) if (!this.ready.has(k)) this.decode(k);
  }

  /** Decode a picture, then call `done`, even if the picture was already requested. */
  decode(index, done = null) {
    if (this.broken.has(index)) return;
    if (done) this.waiting.set(index, [...(this.waiting.get(index) || []), done]);
    if (this.pending.has(index)) return;
    this.pending.add(index);
    this.blob(index).then((blob) => createImageBitmap(blob)).then(
      (bitmap) => {
        this.ready.set(index, bitmap);
        while (this.ready.size > this.kept) {
          const [oldest, old] = this.ready.entries().next().value;
          this.ready.delete(oldest);
          old.close();
        }
      },
      () => this.broken.add(index),
    ).finally(() => {
      const then = this.waiting.get(index) || [];
      this.pending.delete(index);
      this.waiting.delete(index);
      for (const each of then) each();
    });
  }
}

/** Unpack a clip of the page: arrays instead of text, and its film. */
export function unpacked(clip, film) {
  clip.joints = integers(clip.joints);
  clip.state = bytes(clip.state);
  clip.film = film;
  clip.count = clip.time.length;
  clip.start = clip.edges[0];
  clip.end = clip.edges[clip.count];
  return clip;
}

/** Row of the frame that is shown at a time of the clip. */
export const rowAt = (clip, time) => clamp(lastUpTo(clip.edges, time), 0, clip.count - 1);

/** Runs [first row, last row] of the rows for which `test` holds. */
export function runs(count, test) {
  const found = [];
  for (let k = 0; k < count; k += 1) {
    if (!test(k)) continue;
    if (found.length && found[found.length - 1][1] === k - 1) found[found.length - 1][1] = k;
    else found.push([k, k]);
  }
  return found;
}

export const phaseAt = (clip, time) => {
  const found = clip.phases.find(([low, high]) => low <= time && time < high);
  return found ? found[2] : "";
};

/** A canvas of `width` by `height` page pixels, sharp on this screen; its context is cleared. */
export function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(Math.round(width * ratio), 1);
  canvas.height = Math.max(Math.round(height * ratio), 1);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.font = '12px system-ui, "DejaVu Sans", sans-serif';
  return context;
}

/** A colour of page.css by its name, in the current light or dark scheme. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** A line through points [x, y] of a canvas, broken where one is null. */
export function curve(context, points) {
  context.beginPath();
  let pen = false;
  for (const point of points) {
    if (point === null) { pen = false; continue; }
    if (pen) context.lineTo(...point); else context.moveTo(...point);
    pen = true;
  }
  context.stroke();
}

/** Times from low to high at round steps, at least `least` pixels apart on a width of `room`. */
export function ticks(low, high, room, least) {
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600]
    .find((seconds) => (seconds / (high - low)) * room > least) || 7200;
  const found = [];
  for (let k = Math.ceil(low / step - 1e-6); k * step <= high; k += 1) found.push(+(k * step).toFixed(2));
  return found;
}

/** Degrees at a vertex between the directions to two ends, 0 to 180. */
export function degreesAt(end, vertex, other) {
  const turn = ([x, y]) => Math.atan2(y - vertex[1], x - vertex[0]);
  const between = Math.abs(turn(end) - turn(other));
  return (Math.min(between, 2 * Math.PI - between) * 180) / Math.PI;
}
