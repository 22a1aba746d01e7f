// The Search page: searches the other clips for the shown moment as soon as playback is paused.

import { get, post } from "./ask.js";
import { ServedFilm } from "./served_film.js";
import { at, button, made, trouble } from "./page.js";
import { layStage, Player } from "./one_clip_player.js";
import { over } from "./work.js";
import { seconds, unpacked } from "../../views/report/film.js";
import { Stage } from "../../views/report/stage.js";

const SETTLES = 250; // milliseconds at one frame until the search starts
const BESIDE_FROM = 981; // page width in pixels from which the hits are beside the player, as in pair.css

let id = "", stage = null;
let due = 0, asking = false, again = false;

// --- the clip --------------------------------------------------------------------------------------

const player = new Player((row) => {
  stage.show(row, true, { skeleton: at("show-skeleton").checked, film: true, whole: at("show-whole").checked });
  const { clip } = player;
  at("moment").textContent = `${seconds(clip.time[row])} · frame ${clip.frame[row]}`;
  soon();
});

const lay = () => layStage(stage, window.innerHeight * (window.innerWidth >= BESIDE_FROM ? 0.56 : 0.42));

const addressOf = (clip, row) => `/search?${new URLSearchParams({ clip, row })}`;

async function open(clip, row) {
  if (clip !== id) {
    const found = await get(`/phases/data?${new URLSearchParams({ clip })}`);
    const film = new ServedFilm(found.clip.pictures);
    stage = new Stage("a", unpacked(found.clip, film), found.skeleton);
    stage.options.whole = at("show-whole").checked;
    ({ id } = found);
    at("choose-clip").value = id;
    at("clip-name").textContent = found.clip.name;
    lay();
    at("hits").replaceChildren();
    player.take(stage.clip, row);
  } else player.to(row);
  document.body.dataset.clip = id;
}

/** Go to a frame of a clip as a link does, so that the browser's back button leads back here. */
async function follow(clip, row) {
  window.history.pushState(null, "", addressOf(clip, row));
  await open(clip, row).catch(trouble);
  at("players-card").scrollIntoView({ block: "nearest" });
}

// --- the request -----------------------------------------------------------------------------------

function soon() {
  clearTimeout(due);
  if (!player.state.playing) due = setTimeout(ask, SETTLES);
}

async function ask() {
  if (player.state.playing) return;
  if (asking) { again = true; return; }
  asking = true;
  again = false;
  const question = { clip: id, row: player.row };
  window.history.replaceState(null, "", addressOf(id, player.row));
  at("hits").setAttribute("aria-busy", "true");
  try {
    trouble(null);
    let { found, number } = await post("/search/near", question);
    if (!found) { // clips are to be embedded first
      const job = await over(number, at("said"), "Preparing the clips for the first search…");
      if (job.state !== "done") throw new Error(job.state === "failed" ? job.error : "the search was cancelled; go to another moment to search again");
      ({ found } = await post("/search/near", question));
      if (!found) throw new Error("the clips have changed meanwhile; search again");
    }
    if (!again) tell(found);
  } catch (error) {
    at("hits").replaceChildren();
    at("said").textContent = "";
    trouble(error);
  }
  asking = false;
  at("hits").setAttribute("aria-busy", "false");
  document.body.dataset.asked = `${question.clip} ${question.row}`;
  if (again) ask();
}

// --- text on the page ------------------------------------------------------------------------------

function tell(found) {
  const left = found.left_out ? `; left out because they cannot be compared: ${found.left_out} clips` : "";
  at("said").textContent = `The nearest ${found.hits.length} of ${found.frames} frames in ${found.clips} clips, compared by ${found.features}${left}.`;
  at("hits").replaceChildren(...found.hits.map((hit, n) => card(hit, n, found)));
  at("notes").replaceChildren(...found.notes.map((note) => {
    const item = made("li");
    item.append(made("span", note, "soft"));
    return item;
  }));
}

function card(hit, n, found) {
  const item = made("li", "", "clip"), when = seconds(hit.seconds);
  const phase = hit.phase === null ? "" : hit.same_phase === false ? `${hit.phase}, another phase` : hit.phase;
  const open = button("", () => follow(hit.clip, hit.row));
  open.dataset.hit = String(n);
  const picture = made("img", "", "picture"), words = made("span", "", "words");
  picture.alt = "";
  picture.src = hit.picture;
  words.append(made("span", hit.name, "name"), made("span", when, "soft"), made("span", `distance ${hit.distance.toFixed(2)}`, "soft"));
  if (hit.view) words.append(made("span", hit.view, "soft"));
  if (phase) words.append(made("span", phase, hit.same_phase === false ? "warning" : "good"));
  open.append(picture, words);
  const both = made("a", "See both in step", "pick");
  both.href = `/pair?${new URLSearchParams({ a: found.clip, b: hit.clip, row_a: found.row, row_b: hit.row })}`;
  both.setAttribute("aria-label", `See both in step: this moment and ${hit.name} at ${when}`);
  item.append(open, both);
  return item;
}

// --- buttons and keys ------------------------------------------------------------------------------

const hit = (number) => document.querySelector(`#hits [data-hit="${number - 1}"]`)?.click();

function connect() {
  const actions = {
    s: () => at("show-skeleton").click(),
    w: () => at("show-whole").click(),
  };
  for (let number = 1; number <= 9; number += 1) actions[number] = () => hit(number);
  player.connect(actions);
  at("show-skeleton").addEventListener("change", () => player.go(player.row));
  at("show-whole").addEventListener("change", () => { stage.options.whole = at("show-whole").checked; lay(); player.go(player.row); });
  at("choose-clip").addEventListener("change", (event) => follow(event.target.value, 0));
  window.addEventListener("resize", () => { lay(); player.go(player.row); });
  window.addEventListener("popstate", here);
}

/** Show the moment named in the address. */
function here() {
  const asked = new URLSearchParams(location.search);
  const row = Number.parseInt(asked.get("row") || "0", 10);
  return open(asked.get("clip") || at("search").dataset.clip, Number.isFinite(row) ? row : 0);
}

here().then(() => { connect(); document.body.dataset.ready = "true"; }, trouble);
