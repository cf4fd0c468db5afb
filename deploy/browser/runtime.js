/** TensorFlow.js and its backends, loaded when they are first needed; and the exported models. */

export const BACKENDS = {
  wasm: "WebAssembly",
  webgl: "WebGL",
  webgpu: "WebGPU",
  cpu: "plain JavaScript",
};

/** @type {Map<string, Promise<void>>} */
const scripts = new Map();

/** @param {string} name file below vendor/ */
function loadScript(name) {
  const url = new URL(`vendor/${name}`, document.baseURI).href;
  if (!scripts.has(url)) {
    const loading = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = url;
      script.onload = () => resolve(undefined);
      script.onerror = () => {
        scripts.delete(url);
        reject(new Error(`${name} cannot be loaded. Are you offline? Load the page once while you are online.`));
      };
      document.head.append(script);
    });
    scripts.set(url, /** @type {Promise<void>} */ (loading));
  }
  return scripts.get(url);
}

/**
 * Switches TensorFlow.js to a backend.
 * @param {string} name of BACKENDS
 * @returns {Promise<any>} TensorFlow.js
 */
export async function useBackend(name) {
  await loadScript("tf-core.min.js");
  await loadScript("tf-converter.min.js");
  if (name === "webgl" && !document.createElement("canvas").getContext("webgl2") && !document.createElement("canvas").getContext("webgl")) {
    throw new Error("This browser has no WebGL (it may be switched off, or the graphics driver blocked). Choose another way to compute.");
  }
  if (name === "webgpu" && !(await /** @type {any} */ (navigator).gpu?.requestAdapter().catch(() => null))) {
    throw new Error("This browser has no WebGPU. Choose another way to compute.");
  }
  await loadScript(`tf-backend-${name}.min.js`);
  const tf = /** @type {any} */ (globalThis).tf;
  if (name === "wasm") {
    tf.wasm.setWasmPaths(new URL("vendor/", document.baseURI).href);
  }
  if (!(await tf.setBackend(name).catch(() => false))) {
    throw new Error(`${BACKENDS[/** @type {keyof typeof BACKENDS} */ (name)]} does not start in this browser. Choose another way to compute.`);
  }
  await tf.ready();
  return tf;
}

/**
 * @typedef {{model: string, version: number, folder: string, report: any, examples: Record<string, any>[], served?: boolean}} Listed
 * @returns {Promise<Listed[]>} the newest export of each model
 */
export async function listModels() {
  const response = await fetch(new URL("models/index.json", document.baseURI));
  if (!response.ok) {
    throw new Error(`The list of models cannot be loaded (HTTP ${response.status}). Reload the page.`);
  }
  return response.json();
}

/**
 * @param {any} tf
 * @param {Listed} listed
 * @param {string} variant
 * @returns {Promise<{model: any, loadMs: number}>} the model, computed once so that its first answer is as fast as the next
 */
export async function loadModel(tf, listed, variant) {
  const folder = new URL(listed.folder, document.baseURI);
  const start = performance.now();
  try {
    if (listed.served) {
      const model = new ServedModel(listed);
      await model.predict(listed.examples[0] ?? {});
      return { model, loadMs: performance.now() - start };
    }
    const { load } = await import(new URL("model.js", folder).href);
    const model = await load(tf, new URL(`${variant}/`, folder));
    if (listed.examples.length) {
      await model.predict(listed.examples[0]);
    }
    return { model, loadMs: performance.now() - start };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`The model ${listed.model}, version ${listed.version}, ${variant}, cannot be loaded: ${reason}`);
  }
}

/** A model that has no export for browsers: the program that serves this page computes it. */
class ServedModel {
  /** @param {Listed} listed */
  constructor(listed) {
    this.url = new URL(`predict/${encodeURIComponent(listed.model)}/${listed.version}`, document.baseURI);
  }

  /**
   * @param {Record<string, any>} example
   * @returns {Promise<Record<string, number | number[]>>}
   */
  async predict(example) {
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(this.url, { method: "POST", headers, body: JSON.stringify(example) });
    if (!response.ok) throw new Error((await response.text()).trim() || `HTTP ${response.status}`);
    return response.json();
  }

  dispose() {}
}

/** The last durations of one model's predictions. */
export class Stopwatch {
  /** @type {number[]} */
  durations = [];

  /**
   * @template T
   * @param {() => Promise<T>} call
   */
  async time(call) {
    const start = performance.now();
    const result = await call();
    this.durations = [...this.durations.slice(-29), performance.now() - start];
    return result;
  }

  get median() {
    const sorted = [...this.durations].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)];
  }
}
