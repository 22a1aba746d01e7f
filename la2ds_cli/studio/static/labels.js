// Labels of a clip and how they change: [{ start, end, phase, origins }] in frames, `end` exclusive,
// in time order, without overlaps. origins: of the start and the end, see types.Origins; setting, moving
// or accepting one end leaves the other as it is.
// Every function returns new labels and does not change its arguments.

const PERSON = "person", PROPAGATED = "carried", CLIP_EDGE = "clip";
const inOrder = (labels) => [...labels].sort((x, y) => x.start - y.start);
const at = (labels, frame) => labels.find((one) => one.start <= frame && frame < one.end);
const withStart = (one, start) => ({ ...one, start, origins: [PERSON, one.origins[1]] });
const withEnd = (one, end) => ({ ...one, end, origins: [one.origins[0], PERSON] });
/** The cells that tell where a label was propagated from; other cells belong to that label alone. */
const source = (one) => Object.fromEntries(Object.entries(one.other || {}).filter(([name]) => name.startsWith("origin_")));

/** Begin a phase at a frame; it lasts as long as the phase that was there, or until the next one. */
function begin(labels, phase, frame, ends) {
  const there = at(labels, frame);
  if (there && there.phase === phase) return labels;
  const following = inOrder(labels).find((one) => one.start > frame);
  let added = { phase, start: frame, end: ends[1], origins: [PERSON, CLIP_EDGE], truth: true, other: {} };
  const last = there ? there.origins[1] : following?.origins[0];
  if (there || following) added = { ...added, end: there ? there.end : following.start, origins: [PERSON, last] };
  if (last === PROPAGATED) added = { ...added, truth: false, other: source(there || following) };
  const others = none(labels, frame).map((one) => (one.end === frame ? withEnd(one, frame) : one));
  return joined([...others, added]);
}

/** Remove the phase at a frame, from there to its end. */
function none(labels, frame) {
  const there = at(labels, frame);
  if (!there) return labels;
  const left = labels.filter((one) => one !== there);
  return there.start === frame ? left : inOrder([...left, withEnd(there, frame)]);
}

/** Remove the whole phase at a frame. */
const remove = (labels, frame) => labels.filter((one) => one !== at(labels, frame));

/** Join touching phases of the same name. */
function joined(labels) {
  const found = [];
  for (const one of inOrder(labels)) {
    const last = found[found.length - 1];
    if (!last || last.phase !== one.phase || last.end !== one.start) { found.push(one); continue; }
    const whole = { start: last.start, end: one.end, origins: [last.origins[0], one.origins[1]] };
    found[found.length - 1] = { ...(last.other?.origin_clips ? last : one), ...whole };
  }
  return found;
}

/** The first and the last frame to which a boundary can be moved: between those beside it. */
function reach(labels, border) {
  const before = labels.find((one) => one.end === border), after = labels.find((one) => one.start === border);
  const low = before ? before.start + 1 : Math.max(0, ...labels.filter((one) => one.end <= border).map((one) => one.end));
  const high = after ? after.end - 1 : Math.min(Infinity, ...labels.filter((one) => one.start >= border).map((one) => one.start));
  return [low, high];
}

/** Move a boundary, not beyond its neighbours; its origin is then a person. */
function move(labels, border, frame) {
  const [low, high] = reach(labels, border);
  const target = Math.min(Math.max(frame, low), high);
  return labels.map((one) => {
    if (one.end === border) return withEnd(one, target);
    return one.start === border ? withStart(one, target) : one;
  });
}

/** Accept all labels as they are. */
const acceptAll = (labels) => labels.map((one) => (
  one.truth ? one : { ...one, origins: one.origins.map((who) => (who === PROPAGATED || who === CLIP_EDGE ? PERSON : who)) }
));

/** Frames at which a phase begins or ends. */
const borders = (labels) => [...new Set(labels.flatMap(({ start, end }) => [start, end]))].sort((x, y) => x - y);

/** Boundaries within the clip that nobody has checked. */
function unchecked(labels, ends) {
  const open = labels.flatMap((one) => [one.start, one.end].filter((frame, side) => one.origins[side] === PROPAGATED));
  return [...new Set(open)].filter((frame) => ends[0] < frame && frame < ends[1]);
}

export const edited = { begin, none, remove, reach, move, acceptAll, borders, unchecked };
