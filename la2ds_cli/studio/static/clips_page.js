// The Clips page: add files, find their joints, and view and change each clip.

import { get, post, remove, send } from "./ask.js";
import { at, button, made, relist, tried, trouble } from "./page.js";
import { Trim, briefly } from "./trim.js";
import { ENDED, onWork } from "./work.js";

const isOpen = (job) => job !== undefined && !ENDED.includes(job.state);
const uploads = []; // files that are being copied: { number, name, state, said }
let uploaded = 0; // number of the latest of them
let known = { clips: [], files: [] };
let jobs = new Map(); // number -> job
let shown = null; // id of the clip that is open
let chosen = []; // ids, in the order they were chosen
let changing = 0; // number of the job that the toast says is in progress

function toast(text) {
  changing = 0;
  at("toast").textContent = text;
  at("toast").hidden = false;
}

// --- added files ---------------------------------------------------------------------------------

/** All files of a dropped entry, including those in folders. */
async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader(), files = [];
  for (;;) { // a reader returns its entries in batches
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return files;
    for (const inner of some) if (!inner.name.startsWith(".")) files.push(...await filesOf(inner));
  }
}

async function take(files) {
  trouble(null);
  const list = files.map((content) => ({ number: uploaded += 1, content, name: content.name, state: "waiting to be copied", said: "" }));
  uploads.push(...list);
  const names = [];
  for (const one of list) {
    one.state = "being copied";
    comings();
    try {
      const kept = (await send(`/clips/files/${encodeURIComponent(one.name)}`, one.content)).name;
      if (names.includes(kept) || known.clips.some((clip) => clip.copied && clip.file === kept)) toast(`${one.name} is already in the project, as ${kept}`);
      names.push(kept);
      uploads.splice(uploads.indexOf(one), 1);
    } catch (error) {
      one.state = "";
      one.said = error.hint ? `${error.message}: ${error.hint}` : error.message;
    }
  }
  comings();
  if (names.length) await tried(() => post("/clips/extract", { names: [...new Set(names)] }));
  await load();
}

window.addEventListener("beforeunload", (event) => {
  if (uploads.some((one) => one.state)) event.preventDefault(); // leaving ends the copying
});
at("choose").addEventListener("click", () => at("files").click());
at("files").addEventListener("change", (event) => { take([...event.target.files]); event.target.value = ""; });
at("refer").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (await tried(() => post("/clips/refer", { path: at("path").value }))) at("path").value = "";
});
for (const kind of ["dragenter", "dragover"]) document.addEventListener(kind, (event) => {
  if (![...event.dataTransfer.types].includes("Files")) return;
  event.preventDefault();
  at("drop").classList.add("over");
});
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) at("drop").classList.remove("over"); });
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  const files = await tried(async () => (await Promise.all(entries.map(filesOf))).flat());
  if (files?.length) await take(files);
});

/** The job that is processing a copied file, if any. */
const jobOf = (name) => [...jobs.values()].find((job) => isOpen(job) && job.about.files?.includes(name));

const offered = (name, label, action) => button(label, action, { label: `${label}: ${name}` });

function comings() {
  const rows = [...uploads, ...known.files.map((file) => ({ file, job: jobOf(file.name) }))];
  relist(at("coming"), rows, (row) => JSON.stringify([row.number, row.name, row.state, row.said, row.file, row.job?.state]),
    (row) => (row.file ? copied(row) : uploading(row)));
  for (const [k, { job }] of rows.entries()) {
    const bar = at("coming").children[k].querySelector("progress");
    if (job?.state === "running" && job.about.files.length === 1 && job.share !== null) bar.value = job.share; else bar?.removeAttribute("value");
  }
}

/** A file that is being copied, or why it was not. */
function uploading(one) {
  const row = made("li");
  row.append(made("strong", one.name), made("span", one.said || one.state, one.said ? "warning" : "soft"));
  if (one.said) row.append(offered(one.name, "Dismiss", () => { uploads.splice(uploads.indexOf(one), 1); comings(); }));
  return row;
}

/** A copied file that has no joints yet. */
function copied({ file, job }) {
  const row = made("li");
  row.append(made("strong", file.name));
  if (job) {
    const bar = made("progress");
    bar.setAttribute("aria-label", `joints of ${file.name}`);
    row.append(bar, made("span", job.state === "running" ? "copied; finding its joints" : "copied; waiting for other jobs", "soft"));
    return row;
  }
  row.append(made("span", file.problem || "copied; it has no joints yet", file.problem ? "warning" : "soft"));
  row.append(offered(file.name, "Find its joints", () => tried(() => post("/clips/extract", { names: [file.name] }))));
  row.append(offered(file.name, "Delete the file", async () => {
    if (!window.confirm(`Permanently delete the copy of ${file.name}?`)) return;
    await tried(() => remove(`/clips/files/${encodeURIComponent(file.name)}`, file.version));
    await load();
  }));
  return row;
}

// --- the grid ------------------------------------------------------------------------------------

function judged({ problem, doubts }) {
  if (problem) return made("span", problem, "warning");
  return doubts.length ? made("span", `check it: ${doubts[0].message}`, "warning") : made("span", "no problems found", "good");
}

function card(clip) {
  const item = made("li", "", "clip"), open = button("", () => look(clip.id));
  item.dataset.id = clip.id;
  const picture = made("img", "", "picture");
  picture.alt = "";
  picture.loading = "lazy";
  if (clip.pictures_key) picture.src = `/clips/${encodeURIComponent(clip.id)}/picture?v=${clip.pictures_key}`;
  const words = made("span", "", "words");
  words.append(made("span", clip.name, "name"), made("span", `${briefly(clip.seconds)}, ${clip.frames} frames · ${clip.copied ? "copied" : "referenced"}`, "soft"));
  if (clip.lost) words.append(made("span", clip.lost, "warning"));
  if (clip.stale) words.append(made("span", `joints need an update: ${clip.stale}`, "warning"));
  words.append(judged(clip));
  const marks = [clip.split, clip.group].filter(Boolean).join(" · ");
  if (marks) words.append(made("span", marks, "soft"));
  open.append(picture, words);
  item.append(open);
  if (clip.pictures_key) item.append(pick(clip));
  return item;
}

// --- links to the other pages --------------------------------------------------------------------

const pairOf = (a, b) => `/pair?${new URLSearchParams({ a, b })}`;
const phasesOf = (clip) => `/phases?${new URLSearchParams({ clip })}`;
const searchOf = (clip) => `/search?${new URLSearchParams({ clip })}`;
const timelineOf = (clips) => `/timeline?${new URLSearchParams(clips.map((clip) => ["clip", clip]))}#make-heading`;

function linked(text, address, name = "") {
  const link = made("a", text, name);
  link.href = address;
  return link;
}

function pick(clip) {
  const label = made("label", "", "pick"), box = made("input");
  box.type = "checkbox";
  box.checked = chosen.includes(clip.id);
  box.setAttribute("aria-label", `choose ${clip.name}`);
  box.addEventListener("change", () => {
    chosen = chosen.filter((id) => id !== clip.id);
    if (box.checked) chosen.push(clip.id);
    offers();
  });
  label.append(box, document.createTextNode("choose"));
  return label;
}

/** Show what can be done with the chosen clips, and what else to choose. */
function offers() {
  const usable = known.clips.filter((clip) => clip.pictures_key);
  chosen = chosen.filter((id) => usable.some((clip) => clip.id === id));
  const name = (id) => usable.find((clip) => clip.id === id).name;
  const both = chosen.length === 2 ? chosen : usable.length === 2 && !chosen.length ? usable.map((clip) => clip.id) : null;
  const parts = [];
  if (both) {
    parts.push(made("span", `${name(both[0])} and ${name(both[1])}`), linked("See them in step", pairOf(...both), "button main"));
  } else if (chosen.length) {
    const words = chosen.length === 1 ? `${name(chosen[0])}; choose another clip to see both in step` : `${chosen.length} clips`;
    parts.push(made("span", words));
    if (chosen.length > 2) parts.push(linked("Put them on one timeline", timelineOf(chosen), "button main"));
  } else {
    parts.push(made("span", usable.length > 1 ? "Choose two clips to see them in step, more to put them on one timeline, or one to label its phases." : "Add another clip to see both in step.", "soft"));
  }
  const one = chosen[0] || (usable.length <= 2 && usable.length && usable[0].id);
  if (one) parts.push(linked(`Label the phases of ${name(one)}`, phasesOf(one), "button"));
  if (one && usable.length > 1) parts.push(linked(`Find a moment of ${name(one)} in others`, searchOf(one), "button"));
  if (chosen.length) parts.push(button("Choose none", () => { chosen = []; load(); }));
  at("chosen").hidden = !usable.length;
  at("chosen").replaceChildren(...parts);
}

async function load() {
  const next = await get("/clips").catch(trouble);
  if (!next) return;
  known = next;
  relist(at("clips"), known.clips, JSON.stringify, card);
  for (const box of document.querySelectorAll("#clips .pick input")) box.checked = chosen.includes(box.closest(".clip").dataset.id);
  offers();
  at("none").hidden = known.clips.length + known.files.length > 0;
  comings();
  document.body.dataset.ready = "true";
}

let due = 0;
const soon = () => { window.clearTimeout(due); due = window.setTimeout(load, 150); };
const items = new Map(); // job -> number of clips it has reported

onWork((job) => {
  const before = jobs.get(job.number);
  jobs.set(job.number, job);
  if (isOpen(before) && !isOpen(job)) ended(job);
  if (before?.state !== job.state || items.get(job.number) !== job.items.length) soon();
  items.set(job.number, job.items.length);
  comings();
});

// --- one clip ------------------------------------------------------------------------------------

async function look(id) {
  const clip = await tried(() => get(`/clips/${encodeURIComponent(id)}`));
  if (!clip) return;
  shown = id;
  const address = `/clips/${encodeURIComponent(id)}`;
  const dialog = at("detail"), head = made("div", "", "head"), name = made("h2", clip.name);
  name.id = "detail-name";
  head.append(name, button("Close", () => dialog.close()));
  const parts = [head];
  if (clip.pictures_key) parts.push(onward(clip));
  const picture = (number) => `${address}/strip/${number}?v=${clip.pictures_key}`;
  if (clip.pictures.length) parts.push(...looks(clip, address, picture));
  parts.push(verdicts(clip), marks(clip, address), goes(clip, address));
  dialog.replaceChildren(...parts);
  await dialog.querySelector(".stage img")?.decode().catch(() => {}); // coming later, it would move what a pointer is on
  if (!dialog.open) dialog.showModal();
}

/** Change a clip as the page shows it. If that has changed meanwhile, the page offers to do so again.
 * part: of the clip, see `versions`. action(version): the request and what follows it. */
async function change(clip, part, action) {
  await tried(() => action(clip.versions[part]), async () => {
    const now = await tried(() => get(`/clips/${encodeURIComponent(clip.id)}`));
    if (now) await change(now, part, action);
  });
  await load();
}

/** Show that the open clip is being changed, until it is done. */
function changed(job) {
  if (!job) return;
  at("detail").close();
  toast(`${job.title}: in progress`);
  changing = job.number;
}

/** Show how a job has ended, if it failed or the page still shows it as in progress. */
function ended(job) {
  if (job.state === "failed") trouble(new Error(`${job.title}: ${job.error}`));
  if (job.number !== changing) return;
  at("toast").hidden = true;
  if (job.state !== "failed") toast(`${job.title}: ${job.state}`);
}

function looks(clip, address, picture) {
  const stage = made("div", "", "stage"), image = made("img");
  image.alt = `${clip.name}, one frame`;
  stage.append(image);
  let turn = clip.options.rotate || 0, mirror = Boolean(clip.options.mirror);
  const show = (number) => {
    image.src = picture(number);
    trim.at(clip.pictures[number].time);
    stage.querySelectorAll("button").forEach((one) => one.remove());
    for (const person of clip.pictures[number].people || []) {
      const box = button("", () => person.followed || change(clip, "reading", async (version) => changed(await post(`${address}/read`, { rank: person.rank }, version))));
      const [x1, y1, x2, y2] = person.box, [w, h] = clip.size;
      Object.assign(box.style, {
        left: `${100 * x1 / w}%`, top: `${100 * y1 / h}%`, width: `${100 * (x2 - x1) / w}%`, height: `${100 * (y2 - y1) / h}%`,
      });
      box.setAttribute("aria-pressed", String(person.followed));
      box.setAttribute("aria-label", person.followed ? "This person is followed" : `Follow this person instead (number ${person.rank})`);
      box.title = box.getAttribute("aria-label");
      stage.append(box);
    }
  };
  const trim = new Trim(clip, picture, show);
  const slow = made("input");
  Object.assign(slow, { type: "number", min: "0.01", step: "any", value: String(clip.options.slowmo || 1) });
  const slowLabel = made("label", "slowed down by factor");
  slowLabel.append(slow);
  const mirrored = made("input");
  mirrored.type = "checkbox";
  mirrored.checked = mirror;
  const mirrorLabel = made("label");
  mirrorLabel.append(mirrored, document.createTextNode("mirrored (selfie)"));
  const turned = made("span", "", "soft");
  const preview = () => {
    // The picture already has the rotation of the clip: show only what would change.
    const more = (turn - (clip.options.rotate || 0) + 360) % 360;
    const flip = mirrored.checked !== mirror;
    const sign = mirror ? -1 : 1; // a mirrored picture turns the other way round
    image.style.transform = `${flip ? "scaleX(-1) " : ""}rotate(${sign * more}deg)`;
    turned.textContent = turn ? `rotated by ${turn}°` : "not rotated";
    stage.querySelectorAll("button").forEach((one) => { one.hidden = more !== 0 || flip; });
  };
  const line = made("div", "", "line");
  const by = (degrees) => () => { turn = (turn + degrees + 360) % 360; preview(); };
  line.append(button("⟲ Turn left", by(270)), button("⟳ Turn right", by(90)), turned, mirrorLabel, slowLabel);
  mirrored.addEventListener("change", preview);
  const apply = made("div", "", "line");
  const read = () => {
    const options = { ...trim.range(), rotate: turn, mirror: mirrored.checked, slowmo: Number(slow.value) };
    return change(clip, "reading", async (version) => changed(await post(`${address}/read`, { options }, version)));
  };
  apply.append(button("Apply", read, "main"), made("span", "Finds its joints again; split, group and phases stay.", "soft"));
  const repeats = made("div", "", "line");
  repeats.append(button("Find repetitions", async () => {
    try {
      const spans = await get(`${address}/repetitions`);
      trim.parts(spans);
      repeats.replaceChildren(made("span", `${spans.length} repetitions, green in the strip`), button(
        `Split into ${spans.length} clips`, () => change(clip, "reading", async (version) => changed(await post(`${address}/split`, {}, version))),
      ));
    } catch (error) {
      repeats.replaceChildren(made("span", `${error.message}: ${error.hint}`, "soft"));
    }
  }));
  const people = Math.max(...clip.pictures.map((one) => (one.people || []).length));
  const who = made("p", people > 1 ? "Click on the person to follow. The person followed now is green." : "The person followed is green.", "soft");
  show(Math.max(0, clip.pictures.findIndex((one) => (one.people || []).length === people)));
  preview();
  return [stage, who, trim.element, trim.words, line, apply, repeats];
}

function verdicts(clip) {
  const part = made("section");
  part.append(made("h2", "Quality"));
  if (clip.problem) part.append(made("p", clip.problem, "warning"));
  else if (!clip.doubts.length) part.append(made("p", "No problems were found with its joints.", "good"));
  else {
    const list = made("ul", "", "verdicts");
    for (const one of clip.doubts) {
      const row = made("li");
      row.append(made("span", one.message, "warning"), document.createTextNode(` ${one.hint} (${one.code})`));
      list.append(row);
    }
    part.append(list);
  }
  return part;
}

function marks(clip, address) {
  const line = made("div", "", "line"), split = made("select"), group = made("input");
  for (const [value, text] of [["", "training and test"], ["train", "training"], ["test", "test"]]) {
    const option = made("option", text);
    option.value = value;
    split.append(option);
  }
  split.value = clip.split;
  group.type = "text";
  group.value = clip.group;
  const store = (part, value) => change(clip, part, async (version) => { // and nothing else
    clip.versions = (await post(`${address}/mark`, { [part]: value }, version)).versions;
  });
  split.addEventListener("change", () => store("split", split.value));
  group.addEventListener("change", () => store("group", group.value));
  const first = made("label", "used for"), second = made("label", "group, such as the performer");
  first.append(split);
  second.append(group);
  line.append(first, second);
  return line;
}

/** Links to the other pages, with this clip. */
function onward(clip) {
  const line = made("div", "", "line");
  line.append(linked("Label its phases", phasesOf(clip.id), "button"));
  line.append(linked("Correct its joints", `/joints?${new URLSearchParams({ clip: clip.id })}`, "button"));
  return line;
}

function goes(clip, address) {
  const line = made("div", "", "line");
  line.append(button("Remove from the project", () => {
    if (!window.confirm(`Remove ${clip.name}? Its joints are deleted. Your labels and corrections are kept in case you add its video again.`)) return;
    change(clip, "reading", async (version) => {
      const gone = await remove(address, version);
      at("detail").close();
      const left = gone.exported.length ? `; its exported files remain: ${gone.exported.join(", ")}` : "";
      toast(`${clip.name} was removed, with its pictures${left}`);
    });
  }), made("span", `The file ${clip.file} stays where it is.`, "soft"));
  return line;
}

at("detail").addEventListener("close", () => {
  const open = [...document.querySelectorAll(".clip")].find((one) => one.dataset.id === shown);
  open?.querySelector("button").focus();
});

load();
