// Labels of a clip: what a key, a dragged border and an accepted one make of them.

import assert from "node:assert/strict";
import test from "node:test";
import { edited } from "../../la2ds_cli/studio/static/labels.js";

const ENDS = [0, 100];
const HAND = ["person", "person"], CARRIED = ["carried", "carried"];
const one = (start, end, phase, origins = HAND) => ({
  start, end, phase, origins, truth: !origins.includes("carried"),
  other: origins.includes("carried") ? { origin_clips: "x", mine: "y" } : {},
});
const ends = (labels) => labels.map(({ start, end, origins }) => [start, origins[0], end, origins[1]]);
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
  const labels = [one(0, 20, "down", CARRIED), one(20, 40, "up", CARRIED), one(50, 60, "rest", CARRIED)];
  const moved = edited.move(labels, 20, 25);
  assert.deepEqual(short(moved), [[0, 25, "down"], [25, 40, "up"], [50, 60, "rest"]]);
  assert.deepEqual(ends(moved), [
    [0, "carried", 25, "person"], [25, "person", 40, "carried"], [50, "carried", 60, "carried"],
  ]);
  assert.deepEqual(short(edited.move(labels, 20, 99))[0], [0, 39, "down"]);
  assert.deepEqual(short(edited.move(labels, 20, -5))[0], [0, 1, "down"]);
  assert.deepEqual(short(edited.move(labels, 40, 99))[1], [20, 50, "up"]); // up to what follows
  assert.deepEqual(short(edited.move(labels, 50, 3))[2], [40, 60, "rest"]);
  assert.deepEqual(labels[0].origins, CARRIED); // the given ones stay
});

test("what nobody vouches for", () => {
  const labels = [one(0, 20, "down", ["carried", "person"]), one(20, 40, "up", ["person", "carried"]), one(40, 100, "rest", CARRIED)];
  assert.deepEqual(edited.unchecked(labels, ENDS), [40]);
  assert.deepEqual(edited.borders(labels), [0, 20, 40, 100]);
});

test("a key vouches for the end that it sets, not for the other", () => {
  const labels = [one(10, 50, "down", CARRIED), one(50, 80, "up", CARRIED)];
  const within = edited.begin(labels, "hold", 30, ENDS); // in a propagated phase
  assert.deepEqual(ends(within), [
    [10, "carried", 30, "person"], [30, "person", 50, "carried"], [50, "carried", 80, "carried"],
  ]);
  assert.deepEqual([within[1].truth, within[1].other], [false, { origin_clips: "x" }]);
  const before = edited.begin(labels, "hold", 2, ENDS); // up to where a propagated one begins
  assert.deepEqual(ends(before)[0], [2, "person", 10, "carried"]);
  const behind = edited.begin(labels, "hold", 90, ENDS);
  assert.deepEqual(ends(behind)[2], [90, "person", 100, "clip"]);
  const instead = edited.begin(labels, "hold", 50, ENDS); // the border is one for both its sides
  assert.deepEqual(ends(instead), [[10, "carried", 50, "person"], [50, "person", 80, "carried"]]);
  const longer = edited.begin([one(0, 20, "down", CARRIED), one(20, 40, "up", CARRIED)], "down", 20, ENDS);
  assert.deepEqual(ends(longer), [[0, "carried", 40, "carried"]]);
});

test("how far a border can be moved", () => {
  const labels = [one(0, 20, "down"), one(20, 40, "up"), one(50, 60, "rest")];
  assert.deepEqual(edited.reach(labels, 20), [1, 39]);
  assert.deepEqual(edited.reach(labels, 40), [21, 50]);
  assert.deepEqual(edited.reach(labels, 60), [51, Infinity]);
  assert.deepEqual(edited.reach(labels, 0), [0, 19]);
});

test("all labels of a clip are accepted", () => {
  const labels = [one(0, 20, "down", ["clip", "carried"]), one(20, 100, "up", ["rule", "clip"])];
  assert.deepEqual(ends(edited.acceptAll(labels)), [[0, "person", 20, "person"], [20, "rule", 100, "clip"]]);
});
