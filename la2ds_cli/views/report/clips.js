// The unpacked data of the pair that a page shows.

import { clamp, runs, unpacked } from "./film.js";

export let data, A, B;

/** Load a pair. content: from pair_data.py; films: of A and B. */
export function takePair(content, films) {
  data = content;
  [A, B] = ["a", "b"].map((side, k) => unpacked(data[side], films[k]));
  findUnmatched();
}

/** Seconds of B at a position between its frames; null without a counterpart. */
export function secondsB(position) {
  if (position === null || position === undefined) return null;
  const low = clamp(Math.floor(position), 0, B.count - 1);
  const high = Math.min(low + 1, B.count - 1);
  return B.time[low] + (B.time[high] - B.time[low]) * clamp(position - low, 0, 1);
}

export const counterpart = (row) => {
  const position = data.position[row];
  return position === null ? null : clamp(Math.round(position), 0, B.count - 1);
};

/** Spans in seconds of A's and of B's frames without a counterpart. */
export let unmatchedA, unmatchedB;

/** Update the unmatched spans after the positions have changed. */
export function findUnmatched() {
  unmatchedA = runs(A.count, (k) => data.position[k] === null)
    .map(([first, last]) => [A.edges[first], A.edges[last + 1]]);
  const matched = data.position.filter((p) => p !== null);
  if (!matched.length) { unmatchedB = [[B.start, B.end]]; return; }
  const first = Math.floor(Math.min(...matched)), last = Math.ceil(Math.max(...matched));
  unmatchedB = [[B.start, B.edges[first]], [B.edges[last + 1], B.end]].filter(([low, high]) => high > low);
}
