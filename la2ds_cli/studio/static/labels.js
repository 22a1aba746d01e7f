// Labels of a clip and how they change: [{ start, end, phase, checked }] in frames, `end` exclusive,
// in time order, without overlaps. checked: which of "start" and "end" a person has checked.
// Every function returns new labels and does not change its arguments.

const inOrder = (labels) => [...labels].sort((x, y) => x.start - y.start);
const at = (labels, frame) => labels.find((one) => one.start <= frame && frame < one.end);
const also = (checked, side) => [...new Set([...checked, side])].sort();

/** Begin a phase at a frame; it lasts as long as the phase that was there, or until the next one. */
function begin(labels, phase, frame, ends) {
  const there = at(labels, frame);
  if (there && there.phase === phase) return labels;
  const following = inOrder(labels).find((one) => one.start > frame);
  const added = {
    phase, start: frame, end: there ? there.end : following ? following.start : ends[1],
    carried: false, other: {},
    checked: there && !there.checked.includes("end") ? ["start"] : ["end", "start"],
  };
  return joined([...none(labels, frame), added]);
}

/** Remove the phase at a frame, from there to its end. */
function none(labels, frame) {
  const there = at(labels, frame);
  if (!there) return labels;
  const left = labels.filter((one) => one !== there);
  if (there.start === frame) return left;
  return inOrder([...left, { ...there, end: frame, checked: also(there.checked, "end") }]);
}

/** Remove the whole phase at a frame. */
const remove = (labels, frame) => labels.filter((one) => one !== at(labels, frame));

/** Join touching phases of the same name. */
function joined(labels) {
  const found = [];
  for (const one of inOrder(labels)) {
    const last = found[found.length - 1];
    if (!last || last.phase !== one.phase || last.end !== one.start) { found.push(one); continue; }
    const checked = [...last.checked.filter((side) => side === "start"), ...one.checked.filter((side) => side === "end")];
    found[found.length - 1] = { ...(last.other?.origin_clips ? last : one), start: last.start, end: one.end, checked: checked.sort() };
  }
  return found;
}

/** Move a boundary, not beyond its neighbours, and mark it as checked. */
function move(labels, border, frame) {
  const before = labels.find((one) => one.end === border), after = labels.find((one) => one.start === border);
  const ordered = inOrder(labels);
  const low = before ? before.start + 1 : Math.max(0, ...ordered.filter((one) => one.end <= border).map((one) => one.end));
  const high = after ? after.end - 1 : Math.min(Infinity, ...ordered.filter((one) => one.start >= border).map((one) => one.start));
  const target = Math.min(Math.max(frame, low), high);
  return labels.map((one) => {
    if (one === before) return { ...one, end: target, checked: also(one.checked, "end") };
    if (one === after) return { ...one, start: target, checked: also(one.checked, "start") };
    return one;
  });
}

/** Frames at which a phase begins or ends. */
const borders = (labels) => [...new Set(labels.flatMap(({ start, end }) => [start, end]))].sort((x, y) => x - y);

/** Boundaries within the clip that nobody has checked. */
function unchecked(labels, ends) {
  const open = labels.filter((one) => one.carried).flatMap(({ start, end, checked }) =>
    [...(checked.includes("start") ? [] : [start]), ...(checked.includes("end") ? [] : [end])]);
  return [...new Set(open)].filter((frame) => ends[0] < frame && frame < ends[1]);
}

export const edited = { begin, none, remove, move, borders, unchecked };
