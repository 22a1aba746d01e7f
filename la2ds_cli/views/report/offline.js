// Start the page of a pair that contains its data and pictures.

import { at } from "./elements.js";
import { Film } from "./film.js";
import { connectKeys } from "./keys.js";
import { openPair, visitDifference } from "./pair.js";
import { tellDifferences } from "./words.js";

const held = (id) => JSON.parse(at(id).textContent);
const content = held("data");
connectKeys();
openPair(content, [new Film(held("film-a")), new Film(held("film-b"))]);
at("written-card").hidden = !content.written.length;
at("compare-card").hidden = !content.comparison;
if (content.comparison) tellDifferences(content.comparison, visitDifference);
