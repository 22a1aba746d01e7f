// Pictures of a clip from the server, in chunks (studio/film.py).

import { Film } from "../../views/report/film.js";

const CHUNKS = 12; // kept, of 16 pictures each
const AGAIN_AFTER = 3000; // milliseconds until pictures that did not come are requested again
const BITMAPS = 40; // decoded pictures kept: those of 720p take 4 MB each

export class ServedFilm extends Film {
  /** facts: address of a chunk, without its number; count of pictures; chunk: pictures in each. among:
   * number of films that the page plays at once and that share its memory. */
  constructor(facts, among = 1) {
    super(null);
    this.rows = Array.from({ length: facts ? facts.count : 0 }, (_, k) => k);
    this.pictures = this.rows;
    this.kept = Math.max(Math.floor(BITMAPS / Math.sqrt(among)), 6);
    this.lead = Math.min(this.lead, this.kept - 3);
    this.keptChunks = Math.max(Math.floor(CHUNKS / Math.sqrt(among)), 3);
    this.facts = facts;
    this.chunks = new Map(); // number -> promise of its pictures, in order of use
  }

  async blob(index) {
    const number = Math.floor(index / this.facts.chunk);
    if ((number + 1) * this.facts.chunk < this.rows.length) this.chunk(number + 1); // ahead of time
    const picture = (await this.chunk(number))[index % this.facts.chunk];
    if (!picture.size) throw new Error("the video no longer contains this frame");
    return picture;
  }

  chunk(number) {
    const asked = this.chunks.get(number) || this.fetched(number);
    this.chunks.delete(number);
    this.chunks.set(number, asked);
    while (this.chunks.size > this.keptChunks) this.chunks.delete(this.chunks.keys().next().value);
    return asked;
  }

  fetched(number) {
    const asked = fetch(`${this.facts.address}/${number}`).then(async (answer) => {
      if (!answer.ok) throw new Error(await answer.text());
      return unpackedChunk(await answer.arrayBuffer());
    });
    asked.catch(() => { // requested again when it is needed again, but not at once
      this.chunks.delete(number);
      setTimeout(() => this.mend(number), AGAIN_AFTER);
    });
    return asked;
  }

  mend(number) {
    const first = number * this.facts.chunk;
    for (let index = first; index < first + this.facts.chunk; index += 1) this.broken.delete(index);
  }
}

/** The pictures of a chunk, which contains their number, the bytes of each, and the pictures. */
export function unpackedChunk(content) {
  const view = new DataView(content);
  const count = view.getUint32(0, true);
  let at = 4 * (count + 1);
  return Array.from({ length: count }, (_, k) => {
    const size = view.getUint32(4 * (k + 1), true);
    at += size;
    return new Blob([content.slice(at - size, at)], { type: "image/jpeg" });
  });
}
