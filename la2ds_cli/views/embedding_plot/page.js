"use strict";
(() => {
  const plot = JSON.parse(document.getElementById("plot").textContent);
  const canvas = document.getElementById("stage");
  const pen = canvas.getContext("2d");
  const tip = document.getElementById("tip");
  const DASHES = [[], [7, 4], [2, 3]];
  const EDGE = { left: 62, right: 20, top: 18, bottom: 48 };
  const REACH = 20; // pixels from the pointer to the frame that is told
  const INK = "#1c2126", SOFT = "#545d66", GRID = "#e6e6e6", LINK = "#9a9a9a";
  const shown = plot.clips.map(() => true);
  const view = { scale: 1, x: 0, y: 0 }; // pixels per unit, and the point in the middle
  let chosen = null; // { clip, row } under the pointer or the keys
  let size = { width: 0, height: 0 };

  const inside = () => ({
    width: Math.max(size.width - EDGE.left - EDGE.right, 10),
    height: Math.max(size.height - EDGE.top - EDGE.bottom, 10),
  });
  const place = (clip, row) => {
    const { width, height } = inside();
    return [
      EDGE.left + width / 2 + (clip.x[row] - view.x) * view.scale,
      EDGE.top + height / 2 - (clip.y[row] - view.y) * view.scale,
    ];
  };

  function showAll() {
    const xs = plot.clips.flatMap((clip) => clip.x), ys = plot.clips.flatMap((clip) => clip.y);
    const range = (values) => values.reduce(
      ([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity],
    );
    const [left, right] = range(xs), [low, high] = range(ys);
    const { width, height } = inside();
    view.scale = 0.9 * Math.min(width / (right - left || 1), height / (high - low || 1));
    view.x = (left + right) / 2;
    view.y = (low + high) / 2;
  }

  function axes() {
    const { width, height } = inside();
    const right = EDGE.left + width, bottom = EDGE.top + height;
    pen.font = "13px system-ui, 'DejaVu Sans', sans-serif";
    pen.lineWidth = 1;
    pen.setLineDash([]);
    const spanX = width / view.scale / 2, spanY = height / view.scale / 2;
    const x = ticks(view.x - spanX, view.x + spanX, width);
    const y = ticks(view.y - spanY, view.y + spanY, height);
    pen.textAlign = "center";
    pen.textBaseline = "top";
    const stroke = (x0, y0, x1, y1, colour) => {
      pen.strokeStyle = colour;
      pen.beginPath();
      pen.moveTo(x0, y0);
      pen.lineTo(x1, y1);
      pen.stroke();
    };
    pen.fillStyle = SOFT;
    for (const value of x.found) {
      const at = EDGE.left + width / 2 + (value - view.x) * view.scale;
      stroke(at, EDGE.top, at, bottom, GRID);
      if (plot.ticks) pen.fillText(value.toFixed(x.digits), at, bottom + 6);
    }
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const value of y.found) {
      const at = EDGE.top + height / 2 - (value - view.y) * view.scale;
      stroke(EDGE.left, at, right, at, GRID);
      if (plot.ticks) pen.fillText(value.toFixed(y.digits), EDGE.left - 6, at);
    }
    stroke(EDGE.left, bottom, right, bottom, INK);
    stroke(EDGE.left, EDGE.top, EDGE.left, bottom, INK);
    pen.fillStyle = INK;
    pen.textAlign = "center";
    pen.textBaseline = "alphabetic";
    pen.fillText(plot.labels[0], EDGE.left + width / 2, size.height - 10);
    pen.save();
    pen.translate(18, EDGE.top + height / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(plot.labels[1], 0, 0);
    pen.restore();
  }

  function trajectory(clip) {
    pen.strokeStyle = clip.colour;
    pen.fillStyle = clip.colour;
    pen.lineWidth = 1.4;
    pen.setLineDash(DASHES[clip.dash]);
    for (let row = 1; row < clip.x.length; row += 1) {
      pen.globalAlpha = clip.opacity[row];
      pen.beginPath();
      pen.moveTo(...place(clip, row - 1));
      pen.lineTo(...place(clip, row));
      pen.stroke();
    }
    for (let row = 0; row < clip.x.length; row += 1) {
      pen.globalAlpha = clip.opacity[row];
      pen.beginPath();
      pen.arc(...place(clip, row), 3.4, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
  }

  function draw() {
    const dense = window.devicePixelRatio || 1;
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.clearRect(0, 0, size.width, size.height);
    axes();
    const { width, height } = inside();
    pen.save();
    pen.beginPath();
    pen.rect(EDGE.left, EDGE.top, width, height);
    pen.clip();
    for (const link of plot.links) {
      if (!shown[link.a] || !shown[link.b]) continue;
      pen.strokeStyle = LINK;
      pen.lineWidth = 1;
      pen.setLineDash([]);
      pen.beginPath();
      for (const [i, j] of link.pairs) {
        pen.moveTo(...place(plot.clips[link.a], i));
        pen.lineTo(...place(plot.clips[link.b], j));
      }
      pen.stroke();
    }
    const clips = plot.clips.filter((_, n) => shown[n]);
    clips.forEach(trajectory);
    for (const clip of clips) {
      for (const [row, phase] of clip.starts) sign(pen, phase, ...place(clip, row), clip.colour);
      end(pen, false, ...place(clip, 0), clip.colour);
      end(pen, true, ...place(clip, clip.x.length - 1), clip.colour);
    }
    if (chosen) {
      pen.beginPath();
      pen.arc(...place(plot.clips[chosen.clip], chosen.row), 7, 0, 7);
      pen.strokeStyle = INK;
      pen.lineWidth = 2;
      pen.setLineDash([]);
      pen.stroke();
    }
    pen.restore();
  }

  function words(clip, row) {
    const phase = clip.phase[row] < 0 ? "" : `, ${plot.phases[clip.phase[row]]}`;
    return `${clip.name}, ${clip.time[row].toFixed(2)} s, frame ${clip.frame[row]}${phase}`;
  }

  function choose(found) {
    chosen = found;
    const text = found ? words(plot.clips[found.clip], found.row) : "";
    document.getElementById("moment").textContent = text;
    tip.textContent = text;
    tip.hidden = !found;
    if (found) {
      const [x, y] = place(plot.clips[found.clip], found.row);
      const left = x + 14 + tip.offsetWidth > size.width ? x - 14 - tip.offsetWidth : x + 14;
      tip.style.left = `${Math.max(left, 0)}px`;
      tip.style.top = `${Math.max(y - 14 - tip.offsetHeight, 0)}px`;
    }
    draw();
  }

  function nearest(x, y) {
    let found = null, least = REACH * REACH;
    plot.clips.forEach((clip, n) => {
      if (!shown[n]) return;
      for (let row = 0; row < clip.x.length; row += 1) {
        const [u, v] = place(clip, row), gap = (u - x) ** 2 + (v - y) ** 2;
        if (gap < least) {
          least = gap;
          found = { clip: n, row };
        }
      }
    });
    return found;
  }

  function legend() {
    const row = (list, paint, name, control) => {
      const item = document.createElement("li"), key = document.createElement("canvas");
      const label = document.createElement(control ? "label" : "span");
      const dense = window.devicePixelRatio || 1, span = document.createElement("span");
      key.width = 34 * dense;
      key.height = 18 * dense;
      const p = key.getContext("2d");
      p.scale(dense, dense);
      paint(p);
      span.textContent = name;
      if (control) {
        label.append(control, key, span);
        item.append(label);
      } else item.append(key, span);
      document.getElementById(list).append(item);
    };
    const dot = (p, x, colour, alpha, radius = 3.4) => {
      p.globalAlpha = alpha;
      p.fillStyle = colour;
      p.beginPath();
      p.arc(x, 9, radius, 0, 7);
      p.fill();
      p.globalAlpha = 1;
    };
    plot.clips.forEach((clip, n) => {
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      box.addEventListener("change", () => {
        shown[n] = box.checked;
        choose(null);
      });
      row("clips", (p) => {
        p.strokeStyle = clip.colour;
        p.lineWidth = 2;
        p.setLineDash(DASHES[clip.dash]);
        p.beginPath();
        p.moveTo(0, 9);
        p.lineTo(34, 9);
        p.stroke();
        dot(p, 17, clip.colour, 1, 4);
      }, clip.name, box);
    });
    const grey = "#7a7a7a";
    row("ends", (p) => [0.2, 0.45, 0.7, 1].forEach((a, n) => dot(p, 4 + 8.5 * n, grey, a)),
      "first to last frame");
    const small = (p, last) => {
      p.translate(17, 9);
      p.scale(0.75, 0.75);
      end(p, last, 0, 0, grey);
    };
    row("ends", (p) => small(p, false), "start");
    row("ends", (p) => small(p, true), "end");
    if (plot.links.length) {
      row("ends", (p) => {
        p.strokeStyle = LINK;
        p.beginPath();
        p.moveTo(0, 9);
        p.lineTo(34, 9);
        p.stroke();
      }, "matched by align");
    }
    plot.phases.forEach((name, n) => row("phases", (p) => sign(p, n, 17, 9, grey, 6.5), name));
    document.getElementById("phase-legend").hidden = !plot.phases.length;
  }

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left - canvas.clientLeft, event.clientY - box.top - canvas.clientTop];
  };
  let dragged = null;
  canvas.addEventListener("pointerdown", (event) => {
    dragged = { x: event.clientX, y: event.clientY };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointerup", () => { dragged = null; });
  canvas.addEventListener("pointermove", (event) => {
    if (dragged && event.buttons) {
      view.x -= (event.clientX - dragged.x) / view.scale;
      view.y += (event.clientY - dragged.y) / view.scale;
      dragged = { x: event.clientX, y: event.clientY };
      choose(null);
    } else choose(nearest(...at(event)));
  });
  canvas.addEventListener("pointerleave", () => choose(null));
  canvas.addEventListener("dblclick", () => {
    showAll();
    choose(null);
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const [x, y] = at(event), { width, height } = inside();
    const right = x - EDGE.left - width / 2, up = EDGE.top + height / 2 - y;
    const factor = Math.exp(-event.deltaY / 500);
    view.x += (right / view.scale) * (1 - 1 / factor);
    view.y += (up / view.scale) * (1 - 1 / factor);
    view.scale *= factor;
    choose(nearest(x, y));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step || !shown.some(Boolean)) return;
    event.preventDefault();
    let { clip, row } = chosen || { clip: shown.indexOf(true), row: -step[1] };
    const count = plot.clips.length;
    if (step[0]) do clip = (clip + step[0] + count) % count; while (!shown[clip]);
    row = Math.min(Math.max(row + step[1], 0), plot.clips[clip].x.length - 1);
    choose({ clip, row });
  });

  function resize(first) {
    const dense = window.devicePixelRatio || 1;
    size = { width: canvas.clientWidth, height: canvas.clientHeight };
    canvas.width = Math.round(size.width * dense);
    canvas.height = Math.round(size.height * dense);
    if (first) showAll();
    choose(null);
  }
  legend();
  resize(true);
  new ResizeObserver(() => {
    if (canvas.clientWidth !== size.width || canvas.clientHeight !== size.height) resize(false);
  }).observe(canvas);
  // Where a frame lies on the page, for whoever drives it from outside.
  window.placeOfFrame = (clip, row) => {
    const box = canvas.getBoundingClientRect(), [x, y] = place(plot.clips[clip], row);
    return [box.left + canvas.clientLeft + x, box.top + canvas.clientTop + y];
  };
  document.body.dataset.ready = "true";
})();
