/** The model of hilir's example `digits`: a canvas to draw on, its 8 × 8 pixels to edit, ten bars. */

import { Bars } from "./bars.js";
import { Panel, element } from "./panel.js";
import { BRIGHTEST, SIDE, drawPath, toPixels } from "./strokes.js";

/**
 * @param {import("./runtime.js").Listed} listed
 * @returns {boolean} whether the model takes what can be drawn on the canvas
 */
export function takesDrawing(listed) {
  const { image, ...others } = listed.report.inputs;
  const size = image?.shape.reduce((/** @type {number} */ all, /** @type {number} */ one) => all * one, 1);
  return listed.model === "digits" && size === SIDE * SIDE && !Object.keys(others).length;
}

export class DigitsPanel extends Panel {
  /**
   * @param {import("./runtime.js").Listed} listed
   * @param {import("./panel.js").Messages} messages
   */
  constructor(listed, messages) {
    super(element("digits"), listed, messages);
    this.section.hidden = false;
    /** @type {import("./strokes.js").Point[][]} */
    this.strokes = [];
    this.pixels = Array(SIDE * SIDE).fill(0);
    this.canvas = /** @type {HTMLCanvasElement} */ (element("canvas"));
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.sample = 0;
    this.bars = new Bars(element("bars"), Array.from({ length: 10 }, (_, digit) => String(listed.report.labels[digit] ?? digit)));
    /** @type {HTMLElement[]} */
    this.cells = [];
    this.makeGrid();
    this.listenToPointer();
    element("clear").addEventListener("click", () => this.setPixels(this.pixels.fill(0), []));
    element("sample").addEventListener("click", () => this.showSample());
    element("sample").hidden = !listed.examples.length;
  }

  read() {
    return this.pixels.some((value) => value > 0) ? { image: this.pixels } : null;
  }

  /** @param {{probabilities: number[]} | null} prediction */
  show(prediction) {
    const shares = prediction?.probabilities;
    const top = shares ? shares.indexOf(Math.max(...shares)) : -1;
    element("digit").textContent = shares ? String(this.model.labels[top] ?? top) : "–";
    this.bars.show(shares ?? null);
  }

  makeGrid() {
    this.cells = this.pixels.map((_, at) => {
      const cell = document.createElement("div");
      cell.setAttribute("role", "gridcell");
      cell.tabIndex = at === 0 ? 0 : -1;
      cell.addEventListener("keydown", (event) => this.pressed(event, at));
      return cell;
    });
    for (let row = 0; row < SIDE; row++) {
      const line = document.createElement("div");
      line.setAttribute("role", "row");
      line.append(...this.cells.slice(row * SIDE, (row + 1) * SIDE));
      element("pixels").append(line);
    }
    this.paintGrid();
  }

  /** Shows on the canvas what was not drawn there. */
  paintPixels() {
    const size = this.canvas.width / SIDE;
    this.pixels.forEach((value, at) => {
      this.context.fillStyle = `rgba(27, 31, 34, ${value / BRIGHTEST})`;
      this.context.fillRect((at % SIDE) * size, Math.floor(at / SIDE) * size, size, size);
    });
  }

  paintGrid() {
    this.cells.forEach((cell, at) => {
      const value = this.pixels[at];
      const grey = Math.round(255 * (1 - value / BRIGHTEST));
      cell.style.backgroundColor = `rgb(${grey}, ${grey}, ${grey})`;
      cell.setAttribute("aria-label", `row ${Math.floor(at / SIDE) + 1}, column ${(at % SIDE) + 1}: ${value} of ${BRIGHTEST}`);
    });
  }

  /**
   * @param {KeyboardEvent} event
   * @param {number} at
   */
  pressed(event, at) {
    const row = Math.floor(at / SIDE);
    const column = at % SIDE;
    /** @type {Record<string, [number, number]>} */
    const moves = {
      ArrowUp: [Math.max(0, row - 1), column],
      ArrowDown: [Math.min(SIDE - 1, row + 1), column],
      ArrowLeft: [row, Math.max(0, column - 1)],
      ArrowRight: [row, Math.min(SIDE - 1, column + 1)],
      Home: [row, 0],
      End: [row, SIDE - 1],
    };
    /** @type {Record<string, number>} */
    const values = {
      " ": this.pixels[at] ? 0 : BRIGHTEST,
      Enter: this.pixels[at] ? 0 : BRIGHTEST,
      "+": Math.min(BRIGHTEST, this.pixels[at] + 4),
      "-": Math.max(0, this.pixels[at] - 4),
    };
    if (event.key in moves) {
      const [y, x] = moves[event.key];
      this.cells.forEach((cell, other) => (cell.tabIndex = other === y * SIDE + x ? 0 : -1));
      this.cells[y * SIDE + x].focus();
    } else if (event.key in values) {
      this.pixels[at] = values[event.key];
      this.setPixels(this.pixels, []);
    } else {
      return;
    }
    event.preventDefault();
  }

  listenToPointer() {
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.strokes.push([this.place(event)]);
      this.redraw();
    });
    this.canvas.addEventListener("pointermove", (event) => {
      const stroke = this.strokes.at(-1);
      if (!this.canvas.hasPointerCapture(event.pointerId) || !stroke) return;
      const parts = event.getCoalescedEvents?.() ?? [];
      stroke.push(...(parts.length ? parts : [event]).map((part) => this.place(part)));
      this.redraw();
    });
  }

  /** @param {PointerEvent} event */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) * this.canvas.width) / box.width,
      y: ((event.clientY - box.top) * this.canvas.height) / box.height,
    };
  }

  redraw() {
    this.setPixels(toPixels(this.strokes), this.strokes);
  }

  showSample() {
    const { examples } = this.listed;
    const image = examples[this.sample++ % examples.length].image;
    this.setPixels(image.flat(), []);
  }

  /**
   * @param {number[]} pixels
   * @param {import("./strokes.js").Point[][]} strokes
   */
  setPixels(pixels, strokes) {
    this.pixels = pixels;
    this.strokes = strokes;
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.context.lineWidth = 22;
    this.context.lineCap = this.context.lineJoin = "round";
    this.context.strokeStyle = "#1b1f22";
    for (const stroke of strokes) drawPath(this.context, stroke);
    if (!strokes.length) this.paintPixels();
    this.paintGrid();
    this.update();
  }
}
