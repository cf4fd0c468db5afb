/** The fields of a form: one for each raw feature of a model. */

import { write, writeExactly } from "./numbers.js";

const MOST_CHOICES = 30;
const OTHER = "another value";

/** @typedef {{dtype: string, shape: number[], optional: boolean, words?: string[], dates?: boolean, low?: number, high?: number}} Feature */

export class Field {
  /**
   * @param {string} name
   * @param {Feature} feature
   */
  constructor(name, feature) {
    this.feature = feature;
    // As many values as there are, in a row of a column with lists.
    this.several = feature.shape.includes(-1);
    this.size = feature.shape.reduce((all, one) => all * one, 1);
    this.isText = feature.dtype === "string";
    this.label = document.createElement("label");
    this.label.append(`${name}${feature.optional ? "" : " *"}`);
    this.input = this.makeInput();
    this.input.name = name;
    this.input.required = !feature.optional && !this.isText;
    this.input.autocomplete = "off";
    this.label.append(this.input);
    this.addHint();
  }

  /** @returns {HTMLInputElement | HTMLSelectElement} */
  makeInput() {
    const words = this.feature.words ?? [];
    if (this.isText && this.size === 1 && words.length && words.length <= MOST_CHOICES && !this.feature.dates) return this.makeChoice(words);
    const input = document.createElement("input");
    if (this.several) {
      input.placeholder = `${this.isText ? "words" : "numbers"}, separated by commas`;
      if (this.isText) this.addWords(input, words);
    } else if (this.size > 1) {
      input.placeholder = `${this.size} ${this.isText ? "words" : "numbers"}, separated by commas`;
    } else if (this.feature.dates) {
      input.type = "date";
    } else if (this.isText) {
      this.addWords(input, words);
    } else {
      input.type = "number";
      input.step = this.feature.dtype === "int64" ? "1" : "any";
    }
    return input;
  }

  /** @param {string[]} words */
  makeChoice(words) {
    const choice = document.createElement("select");
    choice.add(new Option("not known", ""));
    for (const word of [...words, OTHER]) choice.add(new Option(word, word));
    return choice;
  }

  /**
   * @param {HTMLInputElement} input
   * @param {string[]} words known to the model; others are allowed
   */
  addWords(input, words) {
    const list = document.createElement("datalist");
    // An id must not have spaces, and a name may.
    list.id = `words-${document.querySelectorAll("datalist").length}`;
    list.append(...words.map((word) => new Option(word, word)));
    input.setAttribute("list", list.id);
    this.label.append(list);
  }

  addHint() {
    const { low, high } = this.feature;
    if (low === undefined || high === undefined) return;
    const hint = document.createElement("small");
    hint.textContent = low === high ? `always ${write(low)}` : `${write(low)} to ${write(high)}`;
    this.label.append(hint);
  }

  /** @param {any} value */
  fill(value) {
    const given = [value ?? ""].flat(Infinity).filter((one) => !this.several || (one !== null && one !== ""));
    const values = given.map((one) => (typeof one === "number" && this.feature.dtype === "float32" ? writeExactly(one) : String(one ?? "")));
    const text = values.join(", ");
    if (this.input instanceof HTMLSelectElement && ![...this.input.options].some((option) => option.value === text)) {
      this.input.add(new Option(text, text));
    }
    this.input.value = text;
  }

  /** @returns {any} the value, or undefined where what is filled in does not fit */
  read() {
    const value = this.parse();
    const fits = value !== undefined && this.input.checkValidity();
    this.input.setAttribute("aria-invalid", String(!fits));
    return fits ? value : undefined;
  }

  /** @returns {any} */
  parse() {
    const text = this.input.value;
    if (this.size === 1) return text === "" ? null : this.isText ? text : Number(text);
    if (this.several && text.trim() === "") return [];
    const parts = text.split(this.isText ? "," : /[\s,;]+/).map((part) => part.trim());
    const values = this.isText ? parts : parts.filter(Boolean).map(Number);
    return (this.several || values.length === this.size) && !values.some(Number.isNaN) ? values : undefined;
  }
}
