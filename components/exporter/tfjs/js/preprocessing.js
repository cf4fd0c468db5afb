/**
 * Computes preprocessing.json: raw features to the features of the network, as TensorFlow Transform computes them.
 * The file holds a list of steps; each takes the values of earlier ones and works element by element.
 */

/** @type {Record<string, (a: any, b: any) => any>} */
const BINARY = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  minimum: (a, b) => Math.min(a, b),
  maximum: (a, b) => Math.max(a, b),
  equal: (a, b) => a === b,
  not_equal: (a, b) => a !== b,
  less: (a, b) => a < b,
  less_equal: (a, b) => a <= b,
  greater: (a, b) => a > b,
  greater_equal: (a, b) => a >= b,
  and: (a, b) => a && b,
  or: (a, b) => a || b,
  power: (a, b) => a ** b,
  floor_divide: (a, b) => Math.floor(a / b),
  floor_mod: (a, b) => a - b * Math.floor(a / b),
};

/** @type {Record<string, (a: any) => any>} */
const UNARY = {
  not: (a) => !a,
  negative: (a) => -a,
  absolute: Math.abs,
  sqrt: Math.sqrt,
  square: (a) => a * a,
  exp: Math.exp,
  log: Math.log,
  log1p: Math.log1p,
  floor: Math.floor,
  ceil: Math.ceil,
  is_nan: Number.isNaN,
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  tanh: Math.tanh,
  sign: Math.sign,
};

/** @typedef {string | number | null | undefined | ArrayLike<number>} Value */
/** @typedef {{op: string, dtype: string, args?: number[], value?: any, feature?: string, boundaries?: number[], vocabulary?: string, otherwise?: number, depth?: number, on?: number, off?: number}} Step */
/** @typedef {{dtype: string, shape: number[], optional: boolean}} Input */
/** @typedef {{step: number, dtype: string, shape: number[]}} Output */
/** @typedef {{schema: number, inputs: Record<string, Input>, outputs: Record<string, Output>, steps: Step[], vocabularies: Record<string, (string | number)[]>}} Program */

export class Preprocessor {
  /** @param {Program} program the parsed preprocessing.json */
  constructor(program) {
    if (program.schema !== 1) {
      throw new Error(`preprocessing.json has schema ${program.schema}; this module reads schema 1. Use the preprocessing.js beside it.`);
    }
    this.program = program;
    /** @type {Record<string, Map<any, number>>} */
    this.positions = Object.fromEntries(
      Object.entries(program.vocabularies).map(([name, words]) => [name, new Map(words.map((word, at) => [word, at]))]),
    );
  }

  /**
   * @param {Record<string, Value>} example raw features by name; null, undefined, NaN or "" where there is none
   * @returns {Record<string, number[]>} the network's features by name, flat
   */
  transform(example) {
    /** @type {any[][]} */
    const values = [];
    for (const step of this.program.steps) {
      values.push(this.compute(step, values, example));
    }
    return Object.fromEntries(
      Object.entries(this.program.outputs).map(([name, output]) => {
        const size = output.shape.reduce((all, one) => all * one, 1);
        const value = values[output.step];
        return [name, value.length === size ? value : Array(size).fill(value[0])];
      }),
    );
  }

  /**
   * @param {Step} step
   * @param {any[][]} values of the steps before
   * @param {Record<string, Value>} example
   * @returns {any[]}
   */
  compute(step, values, example) {
    const args = (step.args ?? []).map((at) => values[at]);
    const round = rounding(step.dtype);
    if (step.op in BINARY) {
      return zip(args, (a, b) => round(BINARY[step.op](a, b)));
    }
    if (step.op in UNARY) {
      return args[0].map((value) => round(UNARY[step.op](value)));
    }
    switch (step.op) {
      case "input":
        return read(step.feature ?? "", this.program.inputs[step.feature ?? ""], example);
      case "constant":
        return [step.value].flat().map(round);
      case "cast":
        return args[0].map((value) => round(step.dtype.includes("int") ? Math.trunc(Number(value)) : Number(value)));
      case "select":
        return zip(args, (condition, yes, no) => (condition ? yes : no));
      case "bucketize":
        return args[0].map((value) => countNotGreater(step.boundaries ?? [], value));
      case "lookup":
        return args[0].map((value) => this.positions[step.vocabulary ?? ""].get(value) ?? step.otherwise);
      case "fill_missing":
        return isMissing(example[step.feature ?? ""]) ? args[1] : args[0];
      case "concat":
        return args.flat();
      case "one_hot":
        return args[0].flatMap((place) => Array.from({ length: step.depth ?? 0 }, (_, at) => (at === place ? step.on : step.off)));
    }
    throw new Error(`preprocessing.json has the operation "${step.op}", which this module does not know. Use the preprocessing.js beside it.`);
  }
}

/** @param {unknown} value */
export function isMissing(value) {
  return value === null || value === undefined || value === "" || Number.isNaN(value);
}

/**
 * @param {string} name
 * @param {Input} input
 * @param {Record<string, Value>} example
 * @returns {any[]}
 */
function read(name, input, example) {
  const value = example[name];
  if (isMissing(value)) {
    if (!input.optional && input.dtype !== "string") {
      throw new Error(`The feature "${name}" is missing; the model needs it in every example.`);
    }
    return [input.dtype === "string" ? "" : 0];
  }
  const flat = typeof value === "object" ? flatten(value) : [value];
  const wrong = flat.find((one) => typeof one !== (input.dtype === "string" ? "string" : "number"));
  if (wrong !== undefined) {
    throw new Error(`The feature "${name}" holds ${JSON.stringify(wrong)}; it takes ${input.dtype === "string" ? "text" : "numbers"}.`);
  }
  const round = rounding(input.dtype);
  return input.dtype === "string" ? flat : flat.map(round);
}

/**
 * @param {any} value nested arrays, or a typed array
 * @returns {any[]}
 */
export function flatten(value) {
  return ArrayBuffer.isView(value) ? Array.from(/** @type {any} */ (value)) : value.flat(Infinity);
}

/**
 * @param {string} dtype
 * @returns {(value: any) => any} brings a result to the precision of the type
 */
function rounding(dtype) {
  return dtype === "float32" ? Math.fround : (value) => value;
}

/**
 * @param {any[][]} args of one element, or as many as the longest has
 * @param {(...values: any[]) => any} op
 */
function zip(args, op) {
  const size = Math.max(...args.map((arg) => arg.length));
  return Array.from({ length: size }, (_, at) => op(...args.map((arg) => arg[arg.length === 1 ? 0 : at])));
}

/**
 * @param {number[]} boundaries ascending
 * @param {number} value
 */
function countNotGreater(boundaries, value) {
  const first = boundaries.findIndex((boundary) => value < boundary);
  return first === -1 ? boundaries.length : first;
}
