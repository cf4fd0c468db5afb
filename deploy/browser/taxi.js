/** The taxi model: a form with its raw features, and the probability of a big tip. */

import { Panel, element } from "./panel.js";

export class TaxiPanel extends Panel {
  /**
   * @param {import("./runtime.js").Listed | undefined} listed
   * @param {{say: (text: string) => void, warn: (text: string) => void}} messages
   */
  constructor(listed, messages) {
    super("taxi", listed, messages);
    /** @type {Record<string, HTMLInputElement>} */
    this.inputs = {};
    this.trip = 0;
    if (!listed) return;
    for (const [name, feature] of Object.entries(listed.report.inputs)) {
      this.addField(name, /** @type {any} */ (feature));
    }
    element("taxi-form").addEventListener("input", () => this.update());
    element("taxi-form").addEventListener("submit", (event) => event.preventDefault());
    element("trip").hidden = !listed.examples.length;
    element("trip").addEventListener("click", () => this.fill(listed.examples[++this.trip % listed.examples.length]));
    if (listed.examples.length) this.fill(listed.examples[0]);
  }

  /**
   * @param {string} name
   * @param {{dtype: string, optional: boolean, words?: string[]}} feature
   */
  addField(name, feature) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.name = name;
    input.required = !feature.optional;
    input.autocomplete = "off";
    label.append(`${name}${feature.optional ? "" : " *"}`, input);
    if (feature.dtype === "string") {
      this.addWords(input, label, feature.words ?? []);
    } else {
      input.type = "number";
      input.step = feature.dtype === "int64" ? "1" : "any";
    }
    this.inputs[name] = input;
    element("fields").append(label);
  }

  /**
   * @param {HTMLInputElement} input
   * @param {HTMLElement} label
   * @param {string[]} words known to the model; others are allowed
   */
  addWords(input, label, words) {
    const list = document.createElement("datalist");
    // An id must not hold spaces, and a name may.
    list.id = `words-${Object.keys(this.inputs).length}`;
    list.append(...words.map((word) => new Option(word, word)));
    input.setAttribute("list", list.id);
    label.append(list);
  }

  /** @param {Record<string, any>} example */
  fill(example) {
    for (const [name, input] of Object.entries(this.inputs)) {
      input.value = example[name] === null || example[name] === undefined ? "" : String(example[name]);
    }
    this.update();
  }

  read() {
    /** @type {Record<string, any>} */
    const example = {};
    let complete = true;
    for (const [name, input] of Object.entries(this.inputs)) {
      const valid = input.checkValidity();
      input.setAttribute("aria-invalid", String(!valid));
      complete &&= valid;
      example[name] = input.value === "" ? null : input.type === "number" ? Number(input.value) : input.value;
    }
    return complete ? example : null;
  }

  /** @param {{probability: number} | null} prediction */
  show(prediction) {
    element("tip").textContent = prediction ? `${(100 * prediction.probability).toFixed(1)} %` : "–";
    element("tip").dataset.probability = prediction ? String(prediction.probability) : "";
    element("tip-text").textContent = prediction
      ? "probability of a tip over 20 % of the fare"
      : "Fill in the fields marked * with numbers that fit.";
  }
}
