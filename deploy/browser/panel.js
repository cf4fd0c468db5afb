/** What every model has on the page: the choice of a variant, figures, and predictions of which only the newest counts. */

import { loadModel, Stopwatch } from "./runtime.js";

/** @typedef {{say: (text: string) => void, warn: (text: string) => void}} Messages */

export class Panel {
  /**
   * @param {HTMLElement} section
   * @param {import("./runtime.js").Listed} listed
   * @param {Messages} messages
   */
  constructor(section, listed, messages) {
    this.section = section;
    this.variants = /** @type {HTMLSelectElement} */ (this.part(".variant"));
    this.listed = listed;
    this.messages = messages;
    /** @type {any} */
    this.model = null;
    /** @type {any} */
    this.tf = null;
    this.busy = false;
    this.waiting = false;
    this.stopwatch = new Stopwatch();
    this.loadMs = 0;
    this.shown = 0;
    for (const [name, figures] of Object.entries(listed.report.variants)) {
      if (/** @type {any} */ (figures).kept) {
        this.variants.add(new Option(`${name} (${kilobytes(/** @type {any} */ (figures).bytes)})`, name));
      }
    }
    this.variants.addEventListener("change", () => this.reload());
  }

  /**
   * @param {string} selector
   * @returns {HTMLElement} the part of the section
   */
  part(selector) {
    return /** @type {HTMLElement} */ (this.section.querySelector(selector));
  }

  /** @param {any} tf with the backend to use */
  async use(tf) {
    this.tf = tf;
    await this.reload();
  }

  async reload() {
    const variant = this.variants.value;
    this.model?.dispose();
    this.model = null;
    try {
      const { model, loadMs } = await loadModel(this.tf, this.listed, variant);
      this.model = model;
      this.loadMs = loadMs;
      this.stopwatch = new Stopwatch();
      this.section.dataset.ready = variant;
      await this.update();
    } catch (error) {
      delete this.section.dataset.ready;
      this.messages.warn(error instanceof Error ? error.message : String(error));
    }
  }

  /** Predicts anew; while one prediction is under way the next one waits, and only one does. */
  async update() {
    this.waiting = true;
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.waiting && this.model) {
        this.waiting = false;
        const example = this.read();
        const model = this.model;
        const prediction = example && (await this.stopwatch.time(() => model.predict(example)));
        this.show(prediction || null);
        this.showFigures();
        this.section.dataset.shown = String(++this.shown);
      }
    } catch (error) {
      this.messages.warn(error instanceof Error ? error.message : String(error));
    } finally {
      this.busy = false;
    }
  }

  /**
   * @returns {Record<string, any> | null} the example to predict, or null where there is none
   */
  read() {
    return null;
  }

  /** @param {any} _prediction or null */
  show(_prediction) {}

  showFigures() {
    const figures = this.listed.report.variants[this.variants.value];
    const latency = this.stopwatch.median;
    showList(this.part(".figures"), {
      Version: String(this.listed.version),
      Size: kilobytes(figures.bytes),
      Load: `${this.loadMs.toFixed(0)} ms`,
      Latency: latency === undefined ? "–" : `${latency.toFixed(1)} ms`,
    });
    this.section.dataset.latency = latency === undefined ? "" : latency.toFixed(3);
  }
}

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * @param {HTMLElement} list
 * @param {Record<string, string>} entries
 */
function showList(list, entries) {
  list.replaceChildren(
    ...Object.entries(entries).map(([name, value]) => {
      const group = document.createElement("div");
      const term = document.createElement("dt");
      const description = document.createElement("dd");
      term.textContent = name;
      description.textContent = value;
      group.append(term, description);
      return group;
    }),
  );
}

/** @param {number} bytes */
function kilobytes(bytes) {
  return `${(bytes / 1000).toFixed(0)} kB`;
}
