// The clock of the players, with frames that do not last equally long.

import assert from "node:assert/strict";
import test from "node:test";

const page = { elements: {} };
const element = (id) => {
  page.elements[id] ??= { setAttribute() {}, dataset: {}, textContent: "", value: "" };
  return page.elements[id];
};
globalThis.document = { getElementById: element, body: { dataset: {} } };
globalThis.requestAnimationFrame = () => {};
const { Clock, sectionKeys, sectionWith } = await import("../../la2ds_cli/views/report/player.js");
const list = (value) => value && [...value];

/** A clock over frames that begin at these seconds; the last one lasts until `end`. */
function clockOf(times, end, repeats = false) {
  // As frame_edges: in the middle between two frames.
  const edges = [times[0], ...times.slice(1).map((time, k) => (time + times[k]) / 2), end];
  const clip = { count: times.length, time: times, edges, start: times[0], end };
  const state = { playing: false, rate: 1, clock: times[0], last: 0, row: 0 };
  const seen = [];
  const clock = new Clock(state, () => ({ clip, row: state.row }), (row, passed) => {
    state.row = row;
    state.clock = passed === null ? times[row] : passed;
    seen.push(row);
  }, () => repeats);
  const play = (seconds, step = 0.05) => {
    let now = 1000;
    clock.tick(now);
    for (let passed = 0; passed < seconds - 1e-9; passed += step) { now += 1000 * step; clock.tick(now); }
  };
  return { clock, state, seen, play };
}
const TIMES = [0, 0.1, 0.3, 0.4, 0.8, 0.9]; // 0.1 to 0.4 s long

test("a side of a section goes to a row", () => {
  assert.deepEqual(list(sectionWith(null, "first", 3, 10)), [3, 9]);
  assert.deepEqual(list(sectionWith(null, "last", 3, 10)), [0, 3]);
  assert.deepEqual(list(sectionWith([2, 5], "first", 4, 10)), [4, 5]);
  assert.deepEqual(list(sectionWith([2, 5], "last", 2, 10)), [2, 2]);
  assert.deepEqual(list(sectionWith([2, 5], "first", 7, 10)), [7, 9]); // beyond the other side
  assert.deepEqual(list(sectionWith([4, 5], "last", 1, 10)), [0, 1]);
});

test("without a section it plays to the end and stops", () => {
  const { clock, state, play } = clockOf(TIMES, 1.0);
  clock.play(true);
  play(2);
  assert.deepEqual([state.playing, state.row], [false, 5]);
});

test("a section is played again and again, its last frame as long as it lasts", () => {
  const { clock, state, seen, play } = clockOf(TIMES, 1.0);
  clock.setSection([1, 3]); // 0.1 to 0.8 s
  clock.play(true);
  assert.equal(state.row, 1); // it was before the section
  play(0.65);
  assert.equal(state.row, 3);
  assert.deepEqual(new Set(seen), new Set([1, 2, 3]));
  play(0.1);
  assert.equal(state.row, 1);
  play(3);
  assert.equal(state.playing, true);
  assert.deepEqual(new Set(seen), new Set([1, 2, 3]));
});

test("what is shown behind the section leads back to it", () => {
  const { clock, state } = clockOf(TIMES, 1.0);
  clock.setSection([1, 3]);
  state.row = 5;
  clock.play(true);
  assert.equal(state.row, 1);
});

test("keys mark it, and take it away", () => {
  const { clock, state } = clockOf(TIMES, 1.0);
  let told = 0;
  clock.changed = () => { told += 1; };
  state.row = 2;
  sectionKeys(clock).i();
  state.row = 4;
  sectionKeys(clock).e();
  assert.deepEqual(list(clock.section), [2, 4]);
  sectionKeys(clock).x();
  assert.equal(clock.section, null);
  assert.equal(told, 3);
});

test("the whole clip repeats where that is asked for", () => {
  const { clock, state, seen, play } = clockOf(TIMES, 1.0, true);
  clock.play(true);
  play(1.2);
  assert.equal(state.playing, true);
  assert.ok(seen.slice(-3).includes(0));
});
