// Pictures of many clips at once: as large as they fit, and none beyond the window's width.

import assert from "node:assert/strict";
import test from "node:test";
import { gridFor } from "../../la2ds_cli/studio/static/grid.js";

const upright = (count) => Array(count).fill(0.6);

test("sixteen upright pictures fit a wide window in two rows", () => {
  const { columns, width, height } = gridFor(upright(16), 2400, 760);
  assert.equal(columns, 8);
  assert.ok(2 * (height + 48) <= 760);
  assert.ok(8 * width + 7 * 10 <= 2400);
});

test("of a phone they take the width, and go beyond the height", () => {
  const { columns, width, height } = gridFor(upright(16), 346, 500);
  assert.ok(columns * width + (columns - 1) * 10 <= 346);
  assert.equal(columns, 3);
  assert.ok(width >= 104 && height >= 104);
  assert.ok(Math.ceil(16 / columns) * (height + 48) > 500);
});

test("one picture has all the room", () => {
  assert.deepEqual(gridFor([1.5], 900, 648), { columns: 1, rows: 1, width: 900, height: 600 });
});

test("a window narrower than a picture still has one column", () => {
  assert.equal(gridFor(upright(4), 80, 400).columns, 1);
});

test("the shape is that of most, within limits", () => {
  assert.deepEqual(gridFor([0.7, 0.7, 9], 330, 10000), gridFor([0.7, 0.7, 0.7], 330, 10000));
  assert.equal(gridFor([0.1], 300, 10000).height, 500);
});
