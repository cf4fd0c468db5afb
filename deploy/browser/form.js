/** Any model: a form with its raw features, and its outputs. */

import { Bars } from "./bars.js";
import { Field } from "./fields.js";
import { write, writeShare } from "./numbers.js";
import { Panel } from "./panel.js";

const MOST_BARS = 20;

export class FormPanel extends Panel {
  /**
   * @param {import("./runtime.js").Listed} listed
   * @param {import("./panel.js").Messages} messages
   */
  constructor(listed, messages) {
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById("model"));
    const section = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
    section.id = `model-${listed.model}`;
    section.setAttribute("aria-label", listed.model);
    document.querySelector("main")?.append(section);
    super(section, listed, messages);
    this.part("h2").textContent = listed.model;
    this.part(".served").hidden = !listed.served;
    /** @type {Record<string, Field>} */
    this.fields = Object.fromEntries(Object.entries(listed.report.inputs).map(([name, feature]) => [name, new Field(name, feature)]));
    this.part(".fields").append(...Object.values(this.fields).map((field) => field.label));
    const { labels, labelled = Object.keys(listed.report.outputs) } = listed.report;
    this.outputs = Object.entries(listed.report.outputs).map(([name, output]) => new Output(name, output, labelled.includes(name) ? labels : []));
    this.part(".answers").append(...this.outputs.map((output) => output.element));
    this.example = 0;
    this.part("form").addEventListener("input", () => this.update());
    this.part("form").addEventListener("submit", (event) => event.preventDefault());
    const next = this.part(".next");
    next.hidden = !listed.examples.length;
    next.addEventListener("click", () => this.fill(listed.examples[++this.example % listed.examples.length]));
    if (listed.examples.length) this.fill(listed.examples[0]);
  }

  /** @param {Record<string, any>} example */
  fill(example) {
    for (const [name, field] of Object.entries(this.fields)) field.fill(example[name]);
    this.update();
  }

  read() {
    const values = Object.entries(this.fields).map(([name, field]) => [name, field.read()]);
    return values.some(([, value]) => value === undefined) ? null : Object.fromEntries(values);
  }

  /** @param {Record<string, any> | null} prediction */
  show(prediction) {
    for (const output of this.outputs) output.show(prediction && prediction[output.name]);
    const answers = this.part(".answers");
    answers.dataset.values = prediction ? JSON.stringify(prediction) : "";
    this.part(".incomplete").hidden = prediction !== null;
  }
}

/** What a model says under one name: a number, or one for each class. */
class Output {
  /**
   * @param {string} name
   * @param {{shape: number[]}} output
   * @param {string[]} labels names of the classes, or none
   */
  constructor(name, output, labels) {
    this.name = name;
    const size = output.shape.reduce((all, one) => all * one, 1);
    this.isShare = name.toLowerCase().includes("probabilit");
    this.isPair = size === 1 && labels.length === 2;
    const classes = this.isPair || labels.length === size ? labels : Array.from({ length: size }, (_, at) => String(at));
    this.classes = classes.length > 1 && classes.length <= MOST_BARS ? classes : [];
    this.hasNames = this.isPair || (size > 1 && labels.length === size);
    this.element = document.createElement("div");
    this.answer = document.createElement("p");
    this.answer.className = "answer";
    const title = document.createElement("p");
    title.textContent = name;
    this.element.append(this.answer, title);
    /** @type {Bars | null} */
    this.bars = null;
    if (this.classes.length && (this.isShare || this.hasNames)) {
      const list = document.createElement("ol");
      list.className = "bars named";
      list.setAttribute("aria-label", name);
      this.bars = new Bars(list, this.classes);
      this.element.append(list);
    }
  }

  /** @param {number | number[] | null} value */
  show(value) {
    const values = value === null ? null : this.isPair ? [1 - Number(value), Number(value)] : [value].flat();
    this.answer.textContent = values ? this.describe(values) : "–";
    this.bars?.show(values);
  }

  /** @param {number[]} values */
  describe(values) {
    if (this.bars) return this.classes[values.indexOf(Math.max(...values))];
    const texts = values.map(this.isShare ? writeShare : write);
    return texts.length > MOST_BARS ? `${texts.slice(0, MOST_BARS).join(", ")}, …` : texts.join(", ");
  }
}
