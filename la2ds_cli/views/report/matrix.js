// The distance matrix with the paths in it, and the bar of each clip under its player.

import { A, B, data, secondsB, unmatchedA, unmatchedB } from "./clips.js";
import { at } from "./elements.js";
import { clamp, colour, curve, sized, ticks } from "./film.js";
import { drawSection } from "./player.js";
import { bar, hatch } from "./tracks.js";

export const matrix = {
  box: at("matrix-box"),
  canvas: at("matrix"),
  overlay: at("matrix-cursor"),
  left: 54, bottom: 40, top: 6, right: 6, band: 9,
  image: null,
};
const PATH = "#ffa41b";

export const plot = {
  x: (time) => matrix.left + ((time - A.start) / (A.end - A.start)) * matrix.wide,
  y: (time) => matrix.top + (1 - (time - B.start) / (B.end - B.start)) * matrix.high,
};

/** Draw the path as a line with a dark rim, broken where there is no counterpart. */
function trace(context, positions) {
  context.lineJoin = "round";
  for (const [hue, width] of [["rgba(0, 0, 0, 0.7)", 4.2], [PATH, 2.6]]) {
    context.strokeStyle = hue;
    context.lineWidth = width;
    curve(context, positions.map((position, k) => {
      const time = secondsB(position);
      return time === null ? null : [plot.x(A.time[k]), plot.y(time)];
    }));
  }
}

/** Draw the interval of each position. */
function bounds(context) {
  context.fillStyle = "rgba(255, 255, 255, 0.35)";
  for (let k = 0; k < A.count; k += 1) {
    const low = secondsB(data.low[k]), high = secondsB(data.high[k]);
    if (low === null || high === null) continue;
    const left = plot.x(A.edges[k]);
    context.fillRect(left, plot.y(high), plot.x(A.edges[k + 1]) - left, plot.y(low) - plot.y(high));
  }
}

function axes(context, width, height) {
  context.fillStyle = colour("soft");
  context.textAlign = "center";
  context.textBaseline = "top";
  const below = matrix.top + matrix.high + matrix.band + 3;
  for (const t of ticks(A.start, A.end, matrix.wide, 44)) {
    context.fillText(String(t), clamp(plot.x(t), matrix.left + 6, width - 12), below);
  }
  context.fillText("A, seconds", matrix.left + matrix.wide / 2, below + 13);
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const t of ticks(B.start, B.end, matrix.high, 44)) {
    context.fillText(String(t), matrix.left - matrix.band - 4,
      clamp(plot.y(t), matrix.top + 6, matrix.top + matrix.high - 6));
  }
  context.save();
  context.translate(7, matrix.top + matrix.high / 2);
  context.rotate(-Math.PI / 2);
  context.textAlign = "center";
  context.fillText("B, seconds", 0, 0);
  context.restore();
}

/** Draw a diamond for each match that a person has set. */
function anchorMarks(context) {
  for (const { seconds: both } of data.anchors || []) {
    if (!both) continue;
    const x = plot.x(both[0]), y = plot.y(both[1]);
    context.beginPath();
    for (const [dx, dy] of [[0, -8], [8, 0], [0, 8], [-8, 0]]) context.lineTo(x + dx, y + dy);
    context.closePath();
    context.fillStyle = "#fff";
    context.strokeStyle = "#000";
    context.lineWidth = 2;
    context.fill();
    context.stroke();
  }
}

export function layMatrix() {
  const width = matrix.box.clientWidth;
  const side = Math.min(width, 560);
  matrix.wide = side - matrix.left - matrix.right;
  matrix.high = Math.min(matrix.wide, 420);
  const height = matrix.high + matrix.top + matrix.bottom;
  const context = sized(matrix.canvas, side, height);
  matrix.size = [side, height];
  matrix.cursor = sized(matrix.overlay, side, height);
  context.imageSmoothingEnabled = false;
  context.fillStyle = "#440154";
  context.fillRect(matrix.left, matrix.top, matrix.wide, matrix.high);
  if (matrix.image) context.drawImage(matrix.image, matrix.left, matrix.top, matrix.wide, matrix.high);
  context.save();
  context.beginPath();
  context.rect(matrix.left, matrix.top, matrix.wide, matrix.high);
  context.clip();
  context.fillStyle = "rgba(255, 255, 255, 0.6)";
  for (const [low, high] of unmatchedA) {
    context.fillRect(plot.x(low), matrix.top, plot.x(high) - plot.x(low), matrix.high);
  }
  for (const [low, high] of unmatchedB) {
    context.fillRect(matrix.left, plot.y(high), matrix.wide, plot.y(low) - plot.y(high));
  }
  bounds(context);
  context.strokeStyle = "#fff"; // constant speed
  context.lineWidth = 1.5;
  context.setLineDash([2, 3]);
  curve(context, [[plot.x(A.time[0]), plot.y(B.time[0])], [plot.x(A.time[A.count - 1]), plot.y(B.time[B.count - 1])]]);
  context.setLineDash([]);
  trace(context, data.position);
  anchorMarks(context);
  context.restore();
  for (const [low, high, name] of A.phases) {
    context.fillStyle = data.colours[name];
    context.fillRect(plot.x(low), matrix.top + matrix.high + 1, plot.x(high) - plot.x(low), matrix.band);
  }
  for (const [low, high, name] of B.phases) {
    context.fillStyle = data.colours[name];
    context.fillRect(matrix.left - matrix.band - 1, plot.y(high), matrix.band, plot.y(low) - plot.y(high));
  }
  axes(context, side, height);
}

export function markMatrix(row) {
  const context = matrix.cursor;
  context.clearRect(0, 0, ...matrix.size);
  const time = secondsB(data.position[row]);
  const x = plot.x(A.time[row]);
  for (const [hue, width] of [["rgba(0,0,0,0.8)", 3], ["#fff", 1.2]]) {
    context.strokeStyle = hue;
    context.lineWidth = width;
    curve(context, [[x, matrix.top], [x, matrix.top + matrix.high], null,
      ...(time === null ? [] : [[matrix.left, plot.y(time)], [matrix.left + matrix.wide, plot.y(time)]])]);
  }
  if (time === null) return;
  context.fillStyle = "#fff";
  context.strokeStyle = "#000";
  context.lineWidth = 2;
  context.beginPath();
  context.arc(x, plot.y(time), 5, 0, 2 * Math.PI);
  context.fill();
  context.stroke();
}

export const bands = {};

/** Draw a clip as a bar with its phases and the parts without a counterpart. */
export function layBand(side, clip, unmatched) {
  const canvas = at(`band-${side}`);
  const width = canvas.parentElement.clientWidth;
  const still = document.createElement("canvas");
  const context = sized(still, width, 22);
  const x = (time) => ((time - clip.start) / (clip.end - clip.start)) * width;
  context.fillStyle = colour("bar");
  context.fillRect(0, 0, width, 22);
  bar(context, clip.phases, x, 22);
  context.fillStyle = hatch(context);
  for (const [low, high] of unmatched) context.fillRect(x(low), 0, x(high) - x(low), 22);
  bands[side] = { clip, width, still, x, context: sized(canvas, width, 22) };
}

/** Mark the shown row on the bar of a clip; null = none. section: the rows that are played, null =
 * all. ends: whether the ends of the section can be dragged. */
export function markBand(side, row, section = null, ends = false) {
  const { clip, width, still, x, context } = bands[side];
  context.drawImage(still, 0, 0, width, 22);
  drawSection(context, clip, section, x, width, 22, ends);
  if (row === null) return;
  const middle = clamp(x(clip.time[row]), 2, width - 2);
  context.fillStyle = "#fff";
  context.fillRect(middle - 3, 0, 6, 22);
  context.fillStyle = "#000";
  context.fillRect(middle - 1.5, 0, 3, 22);
}
