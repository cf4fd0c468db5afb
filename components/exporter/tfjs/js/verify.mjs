/**
 * Runs the exported variants in Node.js with the loader that is shipped beside them, and measures them.
 * Usage: node verify.mjs JOB.json, with {modules, export, variants, examples, runs, outputs}.
 */

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { pathToFileURL } from "node:url";
import { performance } from "node:perf_hooks";

const WARM_UP = 100; // until the engine has compiled what it will compile

const job = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const examples = JSON.parse(readFileSync(job.examples, "utf-8"));
console.warn = () => {}; // TensorFlow.js's advice to install its native binding
const tf = createRequire(join(job.modules, "x.js"))("@tensorflow/tfjs");
await tf.setBackend("cpu");

const server = createServer((request, response) => {
  try {
    response.end(readFileSync(join(job.export, normalize(new URL(request.url ?? "", "http://x").pathname))));
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(null)));
const origin = `http://127.0.0.1:${/** @type {any} */ (server.address()).port}`;

const { load } = await import(pathToFileURL(join(job.export, "model.js")).href);
/** @type {Record<string, any>} */
const models = {};
/** @type {Record<string, any>} */
const variants = {};
for (const name of job.variants) {
  const held = tf.memory().numBytes;
  const start = performance.now();
  models[name] = await load(tf, `${origin}/${name}/`);
  variants[name] = { load_ms: performance.now() - start };
  const weights = tf.memory().numBytes - held;
  const profile = await tf.profile(() => models[name].predict(examples[0]));
  variants[name].peak_memory_bytes = weights + profile.newBytes + Math.max(0, profile.peakBytes - tf.memory().numBytes);
}
server.close();
server.closeAllConnections();

/** @type {Record<string, number[]>} */
const durations = Object.fromEntries(job.variants.map((/** @type {string} */ name) => [name, []]));
for (let run = 0; run < WARM_UP + job.runs; run++) {
  for (const name of job.variants) {
    const start = performance.now();
    await models[name].predict(examples[0]);
    if (run >= WARM_UP) durations[name].push(performance.now() - start);
  }
}
for (const name of job.variants) {
  const sorted = durations[name].sort((a, b) => a - b);
  variants[name].latency_ms = { median: sorted[Math.floor(job.runs * 0.5)], p95: sorted[Math.floor(job.runs * 0.95)] };
  variants[name].predictions = await models[name].predictAll(examples);
}

const preprocessor = models[job.variants[0]].preprocessor;
writeFileSync(
  job.outputs,
  JSON.stringify({
    runtime: `TensorFlow.js ${tf.version.tfjs}, CPU backend, Node.js ${process.version}`,
    transformed: preprocessor && examples.map((/** @type {any} */ example) => preprocessor.transform(example)),
    variants,
  }),
);
