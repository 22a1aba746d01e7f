// The two players: a picture with the joints in it, greyed where the other clip has no such moment.

const INK = { left: "#ff8c00", right: "#22a7f0", "": "#ececec" };
const STAGE_HIGH = [180, 900]; // page pixels, the least and the most
const STAGE_SHARE = { wide: 0.6, narrow: 0.42, phone: 0.3 }; // of the window's height
const PHONE = 600; // page pixels, the widest, as in pair.css
const BESIDE_FROM = 981; // page pixels from which the panels lie beside the players, as in pair.css

class Stage {
  constructor(side, clip) {
    this.clip = clip;
    this.side = side;
    this.canvas = document.getElementById(`stage-${side}`);
    this.row = 0;
    this.matched = true;
    this.options = { skeleton: true, film: true };
  }

  resize(width, height) {
    this.width = width;
    this.height = height;
    this.context = sized(this.canvas, width, height);
    this.draw();
  }

  /** row: of this clip; matched: whether the other clip shows the same moment. */
  show(row, matched, options) {
    Object.assign(this, { row, matched, options });
    this.canvas.dataset.row = matched ? String(row) : "";
    this.draw();
  }

  draw() {
    const { film } = this.clip;
    const { context, width, height } = this;
    if (!context) return;
    const filmed = this.options.film && !film.empty;
    let row = this.row;
    if (filmed) {
      const index = film.at(this.row);
      const wanted = this.row;
      const picture = film.get(index, () => { if (this.row === wanted) this.draw(); });
      film.ahead(index);
      if (!picture && !film.broken.has(index)) {
        this.canvas.dataset.picture = "";
        return; // what was shown stays for the few milliseconds that it takes
      }
      row = film.rows[index];
      context.fillStyle = "#20262b";
      context.fillRect(0, 0, width, height);
      if (picture) context.drawImage(picture, 0, 0, width, height);
    } else {
      context.fillStyle = "#20262b";
      context.fillRect(0, 0, width, height);
    }
    // The joints are those of the picture, so that they lie on the body.
    this.canvas.dataset.picture = String(row);
    if (this.options.skeleton || !filmed) this.skeleton(row);
    if (!this.matched) this.grey();
    this.canvas.setAttribute("aria-label", `Clip ${this.side.toUpperCase()}, frame ${
      this.clip.frame[this.row]}${this.matched ? "" : ", no counterpart"}`);
  }

  skeleton(row) {
    const { context, height, clip } = this;
    const { limbs, sides } = data.skeleton;
    const scale = height / UNIT, count = sides.length, first = row * count;
    const x = (k) => (clip.joints[2 * (first + k)]) * scale;
    const y = (k) => (clip.joints[2 * (first + k) + 1]) * scale;
    const state = (k) => clip.state[first + k];
    const thick = Math.max(height / 130, 1.8);
    context.lineCap = "round";
    for (const dark of [true, false]) {
      for (const [i, j] of limbs) {
        if (!state(i) || !state(j)) continue;
        const sure = state(i) === 2 && state(j) === 2;
        const both = [...new Set([sides[i], sides[j]])].filter((s) => s);
        context.strokeStyle = dark ? "rgba(0,0,0,0.55)" : INK[both.length === 1 ? both[0] : ""];
        context.lineWidth = (sure ? thick : thick / 2) + (dark ? 2 : 0);
        context.beginPath();
        context.moveTo(x(i), y(i));
        context.lineTo(x(j), y(j));
        context.stroke();
      }
    }
    for (let k = 0; k < count; k += 1) {
      if (!state(k)) continue;
      context.beginPath();
      context.arc(x(k), y(k), thick * (count > 30 ? 0.7 : 1.1), 0, 2 * Math.PI);
      context.fillStyle = context.strokeStyle = INK[sides[k]];
      context.lineWidth = 1.5;
      if (state(k) === 2) context.fill(); else context.stroke(); // hollow: interpolated or not trusted
    }
  }

  grey() {
    const { context, width, height } = this;
    context.fillStyle = "rgba(88, 94, 99, 0.72)";
    context.fillRect(0, 0, width, height);
    const text = "no counterpart";
    context.font = `600 ${Math.min(22, width / 9)}px system-ui, "DejaVu Sans", sans-serif`;
    const wide = context.measureText(text).width + 24;
    context.fillStyle = "rgba(0, 0, 0, 0.75)";
    context.fillRect((width - wide) / 2, height / 2 - 22, wide, 44);
    context.fillStyle = "#fff";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(text, width / 2, height / 2);
  }
}

const stages = { a: new Stage("a", A), b: new Stage("b", B) };

/** Both pictures of one height and without a margin, as large as the card and the window allow. */
function layStages() {
  const box = document.querySelector(".players");
  const gap = parseFloat(getComputedStyle(box).columnGap);
  const wide = window.innerWidth;
  const share = STAGE_SHARE[wide >= BESIDE_FROM ? "wide" : wide > PHONE ? "narrow" : "phone"];
  const most = clamp(window.innerHeight * share, ...STAGE_HIGH);
  const height = Math.floor(Math.min(most, (box.clientWidth - gap) / (A.aspect + B.aspect)));
  const least = Math.min(180, Math.floor((box.clientWidth - gap) / 2)); // room for the words below
  const columns = [];
  for (const stage of Object.values(stages)) {
    const width = Math.round(height * stage.clip.aspect);
    columns.push(`${Math.max(width, least)}px`);
    stage.resize(width, height);
  }
  const needed = columns.reduce((sum, column) => sum + parseInt(column, 10), gap);
  box.style.gridTemplateColumns = needed <= box.clientWidth ? columns.join(" ")
    : "minmax(0, 1fr) minmax(0, 1fr)";
}
