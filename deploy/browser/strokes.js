/**
 * From strokes to the pixels that the digits model was trained on.
 *
 * Its images come from forms that were scanned to 32 × 32 black or white pixels, fitted to the height of the digit; each
 * of the 8 × 8 values counts the black pixels of a block of 4 × 4 (E. Alpaydin, C. Kaynak, Optical Recognition of
 * Handwritten Digits, UCI).
 */

export const SIDE = 8;
export const BRIGHTEST = 16;

const FINE = 32;
const PEN = 4.2; // width of a stroke among the 32 pixels
const WIDEST = 24;

/** @typedef {{x: number, y: number}} Point */

/**
 * @param {Point[][]} strokes
 * @returns {number[]} 64 values from 0 to 16, row by row
 */
export function toPixels(strokes) {
  const points = strokes.flat();
  if (!points.length) return Array(SIDE * SIDE).fill(0);
  const [left, right] = range(points.map((point) => point.x));
  const [top, bottom] = range(points.map((point) => point.y));
  const scale = Math.min((FINE - PEN) / Math.max(bottom - top, 1), (WIDEST - PEN) / Math.max(right - left, 1), 1);
  const canvas = new OffscreenCanvas(FINE, FINE);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.lineWidth = PEN;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    const path = stroke.map((point) => ({
      x: (point.x - (left + right) / 2) * scale + FINE / 2,
      y: (point.y - (top + bottom) / 2) * scale + FINE / 2,
    }));
    drawPath(context, path);
  }
  return countBlocks(context.getImageData(0, 0, FINE, FINE).data);
}

/**
 * @param {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} context
 * @param {Point[]} path
 */
export function drawPath(context, path) {
  context.beginPath();
  context.moveTo(path[0].x, path[0].y);
  for (const point of path) context.lineTo(point.x, point.y);
  context.stroke();
}

/** @param {Uint8ClampedArray} rgba */
function countBlocks(rgba) {
  const block = FINE / SIDE;
  const counts = Array(SIDE * SIDE).fill(0);
  for (let y = 0; y < FINE; y++) {
    for (let x = 0; x < FINE; x++) {
      if (rgba[4 * (y * FINE + x) + 3] > 127) counts[Math.floor(y / block) * SIDE + Math.floor(x / block)]++;
    }
  }
  return counts;
}

/** @param {number[]} values */
function range(values) {
  return [Math.min(...values), Math.max(...values)];
}
