/** Numbers as a person would write them. */

/**
 * @param {number} value
 * @returns {string} four digits that count, or all before the point
 */
export function write(value) {
  if (!Number.isFinite(value)) return "not a number";
  const digits = Math.abs(value) < 1000 ? { maximumSignificantDigits: 4 } : { maximumFractionDigits: 0 };
  return new Intl.NumberFormat("en", digits).format(value);
}

/** @param {number} share from 0 to 1 */
export function writeShare(share) {
  return `${(100 * share).toFixed(1)} %`;
}

/**
 * @param {number} value of a feature with 32 bits
 * @returns {string} the fewest digits that mean it: 12.3 and not 12.300000190734863
 */
export function writeExactly(value) {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return String(short);
  }
  return String(value);
}
