// The curves of a run: axis ranges, round tick marks, and descriptions in words.

/** Round values between low and high, about `wanted` of them. */
export function marks(low, high, wanted = 4) {
  const rough = (high - low) / wanted;
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((each) => each >= rough);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1) found.push(Number((k * step).toPrecision(12)));
  return found;
}

/** Lowest and highest value of points [step, value] and of `also`, with a margin; never an empty
 * range. */
export function range(points, also = []) {
  const values = [...points.map(([, value]) => value), ...also];
  if (!values.length) return [0, 1];
  let low = Infinity, high = -Infinity;
  for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
  const margin = (high - low || Math.abs(high) || 1) * 0.08;
  return [low >= 0 ? Math.max(low - margin, 0) : low - margin, high + margin];
}

/** A description of a curve for screen readers. */
export function inWords(name, points, unit = "") {
  if (!points.length) return `${name}: nothing yet`;
  const said = ([step, value]) => `${Number(value.toPrecision(3))}${unit} at step ${step}`;
  if (points.length === 1) return `${name}: ${said(points[0])}`;
  return `${name}: from ${said(points[0])} to ${said(points[points.length - 1])}`;
}
