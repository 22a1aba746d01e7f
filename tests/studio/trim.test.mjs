// The strip of a file: where its handles may go, and which seconds are read.

import assert from "node:assert/strict";
import test from "node:test";
import { Trim, bounded, briefly } from "../../la2ds_cli/studio/static/trim.js";
import { seconds } from "../../la2ds_cli/views/report/film.js";

/** As much of an element as the strip uses; `fire` calls its listeners. */
class Element {
  constructor() { Object.assign(this, { style: {}, children: [], attributes: {}, listeners: {}, held: null }); }
  append(...more) { this.children.push(...more); }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener(kind, listener) { this.listeners[kind] = listener; }
  setPointerCapture(id) { this.held = id; }
  hasPointerCapture(id) { return this.held === id; }
  getBoundingClientRect() { return { left: 100, width: 400 }; }
  focus() {}
  fire(kind, event) { this.listeners[kind]({ target: this, preventDefault() {}, ...event }); }
}
globalThis.document = { createElement: () => new Element() };

const pictures = [0, 2, 4, 6].map((time) => ({ time }));
const strip = (options = {}, shown = []) =>
  new Trim({ file_seconds: 8, options, pictures }, (number) => `/${number}`, (number) => shown.push(number));

test("a handle stays in the file and off the other", () => {
  const range = { start: 2, end: 5 };
  assert.equal(bounded("start", -3, range, 8), 0);
  assert.equal(bounded("start", 4.95, range, 8), 4.9);
  assert.equal(bounded("end", 99, range, 8), 8);
  assert.equal(bounded("end", 1, range, 8), 2.1);
  assert.equal(bounded("start", 1, { start: 0, end: 0.05 }, 8), 0); // a clip shorter than the least
});

test("what is read is what differs from the whole file", () => {
  assert.deepEqual(strip().range(), {});
  assert.deepEqual(strip({ start: 1.23456, end: 6.54321 }).range(), { start: 1.23456, end: 6.54321 }); // not moved
  assert.deepEqual(strip({ end: 7 }).range(), { end: 7 });
  assert.deepEqual(strip({ end: 70 }).range(), {}); // the file is shorter
});

test("an end is dragged", () => {
  const trim = strip(), { start } = trim.handles;
  start.fire("pointermove", { pointerId: 1, clientX: 300 });
  assert.deepEqual(trim.range(), {}); // it was not taken hold of
  start.fire("pointerdown", { pointerId: 1 });
  start.fire("pointermove", { pointerId: 1, clientX: 200 }); // a quarter of 400
  assert.deepEqual(trim.range(), { start: 2 });
  assert.equal(start.style.left, "25%");
  assert.equal(start.attributes["aria-valuetext"], "2.00 s");
});

test("an end that is moved is rounded to the millisecond, and the other stays as it was", () => {
  const trim = strip({ start: 1.23456, end: 6.54321 });
  trim.handles.start.fire("keydown", { key: "ArrowRight" });
  assert.deepEqual(trim.range(), { start: 1.285, end: 6.54321 });
  trim.handles.end.fire("keydown", { key: "ArrowRight" });
  assert.deepEqual(trim.range(), { start: 1.285, end: 6.593 });
});

test("an end goes by keys", () => {
  const trim = strip(), { end } = trim.handles;
  for (const key of ["ArrowLeft", "PageDown"]) end.fire("keydown", { key });
  assert.deepEqual(trim.range(), { end: 6.95 });
  end.fire("keydown", { key: "ArrowLeft", shiftKey: true });
  assert.deepEqual(trim.range(), { end: 6.45 });
  end.fire("keydown", { key: "Home" });
  assert.deepEqual(trim.range(), { end: 0.1 });
  end.fire("keydown", { key: "End" });
  assert.deepEqual(trim.range(), {});
  end.fire("keydown", { key: "x" });
  assert.deepEqual(trim.range(), {});
});

test("arrows on the strip go through its pictures", () => {
  const shown = [], trim = strip({}, shown);
  for (const key of ["ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowLeft"]) trim.element.fire("keydown", { key });
  assert.deepEqual(shown, [1, 2, 1, 0, 0]);
});

test("parts are marked where they are", () => {
  const trim = strip(), before = trim.element.children.length;
  trim.parts([{ start: 2, end: 4 }]);
  assert.deepEqual(trim.element.children.slice(before).map(({ style }) => style), [{ left: "25%", width: "25%" }]);
});

test("times in minutes where they are long, and in as many digits as are read", () => {
  assert.deepEqual([0, 8.254, 59.99, 59.996, 599.97, 600].map((value) => seconds(value)),
    ["0.00 s", "8.25 s", "59.99 s", "1 min 0.00 s", "9 min 59.97 s", "10 min 0.00 s"]);
  assert.deepEqual([1.234, 12.34, 59.97, 599.97].map(briefly), ["1.23 s", "12.3 s", "1 min 0.0 s", "10 min 0.0 s"]);
});
