// The page of a pair as one file, which holds its data and its pictures.

import { at } from "./elements.js";
import { Film } from "./film.js";
import { openPair } from "./pair.js";

const held = (id) => JSON.parse(at(id).textContent);
openPair(held("data"), [new Film(held("film-a")), new Film(held("film-b"))]);
