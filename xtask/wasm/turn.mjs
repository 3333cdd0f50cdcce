// Runs the conversation of src/lib.rs twice, in the module whose path is the argument, and checks
// its report: what the model was asked, the ids and the clock, and a deadline that has passed.

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

const { converse } = await import(pathToFileURL(process.argv[2]));

const start = Date.now();
const first = JSON.parse(await converse());
const took = Date.now() - start;
const second = JSON.parse(await converse());

for (const { turns, late } of [first, second]) {
  assert.equal(turns[0].answer, "\nHuman: one\nAI:");
  assert.equal(turns[1].answer, "Human: one\nAI: \nHuman: one\nAI:\nHuman: two\nAI:");
  assert.match(late, /./);
}
const ids = [first, second].flatMap(({ turns }) => turns.map(({ id }) => id));
assert.equal(new Set(ids).size, ids.length, "each turn has an id of its own");
for (const { made } of first.turns) {
  assert(start <= made && made <= Date.now(), `${made} is the time of the turn`);
}
assert(took >= 50, `the call that waits 50 ms took ${took} ms`);
console.log(`${ids.length} turns, ${took} ms with a deadline of 50 ms: ${first.late}`);
console.log(ids.join("\n"));
