/**
 * Loads an exported model and hides its tensor names, shapes and types.
 *
 *     import { load } from "./model.js";
 *     const model = await load(tf, new URL("float32/", import.meta.url));
 *     const { probabilities } = await model.predict({ image: pixels });
 */

import { Preprocessor, flatten, isMissing } from "./preprocessing.js";

/** @typedef {import("./preprocessing.js").Value} Value */
/** @typedef {Record<string, Value>} Example raw features by name */
/** @typedef {Record<string, number | number[]>} Prediction outputs by name; a number where there is only one */
/** @typedef {{dtype: string, shape: number[], optional?: boolean, missing?: number}} Feature shape without the examples' dimension; `missing`: what stands for a missing value */
/** @typedef {{model: string, labels: string[], inputs: Record<string, Feature>, outputs: Record<string, Feature>, variants: Record<string, any>, preprocessing: string | null}} Report */

/**
 * @param {any} tf TensorFlow.js with the backend to use
 * @param {string | URL} url folder of one variant, with a slash at its end
 * @returns {Promise<Model>}
 */
export async function load(tf, url) {
  const folder = new URL(url, globalThis.location?.href);
  /** @type {Report} */
  const report = await fetchJson(new URL("../export.json", folder));
  const graph = await tf.loadGraphModel(new URL("model.json", folder).href);
  const program = report.preprocessing && (await fetchJson(new URL(`../${report.preprocessing}`, folder)));
  return new Model(tf, graph, report, program ? new Preprocessor(program) : null);
}

export class Model {
  /**
   * @param {any} tf
   * @param {any} graph tf.GraphModel
   * @param {Report} report
   * @param {Preprocessor | null} preprocessor
   */
  constructor(tf, graph, report, preprocessor) {
    this.tf = tf;
    this.graph = graph;
    this.report = report;
    this.preprocessor = preprocessor;
    // Loops, as in recurrent layers, are computed step by step; all else is faster at once.
    this.loops = false;
    /** @type {string[]} names of the classes, or none */
    this.labels = report.labels;
    const signature = graph.modelSignature;
    this.feeds = Object.entries(signature.inputs).map(([name, info]) => ({
      name,
      node: /** @type {any} */ (info).name,
      shape: /** @type {any} */ (info).tensorShape.dim.slice(1).map((/** @type {any} */ dim) => Number(dim.size)),
      // TensorFlow.js has no 64-bit whole numbers.
      dtype: /** @type {any} */ (info).dtype === "DT_FLOAT" ? "float32" : "int32",
    }));
    this.outputs = Object.entries(signature.outputs).map(([name, info]) => ({ name, node: /** @type {any} */ (info).name }));
  }

  /**
   * @param {Example} example
   * @returns {Promise<Prediction>}
   */
  async predict(example) {
    return (await this.predictAll([example]))[0];
  }

  /**
   * @param {Example[]} examples
   * @returns {Promise<Prediction[]>} one per example, in the same order
   */
  async predictAll(examples) {
    const rows = examples.map((example) => (this.preprocessor ? this.preprocessor.transform(example) : example));
    const feed = Object.fromEntries(this.feeds.map((input) => [input.node, this.toTensor(input, rows)]));
    const tensors = await this.execute(feed);
    const found = await Promise.all(tensors.map((/** @type {any} */ tensor) => tensor.data()));
    this.tf.dispose([tensors, Object.values(feed)]);
    return examples.map((_, row) =>
      Object.fromEntries(
        this.outputs.map((output, at) => {
          const size = found[at].length / examples.length;
          const values = Array.from(found[at].slice(row * size, (row + 1) * size));
          return [output.name, size === 1 ? values[0] : values];
        }),
      ),
    );
  }

  /**
   * @param {Record<string, any>} feed tensors by node
   * @returns {Promise<any[]>} one tensor per output
   */
  async execute(feed) {
    const nodes = this.outputs.map((output) => output.node);
    if (!this.loops) {
      try {
        return this.tf.tidy(() => [this.graph.execute(feed, nodes)].flat());
      } catch (error) {
        if (!String(error).includes("executeAsync")) throw error;
        this.loops = true;
      }
    }
    return [await this.graph.executeAsync(feed, nodes)].flat();
  }

  /**
   * @param {{name: string, shape: number[], dtype: string}} input
   * @param {Record<string, any>[]} rows
   */
  toTensor(input, rows) {
    const size = input.shape.reduce((all, one) => all * one, 1);
    const values = rows.flatMap((row) => {
      const typical = this.report.inputs[input.name]?.missing;
      const value = typical !== undefined && isMissing(row[input.name]) ? typical : row[input.name];
      const flat = value !== null && typeof value === "object" ? flatten(value) : [value];
      if (flat.length !== size || flat.some((/** @type {unknown} */ one) => typeof one !== "number")) {
        throw new Error(`The feature "${input.name}" must hold ${size} number${size === 1 ? "" : "s"}, and holds ${flat.length === size ? JSON.stringify(value) : flat.length}.`);
      }
      return flat;
    });
    return this.tf.tensor(values, [rows.length, ...input.shape], input.dtype);
  }

  /** Gives the memory of the weights back. */
  dispose() {
    this.graph.dispose();
  }
}

/** @param {URL} url */
async function fetchJson(url) {
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(`${url.pathname} cannot be loaded (HTTP ${response.status}); the export is not complete.`);
  }
  return response.json();
}
