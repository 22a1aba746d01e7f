// Players of the cards: a slider, a button, and the pictures, angles and skeletons of a moment.

"use strict";

const players = JSON.parse(document.getElementById("players").textContent);
const MILLISECONDS = 180; // a picture

for (const card of document.querySelectorAll("[data-player]")) {
  const frames = players[Number(card.dataset.player)];
  const bar = card.querySelector("input");
  const button = card.querySelector("button");
  const parts = {};
  for (const element of card.querySelectorAll("[data-part]")) parts[element.dataset.part] = element;
  const shown = Number(bar.value); // its pictures are those of the page
  for (const side of ["a", "b"]) {
    frames[shown][`${side}-image`] = parts[`${side}-image`].getAttribute("href");
  }

  const show = () => {
    const frame = frames[Number(bar.value)];
    for (const side of ["a", "b"]) {
      parts[`${side}-image`].setAttribute("href", frame[`${side}-image`]);
      parts[`${side}-limb`].setAttribute("points", frame[`${side}-limb`]);
      const ring = parts[`${side}-ring`];
      ring.setAttribute("r", frame[`${side}-limb`] ? "11" : "0");
      ring.setAttribute("cx", frame[`${side}-x`] || "0");
      ring.setAttribute("cy", frame[`${side}-y`] || "0");
      const degrees = parts[`${side}-angle`];
      degrees.textContent = frame[`${side}-angle`];
      degrees.setAttribute("x", frame[`${side}-text-x`] || "0");
      degrees.setAttribute("y", frame[`${side}-text-y`] || "0");
      parts[`${side}-time`].textContent = frame[`${side}-time`];
      parts[`${side}-body`].setAttribute("d", frame[`${side}-body`]);
      parts[`${side}-strong`].setAttribute("d", frame[`${side}-strong`]);
    }
    for (const end of ["x1", "x2"]) parts.cursor.setAttribute(end, frame.cursor);
  };

  let clock = 0;
  const pause = () => {
    clearInterval(clock);
    clock = 0;
    button.textContent = "Play";
  };
  bar.addEventListener("input", () => { pause(); show(); });
  button.addEventListener("click", () => {
    if (clock) {
      pause();
      return;
    }
    button.textContent = "Pause";
    clock = setInterval(() => {
      bar.value = String((Number(bar.value) + 1) % frames.length);
      show();
    }, MILLISECONDS);
  });
  addEventListener("beforeprint", () => { pause(); bar.value = String(shown); show(); });
}
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
