// What is measured on drawings, how long they are shown, and how they move.

import assert from "node:assert/strict";
import test from "node:test";
import {
  degreesOf, inclination, isShownOn, lengthOf, lifetime, measured, metresPerPixel, movedPoints, passedOn, thinned,
} from "../../la2ds_cli/studio/static/drawings.js";
import { degreesAt } from "../../la2ds_cli/views/report/film.js";

const at = (degrees, length = 50) => {
  const turn = (degrees * Math.PI) / 180;
  return [10 + length * Math.cos(turn), 20 + length * Math.sin(turn)];
};
const near = (found, wanted) => assert.ok(Math.abs(found - wanted) < 1e-9, `${found}, not ${wanted}`);

test("an angle is the smaller one between its sides, whichever comes first", () => {
  for (const start of [-170, -90, 0, 45, 179]) {
    for (const wide of [0, 1, 60, 90, 179, 180]) {
      near(degreesAt(at(start), [10, 20], at(start + wide, 7)), wide);
      near(degreesAt(at(start + wide), [10, 20], at(start)), wide);
    }
    near(degreesAt(at(start), [10, 20], at(start + 270)), 90);
  }
});

test("a line is measured from the vertical of the picture, without a side", () => {
  near(inclination([5, 0], [5, 80]), 0);
  near(inclination([5, 80], [5, 0]), 0);
  near(inclination([0, 3], [40, 3]), 90);
  for (const [x, y] of [[30, 40], [-30, 40], [30, -40], [-30, -40]]) {
    near(inclination([7, 9], [7 + x, 9 + y]), (Math.atan(3 / 4) * 180) / Math.PI);
  }
});

test("whole degrees of a drawing", () => {
  assert.equal(degreesOf({ kind: "line", points: [[0, 0], [30, 40]] }), 37);
  assert.equal(degreesOf({ kind: "angle", points: [[0, -9], [0, 0], [9, 0.05]] }), 90);
});

test("lengths are in metres by the known length of the clip", () => {
  const known = { kind: "scale", points: [[0, 0], [0, 90]], metres: 1.8 };
  const metres = metresPerPixel([{ kind: "line", points: [[0, 0], [1, 1]] }, known]);
  near(metres, 0.02);
  assert.equal(metresPerPixel([]), null);
  near(lengthOf([[0, 0], [3, 4], [3, 14]]), 15);
  assert.equal(measured({ kind: "arrow", points: [[0, 0], [30, 40]] }, metres), "1.00 m");
  assert.equal(measured({ kind: "circle", points: [[0, 0], [30, 40]] }, metres), "r 1.00 m");
  assert.equal(measured({ kind: "line", points: [[0, 0], [30, 40]] }, metres), "37° · 1.00 m");
  assert.equal(measured({ kind: "freehand", points: [[0, 0], [3, 4], [3, 14]] }, metres), "0.30 m");
  for (const kind of ["arrow", "circle", "freehand"]) assert.equal(measured({ kind, points: [[0, 0], [30, 40]] }), "");
  assert.equal(measured(known), "1.8 m");
});

const clip = { frame: [3, 4, 6, 9], time: [0.1, 0.2, 0.4, 0.7], size: [100, 50] };

test("a drawing is shown within its lifetime, and a stopwatch stays", () => {
  const shown = (one) => clip.frame.filter((frame) => isShownOn(one, frame));
  assert.deepEqual(shown({ kind: "line" }), [3, 4, 6, 9]);
  assert.deepEqual(shown({ kind: "line", frames: [4, 6] }), [4, 6]);
  assert.deepEqual(shown({ kind: "line", frames: [6, 6] }), [6]);
  const watch = { kind: "watch", frames: [4, 6] };
  assert.deepEqual(shown(watch), [4, 6, 9]);
  [0, 0.2, 0.2].forEach((seconds, k) => near(passedOn(watch, clip, k + 1), seconds));
  assert.equal(measured({ kind: "watch", points: [[1, 1]] }, null, 0.2), "0.20 s");
});

test("a lifetime begins before it ends, whatever is chosen", () => {
  for (const frames of [undefined, [3, 9], [4, 6], [6, 6], [9, 9]]) {
    for (const here of clip.frame) {
      for (const choice of ["here", "from", "to"]) {
        const [first, last] = lifetime({ kind: "line", frames }, choice, here, clip);
        assert.ok(first <= here && here <= last);
        assert.ok(choice !== "from" || first === here);
        assert.ok(choice !== "to" || last === here);
      }
    }
    assert.equal(lifetime({ kind: "line", frames }, "always", 4, clip), null);
  }
  assert.deepEqual(lifetime({ kind: "line", frames: [4, 6] }, "to", 9, clip), [4, 9]);
});

test("a circle and a stroke move as a whole, and no further than the picture", () => {
  const circle = { kind: "circle", points: [[20, 20], [30, 20]] };
  assert.deepEqual(movedPoints(clip, circle, 0, [25, 10]), [[25, 10], [35, 10]]);
  assert.deepEqual(movedPoints(clip, circle, 1, [40, 20]), [[20, 20], [40, 20]]);
  assert.deepEqual(movedPoints(clip, circle, 0, [99, 20]), [[89.5, 20], [99.5, 20]]);
  const stroke = { kind: "freehand", points: [[0, 0], [5, 5], [9, 3]] };
  assert.deepEqual(movedPoints(clip, stroke, 1, [6, 7]), [[1, 2], [6, 7], [10, 5]]);
});

test("a long stroke keeps its ends and as many points as are stored", () => {
  const long = Array.from({ length: 1234 }, (_, k) => [k, 0]), found = thinned(long);
  assert.equal(found.length, 500);
  assert.deepEqual([found[0], found[499]], [[0, 0], [1233, 0]]);
  assert.equal(thinned(long.slice(0, 500)).length, 500);
});
