// Labels of a clip: what a key, a dragged border and an accepted one make of them.

import assert from "node:assert/strict";
import test from "node:test";
import { edited } from "../../la2ds_cli/studio/static/labels.js";

const ENDS = [0, 100];
const one = (start, end, phase, checked = ["end", "start"], carried = false) =>
  ({ start, end, phase, checked, carried, other: carried ? { origin_clips: "x" } : {} });
const short = (labels) => labels.map(({ start, end, phase }) => [start, end, phase]);

test("keys while it plays cut what runs", () => {
  let labels = [];
  for (const [frame, phase] of [[5, "down"], [30, "up"], [60, "rest"]]) {
    labels = edited.begin(labels, phase, frame, ENDS);
  }
  assert.deepEqual(short(labels), [[5, 30, "down"], [30, 60, "up"], [60, 100, "rest"]]);
  assert.equal(edited.begin(labels, "up", 40, ENDS), labels); // it is already
});

test("a phase ends where the next begins", () => {
  assert.deepEqual(short(edited.begin([one(50, 80, "up")], "down", 20, ENDS)), [[20, 50, "down"], [50, 80, "up"]]);
});

test("two of one name that touch are one", () => {
  const labels = [one(0, 20, "down"), one(20, 40, "up"), one(40, 60, "down")];
  assert.deepEqual(short(edited.begin(labels, "down", 20, ENDS)), [[0, 60, "down"]]);
  assert.deepEqual(short(edited.begin(labels, "down", 30, ENDS)), [[0, 20, "down"], [20, 30, "up"], [30, 60, "down"]]);
});

test("none from here on, and removing", () => {
  const labels = [one(0, 20, "down"), one(20, 40, "up")];
  assert.deepEqual(short(edited.none(labels, 30)), [[0, 20, "down"], [20, 30, "up"]]);
  assert.deepEqual(short(edited.none(labels, 20)), [[0, 20, "down"]]);
  assert.equal(edited.none(labels, 70), labels);
  assert.deepEqual(short(edited.remove(labels, 5)), [[20, 40, "up"]]);
});

test("a border moves for both its phases, not beyond them", () => {
  const labels = [one(0, 20, "down", [], true), one(20, 40, "up", [], true), one(50, 60, "rest", [], true)];
  const moved = edited.move(labels, 20, 25);
  assert.deepEqual(short(moved), [[0, 25, "down"], [25, 40, "up"], [50, 60, "rest"]]);
  assert.deepEqual(moved.map(({ checked }) => checked), [["end"], ["start"], []]);
  assert.deepEqual(short(edited.move(labels, 20, 99))[0], [0, 39, "down"]);
  assert.deepEqual(short(edited.move(labels, 20, -5))[0], [0, 1, "down"]);
  assert.deepEqual(short(edited.move(labels, 40, 99))[1], [20, 50, "up"]); // up to what follows
  assert.deepEqual(short(edited.move(labels, 50, 3))[2], [40, 60, "rest"]);
  assert.deepEqual(labels[0].checked, []); // the given ones stay
});

test("what nobody vouches for", () => {
  const labels = [one(0, 20, "down", ["end"], true), one(20, 40, "up", ["start"], true), one(40, 100, "rest", [], true)];
  assert.deepEqual(edited.unchecked(labels, ENDS), [40]);
  assert.deepEqual(edited.borders(labels), [0, 20, 40, 100]);
});
