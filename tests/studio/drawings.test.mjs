// The degrees of a line and of an angle that are drawn on a picture.

import assert from "node:assert/strict";
import test from "node:test";
import { degreesOf, inclination } from "../../la2ds_cli/studio/static/drawings.js";
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
