// Drawings over the pictures of a pair: B over A, the joint angles, and the angle of a difference.

import { A, B, data } from "./clips.js";
import { at } from "./elements.js";
import { clamp, curve, degreesAt, UNIT } from "./film.js";
import { drawSkeleton } from "./stage.js";

const OVER = "#ff4fd8"; // the joints of B over A
const RING = "#e0243f";
export const marked = { joint: "" }; // the joint whose angle is marked

/** Position of the body in a row, in the units of its joints; null if it is not seen. */
function root(clip, row) {
  const first = row * data.skeleton.sides.length;
  const seen = data.skeleton.root.map((k) => first + k).filter((k) => clip.state[k]);
  if (!seen.length) return null;
  const mean = (shift) => seen.reduce((sum, k) => sum + clip.joints[2 * k + shift], 0) / seen.length;
  return { x: mean(0), y: mean(1) };
}

/** Draw a row of B over A, scaled and moved to fit A's body. kind: joints or film. current(): whether
 * B still shows this row. */
export function drawOver(stage, row, { kind, rowB, current }) {
  const [rootA, rootB] = [root(A, row), root(B, rowB)];
  if (!rootA || !rootB) return;
  const { context } = stage;
  const place = stage.place(row);
  const pixel = (A.body / B.body) * ((place.scale * UNIT) / A.high); // canvas pixels for one of B
  const scale = (pixel * B.high) / UNIT;
  const over = {
    scale,
    x: rootA.x * place.scale + place.x - rootB.x * scale,
    y: rootA.y * place.scale + place.y - rootB.y * scale,
  };
  if (kind === "film" && !B.film.empty) {
    const index = B.film.at(rowB), picture = B.film.get(index, () => { if (current()) stage.draw(); });
    if (!picture) return;
    context.save();
    context.globalAlpha = 0.45;
    if (B.window) { // whole pictures; the window's corner is the origin of the joints
      const [wide, tall] = B.size, [left, top] = B.window[rowB];
      context.translate(over.x - (left + 0.5) * pixel, over.y - (top + 0.5) * pixel);
      if (B.flipped) { context.translate(wide * pixel, 0); context.scale(-1, 1); }
      context.drawImage(picture, 0, 0, wide * pixel, tall * pixel);
    } else context.drawImage(picture, over.x, over.y, B.aspect * B.high * pixel, B.high * pixel);
    context.restore();
  }
  drawSkeleton(context, data.skeleton, B, rowB, over, Math.max(stage.height / 170, 1.4), OVER);
}

/** Write the joint angles, in degrees as the camera sees them, next to their joints; the marked joint
 * also has its limbs and a ring drawn. */
export function writeAngles(stage, row) {
  const { context, clip } = stage;
  const first = row * data.skeleton.sides.length, place = stage.place(row);
  const point = (k) => [0, 1].map((xy) => clip.joints[2 * (first + k) + xy] * place.scale + (xy ? place.y : place.x));
  const all = at("show-angles").checked;
  context.font = `600 ${clamp(stage.height / 28, 11, 18)}px system-ui, "DejaVu Sans", sans-serif`;
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const [name, triple] of Object.entries(data.skeleton.angles)) {
    const ours = name === marked.joint;
    if (!(all || ours) || triple.some((k) => clip.state[first + k] !== 2)) continue;
    const points = triple.map(point), [x, y] = points[1];
    if (ours) mark(context, points, stage.height / 60);
    const degrees = `${Math.round(degreesAt(...points))}°`;
    context.lineWidth = 3;
    context.strokeStyle = "rgba(0, 0, 0, 0.8)";
    context.fillStyle = "#fff";
    context.strokeText(degrees, x + 8 + 8 * ours, y);
    context.fillText(degrees, x + 8 + 8 * ours, y);
  }
}

function mark(context, points, size) {
  context.lineWidth = size;
  context.lineJoin = context.lineCap = "round";
  context.strokeStyle = "rgba(255, 255, 255, 0.85)";
  curve(context, points);
  context.lineWidth = Math.max(size / 2, 2.5);
  context.strokeStyle = RING;
  context.beginPath();
  context.arc(...points[1], 1.4 * size, 0, 2 * Math.PI);
  context.stroke();
}
