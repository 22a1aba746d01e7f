// The layout of pictures of several clips shown at once.

const LEAST = 104; // page pixels, the least width and height of a picture

/**
 * Columns, rows, and width and height of a picture, so that pictures are as large as possible.
 * shapes: width / height of each; wide, high: page pixels for all; gap: between two; words: height of
 * the text at each picture. Too many pictures exceed the height; among layouts of equal height, the
 * one with the fewest rows is used.
 */
export function gridFor(shapes, wide, high, { gap = 10, words = 48 } = {}) {
  const sorted = [...shapes].sort((x, y) => x - y);
  const shape = Math.min(Math.max(sorted[Math.floor(sorted.length / 2)], 0.6), 1.8);
  let best = null;
  for (let columns = 1; columns <= shapes.length; columns += 1) {
    const width = Math.floor((wide - (columns - 1) * gap) / columns);
    if (best && width < LEAST) break;
    const rows = Math.ceil(shapes.length / columns);
    const height = Math.floor(Math.min(width / shape, Math.max(high / rows - words, LEAST)));
    const better = !best || height > best.height || (height === best.height && rows < best.rows);
    if (better) best = { columns, rows, width, height };
  }
  return best;
}
