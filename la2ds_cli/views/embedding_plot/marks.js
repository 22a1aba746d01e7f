"use strict";
// What is drawn at a point and beside an axis; knows nothing of the page.
const { sign, end, ticks } = (() => {
  // Paths around (0, 0) of a size of about 1, one for each phase.
  const polygon = (count, turn, inner = 1) => (p) => {
    const corners = inner === 1 ? count : 2 * count;
    for (let n = 0; n < corners; n += 1) {
      const angle = turn + (2 * Math.PI * n) / corners, radius = n % 2 && inner !== 1 ? inner : 1;
      p.lineTo(radius * Math.cos(angle), radius * Math.sin(angle));
    }
    p.closePath();
  };
  const cross = (turn) => (p) => {
    const c = Math.cos(turn), s = Math.sin(turn), a = 0.33;
    const corners = [[-a, -1], [a, -1], [a, -a], [1, -a], [1, a], [a, a], [a, 1], [-a, 1], [-a, a],
      [-1, a], [-1, -a], [-a, -a]];
    corners.forEach(([x, y]) => p.lineTo(c * x - s * y, s * x + c * y));
    p.closePath();
  };
  const quarter = Math.PI / 2;
  const SIGNS = [
    polygon(4, 0), polygon(3, -quarter), polygon(3, quarter), cross(0), cross(quarter / 2),
    polygon(5, -quarter, 0.42), polygon(3, Math.PI), polygon(3, 0), polygon(5, -quarter),
    polygon(6, 0),
  ];

  function sign(p, number, x, y, colour, radius = 7) {
    p.save();
    p.translate(x, y);
    p.scale(radius, radius);
    p.beginPath();
    SIGNS[number % SIGNS.length](p);
    p.restore();
    p.fillStyle = colour;
    p.fill();
    p.strokeStyle = "#000000";
    p.lineWidth = 1;
    p.setLineDash([]);
    p.stroke();
  }

  function end(p, last, x, y, colour) {
    p.beginPath();
    if (last) p.rect(x - 9, y - 9, 18, 18);
    else p.arc(x, y, 10, 0, 7);
    p.strokeStyle = colour;
    p.lineWidth = 3;
    p.setLineDash([]);
    p.stroke();
  }

  function ticks(low, high, pixels) {
    const rough = (high - low) / Math.max(pixels / 90, 2);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) || power;
    const found = [];
    for (let n = Math.ceil(low / step); n * step <= high; n += 1) found.push(n * step);
    return { found, digits: Math.max(0, -Math.floor(Math.log10(step))) };
  }

  return { sign, end, ticks };
})();
