// The tracks over the time of A: phases, tempo, confidence, differences of joint angles.

import { A, B, data, secondsB, unmatchedA } from "./clips.js";
import { at, made } from "./elements.js";
import { clamp, colour, curve, phaseAt, runs, sized, ticks, within } from "./film.js";

const PALE = 0.3; // of a difference that is not stated
const TEMPO = [0.25, 0.5, 1, 2, 4];
const PLATES = ["#7b3294", "#009e73", "#a6761d", "#c51b7d"]; // force plates
const SLOWER = "#d55e00", FASTER = "#0072b2", SURE = "#009e73";
// As in la2ds compare: more bent is orange, straighter blue.
const BELOW = [179, 88, 6], ABOVE = [33, 102, 172], EVEN = [247, 247, 247];

/** Grey stripes, for parts with nothing to compare. */
export function hatch(context) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.fillStyle = colour("hatch");
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = colour("hatched");
  pen.lineWidth = 1.5;
  for (const shift of [-8, 0, 8]) {
    curve(pen, [[shift, 8], [shift + 8, 0]]);
  }
  return context.createPattern(tile, "repeat");
}

/** Colour of a difference in degrees: orange below 0, white, blue above. */
function diverging(degrees, limit) {
  const share = clamp(degrees / limit, -1, 1);
  const end = share < 0 ? BELOW : ABOVE;
  const mixed = EVEN.map((v, k) => Math.round(v + (end[k] - v) * Math.abs(share)));
  return `rgb(${mixed.join(",")})`;
}

const dark = (hex) => {
  const [r, g, b] = [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b < 140;
};

/** Draw spans [low, high, name] (seconds) as a bar with their names. */
export function bar(context, spans, x, height) {
  context.textBaseline = "middle";
  context.textAlign = "center";
  for (const [low, high, name] of spans) {
    const left = x(low), wide = x(high) - left;
    context.fillStyle = data.colours[name];
    context.fillRect(left, 0, Math.max(wide - 1, 1), height);
    if (context.measureText(name).width + 8 < wide) {
      context.fillStyle = dark(data.colours[name]) ? "#fff" : "#000";
      context.fillText(name, left + wide / 2, height / 2 + 0.5);
    }
  }
}

/** The phases of B as spans in the time of A. */
function carriedPhases() {
  const spans = [];
  for (const [low, high, name] of B.phases) {
    const inside = runs(A.count, (k) => {
      const time = secondsB(data.position[k]);
      return time !== null && low <= time && time < high;
    });
    for (const [first, last] of inside) spans.push([A.edges[first], A.edges[last + 1], name]);
  }
  return spans;
}

/** Draw a line through values of A's frames, broken where they are null. */
const along = (context, x, y, values) =>
  curve(context, values.map((value, k) => (value === null ? null : [x(A.time[k]), y(value)])));

const tempoY = (ratio, height) => height / 2 - (Math.log2(clamp(ratio, 0.25, 4)) / 2.3) * (height / 2);

function drawTempo(context, x, width, height) {
  const y = (ratio) => tempoY(ratio, height);
  context.strokeStyle = colour("grid");
  context.lineWidth = 1;
  for (const tick of TEMPO) curve(context, [[0, y(tick)], [width, y(tick)]]);
  for (let k = 0; k < A.count; k += 1) {
    const ratio = data.ratio[k];
    if (ratio === null) continue;
    context.fillStyle = ratio > 1 ? SLOWER : FASTER;
    context.globalAlpha = 0.45;
    const left = Math.round(x(A.edges[k])), wide = Math.round(x(A.edges[k + 1])) - left;
    context.fillRect(left, Math.min(y(ratio), y(1)), wide, Math.abs(y(ratio) - y(1)));
  }
  context.globalAlpha = 1;
  context.strokeStyle = colour("ink");
  context.lineWidth = 1;
  curve(context, [[0, y(1)], [width, y(1)]]);
  context.lineWidth = 1.6;
  along(context, x, y, data.ratio);
  if (data.ratio.every((v) => v === null)) {
    context.fillStyle = colour("soft");
    context.textBaseline = "middle";
    context.textAlign = "center";
    context.fillText(A.count > 1 ? "no tempo: the alignment runs back and forth"
      : "no tempo: A has only one frame", width / 2, height / 2 - 10);
  }
}

/** Write the labels of the tempo lines on top of the track. */
function nameTempo(context, width, height) {
  context.fillStyle = colour("ink");
  context.textBaseline = "middle";
  context.textAlign = "left";
  for (const tick of [0.25, 0.5, 2, 4]) {
    const times = tick < 1 ? 1 / tick : tick;
    const text = `${times === 4 ? "≥ " : ""}${times}× ${tick < 1 ? "faster" : "slower"}`;
    context.strokeStyle = colour("track"); // readable on the curve, too
    context.lineWidth = 3;
    context.strokeText(text, 4, tempoY(tick, height));
    context.fillText(text, 4, tempoY(tick, height));
  }
}

function drawConfidence(context, x, width, height) {
  const y = (value) => height - 2 - value * (height - 4);
  context.strokeStyle = colour("grid");
  for (const tick of [0, 0.5, 1]) curve(context, [[0, y(tick)], [width, y(tick)]]);
  context.fillStyle = "rgba(0, 158, 115, 0.35)";
  data.confidence.forEach((value, k) => {
    if (value === null) return;
    const left = Math.round(x(A.edges[k]));
    context.fillRect(left, y(value), Math.round(x(A.edges[k + 1])) - left, y(0) - y(value));
  });
  context.strokeStyle = SURE;
  context.lineWidth = 1.6;
  along(context, x, y, data.confidence);
}

/** Draw the events of a motion capture as lines with bands for their possible error; the mark at the end of a contact is hollow. */
function drawEvents(context, x, height) {
  for (const [time, within, name] of data.recorded.events) {
    const side = ["left", "right"].find((word) => name.startsWith(word)), middle = x(time);
    context.fillStyle = context.strokeStyle = colour(side || "soft");
    context.globalAlpha = 0.18;
    context.fillRect(x(time - within), 0, Math.max(x(time + within) - x(time - within), 1), height);
    context.globalAlpha = 1;
    context.lineWidth = 1;
    context.beginPath(); context.moveTo(middle, 0); context.lineTo(middle, height); context.stroke();
    const off = name.endsWith("off"), tip = off ? 2 : 11, base = off ? 11 : 2;
    context.lineWidth = 1.5;
    context.beginPath(); context.moveTo(middle, tip); context.lineTo(middle - 5, base); context.lineTo(middle + 5, base); context.closePath();
    if (off) context.fillStyle = colour("track");
    context.fill(); context.stroke();
  }
}

const mostForce = () => Math.max(1, ...data.recorded.force.flat());
const forceY = (newtons, height) => height - 3 - (newtons / mostForce()) * (height - 22);
function forceTicks() {
  const step = [50, 100, 200, 500, 1000, 2000].find((one) => mostForce() / one < 4) || 5000;
  return [0, 1, 2, 3].map((k) => k * step).filter((tick) => data.recorded.force.length && tick <= mostForce());
}

/** Draw the vertical force on each plate, below the events. */
function drawForces(context, x, width, height) {
  const { time, force } = data.recorded;
  context.strokeStyle = colour("grid");
  context.lineWidth = 1;
  for (const tick of forceTicks()) {
    const y = forceY(tick, height);
    context.beginPath(); context.moveTo(0, y); context.lineTo(width, y); context.stroke();
  }
  force.forEach((plate, n) => {
    const points = plate.map((newtons, k) => (newtons === null ? null : [x(time[k]), forceY(newtons, height)]));
    context.strokeStyle = context.fillStyle = PLATES[n % PLATES.length];
    context.lineWidth = 1.8;
    curve(context, points);
    context.globalAlpha = 0.16;
    for (const [first, last] of runs(points.length, (k) => points[k] !== null)) {
      context.beginPath(); context.moveTo(points[first][0], forceY(0, height));
      for (let k = first; k <= last; k += 1) context.lineTo(...points[k]);
      context.lineTo(points[last][0], forceY(0, height)); context.fill();
    }
    context.globalAlpha = 1;
  });
  drawEvents(context, x, height);
}

/** Write the newtons at the left, and the name of each plate where it is loaded, on top of the track. */
function nameForces(context, width, height) {
  const { time, force } = data.recorded, x = across(width);
  const name = (text, left, y, hue) => {
    context.strokeStyle = colour("track");
    context.fillStyle = hue;
    context.lineWidth = 3;
    context.strokeText(text, left, y); context.fillText(text, left, y);
  };
  context.textBaseline = "middle";
  context.textAlign = "left";
  for (const tick of forceTicks().slice(1)) name(`${tick} N`, 4, forceY(tick, height), colour("ink"));
  context.textAlign = "center";
  force.forEach((plate, n) => {
    const loaded = plate.flatMap((newtons, k) => (newtons > mostForce() / 2 ? [time[k]] : []));
    if (loaded.length) {
      name(`plate ${n + 1}`, x((loaded[0] + loaded.at(-1)) / 2), height - 16 - 15 * n, PLATES[n % PLATES.length]);
    }
  });
}

/** The newtons on each plate at a row of A, and an event in this frame. */
function recordedAt(row) {
  const { time, force, events } = data.recorded, now = A.time[row];
  const event = events.find(([at_]) => A.edges[row] <= at_ && at_ < A.edges[row + 1]);
  const k = time.findIndex((one) => one >= now);
  const newtons = force.map((plate) => (k < 0 || plate[k] === null ? "–" : `${Math.round(plate[k])} N`));
  return [...newtons, event ? event[2] : ""].join("\n");
}

function drawAngles(context, x, width, height) {
  const { degrees, limit, stated } = data.angles;
  const high = height / Math.max(degrees.length, 1);
  degrees.forEach((row, j) => {
    row.forEach((value, k) => {
      if (value === null) return;
      const left = Math.floor(x(A.edges[k])); // whole pixels, or hairlines show between frames
      context.fillStyle = diverging(!stated || stated[j][k] ? value : PALE * value, limit);
      context.fillRect(left, j * high, Math.ceil(x(A.edges[k + 1])) - left, high - 1);
    });
  });
}

function drawAxis(context, x, width) {
  const times = ticks(A.start, A.end, width, 62), minutes = times.every((time) => time % 60 === 0) && times.length > 1;
  context.fillStyle = colour("soft");
  context.textBaseline = "top";
  for (const time of times) {
    const middle = x(time), text = minutes ? `${time / 60} min` : `${time} s`;
    const half = context.measureText(text).width / 2;
    context.fillRect(middle - 0.5, 0, 1, 4);
    context.textAlign = "center";
    context.fillText(text, clamp(middle, half, width - half), 6);
  }
}

export let trackList = [];
const rowHigh = () => clamp(Math.round(300 / Math.max(data.angles.names.length, 1)), 12, 19);

/** The tracks of the pair, without empty ones. */
const allTracks = () => [
  data.a.phases.length && { id: "phases-a", label: "phases of A", high: 22, grey: false,
    draw: (c, x, w, h) => bar(c, A.phases, x, h), value: (k) => phaseAt(A, A.time[k]) },
  data.b.phases.length && { id: "phases-b", label: "phases of B", small: "where A shows them", high: 22,
    draw: (c, x, w, h) => bar(c, carriedPhases(), x, h),
    value: (k) => { const t = secondsB(data.position[k]); return t === null ? "" : phaseAt(B, t); } },
  data.recorded && { id: "recorded", label: data.recorded.force.length ? "vertical force" : "events",
    small: "▼ strike, △ off", high: data.recorded.force.length ? 140 : 30, draw: drawForces, over: nameForces,
    value: recordedAt },
  { id: "tempo", label: "tempo of B", small: "against A", high: 118, draw: drawTempo, over: nameTempo,
    value: (k) => {
      const r = data.ratio[k];
      if (r === null) return "–";
      if (r < 0.05) return "stands still"; // as in the video of la2ds sync
      const times = r < 1 ? 1 / r : r;
      if (times > 4) return `over 4× ${r > 1 ? "slower" : "faster"}`;
      const shown = times.toFixed(2);
      return shown === "1.00" ? "equal" : `${shown}× ${r > 1 ? "slower" : "faster"}`;
    } },
  { id: "confidence", label: "confidence", small: "right to 5 % of B", high: 56, draw: drawConfidence,
    value: (k) => (data.within[k] === null ? "–" : `${data.certainty[k]}, ${within(data.within[k])}`) },
  data.angles.names.length && { id: "angles", rows: data.angles.names,
    high: rowHigh() * data.angles.names.length, draw: drawAngles },
  { id: "axis", label: "", high: 22, draw: drawAxis, grey: false, bare: true },
].filter(Boolean);

const tracks = { box: at("tracks"), cursor: made("div", "", "cursor") };

/** x of a time of A on a track, and the other way. */
const across = (width) => (time) => ((time - A.start) / (A.end - A.start)) * width;

export function buildTracks() {
  trackList = allTracks();
  for (const track of trackList) {
    const label = made("div", track.label || "", track.rows ? "label rows" : "label");
    const value = made("div", "", track.rows ? "value rows" : "value");
    if (track.small) label.append(made("small", track.small));
    for (const name of track.rows || []) {
      for (const [cell, text] of [[label, name], [value, ""]]) {
        const line = made("div", text);
        line.style.height = line.style.lineHeight = `${rowHigh()}px`;
        cell.append(line);
      }
    }
    track.canvas = made("canvas");
    track.canvas.id = `track-${track.id}`;
    track.canvas.setAttribute("role", "img");
    if (!track.bare) track.canvas.tabIndex = 0; // the arrow keys move along it
    const of = track.rows ? "difference of joint angles, B minus A" : [track.label, track.small].join(" ");
    track.canvas.setAttribute("aria-label", track.bare ? "seconds of A" : `${of}, over the time of A`);
    track.value_ = value;
    tracks.box.append(label, track.canvas, value);
  }
  tracks.box.append(tracks.cursor);
  buildLegends();
}

export function layTracks() {
  // The cells of the middle column are as wide as the axis without its canvas would be.
  for (const track of trackList) track.canvas.style.width = "0px";
  const first = trackList[0].canvas;
  const room = tracks.box.clientWidth - trackList[0].value_.offsetWidth - 16
    - Math.max(...[...tracks.box.querySelectorAll(".label")].map((label) => label.offsetWidth));
  tracks.width = Math.max(room, 120);
  for (const track of trackList) {
    const context = sized(track.canvas, tracks.width, track.high);
    const x = across(tracks.width);
    if (!track.bare) {
      context.fillStyle = track.grey === false ? colour("bar") : colour("track");
      context.fillRect(0, 0, tracks.width, track.high);
      if (track.rows) { context.fillStyle = hatch(context); context.fillRect(0, 0, tracks.width, track.high); }
    }
    track.draw(context, x, tracks.width, track.high);
    if (track.grey === false) continue;
    context.fillStyle = hatch(context);
    for (const [low, high] of unmatchedA) context.fillRect(x(low), 0, x(high) - x(low), track.high);
    if (track.over) track.over(context, tracks.width, track.high);
  }
  tracks.left = first.offsetLeft;
}

export function markTracks(row) {
  tracks.cursor.style.left = `${tracks.left + across(tracks.width)(A.time[row]) - 1}px`;
  for (const track of trackList) {
    if (track.value) track.value_.textContent = track.value(row);
    if (!track.rows) continue;
    [...track.value_.children].forEach((line, j) => {
      const degrees = data.angles.degrees[j][row];
      const whole = Math.round(degrees);
      line.textContent = degrees === null ? "–"
        : `${whole > 0 ? "+" : whole < 0 ? "−" : ""}${Math.abs(whole)}°`;
    });
  }
}

function buildLegends() {
  const scale = at("angle-scale");
  const { limit, names, stated } = data.angles;
  if (names.length) {
    const colours = made("canvas");
    const none = made("canvas");
    const range = made("span", "", "pair"), nothing = made("span", "", "pair");
    range.append(`−${limit}° B more bent`, colours, `+${limit}° B straighter`);
    nothing.append(none, stated ? "not judged" : "nothing to compare");
    scale.append(made("span", "joint angles, B minus A:"), range, nothing);
    if (stated) scale.append(made("span", "pale: may come from noise, camera or timing"));
    const context = sized(colours, 150, 12);
    for (let k = 0; k < 150; k += 1) {
      context.fillStyle = diverging(((k - 74.5) / 74.5) * limit, limit);
      context.fillRect(k, 0, 1.4, 12);
    }
    const grey = sized(none, 24, 12);
    grey.fillStyle = hatch(grey);
    grey.fillRect(0, 0, 24, 12);
  }
  const legend = at("phase-legend");
  for (const [name, hue] of Object.entries(data.colours)) {
    const item = made("li");
    const swatch = made("span", "", "swatch");
    swatch.style.background = hue;
    item.append(swatch, name);
    legend.append(item);
  }
}
