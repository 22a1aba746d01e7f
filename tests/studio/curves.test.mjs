// How curves lie on their canvas.

import assert from "node:assert/strict";
import test from "node:test";
import { inWords, marks, range } from "../../la2ds_cli/studio/static/curves.js";

test("marks are round and inside", () => {
  assert.deepEqual(marks(0, 400, 4), [0, 100, 200, 300, 400]);
  assert.deepEqual(marks(0.3, 2.1, 4), [0.5, 1, 1.5, 2]);
  assert.deepEqual(marks(-1, 1, 2), [-1, 0, 1]);
  assert.deepEqual(marks(5, 5), [5]);
  for (const [low, high] of [[0, 1e-6], [12.1, 12.2], [0, 13600], [-7, 1e9]]) {
    const found = marks(low, high);
    assert.ok(found.length >= 2 && found.length <= 6, String(found));
    assert.ok(found.every((mark) => mark >= low - 1e-9 && mark <= high * (1 + 1e-9)));
  }
});

test("a range holds its points, and is never empty", () => {
  const [low, high] = range([[1, 3], [2, 5]], [33]);
  assert.ok(low < 3 && low >= 0 && high > 33);
  const flat = range([[1, 4]]);
  assert.ok(flat[0] < 4 && flat[1] > 4);
  assert.deepEqual(range([]), [0, 1]);
  const none = range([[1, 0]]);
  assert.ok(none[1] > none[0]);
});

test("curves in words", () => {
  assert.equal(inWords("Loss", []), "Loss: nothing yet");
  assert.equal(inWords("Loss", [[10, 1.23456]]), "Loss: 1.23 at step 10");
  assert.equal(inWords("Error", [[10, 30], [20, 5]], " %"), "Error: from 30 % at step 10 to 5 % at step 20");
});
